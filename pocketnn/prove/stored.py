"""Certificates of training that models and traces carry along: written, read, and never believed.

What a file says of itself is taken for a claim. It is proved again here, and the stored certificate has to be equal to
that proof, and to pass the independent checker with the weights beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pocketnn.arith import MAX_BITS, Overflow, Role, Word
from pocketnn.audit.verdict import Target
from pocketnn.check import SCHEMA, check
from pocketnn.errors import PocketNNError
from pocketnn.machine import Widths
from pocketnn.prove.certificate import Certificate
from pocketnn.prove.data import as_data
from pocketnn.prove.training import Training, certify
from pocketnn.recipe import Recipe

__all__ = ["CERTIFICATE", "as_stored", "claimed", "faults"]

CERTIFICATE = "certificate"  # its name in a model's description and in a trace's header

_MADE_BY = ("pocketnn", "sha256")  # what depends on the release that made it, and on all the rest
_MOST, _CLASSES, _LAYERS = 1 << MAX_BITS, 1 << 10, 64  # of any number, classes, layers in a claim that is looked into
_LARGEST = {"dims": 1 << 16, "epochs": 1 << 20, "batch": 1 << 20, "samples": 1 << 40}


def as_stored(certificate: Certificate) -> str:
    """The text to store."""
    return json.dumps(as_data(certificate), separators=(",", ":"))


def claimed(text: str) -> tuple[Training, Target]:
    """What a stored certificate claims to be proved, and of which machine. Raises PocketNNError if it says nothing."""
    try:
        data = json.loads(text)
        if data["schema"] != SCHEMA or data["kind"] != "training":
            raise ValueError(f"{SCHEMA} of a training belongs here")
        claim, machine = data["claim"], data["machine"]
        _sane(claim)
        names = [field.name for field in fields(Recipe) if field.name not in ("hidden", "seed")]
        numbers: dict[str, Any] = {name: tuple(v) if isinstance(v := claim[name], list) else v for name in names}
        pixels, *hidden, classes = claim["dims"]
        lo, hi = claim["inputs"]
        training = Training(Recipe(hidden=tuple(hidden), **numbers), pixels, classes, claim["samples"], (lo, hi))
        roles = {Role(role): Word(bits) for role, bits in machine["roles"].items()}
        return training, Target(Widths(Word(machine["word"]), roles), Overflow(machine["overflow"]))
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError, PocketNNError) as error:
        raise PocketNNError(f"the stored certificate is malformed ({type(error).__name__}: {error})") from error


def _sane(claim: Mapping[str, Any]) -> None:
    """Raises ValueError for what is no claim, or what only a hostile file asks for: numbers that take for ever."""
    for name, value in claim.items():
        for item in value if isinstance(value, list) and name != "rates" else [value]:
            if type(item) not in (int, bool, str, list) or (
                type(item) is int and abs(item) > _LARGEST.get(name, _MOST)
            ):
                raise ValueError(f"{name} is {str(value)[:40]}")
    if len(claim["dims"]) > _LAYERS:
        raise ValueError(f"{len(claim['dims'])} layers, at most {_LAYERS} are proved")
    if claim["dims"][-1] > _CLASSES:
        raise ValueError(f"{claim['dims'][-1]} classes, at most {_CLASSES} are proved")


def faults(text: str, parameters: Mapping[str, Any] | None = None) -> list[str]:
    """Why a stored certificate proves nothing of the network beside it; none if it does.

    parameters: the network's matrices by name, which must lie within what the certificate assumes before a step.
    """
    try:
        training, target = claimed(text)
        ours: Any = json.loads(as_stored(certify(training, target)))
    except (PocketNNError, MemoryError) as error:
        return [str(error)]
    theirs = json.loads(text)
    names = sorted({*ours, *theirs} - {*_MADE_BY})
    other = [name for name in names if ours.get(name) != theirs.get(name)]
    found = [f"it was changed: proving its claim again gives other {name}" for name in other]
    lists = None if parameters is None else {name: matrix.tolist() for name, matrix in parameters.items()}
    return found or check(theirs, lists)
