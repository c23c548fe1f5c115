"""The version of the arithmetic's meaning, and the digest that binds files to it."""

import dataclasses
import hashlib

import pytest

from pocketnn.arith import OPS, SEMANTICS, op_table_digest, semantics

# A row is never edited: an op table or a meaning that changes takes the next number and a row of its own.
KNOWN = {1: "074855c5f5828cb5c14d7ff72f34d168335151f6f06c822d93f361e23ad4ded1"}


def test_the_table_of_each_version_stays_what_it_was():
    assert op_table_digest() == KNOWN[SEMANTICS], "the op table changed: raise SEMANTICS and add a row to KNOWN"


def test_the_text_says_what_each_op_takes():
    lines = semantics.op_table_text().splitlines()
    assert lines[0] == f"semantics {SEMANTICS}"
    assert [line.split()[0] for line in lines[1:]] == list(OPS)
    assert {"add 2 - single", "sum 1 axis fold1", "mac 2 - fold2", "gather 1 indices single"} <= set(lines)
    assert op_table_digest() == hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


@pytest.mark.parametrize(
    "other", [{"name": "total"}, {"arity": 2}, {"params": ()}, {"params": ("axes",)}, {"depth": None}, {"rounds": 2}]
)
def test_another_table_has_another_digest(monkeypatch, other):
    before = op_table_digest()
    monkeypatch.setitem(OPS, "sum", dataclasses.replace(OPS["sum"], **other))
    assert op_table_digest() != before


def test_another_meaning_has_another_digest(monkeypatch):
    before = op_table_digest()
    monkeypatch.setattr(semantics, "SEMANTICS", SEMANTICS + 1)
    assert op_table_digest() != before
