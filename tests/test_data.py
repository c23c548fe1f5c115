"""IDX files, datasets by name, and fetching."""

import gzip
import hashlib
import http.server
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pocketnn.data import cache_folder, fetch, load_dataset, places, read_idx, write_idx
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
        (b"\0\0\x08\x04" + bytes(16), ["00 00 08 04"]),
        (b"\0\0\x08\x00", ["00 00 08 00"]),
        (idx((1,), bytes(4), kind=0x0D), ["0x0d"]),
        (idx((2, 3), b"")[:9], ["header", "9 bytes"]),
        (idx((2, 3), bytes(5)), ["6 elements", "there are 5"]),
        (idx((2, 3), bytes(7)), ["6 elements", "more follow"]),
        (idx((2**31, 2), b""), ["4294967296"]),
        (idx((2**32 - 1,) * 3, b""), ["at most"]),
        (idx((2**31,), bytes(10)), ["there are 10"]),
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
    thread = threading.Thread(target=server.serve_forever)
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
