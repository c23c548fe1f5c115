"""Inference certificate: no input whatever within a range can overflow a trained network, or one that does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pocketnn.arith import MAX_BITS, Ranges, Span, Vector, Word
from pocketnn.audit.verdict import Target
from pocketnn.machine import Machine, Widths
from pocketnn.nn import layer_names
from pocketnn.prove.certificate import Attaining, Certificate, Counterexample, Examined, Program, SiteBound, examine
from pocketnn.prove.listing import Listing
from pocketnn.saved import Saved

__all__ = ["program_of", "prove_inference"]


def program_of(saved: Saved, inputs: tuple[int, int]) -> Program:
    """Evaluation of any images whose pixels lie within `inputs`, as a program on ranges; nothing carries over.

    Rows are independent but for batch statistics. With these, a full batch is followed by a batch of one row. A last
    short batch has between one row and all of them: its sums over rows lie between theirs, and all else is as there.
    """
    rows = sorted({1, saved.rows}, reverse=True) if saved.recipe.batch_norm else [1]

    def program(m: Machine) -> dict[str, tuple[Ranges, Ranges]]:
        _forward(m, saved, [Ranges((n, saved.dims[0]), *inputs) for n in rows])
        return {}

    return program


def prove_inference(saved: Saved, inputs: tuple[int, int], target: Target) -> Certificate:
    """The certificate for every image whose pixels lie within `inputs`, both bounds included.

    The first layer's bounds are exact, and each is confirmed by emulating the image that attains it. Elsewhere a
    bound is called attained if one of these images reaches it; the others are upper bounds, because the ranges of
    later layers take their inputs for independent.
    """
    found = examine(program_of(saved, inputs), target)
    attaining = _attaining(saved, _extreme_images(saved, inputs), found)
    return Certificate(
        "inference",
        target,
        {
            "dims": list(saved.dims),
            "activation": saved.architecture.activation,
            "batch_norm": saved.recipe.batch_norm,
            "rows": saved.rows if saved.recipe.batch_norm else None,
            "inputs": list(inputs),
            "input_shift": saved.recipe.input_shift,
            "input_centre": saved.recipe.input_centre,
            "scale": saved.recipe.scale,
            "activation_div": saved.recipe.activation_div,
        },
        attaining.sites,
        attaining=attaining.bounds,
        counterexample=_counterexample(saved, attaining.bounds, target),
        notes=(attaining.note, *found.notes),
        steps=tuple(found.listing.steps),
    )


def _forward(m: Machine, saved: Saved, batches: Iterable[Any]) -> None:
    network, feed = saved.network(m), saved.feed(m)
    for images in batches:
        network.predict(network.forward(feed(images)))


def _first(saved: Saved) -> str:
    """Name of the first layer."""
    return layer_names(len(saved.dims) - 1)[0]


def _extreme_images(saved: Saved, inputs: tuple[int, int]) -> np.ndarray[Any, Any]:
    """For each of the M neurons of the first layer the image with its least sum, then those with its greatest."""
    weight = np.asarray(saved.parameters[f"{_first(saved)}_weight"]).T
    lo, hi = inputs  # dividing by 2^shift and centring keep their order
    return np.concatenate([np.where(weight > 0, lo, hi), np.where(weight > 0, hi, lo)])


@dataclass(frozen=True, slots=True)
class _Confirmed:
    sites: tuple[SiteBound, ...]
    bounds: tuple[Attaining, ...]
    note: str


def _attaining(saved: Saved, images: np.ndarray[Any, Any], found: Examined) -> _Confirmed:
    """Emulate the extreme images on registers with room, and compare what they reach with what is certified."""
    site = f"{_first(saved)}.forward.mac"
    recorded = Listing(Vector(measure=True))
    machine = Machine(recorded, Widths(Word(MAX_BITS)))
    _forward(machine, saved, (images[i : i + saved.rows] for i in range(0, len(images), saved.rows)))
    sums = np.concatenate([value.ints() for value in recorded.at(site)])
    neurons = sums.shape[1]
    each = np.arange(neurons)
    least, most = sums[each, each], sums[neurons + each, each]
    certified: Ranges = found.exact.at(site)[0]
    count = np.count_nonzero(certified.lo[0] == least) + np.count_nonzero(certified.hi[0] == most)
    span = next(bound.span for bound in found.sites if bound.site == site)
    spans = {seen.key: seen.span for seen in machine.ledger}
    return _Confirmed(
        tuple(replace(bound, attained=spans.get(bound.key) == bound.span) for bound in found.sites),
        tuple(_extremes(site, images, least, most, span)),
        f"emulation attained {count} of the {2 * neurons} bounds of {site}, each by an image made for it",
    )


def _extremes(site: str, images: Any, least: Any, most: Any, span: Span) -> Iterator[Attaining]:
    """The images behind the two bounds of the whole site."""
    for values, bound, offset in ((least, span.lo, 0), (most, span.hi, len(least))):
        neuron = int(np.argmin(values) if offset == 0 else np.argmax(values))
        if int(values[neuron]) == bound:
            yield Attaining(site, (0, neuron), bound, tuple(images[offset + neuron].tolist()))


def _counterexample(saved: Saved, bounds: tuple[Attaining, ...], target: Target) -> Counterexample | None:
    """The first of the attaining images on which the target is seen to overflow."""
    for attaining in bounds:
        machine = Machine(Vector(), target.widths, target.overflow)
        _forward(machine, saved, [np.array([attaining.inputs])])
        if machine.ledger.first is not None:
            return Counterexample(attaining.inputs, str(machine.ledger.first))
    return None
