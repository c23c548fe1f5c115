"""Atomic writing."""

import os
import signal
import threading
from pathlib import Path

import pytest

from pocketnn.files import atomic_write, shown, uninterrupted, write_text


def test_takes_the_place_only_when_complete(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError, ValueError])
def test_failure_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(failure), atomic_write(path) as file:
        file.write(b"half")
        raise failure
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_mode_is_that_of_an_ordinary_file(tmp_path):
    (tmp_path / "ordinary").touch()
    with atomic_write(tmp_path / "file"):
        pass
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


@pytest.fixture
def handled():
    """Both signals raise KeyboardInterrupt, as in a command."""
    before = {stop: signal.signal(stop, signal.default_int_handler) for stop in (signal.SIGINT, signal.SIGTERM)}
    yield
    for stop, handler in before.items():
        signal.signal(stop, handler)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_counts_at_the_end(handled, stop):
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        os.kill(os.getpid(), stop)
        with uninterrupted():
            done.append("inside")
        done.append("outside")
    assert done == ["inside", "outside"]
    assert signal.getsignal(stop) is signal.default_int_handler


def test_the_second_signal_counts_at_once(handled):
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        done.append("not reached")
    assert not done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_signals_that_are_ignored_stay_so(handled):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with uninterrupted():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_in_a_thread_it_does_nothing(tmp_path):
    thread = threading.Thread(target=write_text, args=(tmp_path / "file", "text"))
    thread.start()
    thread.join()
    assert (tmp_path / "file").read_text() == "text"


def test_what_is_no_utf_8_is_escaped(tmp_path):
    name = Path(os.fsdecode(b"m\xff.npz"))
    assert shown(name) == r"m\xff.npz"
    write_text(tmp_path / "file", f"{name} \ud800")
    assert (tmp_path / "file").read_text() == r"m\udcff.npz \ud800"
