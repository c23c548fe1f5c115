"""A whole certificate: what it is, what it claims, and whether its steps prove that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pocketnn.arith.semantics import op_table_digest
from pocketnn.check.claim import Claim
from pocketnn.check.inclusion import Inclusion
from pocketnn.check.network import inference
from pocketnn.check.program import Program
from pocketnn.check.sites import site_faults
from pocketnn.check.training import Carried, training_step
from pocketnn.check.wiring import Wiring

__all__ = ["KINDS", "ROLES", "SCHEMA", "Checked", "check", "digest_of"]

SCHEMA = "pocketnn-certificate/2"
KINDS = ("inference", "training")
ROLES = {
    "input", "weight", "bias", "accumulator", "activation", "delta", "feedback", "update", "loss", "constant"
}  # fmt: skip

Parameters = Mapping[str, Sequence[Sequence[int]]]
"""Matrices by name, as fc1_weight, row by row."""


def digest_of(data: Mapping[str, Any]) -> str:
    """SHA-256 over all of a certificate but the digest itself: tells whether it was changed, not who made it."""
    content = {name: value for name, value in data.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Checked:
    """A certificate that was read from JSON, and what was found. faults: none if it is a proof of its claim.

    parameters: matrices by name, to be compared with what the certificate assumes or says of them. recipe: fields of
    the training that they come from, to be compared with the claim where it has them too.
    """

    def __init__(
        self, data: Mapping[str, Any], parameters: Parameters | None = None, recipe: Mapping[str, Any] | None = None
    ) -> None:
        self.faults: list[str] = []
        try:
            for fault in self._faults(data, parameters, recipe or {}):
                self.faults.append(fault)  # one by one: those found before it turns out to be malformed are kept
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            self.faults.append(f"not a well-formed certificate: {type(error).__name__}: {error}")

    def _faults(
        self, data: Mapping[str, Any], parameters: Parameters | None, recipe: Mapping[str, Any]
    ) -> Iterator[str]:
        if data["schema"] != SCHEMA or data["kind"] not in KINDS:
            kind = f"{str(data['schema'])[:40]} of {str(data['kind'])[:40]}"
            yield f"it is {kind}; {SCHEMA} of {' or '.join(KINDS)} belongs here"
            return
        yield from _head(data)
        self.data = data
        self.claim = Claim(data["kind"], data["claim"])
        self.steps = Inclusion(data)
        yield from self.steps.faults()
        self.program, carried = self._program()
        self.wiring = Wiring(self.program, data["steps"], self.steps.values)
        yield from self.wiring.faults
        yield from self._invariants(data["invariants"], carried)
        yield from site_faults(data["sites"], self.steps, may_attain=not self.claim.training)
        if parameters is not None:
            yield from self._parameters(parameters)
        for name in sorted(recipe.keys() & data["claim"].keys()):
            if recipe[name] != data["claim"][name]:
                yield f"the weights come from a training with {name} {recipe[name]}, it is about {data['claim'][name]}"

    def _program(self) -> tuple[Program, Carried]:
        """The program that the claim is about. The certificate is asked for one number: what a step loses at most."""
        program = Program()
        if self.claim.training:
            losses = [v.ends() for s, v in zip(self.data["steps"], self.steps.values, strict=True) if _is_loss(s)]
            return program, training_step(program, self.claim, max((ends[1] for ends in losses if ends), default=0))
        inference(program, self.claim)
        return program, {}

    def _invariants(self, said: Sequence[Mapping[str, Any]], carried: Carried) -> Iterator[str]:
        """What is carried must be listed, be assumed before a step, alike for all elements, and hold again after it."""
        names = [kept["name"] for kept in said]
        for name in sorted({*names} ^ {*carried}):
            yield f"{name}: {'a step carries it, and no invariant holds it' if name in carried else 'not carried'}"
        for kept in said:
            name, positions = kept["name"], (kept["before"], kept["after"])
            if names.count(name) > 1:
                yield f"{name}: two invariants"
            if name not in carried or any(type(position) is not int for position in positions):
                continue
            if not all(map(self.wiring.is_node, positions, carried[name])):
                yield f"{name}: what holds before the step, or after it, is not what the claimed program carries"
                continue
            before, after = (self.steps.values[position].ends() for position in positions)
            if before is None or after is None or after[0] < before[0] or before[1] < after[1]:
                yield f"{name}: in {after} after a step, in {before} before it: no induction"
            elif (kept["range_before"], kept["range_after"], kept["holds"]) != ([*before], [*after], True):
                yield f"{name}: its ranges are {before} and {after}, not what the invariant says"

    def _parameters(self, parameters: Parameters) -> Iterator[str]:
        """Whether a network's matrices are those that the certificate speaks of, or within what it assumes of them."""
        loads = {}
        for step, value in zip(self.data["steps"], self.steps.values, strict=True):
            layer, _, kind = step["site"].replace(".norm.load_", ".load_").partition(".load_")
            if step["op"] == "load" and step["role"] in ("weight", "bias"):
                loads[f"{layer}_{kind}"] = value
        for name in sorted({*loads} ^ {*parameters}):
            yield f"{name}: not in {'the weights' if name in loads else 'the certificate'}"
        for name in sorted(loads.keys() & parameters.keys()):
            matrix, value = parameters[name], loads[name]
            if value.shape != (len(matrix), len(matrix[0])):
                yield f"{name}: {len(matrix)} x {len(matrix[0])}, the certificate is about {value.shape}"
                continue
            for (i, j), number in _numbered(matrix):
                lo, hi = value.at((i, j), {}) or (0, -1)
                if not lo <= number <= hi:
                    yield f"{name}[{i}, {j}] is {number}, the certificate assumes {lo}..{hi}"

    def assumptions(self) -> Iterator[str]:
        """What was assumed of everything that comes from outside, a line each. Only of a certificate without faults."""
        for node in self.program.assumptions():
            shape = f", {' x '.join(map(str, node.shape))}" if node.shape else ""
            yield f"{node.what} ({node.site}{shape}): {node.content}"


def _is_loss(step: Mapping[str, Any]) -> bool:
    return bool(step["site"] == "loss.batch_sum")


def _numbered(matrix: Sequence[Sequence[int]]) -> Iterator[tuple[tuple[int, int], int]]:
    for i, row in enumerate(matrix):
        for j, number in enumerate(row):
            yield (i, j), number


def _head(data: Mapping[str, Any]) -> Iterator[str]:
    """Whether it is of this arithmetic, unchanged, a proof, and of a machine that there is."""
    if data["sha256"] != digest_of(data):
        yield "it was changed after it was made: its digest is another"
    if data["op_table"] != op_table_digest():
        yield "it is about another op table; prove it again"
    if data["proved"] is not True or not data["steps"] or data["counterexample"] is not None:
        yield "it does not claim to prove anything"
    machine = data["machine"]
    words = [machine["word"], *machine["roles"].values()]
    if not {*machine["roles"]} <= ROLES or any(type(word) is not int or not 2 <= word <= 48 for word in words):
        raise ValueError(f"there is no machine of {machine['word']} bits and {machine['roles']}")
    if machine["overflow"] not in ("wrap", "saturate"):
        yield f"there is no machine that does {str(machine['overflow'])[:40]}"


def check(data: Mapping[str, Any], parameters: Parameters | None = None) -> list[str]:
    """Faults of a certificate read from JSON; none if it is a proof. See Checked."""
    return Checked(data, parameters).faults
