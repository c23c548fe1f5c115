"""What the README shows is true."""

import re
import shlex
import shutil
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from pocketnn.cli import main

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@cache
def audited():
    """What the first command prints."""
    return CliRunner().invoke(main, ["audit"]).stdout


EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_audit_example_prints_what_its_comments_say(capsys):
    (code,) = [code for code in EXAMPLES if "assert_no_overflow" in code]
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "[[  3 -11]]" in printed or "[[ 3 -11]]" in printed
    assert re.search(r"triple .* 10 +C2 100%", printed)
    with pytest.raises(AssertionError, match="triple"):
        names["assert_no_overflow"](names["scale"], word=8)


def test_the_proposal_is_what_the_audit_prints():
    (block,) = re.findall(r"```\n(narrowest .*?)```", README, re.DOTALL)
    assert block in audited()


def test_the_verdict_is_what_the_audit_prints():
    (block,) = re.findall(r"```\n(not judged: .*?)```", README, re.DOTALL)
    assert audited().endswith(f"\n{block}")


def test_the_library_example_prints_what_its_comments_say(capsys):
    (code,) = [code for code in EXAMPLES if "ledger" in code]
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "[[100]]" in printed
    assert "events=2, elements=1, transient=1, corrupted=0" in printed
    assert "dot[0, 0] k=1 [build]: 100 + (100 * 1) = 200, stored -56 in an 8-bit" in printed


def test_the_audit_excerpt_is_what_the_audit_prints():
    blocks = re.findall(r"```\n(site .*?)```", README, re.DOTALL)
    assert len(blocks) == 1
    printed = audited().splitlines()
    for line in blocks[0].splitlines():
        assert line == "..." or line in printed, line


@pytest.mark.parametrize("command", ["train", "eval", "audit", "sweep", "prove", "conform", "data", "bench"])
def test_every_command_is_there(command):
    assert f"`pocketnn {command}" in README
    assert command in main.commands


def test_what_is_provable_is_what_prove_prints(datasets):
    (block,) = re.findall(r"```\n(provable, .*?)```", README, re.DOTALL)
    result = CliRunner().invoke(main, ["prove", "--data", "mnist", "--loss-div", "2"])
    assert result.exit_code == 1
    assert block in result.stdout
    options = ["prove", "--data", "mnist", "--weight-limit", "10741"]
    assert CliRunner().invoke(main, [*options, "--loss-div", "2"]).exit_code == 0
    assert "NOT PROVED: loss.epoch_add needs 34 bits" in CliRunner().invoke(main, options).stdout


def test_every_file_it_names_is_there():
    for name in re.findall(r"`(pocketnn/[\w/.]+|\w+\.py|arith/\w+\.py)`", README):
        root = Path(__file__).parents[1]
        assert any((root / base / name).exists() for base in ("", "pocketnn", "pocketnn/arith")), name


def test_the_gate_runs_the_command_that_the_readme_gives():
    (command,) = re.findall(r"<!-- test command -->\n```sh\n(.*)\n```", README)
    assert command.startswith("python3 -m venv ")
    assert "-m pytest" in command


@pytest.mark.slow
def test_the_commands_for_targets_do_what_is_said(tmp_path, monkeypatch):
    """All end with 0; the training is proved, and nothing overflows in it."""
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("make or cc is missing")
    monkeypatch.chdir(tmp_path)
    (section,) = re.findall(r"## On the target\n\n```sh\n(.*?)```", README, re.DOTALL)
    said = ""
    for line in section.splitlines():
        command, _, redirected = line.removeprefix("pocketnn ").partition(" >")
        result = CliRunner().invoke(main, shlex.split(command))
        assert result.exit_code == 0, line + result.output
        if redirected:
            Path(redirected).write_text(result.stdout, encoding="utf-8")
        said += result.stdout
    assert "PROVED: no images of pixels 0..16 on 16 wrap can overflow (certificate.json)" in said
    assert "recorded steps: no overflow" in said
    assert re.search(r"20 steps, \d+ results: identical\n$", said)
