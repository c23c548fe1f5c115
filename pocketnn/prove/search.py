"""What a proof of training allows, and what has to change where there is none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pocketnn.activations import own_scale
from pocketnn.arith import Role
from pocketnn.audit.verdict import Target
from pocketnn.errors import UsageError
from pocketnn.loss import BATCH_SUM, EPOCH_SUM
from pocketnn.nn import layer_names
from pocketnn.prove.certificate import Certificate, Limit
from pocketnn.prove.training import Training, certify, is_provable
from pocketnn.recipe import Recipe
from pocketnn.train import Progress

__all__ = ["FREE", "Choice", "choose", "prove_training"]

FREE = ("weight_limit", "input_shift", "batch", "loss_limit", "lr_inv", "scale")  # fields of a recipe

_LARGEST = 1 << 20  # of a batch, a weight limit or a pixel that is looked for
_ENOUGH = 4095  # weight limits from which on batches are not halved and pixels not divided any further
# Lower ones are refused. Measured with the bundled digits after 5 epochs: 527 (which 24 bits allow) leaves 225 of 360
# right, 127 (20 bits) no more than guessing. MNIST, 3 epochs, first layer alone: 9643 without, 4095 9604, 2047 9529.
_LEAST = 511


def prove_training(training: Training, target: Target) -> Certificate:
    """`certify`, with the largest batch, weight limit and pixel for which there is a proof.

    Where the sum of an epoch's losses does not fit, with the largest loss limit too; the others then go with one.
    """
    certificate = certify(training, target)
    if all(site.fits for site in certificate.sites if site.site == EPOCH_SUM):
        return replace(certificate, limits=tuple(_limits(training, target)))
    room = _loss_room(certificate)
    largest = room if room and is_provable(training.with_loss_limit(room), target) else None
    others = (replace(x, what=f"{x.what}, with a loss limit") for x in _limits(training.with_loss_limit(1), target))
    return replace(certificate, limits=(Limit("loss limit", training.recipe.loss_limit, largest), *others))


def _loss_room(certificate: Certificate) -> int:
    """The largest loss limit that leaves the loss register room for the loss of one more step; 0: there is none."""
    step = next(site for site in certificate.sites if site.site == BATCH_SUM)
    return max(certificate.target.widths[Role.LOSS].hi - step.span.hi, 0)


def _limits(training: Training, target: Target) -> list[Limit]:
    """Each quantity alone; where only a smaller weight limit or pixel helps, the batch that goes with it as well."""
    tried = [("batch", training.recipe.batch, training.with_batch)]
    given = training.recipe.per_layer("weight_limit")
    if len(set(given)) == 1:
        tried.append(("weight limit", given[0], partial(training.with_weight_limit, range(len(given)))))
    else:
        for i, name in enumerate(layer_names(len(given))):
            tried.append((f"weight limit of {name}", given[i], partial(training.with_weight_limit, range(i, i + 1))))
    tried.append(("greatest pixel", training.inputs[1], training.with_greatest_pixel))
    found = [_limit(*each, target) for each in tried]
    if found[0].largest is None:
        for limit, (_, _, changed) in zip(found[1:], tried[1:], strict=True):
            if limit.largest is not None:
                name = f"batch with {limit.what} {limit.largest}"
                found.append(_limit(name, found[0].given, changed(limit.largest).with_batch, target))
    return found


def _limit(what: str, given: int, changed: Callable[[int], Training], target: Target) -> Limit:
    largest = _largest(changed, target, _LARGEST)
    return Limit(what, given, largest or None, more=largest == _LARGEST)


def _largest(changed: Callable[[int], Training], target: Target, most: int) -> int:
    """The largest n from 1 to `most` for which there is a proof; 0: there is none.

    By bisection over the prover itself: ranges only grow with n, so what holds for n holds below it.
    """
    low, high = 0, 1  # the first doubles, for most limits are far below what is allowed
    while high <= most and is_provable(changed(high), target):
        low, high = high, min(2 * high, most) if high < most else most + 1
    high = min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_provable(changed(middle), target) else (low, middle)
    return low


@dataclass(frozen=True, slots=True)
class Choice:
    """A training that is proved on a machine. changed: the recipe's fields that were chosen for that, by name."""

    training: Training
    certificate: Certificate
    changed: dict[str, int | tuple[int, ...]]


def choose(training: Training, target: Target, free: Collection[str], progress: Progress | None = None) -> Choice:
    """The training with weight limits per layer, input shift, batch and loss limit such that it is proved on `target`.

    free: which fields may be chosen (FREE); all else stays as it is. `lr_inv` and `scale` only follow what the others
    take away. What is proved as given stays as given; the sum of an epoch's losses is limited only if it can overflow.
    Batches are halved, and pixels divided, only where the limits would otherwise be lower than an eighth of the
    reference's, and each time only for limits at least twice as high. Raises UsageError if nothing that may be chosen
    makes it provable, or nothing that still learns.
    """
    best: Training | None = None
    limit = 0  # of all layers, with which `best` is proved
    unlimited = "loss_limit" in free and not training.recipe.loss_limit
    candidates = list(_candidates(training.with_loss_limit(1) if unlimited else training, free))
    for number, candidate in enumerate(candidates):
        if progress:
            progress("search for a proof", number, len(candidates))
        if is_provable(candidate, target):
            best, limit = candidate, _LEAST
            break
        every = partial(candidate.with_weight_limit, range(len(candidate.dims) - 1))
        if "weight_limit" in free and is_provable(every(2 * limit or 1), target):
            limit = _largest(every, target, max(candidate.recipe.per_layer("weight_limit")))
            best = _raised(every(limit), candidate.recipe.per_layer("weight_limit"), target)
            if limit >= _ENOUGH:
                break
    if progress:
        progress("search for a proof", len(candidates), len(candidates))
    if best is None or limit < _LEAST:
        raise UsageError(_hopeless(training, target, limit, free))
    if unlimited:
        best = _least_loss_limit(best, target)
    chosen = {name: getattr(best.recipe, name) for name in sorted(free)}
    changed = {name: value for name, value in chosen.items() if value != getattr(training.recipe, name)}
    return Choice(best, certify(best, target), changed)


def _candidates(training: Training, free: Collection[str]) -> Iterator[Training]:
    """As given first; then batches halved, and for each division of the pixels that leaves two bits again."""
    recipe = training.recipe
    batches = [recipe.batch >> n for n in range(recipe.batch.bit_length())] if "batch" in free else [recipe.batch]
    shift = recipe.input_shift
    while shift == recipe.input_shift or ("input_shift" in free and training.inputs[1] >> shift >= 3):
        for batch in batches:
            changed = replace(recipe, input_shift=shift, batch=batch)
            yield replace(training, recipe=_balanced(changed, recipe, training.pixels, free))
        shift += 1


def _balanced(changed: Recipe, given: Recipe, pixels: int, free: Collection[str]) -> Recipe:
    """With learning rates, and the first layer's scale, that make up for smaller batches and pixels, where free."""
    finer = changed.input_shift - given.input_shift
    if "lr_inv" in free and (finer or changed.batch != given.batch):
        least = max(1, given.carry_div)
        rates = [rate * changed.batch // given.batch for rate in given.per_layer("lr_inv")]
        changed = replace(changed, lr_inv=tuple(max(least, rate) for rate in (rates[0] >> finer, *rates[1:])))
    if "scale" in free and finer:
        own = (own_scale(given.activation, n) for n in (pixels, *given.hidden))
        first, *others = given.per_layer("scale") or own
        if first > 1:
            changed = replace(changed, scale=(max(1, first >> finer), *others))
    return changed


def _raised(training: Training, most: tuple[int, ...], target: Target) -> Training:
    """With each layer's weight limit as large as it can be, at most `most`, the first layer's first."""
    for i, given in enumerate(most):
        raised = partial(training.with_weight_limit, range(i, i + 1))
        training = raised(_largest(raised, target, given))
    return training


def _least_loss_limit(training: Training, target: Target) -> Training:
    """Without a loss limit if it is proved like that, else with the largest that there can be."""
    without = training.with_loss_limit(0)
    return without if is_provable(without, target) else training.with_loss_limit(_loss_room(certify(training, target)))


def _hopeless(training: Training, target: Target, limit: int, free: Collection[str]) -> str:
    """Why nothing helps: the weight limit is too low, or the first site that fails with the least of everything."""
    narrow = target.widths[Role.ACCUMULATOR].bits <= 16
    other = "; for 16 bits there are --recipe word16 and word16-digits" if narrow else ""
    if limit:
        return f"on {target} this is provable only with weights within +-{limit}, which do not learn{other}"
    recipe = training.recipe
    shift = max(recipe.input_shift, training.inputs[1].bit_length() - 2)
    least = {"weight_limit": 1, "input_shift": shift, "batch": 1, "loss_limit": 1}
    smaller: dict[str, Any] = {name: value for name, value in least.items() if name in free}
    smallest = replace(recipe, **smaller)
    failing = certify(replace(training, recipe=smallest), target).failing
    where = f"{failing[0].site} needs {failing[0].bits} bits" if failing else "the invariants do not hold again"
    return f"nothing makes this training provable on {target}: with weights within +-1 {where}{other}"
