"""Images at which a network's first sums lie on a breakpoint of its activation or at a bound of their register."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pocketnn.arith import MAX_BITS, Word
from pocketnn.arith.backend import Integers
from pocketnn.machine import Machine, Widths
from pocketnn.saved import Saved
from pocketnn.trace import Event, Program, Recorder

__all__ = ["boundary_images"]


def boundary_images(saved: Saved, word: Word, count: int) -> Integers:
    """At most `count` images, rows of bytes; one for each sum that pixels can be found for, none with batch norm.

    word: of the accumulators. The sums are each breakpoint's neighbours, then what just fits `word` and what just does
    not. The breakpoints are read from a recorded forward pass: what its first ladder or clamp compares with, times
    what the sums are divided by before.
    """
    if saved.recipe.batch_norm:
        return np.zeros((0, saved.dims[0]), np.uint8)
    weights = np.asarray(next(x for name, x in saved.parameters.items() if name.endswith("_weight")), np.int64)
    bias = np.asarray(next(x for name, x in saved.parameters.items() if name.endswith("_bias")), np.int64).reshape(-1)
    offsets = bias - saved.recipe.input_centre * weights.sum(axis=0)
    most = 255 >> saved.recipe.input_shift
    units = [(weights[:, j], int(offsets[j])) for j in range(weights.shape[1])]
    found: list[Integers] = []
    for target in dict.fromkeys((*_edges(saved), word.hi, word.hi + 1, word.lo, word.lo - 1)):
        if len(found) == count:
            break
        tried = (_pixels(column, target - offset, most) for column, offset in units)
        pixels = next((pixels for pixels in tried if pixels is not None), None)
        if pixels is not None:
            found.append(pixels)
    images = np.array(found, np.int64).reshape(len(found), weights.shape[0]) << saved.recipe.input_shift
    return images.astype(np.uint8)


def _edges(saved: Saved) -> Iterator[int]:
    """Sums on both sides of each breakpoint of the first activation, nearest ones first."""
    machine, program = Machine(widths=Widths(Word(MAX_BITS))), Program()
    with Recorder(machine, program) as recorder:
        m = machine.over(recorder)
        network = saved.network(m)
        m.now("test", 0, 1)
        feed = saved.feed(m)
        network.forward(feed(np.zeros((1, saved.dims[0]), np.uint8)))
    events = [event for _, step in program.steps for event in step]
    made = {event.result.id: event for event in events}
    found = next((event for event in events if _bounds(event)), None)
    if found is None:
        return
    scaled, bounds = made[found.operands[0].id], _bounds(found)
    divided = scaled.result.code.op.name == "div" and scaled.operands[1].size == 1
    unit = int(scaled.operands[1].ints().reshape(-1)[0]) if divided else 1
    # x < bound for x = sum / unit, truncated: below zero the sum changes sides a whole unit earlier
    for beside in (0, -1, 1):
        for bound in bounds:
            yield (bound if bound > 0 else bound - 1) * unit + beside


def _bounds(event: Event) -> list[int]:
    """The numbers b at which a ladder or a clamp to constants treats x < b otherwise than x >= b; none of others."""
    op, operands = event.result.code.op.name, event.operands
    constant = all(x.code.op.name == "load" for x in operands[1:])
    if op == "select":
        return [int(x) for x in operands[1].ints().flat]
    if op == "clamp" and constant and operands[1].size == operands[2].size == 1:
        return [int(operands[1].ints().flat[0]), int(operands[2].ints().flat[0]) + 1]
    return []


def _pixels(weights: Integers, wanted: int, most: int) -> Integers | None:
    """Values 0..most whose products with `weights` add up to `wanted`, the largest weights first; None if that misses.

    Greedy: each takes as much of what is left as it can without going beyond.
    """
    values = np.zeros(len(weights), np.int64)
    for i in np.argsort(-np.abs(weights), kind="stable").tolist():
        weight = int(weights[i])
        if weight and wanted and (weight > 0) == (wanted > 0):
            values[i] = min(wanted // weight, most)
            wanted -= int(values[i]) * weight
    return None if wanted else values
