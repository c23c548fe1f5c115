"""The library that a C compiler makes, and its use as the sequential fold. Values and flags: test_conformance.py."""

import errno
import hashlib
import os
import stat
import subprocess
import sys

import numpy as np
import pytest
from conformance import fold_cases
from hypothesis import given, settings
from hypothesis import strategies as st

from pocketnn.arith import (
    INT8,
    OPS,
    Lockstep,
    Native,
    Overflow,
    Reference,
    Register,
    Role,
    Vector,
    Word,
    how,
    native,
    sequential,
)
from pocketnn.arith import native_library as made
from pocketnn.arith.native_source import native_source
from pocketnn.cache import distrusted
from pocketnn.errors import DivergenceError, UsageError

pytestmark = pytest.mark.skipif(made.compiler() is None, reason="no C compiler; apt-get install gcc libc6-dev")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, and nothing remembered of another."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(made, "_FLAGS", ("-std=c99", "-O0", "-shared", "-fPIC"))  # a fifth of the time
    made._library.cache_clear()
    native.sequence.cache_clear()
    yield tmp_path / "cache" / "pocketnn"
    made._library.cache_clear()
    native.sequence.cache_clear()


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


# --- the library -------------------------------------------------------------------------------------------


def test_the_source_has_no_warnings():
    warnings = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-fsyntax-only"]
    done = subprocess.run(
        [*made.compiler(), *warnings, "-x", "c", "-"],
        input=native_source(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_it_is_compiled_once_and_kept(cache):
    Native()
    (path,) = cache.glob("*.so")
    before = path.stat().st_mtime_ns
    made._library.cache_clear()
    Native()
    assert [x.stat().st_mtime_ns for x in cache.glob("*.so")] == [before]
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_processes_at_once_do_not_meet(cache):
    program = "from pocketnn.arith import Native; Native(); print('ok')"
    running = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[0] for process in running] == ["ok\n"] * 3
    assert sorted(x.suffix for x in cache.iterdir()) == [".sha256", ".so"]


def test_another_compiler_has_another_library(cache, tmp_path, monkeypatch):
    Native()
    monkeypatch.setenv("CC", script(tmp_path / "other", f'exec {made.compiler()[0]} "$@"'))
    Native()
    assert len(list(cache.glob("*.so"))) == 2


def test_a_compiler_that_knows_no_native_processor_is_asked_for_less(cache, tmp_path, monkeypatch):
    real = made.compiler()[0]
    text = f'case "$*" in *march=native*) echo no such processor >&2; exit 1;; esac; exec {real} "$@"'
    monkeypatch.setenv("CC", script(tmp_path / "plain", text))
    value = Native().apply(OPS["load"], ([7],), Register(Role.INPUT, INT8), "x").value
    assert value.ints().tolist() == value.numbers().tolist() == [7]


def test_without_a_compiler_the_message_says_what_to_do(cache, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"needs a C compiler; cc, gcc, clang is not on PATH: apt-get install gcc"):
        Native()
    monkeypatch.setenv("CC", "ecc -m64")
    with pytest.raises(UsageError, match="ecc -m64 is not on PATH"):
        Native()
    assert not cache.exists()


def test_a_compiler_that_fails(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("CC", script(tmp_path / "bad", "echo stdint.h is missing >&2; exit 1"))
    with pytest.raises(UsageError, match=r"does not compile the kernels of the backend c: stdint\.h is missing"):
        Native()
    assert list(cache.iterdir()) == []


def test_a_compiler_that_does_not_run_or_end(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("CC", script(tmp_path / "slow", "exec sleep 30"))
    monkeypatch.setattr(made, "_SECONDS", 0.1)
    with pytest.raises(UsageError, match=r"does not run: .*timed out"):
        Native()
    (tmp_path / "slow").write_bytes(b"\x7fELF")
    with pytest.raises(UsageError, match=r"does not run: .*format"):
        Native()
    assert native.sequence() is None


def test_a_damaged_library_is_built_again_and_one_that_cannot_be_loaded_is_named(cache):
    program = f"from pocketnn.arith import native_library as made; made._FLAGS = {made._FLAGS}; made.library()"
    subprocess.run([sys.executable, "-c", program], check=True)
    (path,) = cache.glob("*.so")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    subprocess.run([sys.executable, "-c", program], check=True)
    assert made._intact(path)
    path.write_bytes(b"damaged")
    path.with_suffix(".sha256").write_text(hashlib.sha256(b"damaged").hexdigest())
    with pytest.raises(UsageError, match=r"native-.*\.so: not a library that can be loaded .*delete it"):
        Native()


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_only_its_user_can_write_to_what_is_loaded(cache, mask):
    before = os.umask(mask)
    try:
        Native()
    finally:
        os.umask(before)
    assert [distrusted(path) for path in (cache, *cache.iterdir())] == [None] * 3
    path = next(cache.glob("*.so"))
    built = path.stat().st_ino
    for file in (path, path.with_suffix(".sha256")):
        file.chmod(0o666)
        made._library.cache_clear()
        Native()
        assert path.stat().st_ino != built  # built again
        built = path.stat().st_ino
    made._library.cache_clear()
    Native()
    assert path.stat().st_ino == built


@pytest.mark.parametrize(("mode", "trusted"), [(0o777, False), (0o720, False), (0o702, False), (0o755, True)])
def test_nothing_is_loaded_from_a_folder_that_others_can_write_to(cache, mode, trusted):
    cache.mkdir(parents=True)
    cache.chmod(mode)
    if trusted:
        Native()
        return
    with pytest.raises(UsageError, match=rf"others can write to it \(mode {mode:o}\); name a folder of your own"):
        Native()
    assert list(cache.iterdir()) == []
    assert native.sequence() is None


def test_nothing_is_loaded_from_a_folder_of_another_user(cache, monkeypatch):
    Native()
    made._library.cache_clear()
    real = os.geteuid()
    owner = cache.stat().st_uid or 1
    monkeypatch.setattr("pocketnn.cache.os.geteuid", lambda: real + 7)
    if cache.stat().st_uid == 0:  # whose files anyone trusts
        os.chown(cache, owner, -1)
    with pytest.raises(UsageError, match=f"it belongs to user {owner}; name a folder of your own"):
        Native()


def test_a_library_without_the_kernels_is_named(cache):
    Native()
    (path,) = cache.glob("*.so")
    other = "int nothing;"
    subprocess.run(
        [*made.compiler(), "-shared", "-fPIC", "-x", "c", "-", "-o", path], input=other, text=True, check=True
    )
    path.chmod(0o700)
    path.with_suffix(".sha256").write_text(hashlib.sha256(path.read_bytes()).hexdigest())
    program = "from pocketnn.arith import native_library as made; made.library()"
    program = program.replace("; ", f"; made._FLAGS = {made._FLAGS}; ", 1)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "UsageError" in done.stderr
    assert "undefined symbol" in done.stderr
    assert "delete it to have it built" in done.stderr


@pytest.mark.parametrize("text", ["cc '", 'cc "-O2', "cc \\"])
def test_a_compiler_that_is_no_command(cache, monkeypatch, text):
    monkeypatch.setenv("CC", text)
    with pytest.raises(UsageError, match=r"CC is .*, no command of a C compiler \(No .*\); name one, or unset it"):
        Native()
    assert native.sequence() is None


def test_no_place_for_the_library(cache, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UsageError, match=r"no place for the compiled kernels .*XDG_CACHE_HOME"):
        Native()


def test_a_disk_that_is_full_when_the_library_is_written(cache, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(made.os, "replace", full)
    with pytest.raises(UsageError, match=r"native-.*no place for the compiled kernels \(No space left on device\)"):
        Native()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("held[j] + entering", "held[j] - entering"),
        ("(term != entering)", "(term == entering)"),
        ("negative[j] += term < 0", "negative[j] += term > 0"),
        ("k < depth", "k < depth - 1"),
    ],
)
def test_a_fault_in_the_source_is_found(cache, monkeypatch, right, wrong):
    source = native_source()
    assert right in source
    monkeypatch.setattr(made, "native_source", lambda: source.replace(right, wrong))
    pair, to = Lockstep(Reference(), Native()), Register(Role.ACCUMULATOR, INT8)
    x = pair.apply(OPS["load"], (np.array([[100, 27], [-5, 90]]),), to, "x").value
    with pytest.raises(DivergenceError):
        pair.apply(OPS["mac"], (x, x), to, "mac")


# --- lanes -------------------------------------------------------------------------------------------------


def test_lanes_hold_every_value_on_the_way():
    assert native._lane(32, 784, 2, Word(31)) == 32
    assert native._lane(32, 784, 2, Word(32)) == 64
    assert native._lane(33, 1, 2, Word(16)) == 64
    assert native._lane(32, 1 << 31, 2, Word(16)) == 64
    assert native._lane(60, 15, 2, Word(48)) == 64
    assert native._lane(60, 16, 2, Word(48)) == 128
    assert native._lane(31, 5, 1, Word(16)) == 32
    assert native._lane(32, 5, 1, Word(16)) == 64


def test_operands_at_which_the_kernels_need_another_way():
    """Integers beyond 64 bits, which no C type takes; sums that could need 128 bits, but hold too little for it."""
    pair, to = Lockstep(Reference(), Native()), Register(Role.ACCUMULATOR, Word(48))
    for outside in ([1 << 70, -(1 << 70), 5], np.array([1 << 63, 3], np.uint64), np.array([1 << 63], ">u8")):
        pair.apply(OPS["load"], (outside,), to, "beyond")
    for largest in (1, (1 << 47) - 1):
        x = pair.apply(OPS["load"], (np.full((2, 2), largest),), to, "x").value
        pair.apply(OPS["mac"], (x, x), to, "mac")


# --- the sequential fold -----------------------------------------------------------------------------------


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_fold_is_the_sequential_one(data):
    case = data.draw(fold_cases("mac"))
    (a, _), (b, _) = case.operands
    largest = int(np.abs(a).max(initial=0)) * int(np.abs(b).max(initial=0))
    stored, touched, events = native.sequence()(a, b, np.int64, case.to)
    expected = sequential.fold(a.T[:, :, None], b[:, None, :], largest, case.to)
    assert (stored.tolist(), touched.tolist(), events) == (expected[0].tolist(), expected[1].tolist(), expected[2])


@pytest.mark.parametrize("overflow", Overflow)
def test_vector_uses_it_where_numba_is_missing(monkeypatch, overflow):
    used, kernel = [], native.sequence()
    monkeypatch.setattr(how, "compiled", None)
    monkeypatch.setattr(native, "sequence", lambda: lambda *args: used.append(args) or kernel(*args))
    a, b = np.random.default_rng(3).integers(-128, 128, (2, 12, 12))
    to = Register(Role.ACCUMULATOR, INT8, overflow)
    for vector, folded in ((Vector(), 1), (Vector().measuring(), 1), (Vector(compiled=False), 0)):
        used.clear()
        pair = Lockstep(Reference(), vector)
        x, y = (pair.apply(OPS["load"], (array,), to, "x").value for array in (a, b))
        assert pair.apply(OPS["mac"], (x, y), to, "mac").flags.events > 0
        assert len(used) == folded


def test_no_compiled_fold_without_a_compiler(cache, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert native.sequence() is None
