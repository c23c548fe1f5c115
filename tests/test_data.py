"""IDX files, datasets by name, and fetching."""

import gzip
import hashlib
import http.server
import os
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pocketnn.data import KNOWN, MIRRORS, cache_folder, fetch, load_dataset, places, read_idx, write_idx
from pocketnn.data import fetch as fetch_function
from pocketnn.data.catalogue import FILES
from pocketnn.errors import DataError, UsageError

fetch_module = __import__("sys").modules["pocketnn.data.fetch"]


def idx(shape, body, kind=0x08):
    return bytes((0, 0, kind, len(shape))) + b"".join(n.to_bytes(4, "big") for n in shape) + body


def refused(path, *words):
    with pytest.raises(DataError) as error:
        read_idx(path)
    text = str(error.value)
    assert str(path) in text
    for word in words:
        assert word in text
    assert "\n" not in text


@given(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6)), st.sampled_from(["", ".gz"])
)
def test_round_trip(tmp_path_factory, array, suffix):
    path = tmp_path_factory.mktemp("idx") / f"file{suffix}"
    write_idx(path, array)
    first = path.read_bytes()
    back = read_idx(path)
    assert back.shape == array.shape
    assert np.array_equal(back, array)
    write_idx(path, array)
    assert path.read_bytes() == first  # equal arrays give equal files


def test_gzip_is_recognised_by_content(tmp_path):
    path = tmp_path / "misnamed"
    path.write_bytes(gzip.compress(idx((2,), b"\x01\x02")))
    assert read_idx(path).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["nothing"]),
        (b"\0\0", ["00 00"]),
        (b"\x89PNG", ["89 50 4e 47", "magic"]),
        (b"\0\0\x08\x04" + bytes(16), ["an IDX file of 4 dimensions", "images 2 or 3"]),
        (idx((1, 1, 1, 1), b"\1"), ["an IDX file of 4 dimensions"]),
        (b"\0\0\x08\x00", ["00 00 08 00"]),
        (idx((1,), bytes(4), kind=0x0D), ["0x0d"]),
        (idx((2, 3), b"")[:9], ["header", "9 bytes"]),
        (idx((2, 3), bytes(5)), ["6 elements", "there are 5"]),
        (idx((2, 3), bytes(7)), ["6 elements", "more follow"]),
        (idx((2**31, 2), b""), ["4294967296"]),
        (idx((2**32 - 1,) * 3, b""), ["at most"]),
        (idx((2**30,), bytes(10)), ["there are 10"]),
        (gzip.compress(idx((4,), bytes(4)))[:-9], ["gzip"]),
        (b"\x1f\x8b" + bytes(40), ["gzip"]),
        (gzip.compress(idx((4,), bytes(1 << 25))), ["more follow"]),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, content, words):
    path = tmp_path / "file"
    path.write_bytes(content)
    refused(path, *words)


def test_what_is_no_file(tmp_path):
    refused(tmp_path / "none", "No such file")
    refused(tmp_path, "Is a directory")


@settings(max_examples=200)
@given(st.integers(0, 10**6), st.integers(0, 255), st.booleans(), st.booleans())
def test_any_damage_is_noticed_or_harmless(tmp_path_factory, place, value, cut, zipped):
    good = idx((3, 4), bytes(range(12)))
    content = bytearray(gzip.compress(good) if zipped else good)
    at = place % len(content)
    if cut:
        del content[at:]
    else:
        content[at] = value
    path = tmp_path_factory.mktemp("damage") / "file"
    path.write_bytes(content)
    try:
        array = read_idx(path)
    except DataError as error:
        assert str(path) in str(error)
    else:
        assert array.size == 12


@pytest.mark.parametrize("array", [np.zeros(3), np.zeros((1, 1, 1, 1), np.uint8), np.uint8(3)])
def test_write_refuses_what_it_cannot_hold(tmp_path, array):
    with pytest.raises(DataError, match="dimensions"):
        write_idx(tmp_path / "x", np.asarray(array))
    assert list(tmp_path.iterdir()) == []


def test_bundled_digits():
    dataset = load_dataset("digits")
    assert (len(dataset.train.labels), len(dataset.test.labels), dataset.pixels, dataset.classes) == (1437, 360, 64, 10)
    assert (dataset.train.images.min(), dataset.train.images.max()) == (0, 16)
    everything = b"".join(
        part.tobytes() for split in (dataset.train, dataset.test) for part in (split.images, split.labels)
    )
    assert hashlib.sha256(everything).hexdigest() == DIGITS


DIGITS = "adbedc90ca53bba766d95f51152881946c85767fcaa14d6722d36d9dd86d8e3d"


def make(folder, train=4, test=3, side=2, zipped=False, top=2):
    folder.mkdir(parents=True, exist_ok=True)
    suffix = ".gz" if zipped else ""
    for name, count in (("train", train), ("t10k", test)):
        write_idx(
            folder / f"{name}-images-idx3-ubyte{suffix}",
            np.arange(count * side * side, dtype=np.uint8).reshape(count, side, side),
        )
        write_idx(folder / f"{name}-labels-idx1-ubyte{suffix}", (np.arange(count) % (top + 1)).astype(np.uint8))
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("POCKETNN_DATA", raising=False)
    return tmp_path


def test_found_by_name_in_order(home, monkeypatch):
    cached = make(home / "cache" / "pocketnn" / "mnist", train=5)
    assert load_dataset("mnist").source == str(cached)
    own = make(home / "own" / "mnist", zipped=True)
    monkeypatch.setenv("POCKETNN_DATA", str(home / "own"))
    dataset = load_dataset("mnist")
    assert dataset.source == str(own)
    assert (len(dataset.train.labels), len(dataset.test.labels), dataset.pixels, dataset.classes) == (4, 3, 4, 10)
    assert [place.complete for place in places("mnist")][:2] == [True, True]


def test_incomplete_places_are_passed_over(home, monkeypatch):
    make(home / "cache" / "pocketnn" / "mnist")
    own = make(home / "own" / "mnist")
    (own / FILES[3]).unlink()
    monkeypatch.setenv("POCKETNN_DATA", str(home / "own"))
    assert load_dataset("mnist").source == str(cache_folder() / "mnist")
    assert next(iter(places("mnist"))).missing == (FILES[3],)


def test_not_found_names_every_place_and_what_to_do(home):
    with pytest.raises(DataError) as error:
        load_dataset("mnist")
    for word in (str(home / "cache"), "/usr/share/datasets/mnist", "pocketnn data fetch mnist", "POCKETNN_DATA"):
        assert word in str(error.value)
    with pytest.raises(DataError, match="known names are digits, mnist, fashion-mnist"):
        load_dataset("minst")


def test_a_folder_by_its_path(home):
    folder = make(home / "here", top=4, train=9)
    dataset = load_dataset(str(folder))
    assert (dataset.name, dataset.classes) == ("here", 5)
    (folder / FILES[0]).unlink()
    with pytest.raises(DataError, match=FILES[0]):
        load_dataset(str(folder))


def test_a_folder_by_its_bare_name(home, monkeypatch):
    make(home / "here")
    monkeypatch.chdir(home)
    assert load_dataset("here").name == "here"


def test_limit():
    dataset = load_dataset("digits", 7)
    assert (len(dataset.train.labels), len(dataset.test.labels)) == (7, 7)
    with pytest.raises(UsageError, match="limit is 0"):
        load_dataset("digits", 0)


def break_counts(folder):
    write_idx(folder / FILES[1], np.zeros(3, np.uint8))
    return "3 labels for 4 images"


def break_sizes(folder):
    write_idx(folder / FILES[2], np.zeros((3, 3, 3), np.uint8))
    return "images of 9 pixels"


def break_labels(folder):
    write_idx(folder / FILES[3], np.array([0, 200, 1], np.uint8))
    return "label 1 is 200; labels here are 0 to 2"


def break_emptiness(folder):
    write_idx(folder / FILES[0], np.zeros((0, 2, 2), np.uint8))
    write_idx(folder / FILES[1], np.zeros(0, np.uint8))
    return "holds no images"


def break_dimensions(folder):
    write_idx(folder / FILES[1], np.zeros((4, 1), np.uint8))
    return "3 and 2 dimensions"


@pytest.mark.parametrize("damage", [break_counts, break_sizes, break_labels, break_emptiness, break_dimensions])
def test_parts_that_do_not_go_together(home, damage):
    folder = make(home / "here")
    message = damage(folder)
    with pytest.raises(DataError) as error:
        load_dataset(str(folder))
    assert message in str(error.value)
    assert str(folder) in str(error.value)


# --- fetching, from servers on this machine ---------------------------------------------------------------


@pytest.fixture
def served(home, monkeypatch):
    """A mirror of a small dataset called mnist; yields its address, its files, and what was asked for."""
    folder = make(home / "mirror", zipped=True)
    content = {f"/{file}.gz": (folder / f"{file}.gz").read_bytes() for file in FILES}
    digests = tuple(hashlib.sha256(gzip.decompress(content[f"/{file}.gz"])).hexdigest() for file in FILES)
    monkeypatch.setitem(fetch_module.SHA256, "mnist", digests)
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = content.get(self.path)
            if body is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body) + self.server.lie))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.lie = 0
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.address = f"http://127.0.0.1:{server.server_port}/"
    server.content, server.asked = content, asked
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_fetch_into_the_cache_once(served):
    told = []
    folder = fetch("mnist", [served.address], progress=lambda *what: told.append(what))
    assert folder == cache_folder() / "mnist"
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{file}.gz" for file in FILES)
    assert load_dataset("mnist").source == str(folder)
    assert len(served.asked) == 4
    size = len(served.content[f"/{FILES[0]}.gz"])
    assert told[0] == (FILES[0], size, size)
    fetch("mnist", [served.address])
    assert len(served.asked) == 4  # nothing was asked for again
    (folder / f"{FILES[1]}.gz").write_bytes(b"damaged")
    fetch("mnist", [served.address])
    assert served.asked[4:] == [f"/{FILES[1]}.gz"]


def failed(served, mirrors, *words):
    with pytest.raises(DataError) as error:
        fetch_function("mnist", mirrors)
    for word in words:
        assert word in str(error.value)
    folder = cache_folder() / "mnist"
    assert [p.name for p in folder.iterdir() if p.name.startswith((FILES[0], "."))] == []


def test_wrong_content(served):
    served.content[f"/{FILES[0]}.gz"] = gzip.compress(b"something else")
    failed(served, [served.address], "SHA-256", served.address, FILES[0])


def test_damaged_gzip(served):
    served.content[f"/{FILES[0]}.gz"] = b"<html>not here</html>"
    failed(served, [served.address], "SHA-256")


def test_not_found(served):
    del served.content[f"/{FILES[0]}.gz"]
    failed(served, [served.address], "404", served.address)


def test_cut_off(served):
    served.lie = 10
    failed(served, [served.address], served.address)


def test_too_large(served, monkeypatch):
    monkeypatch.setattr(fetch_module, "_MAX_DOWNLOAD", 10)
    failed(served, [served.address], "more than 10 bytes")


def test_gzip_bomb(served, monkeypatch):
    monkeypatch.setattr(fetch_module, "_MAX_CONTENT", 1000)
    served.content[f"/{FILES[0]}.gz"] = gzip.compress(bytes(1 << 24))
    failed(served, [served.address], "SHA-256")


def test_nobody_answers_and_the_second_mirror_does(served):
    closed = "http://127.0.0.1:9/"
    failed(served, [closed], closed)
    assert fetch("mnist", [closed, served.address]).is_dir()


def test_no_web_address(served, tmp_path):
    failed(served, [f"file://{tmp_path}"], "http://")


@pytest.mark.parametrize(("name", "message"), [("digits", "bundled"), ("cifar", "mnist, fashion-mnist")])
def test_what_cannot_be_fetched(home, name, message):
    with pytest.raises(UsageError, match=message):
        fetch(name)


def test_the_official_hashes_are_those_of_the_files(datasets):
    for name, digests in fetch_module.SHA256.items():
        for file, digest in zip(FILES, digests, strict=True):
            path = datasets / name / f"{file}.gz"
            if not path.is_file():
                pytest.skip(f"{path} is not there")
            assert hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest() == digest


# --- finer points of IDX files --------------------------------------------------------------------------------


def fails(call, *words, error=DataError):
    """The call fails with one line that has all the words in it."""
    with pytest.raises(error) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert str(word) in text, text
    return text


def peak(call):
    """The most memory, in bytes, that Python held while calling."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_bytes_written_are_the_format_s(tmp_path):
    array = np.array([[1, 2, 3], [4, 5, 255]], np.uint8)
    expected = b"\0\0\x08\x02\0\0\0\x02\0\0\0\x03\x01\x02\x03\x04\x05\xff"
    write_idx(tmp_path / "a", array)
    write_idx(tmp_path / "a.gz", array)
    zipped = (tmp_path / "a.gz").read_bytes()
    assert (tmp_path / "a").read_bytes() == expected
    assert gzip.decompress(zipped) == expected
    assert zipped[4:8] == bytes(4)  # no time of writing


def test_gzip_in_several_members(tmp_path):
    content = idx((3,), b"abc")
    (tmp_path / "two").write_bytes(gzip.compress(content[:6]) + gzip.compress(content[6:]))
    assert read_idx(tmp_path / "two").tobytes() == b"abc"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (idx((0, 2**32 - 1, 2**32 - 1), b""), "at most 1073741824"),
        (idx((0,), b"a"), "more follow"),
        (idx((1, 1, 1, 1), b"a"), "4 dimensions"),
        (idx((3,), b""), "there are 0"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_more_bad_files(tmp_path, content, word, pack):
    (tmp_path / "file").write_bytes(pack(content))
    refused(tmp_path / "file", word)


ZIPPED = gzip.compress(idx((200,), bytes(range(200))), mtime=0)


@pytest.mark.parametrize(
    "content",
    [
        ZIPPED[:-8],
        ZIPPED[:-1],
        ZIPPED[:5],
        b"\x1f\x8b\x07" + ZIPPED[3:],
        ZIPPED[:-8] + bytes(4) + ZIPPED[-4:],
        ZIPPED[:12] + b"\xff" * 20 + ZIPPED[32:],
        ZIPPED + b"rubbish",
    ],
)
def test_gzip_damaged_anywhere(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    refused(tmp_path / "file", "damaged gzip file")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def forbid(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", forbid)
    refused(tmp_path / "secret", "Permission denied")


def test_bombs_and_promises_cost_no_memory(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(idx((16,), bytes(64 << 20)), 1))
    assert peak(lambda: refused(path, "more follow")) < 2 << 20
    path.write_bytes(gzip.compress(idx((64 << 20,), bytes(64 << 20)), 1))
    assert peak(lambda: read_idx(path)) < 100 << 20  # no copy of the body
    path.write_bytes(idx((2**30 - 1,), b"a"))
    assert peak(lambda: refused(path, "there are 1")) < 64 << 20


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch, failure):
    def fail(*_):
        raise failure

    write_idx(tmp_path / "a", np.zeros(3, np.uint8))
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(type(failure)):
        write_idx(tmp_path / "a", np.ones(3, np.uint8))
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]
    assert not read_idx(tmp_path / "a").any()


# --- finer points of finding datasets -------------------------------------------------------------------------


@pytest.fixture
def alone(home, monkeypatch):
    """No dataset anywhere but the bundled one; an empty folder, which is also the current one."""
    monkeypatch.setattr("pocketnn.data.catalogue._SYSTEM", home / "system")
    monkeypatch.chdir(home)
    return home


def label(folder, train, test):
    """Give a folder other labels, and as many images."""
    for name, labels in (("train", train), ("t10k", test)):
        write_idx(folder / f"{name}-images-idx3-ubyte", np.zeros((len(labels), 2, 2), np.uint8))
        write_idx(folder / f"{name}-labels-idx1-ubyte", np.array(labels, np.uint8))


def test_every_place_in_its_order(alone, monkeypatch):
    monkeypatch.setenv("POCKETNN_DATA", str(alone / "own"))
    folders = [alone / "system/mnist", alone / "cache/pocketnn/mnist", alone / "own/mnist"]
    for folder in folders:
        make(folder)
        assert load_dataset("mnist").source == str(folder)
    assert [place.folder for place in places("mnist")] == folders[::-1]
    assert [place.missing for place in places("digits")] == [FILES, FILES, FILES, ()]
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(alone / "house"))
    assert cache_folder() == alone / "house/.cache/pocketnn"


def test_any_name_in_the_folder_of_the_user(alone, monkeypatch):
    monkeypatch.setenv("POCKETNN_DATA", str(alone / "own"))
    make(alone / "own/letters")
    label(alone / "own/letters", [0, 25, 1], [25, 0])
    assert (load_dataset("letters").name, load_dataset("letters").classes) == ("letters", 26)


def test_ten_classes_by_a_known_name_only(alone):
    folder = make(alone / "system/mnist")
    assert load_dataset("mnist").classes == 10
    assert load_dataset(str(folder)).classes == 3
    for top, classes in ((0, 2), (11, 12), (255, 256)):
        label(folder, [0, top], [0, 1])
        assert load_dataset(str(folder)).classes == classes
    fails(lambda: load_dataset("mnist"), folder / FILES[1], "label 1 is 255", "0 to 9")


def test_limit_keeps_the_first_of_both_and_all_classes(alone):
    folder = make(alone / "here")
    label(folder, [0, 1, 0, 2], [2, 1])
    dataset = load_dataset("./here", 3)
    assert (dataset.train.labels.tolist(), dataset.test.labels.tolist()) == ([0, 1, 0], [2, 1])
    assert (len(dataset.train.images), len(dataset.test.images)) == (3, 2)
    assert load_dataset("./here", 1).classes == 3


def test_the_plain_file_comes_before_the_zipped(alone):
    make(alone / "here", zipped=True)
    make(alone / "here", test=1)
    assert len(load_dataset("./here").test.labels) == 1


def test_the_current_folder_has_a_name(alone, monkeypatch):
    monkeypatch.chdir(make(alone / "here"))
    assert load_dataset(".").name == "here"


def test_images_of_another_shape_but_as_many_pixels(alone):
    folder = make(alone / "here", side=4)
    write_idx(folder / FILES[2], np.zeros((3, 2, 8), np.uint8))
    fails(lambda: load_dataset("./here"), FILES[2], "(2, 8)", "(4, 4)")


def test_not_found_says_what_is_missing_where(alone, monkeypatch):
    monkeypatch.setenv("POCKETNN_DATA", str(alone / "own"))
    (make(alone / "own/mnist") / FILES[2]).unlink()
    fails(lambda: load_dataset("mnist"), f"{alone / 'own/mnist'} (missing {FILES[2]})", f"{alone / 'system/mnist'};")


@pytest.mark.parametrize("name", ["mnits", "", "a" * 300, "a\0b"])
def test_whatever_the_name_is(alone, name):
    fails(lambda: load_dataset(name), repr(name), alone / "system", *KNOWN)


@pytest.mark.parametrize("name", ["none/here", "a" * 300 + "/", "./a\0b"])
def test_whatever_the_folder_is(alone, name):
    fails(lambda: load_dataset(name), name, *FILES)


# --- finer points of fetching ---------------------------------------------------------------------------------

CONTENTS = [idx((i + 1,), bytes(range(i + 1))) for i in range(4)]
NAMES = [f"{file}.gz" for file in FILES]
GOOD = gzip.compress(CONTENTS[0])
NOBODY = "http://127.0.0.1:9/"


class Mirrors(http.server.BaseHTTPRequestHandler):
    """Answers with server.answers[path] (status, body, declared length); 404 for other paths."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers["User-Agent"]))
        status, body, length = self.server.answers.get(self.path, (404, b"", 0))
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def mirrors(alone, monkeypatch):
    """A server with the folders /good/, which has all four files of a made-up mnist, and /bad/ and /none/."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setitem(fetch_module.SHA256, "mnist", tuple(hashlib.sha256(c).hexdigest() for c in CONTENTS))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirrors) as server:
        server.answers, server.asked = {}, []
        for folder in ("good", "bad", "none"):
            setattr(server, folder, f"http://127.0.0.1:{server.server_port}/{folder}")
        for name, content in zip(NAMES, CONTENTS, strict=True):
            put(server, "good", name, gzip.compress(content))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def put(server, folder, name, body, status=200, length=0):
    """Serve the body; length: what to declare, by default the truth, None for nothing."""
    server.answers[f"/{folder}/{name}"] = (status, body, len(body) if length == 0 else length)


def is_fetched(folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    assert [gzip.decompress((folder / name).read_bytes()) for name in NAMES] == CONTENTS
    return True


@pytest.mark.parametrize("slash", ["", "/"])
def test_mirrors_of_the_name_into_a_target(mirrors, alone, monkeypatch, slash):
    monkeypatch.setitem(MIRRORS, "mnist", (NOBODY, mirrors.good + slash))
    assert fetch("mnist", target=alone / "deep/er") == alone / "deep/er"
    assert is_fetched(alone / "deep/er")
    assert mirrors.asked == [(f"/good/{name}", "pocketnn") for name in NAMES]


def test_any_compression_and_no_length(mirrors):
    for name, content in zip(NAMES, CONTENTS, strict=True):
        put(mirrors, "good", name, gzip.compress(content[:5], 0) + gzip.compress(content[5:], 1), length=None)
    told = []
    assert is_fetched(fetch("mnist", [mirrors.good], progress=lambda *what: told.append(what)))
    assert [(file, total) for file, _, total in told] == [(file, 0) for file in FILES]


def test_what_is_there_is_kept_without_a_mirror(mirrors):
    folder = fetch("mnist", [mirrors.good])
    assert fetch("mnist", [NOBODY]) == folder
    (folder / NAMES[2]).unlink()
    fails(lambda: fetch("mnist", [NOBODY]), NAMES[2], NOBODY, "refused")


@pytest.mark.parametrize("damage", [lambda b: b[:-8], lambda b: b[:-1], lambda b: b + b"rubbish", lambda b: b""])
def test_a_file_that_read_idx_refuses_is_fetched_again(mirrors, damage):
    folder = fetch("mnist", [mirrors.good])
    (folder / NAMES[0]).write_bytes(damage((folder / NAMES[0]).read_bytes()))
    refused(folder / NAMES[0])
    assert is_fetched(fetch("mnist", [mirrors.good]))


BAD = {
    "wrong content": ({"body": gzip.compress(b"other")}, hashlib.sha256(b"other").hexdigest()),
    "not found": ({"body": b"", "status": 404, "length": None}, "404"),
    "server error": ({"body": b"", "status": 500, "length": None}, "500"),
    "cut off": ({"body": GOOD[:-9], "length": len(GOOD)}, str(len(GOOD) - 9)),
    "cut off, no length": ({"body": GOOD[:-9], "length": None}, "not a whole gzip file"),
    "no checksum": ({"body": GOOD[:-8], "length": None}, "not a whole gzip file"),
    "wrong checksum": ({"body": GOOD[:-8] + bytes(4) + GOOD[-4:]}, "not a whole gzip file"),
    "rubbish after it": ({"body": GOOD + b"rubbish"}, "not a whole gzip file"),
    "not gzip": ({"body": b"<html>Welcome to the hotel</html>"}, "not a whole gzip file"),
    "length no number": ({"body": GOOD, "length": "many"}, "many"),
    "empty": ({"body": b"", "length": None}, hashlib.sha256(b"").hexdigest()),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_answer_is_told_and_the_next_mirror_tried(mirrors, case):
    answer, reason = BAD[case]
    put(mirrors, "bad", NAMES[0], **answer)
    text = fails(lambda: fetch("mnist", [mirrors.bad, mirrors.none]), "mnist", NAMES[0], reason, "404")
    assert 0 < text.index(mirrors.bad) < text.index(mirrors.none)
    assert list((cache_folder() / "mnist").iterdir()) == []
    assert is_fetched(fetch("mnist", [mirrors.bad, mirrors.good]))


@pytest.mark.parametrize("mirror", ["ftp://127.0.0.1/", "nonsense", "http://[", "http://a b/"])
def test_what_is_no_web_address_either(mirrors, mirror):
    fails(lambda: fetch("mnist", [mirror]), mirror, NAMES[0])


def test_a_gzip_bomb_costs_no_memory(mirrors, monkeypatch):
    monkeypatch.setattr(fetch_module, "_MAX_CONTENT", 1 << 20)
    put(mirrors, "bad", NAMES[0], gzip.compress(bytes(32 << 20), 1))
    assert peak(lambda: fails(lambda: fetch("mnist", [mirrors.bad]), "unpacks to more than 1048576")) < 4 << 20


def test_what_cannot_be_written(mirrors, alone):
    (alone / "file").write_text("in the way")
    fails(lambda: fetch("mnist", [mirrors.good], alone / "file"), alone / "file", "cannot be written")
    (alone / "folder" / NAMES[0]).mkdir(parents=True)
    fails(lambda: fetch("mnist", [mirrors.good], alone / "folder"), NAMES[0], "cannot be written")
    assert [path.name for path in (alone / "folder").iterdir()] == [NAMES[0]]


@pytest.mark.parametrize(
    ("failure", "seen"), [(OSError(28, "No space left on device"), DataError), (KeyboardInterrupt(), KeyboardInterrupt)]
)
def test_no_half_file_is_left(mirrors, monkeypatch, failure, seen):
    def fail(*_):
        raise failure

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(seen):
        fetch("mnist", [mirrors.good])
    assert list((cache_folder() / "mnist").iterdir()) == []


def test_an_interrupted_fetch_goes_on_where_it_was(mirrors):
    def interrupt(file, done, total):
        if file == FILES[2]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("mnist", [mirrors.good], progress=interrupt)
    mirrors.asked.clear()
    assert is_fetched(fetch("mnist", [mirrors.good]))
    assert [path for path, _ in mirrors.asked] == [f"/good/{name}" for name in NAMES[2:]]
