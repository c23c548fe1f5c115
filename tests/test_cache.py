"""The user's cache folder."""

import os
import pwd
import stat

import pytest

from pocketnn.cache import cache_folder, make_cache
from pocketnn.data import places
from pocketnn.errors import UsageError


@pytest.mark.parametrize("asked", ["", "cache", "./cache", "../cache", None])
def test_a_relative_folder_is_ignored(tmp_path, monkeypatch, asked):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", asked) if asked is not None else monkeypatch.delenv("XDG_CACHE_HOME", False)
    assert cache_folder() == tmp_path / "home/.cache/pocketnn"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert cache_folder() == tmp_path / "other/pocketnn"


def test_it_is_made_for_its_owner_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a/b"))
    before = os.umask(0)
    try:
        assert make_cache() == make_cache() == tmp_path / "a/b/pocketnn"
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a/b", tmp_path / "a/b/pocketnn")] == [0o700] * 2


def test_a_user_without_a_home(monkeypatch):
    monkeypatch.delenv("HOME", False)
    monkeypatch.delenv("XDG_CACHE_HOME", False)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: {}[uid])
    with pytest.raises(UsageError, match="no home folder for the cache; name an absolute folder in XDG_CACHE_HOME"):
        cache_folder()
    assert next(places("digits")).folder.parts[:3] == ("/", "usr", "share") or os.environ.get("POCKETNN_DATA")
    assert list(places("digits"))[-1].complete
