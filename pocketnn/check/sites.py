"""The sites of a certificate, worked out again from its steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketnn.check.inclusion import Inclusion

__all__ = ["site_faults"]


def site_faults(said: Any, steps: Inclusion, may_attain: bool) -> Iterator[str]:
    """What is wrong with the list of sites. may_attain: whether emulation may have attained bounds; that is not
    worked out here."""
    ours = _sites(steps)
    theirs = {(site["site"], site["op"], site["role"]): site for site in said}
    if [*theirs] != [*ours] or len(said) != len(ours):
        yield f"the sites are not those of the steps: {_first([*theirs], [*ours])}"
    for key in ours.keys() & theirs.keys():
        attained = theirs[key].get("attained")
        if type(attained) is not bool or (attained and not may_attain):
            yield f"site {key[0]}: attained is {attained}"
        wrong = {name: theirs[key].get(name) for name, value in ours[key].items() if theirs[key].get(name) != value}
        for name, value in wrong.items():
            yield f"site {key[0]}: {name} is {value}, its steps say {ours[key][name]}"


def _first(theirs: list[Any], ours: list[Any]) -> str:
    """The first place where two lists differ."""
    for i in range(max(len(theirs), len(ours))):
        left, right = (list_[i] if i < len(list_) else None for list_ in (theirs, ours))
        if left != right:
            return f"{left} instead of {right}"
    return "some are there twice"


def _sites(steps: Inclusion) -> dict[tuple[str, str, str], dict[str, Any]]:
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for number, (step, value) in enumerate(zip(steps.steps, steps.values, strict=True)):
        ends = value.ends()
        if ends is None:
            continue
        reach = steps.reach.get(number, ends)
        key = (step["site"], step["op"], step["role"])
        before = found.get(key)
        if before:
            ends = min(ends[0], before["range"][0]), max(ends[1], before["range"][1])
            reach = min(reach[0], before["any_order"][0]), max(reach[1], before["any_order"][1])
        found[key] = {
            "range": list(ends), "any_order": list(reach), "bits": _bits(*reach), "word": step["word"], "fits": True,
            "zero_divisor": False,
        }  # fmt: skip
    return found


def _bits(lo: int, hi: int) -> int:
    """Bits of the narrowest two's-complement register that holds lo..hi."""
    return max((end if end >= 0 else ~end).bit_length() for end in (lo, hi)) + 1
