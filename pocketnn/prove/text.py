"""A certificate as text of at most 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from pocketnn.audit.report import Proof, Reachable
from pocketnn.loss import EPOCH_SUM
from pocketnn.prove.certificate import Certificate, Limit, SiteBound
from pocketnn.recipe import Recipe

__all__ = ["as_proof", "as_text"]

_LEGEND = """\
range: what the exact results cannot leave; '=' where emulation attained every bound of it, else it is an upper bound.
bits: the narrowest register that holds them and, for mac and sum, every partial sum in any order; of: the register.
fits *: nothing overflows in the stated order of summation, but in another order it could."""


# Of a recipe: what the claim says in words of its own; of the epochs, only the rates matter.
_CLAIMED = {
    "activation", "algorithm", "batch", "batch_norm", "epochs", "input_centre", "input_shift", "lr_doubling", "lr_inv",
    "schedule", "weight_limit",
}  # fmt: skip


def as_text(certificate: Certificate) -> Iterator[str]:
    """The claim, a line per site, what stands in the way, what would be provable, and the verdict."""
    yield from _wrapped(_claim(certificate))
    yield ""
    yield f"{'site':<38} {'range':>33} {'bits':>4} {'of':>3}  verdict"
    for site in certificate.sites:
        if site.op != "load" or not site.fits:
            yield _line(site)
    yield ""
    for paragraph in _LEGEND.split("\n"):
        yield from _wrapped(paragraph)
    yield ""
    for note in certificate.notes:
        yield from _wrapped(note)
    for attaining in certificate.attaining:
        yield f"{attaining.site}{list(attaining.element)}: {attaining.bound} attained by an image (see --json)"
    if certificate.counterexample:
        yield from _wrapped(f"overflow seen when emulated: {certificate.counterexample.witness}")
    for kept in certificate.invariants:
        if not kept.holds:
            before, after = (f"{lo}..{hi}" for lo, hi in (kept.range_before, kept.range_after))
            yield from _wrapped(
                f"{kept.name} is in {before} before a step and can be in {after} after it: no induction"
            )
    if certificate.limits:
        yield "provable, all else as given:"
        for limit in certificate.limits:
            yield f"  {_limit(limit)}"
    yield ""
    yield from _wrapped(_verdict(certificate))


def as_proof(certificate: Certificate) -> Proof:
    """The certificate for the page of an audit."""
    notes = [*certificate.notes, *(f"provable, all else as given: {_limit(limit)}" for limit in certificate.limits)]
    if certificate.counterexample:
        notes.append(f"overflow seen when emulated: {certificate.counterexample.witness}")
    return Proof(
        _claim(certificate),
        certificate.proved,
        _verdict(certificate),
        tuple(
            Reachable(
                site.site, site.op, (site.span.lo, site.span.hi), site.attained, site.bits, site.word,
                site.fits and not site.zero_divisor,
            )
            for site in certificate.sites
        ),
        tuple(notes),
        tuple((f"{a.site}{list(a.element)} = {a.bound:,}", a.inputs) for a in certificate.attaining),
    )  # fmt: skip


def _claim(certificate: Certificate) -> str:
    claim = certificate.claim
    lo, hi = claim["inputs"]
    network = f"{'-'.join(map(str, claim['dims']))} {claim['activation']}{' with batch norm' * claim['batch_norm']}"
    shift = f" divided by 2^{claim['input_shift']}" if claim["input_shift"] else ""
    shift += f" less {claim['input_centre']}" if claim["input_centre"] else ""
    if certificate.kind == "inference":
        rows = f", in batches of 1 to {claim['rows']}" if claim["rows"] else ""
        images = f"any image of pixels {lo}..{hi}{shift}{rows}{_others(claim)}"
        return f"inference of {network} on {certificate.target}: {images}"
    rates = ",".join("..".join(map(str, dict.fromkeys(pair))) for pair in claim["rates"])
    return (
        f"training of {network} by {claim['algorithm']} on {certificate.target}: any run on any images of pixels "
        f"{lo}..{hi}{shift}, {claim['samples']} an epoch, batch {claim['batch']}, lr_inv {rates}, weight limit "
        f"{_numbers(claim['weight_limit'])}{_others(claim)}"
    )


def _others(claim: Mapping[str, Any]) -> str:
    """What the recipe has beside that, where it is not as in the reference."""
    found = ""
    for field in fields(Recipe):
        name, value = field.name, claim.get(field.name, field.default)
        if name not in _CLAIMED and value != field.default:
            found += f", {name}" if value is True else f", {name} {_numbers(value)}"
    return found


def _numbers(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _line(site: SiteBound) -> str:
    span = f"{'= ' if site.attained else ''}{_number(site.span.lo)}..{_number(site.span.hi)}"
    return f"{site.site:<38} {span:>33} {site.bits:>4} {site.word:>3}  {_state(site)}"


def _number(value: int) -> str:
    """The number itself, or the power of two that it does not reach where it is too long for the table."""
    if abs(value) < 10**14:
        return str(value)
    return f"{'>-' if value < 0 else '<'}2^{abs(value).bit_length()}"


def _state(site: SiteBound) -> str:
    if site.zero_divisor:
        return "x / 0"
    if not site.fits:
        return f"{site.bits - site.word} short"
    return "fits" if site.bits <= site.word else "fits *"


def _limit(limit: Limit) -> str:
    if limit.largest is None:
        return f"{limit.what}: none"
    return f"{limit.what}: up to {limit.largest}{' or more' if limit.more else ''} (given: {limit.given})"


def _verdict(certificate: Certificate) -> str:
    if certificate.proved:
        return f"PROVED: nothing can overflow on {certificate.target}"
    failing = certificate.failing
    if not failing:
        return "NOT PROVED: the invariants do not hold again after a step"
    first = failing[0]
    if first.zero_divisor:
        return f"NOT PROVED: {first.site} can divide by zero"
    remedy = ": a --loss-limit or a greater --loss-div keeps the sum of an epoch's losses smaller"
    return (
        f"NOT PROVED: {first.site} needs {first.bits} bits, {first.bits - first.word} more than its {first.role.value} "
        f"register has{remedy if first.site == EPOCH_SUM else ''}; sites that fail in all: {len(failing)}"
    )


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 98, subsequent_indent="  ", break_on_hyphens=False)
