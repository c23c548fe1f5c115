"""The real thing, minutes long: a traced MNIST run of 3 epochs."""

import pytest
from click.testing import CliRunner
from traced import rows

from pocketnn.cli import main
from pocketnn.trace import Trace, replay, verify


@pytest.mark.slow
def test_a_traced_mnist_run(tmp_path, datasets):
    path = tmp_path / "mnist.pnt"
    result = CliRunner().invoke(main, ["train", "--data", "mnist", "--epochs", "3", "--trace", str(path)])
    assert result.exit_code == 0
    assert "489390       57843/60000        9643/10000" in result.stdout
    assert verify(path).status == "complete"
    leaves = rows(path, "SELECT sum(pgsize) FROM dbstat WHERE name IN ('leaf', 'block')")[0][0]
    assert path.stat().st_size < 80e6
    assert path.stat().st_size - leaves < 60e6
    with Trace(path) as trace:
        found = replay(trace)
        assert (found.first, found.steps) == (None, len(trace.steps))
        assert replay(trace, "reference", 5000, 5001).first is None
