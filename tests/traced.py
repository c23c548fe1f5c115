"""Small programs, recorded into trace files, for tests."""

import contextlib
import hashlib
import json
import sqlite3
import zlib

import numpy as np
from tiny import blobs

from pocketnn.arith import Role, Vector
from pocketnn.arith.word import Overflow
from pocketnn.audit.replayed import ABOUT, subject_to_text
from pocketnn.audit.source import Training
from pocketnn.conv import Conv2d, ImageShape
from pocketnn.machine import Machine, Widths
from pocketnn.trace import record
from pocketnn.train import Recipe, train

DATA = blobs(count=24)
WRAP, SATURATE = Overflow.WRAP, Overflow.SATURATE


def recipe(**changes):
    return Recipe(**{"hidden": (4,), "epochs": 2, "batch": 4, "lr_inv": 50, **changes})


def machine(bits=32, overflow=WRAP, backend=None, accumulator=None):
    return Machine(backend or Vector(), Widths.of(bits, accumulator), overflow)


def trained(path, m=None, data=DATA, full=False, first=1, last=None, **changes):
    """Record a training; returns the machine that ran it, and the run."""
    m = m or machine()
    chosen = recipe(**changes)
    about = {ABOUT: subject_to_text(Training(data, chosen).subject)}
    with record(m, path, full, first, last, about) as recording:
        run = train(recording, data, chosen)
    return m, run


def convolved(path, m=None):
    """Record forward passes of a convolution with pooling."""
    m = m or machine(16)
    rng = np.random.default_rng(5)
    with record(m, path) as recording:
        conv = Conv2d(recording, ImageShape(1, 6, 6), rng.integers(-90, 90, (2, 1, 3, 3)), [[40, -7]])
        for step in (1, 2, 3):
            recording.now("test", 1, step)
            conv.forward(recording.load(rng.integers(0, 256, (3, 36)), Role.INPUT))
    return m


def odd_program(m):
    """Ops on every kind of shape and number: single values, nothing at all, integers beyond 64 bits, wide words."""
    single = m.load(7, Role.INPUT, at="single")
    nothing = m.load(np.zeros((0, 3), np.int64), Role.INPUT, at="nothing")
    huge = m.load([[1 << 70, -(1 << 70), 5]], Role.INPUT, at="huge")
    m.now("test", 1, 1)
    m.add(single, single, at="twice")
    m.add(nothing, single, at="nothing_more")
    m.mul(huge, huge, at="square")
    m.now("test", 1, 2)
    m.now("test", 1, 3)
    wide = m.load(np.array([[(1 << 47) - 1, -(1 << 47)], [3, 1]]), Role.WEIGHT, at="wide")
    m.mac(wide, wide, at="mac_wide")
    m.sum(wide, 0, at="sum_wide")
    m.div(wide, m.load([[0, 5]], Role.CONSTANT, at="divisor"), Role.UPDATE, at="divide")


def rows(path, query, *values):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(query, values).fetchall()


def edit(path, *statements):
    """Change a trace behind pocketnn's back; its views and indexes stay."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        for statement in statements:
            query, values = (statement, ()) if isinstance(statement, str) else statement
            db.execute(query, values)
        db.commit()


TABLES = ("header", "code", "plan", "step", "leaf", "block", "checkpoint", "result", "ending")


def contents(path):
    """Everything that the tables hold, and the schema."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        found = {table: db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in TABLES}
        found["schema"] = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
        found["pragmas"] = [db.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")]
    return found


# --- the chain, once more, from traces/FORMAT.md alone -----------------------------------------------------------


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def chain_of(path):
    """Every link of a file's chain: the beginning, one per step, and the closing one."""
    found = contents(path)
    (version,) = found["pragmas"][1]
    where = {"code": 1, "plan": 1, "leaf": 1, "checkpoint": 1, "result": 1}  # the column `step`
    if version == 1:
        where = {"code": 1, "plan": 1, "leaf": 1, "block": 1, "checkpoint": 1, "result": 1}

        def seal(table, row):
            return [hashlib.sha256(x).hexdigest() if isinstance(x, bytes) else x for x in row]
    else:
        leaf_rows = [row for block in found["block"] for row in rows_of(block)]

        def seal(table, row):
            if table == "leaf":
                numbers = np.frombuffer(row[-1], "<u4")
                joined = b"".join(hashlib.sha256(leaf_rows[number]).digest() for number in numbers)
            elif table in ("checkpoint", "result"):
                joined = zlib.decompressobj().decompress(row[-1], 1 << 20)  # no bombs here
            else:
                return list(row)
            return [*row[:-1], hashlib.sha256(joined).hexdigest()]

    links = [hashlib.sha256(compact([list(row) for row in sorted(found["header"])])).digest()]
    for row in found["step"]:
        extras = [[seal(t, r) for r in found[t] if r[column] == row[0]] for t, column in where.items()]
        text = compact([list(row[:7]), *extras])
        links.append(hashlib.sha256(links[-1] + row[7].encode() + text).digest())
    for _, *ending, _ in found["ending"]:
        links.append(hashlib.sha256(links[-1] + compact(ending)).digest())
    return links


def rows_of(block):
    """The rows of leaf values in a block."""
    *_, lengths, data = block
    raw, start = zlib.decompress(data), 0
    for length in np.frombuffer(lengths, "<u4"):
        yield raw[start : start + length]
        start += length


def reseal(path):
    """Put the file's seal right again: eight bytes at the end of the first page, zeros while it is computed."""
    data = bytearray(path.read_bytes())
    page = int.from_bytes(data[16:18], "big")
    if data[20] == 8 and any(data[page - 8 : page]):
        data[page - 8 : page] = bytes(8)
        data[page - 8 : page] = hashlib.sha256(data).digest()[:8]
        path.write_bytes(data)


def cut_off(path):
    """Make a finished trace one of a run that was killed: no ending, no seal."""
    edit(path, "DELETE FROM ending")
    data = bytearray(path.read_bytes())
    page = int.from_bytes(data[16:18], "big")
    data[page - 8 : page] = bytes(8)
    path.write_bytes(data)


def forge(path, *statements):
    """Change a trace and recompute its chain, as an attacker would who has read the format's documentation."""
    edit(path, *statements)
    links = chain_of(path)
    ids = [row[0] for row in rows(path, "SELECT id FROM step ORDER BY id")]
    seals = [("UPDATE step SET chain = ? WHERE id = ?", pair) for pair in zip(links[1:], ids, strict=False)]
    edit(path, *seals, ("UPDATE ending SET chain = ?", (links[-1],)))
    reseal(path)


# --- digests, once more, in plain Python integers ----------------------------------------------------------------


def key(i):
    """The i-th output of splitmix64 from state 0, made odd."""
    mask = (1 << 64) - 1
    z = (i + 1) * 0x9E3779B97F4A7C15 & mask
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
    return z ^ z >> 31 | 1


def digest(items, bits):
    size = next(n for n in (1, 2, 4, 8) if bits <= 8 * n)
    data = b"".join(int(x).to_bytes(size, "little", signed=True) for x in items)
    data += bytes(-len(data) % 8)
    total = sum(int.from_bytes(data[i : i + 8], "little") * key(i // 8) for i in range(0, len(data), 8)) % (1 << 64)
    return total - (1 << 64) if total >> 63 else total
