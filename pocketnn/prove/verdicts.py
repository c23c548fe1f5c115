"""What certificates say to an audit: for each machine, the sites that cannot overflow whatever the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from pocketnn.arith import Interval
from pocketnn.audit.replayed import Replayed
from pocketnn.audit.source import Evaluation, Source, Training, fact
from pocketnn.audit.verdict import Proved, Target, never_proved
from pocketnn.machine import Machine, SiteKey
from pocketnn.prove import inference, stored, training
from pocketnn.prove.certificate import Certificate, Program
from pocketnn.recipe import Recipe
from pocketnn.saved import Saved

__all__ = ["beyond", "certificate_of", "certificate_on", "proved_by", "proved_by_certificate", "safe_sites", "unproved"]


def proved_by(source: Source, inputs: tuple[int, int] = (0, 255)) -> Proved:
    """Whether no pixels within `inputs` can make a site of `source` overflow on a target; no for recorded programs."""
    match source:
        case Training():
            return _proved(_of_run(source, inputs).run)
        case Evaluation():
            return _proved(inference.program_of(source.saved, inputs))
        case _:
            return never_proved


def certificate_on(source: Source, target: Target, inputs: tuple[int, int] = (0, 255)) -> Certificate | None:
    """The certificate that `proved_by` rests on, for one target."""
    match source:
        case Training():
            return training.certify(_of_run(source, inputs), target)
        case Evaluation():
            return inference.prove_inference(source.saved, inputs, target)
        case _:
            return None


def _of_run(source: Training, inputs: tuple[int, int]) -> training.Training:
    data = source.dataset
    return training.Training(source.recipe, data.pixels, data.classes, len(data.train.labels), inputs)


def certificate_of(source: Source) -> str:
    """The certificate that a model or a trace carries along; empty if it has none."""
    match source:
        case Evaluation():
            return source.saved.certificate
        case Replayed():
            return source.trace.header.get(stored.CERTIFICATE, "")
        case _:
            return ""


def proved_by_certificate(source: Source) -> Proved:
    """Whether the training that the certificate of `source` is about can overflow at a site: proved again for each
    target, from its claim alone. Only once `unproved` has found nothing."""
    return _proved(stored.claimed(certificate_of(source))[0].run)


def unproved(source: Source) -> Iterator[str]:
    """Why the certificate of `source` is none, or is about something else than what it came with.

    Weights must be those of its training: within its limits, and by the same recipe. A trace is compared with its claim
    by what its header says was run and, site by site, by op, register and what came from outside; that it is the
    program of that recipe otherwise is what its header says.
    """
    text = certificate_of(source)
    saved = source.saved if isinstance(source, Evaluation) else None
    found = stored.faults(text, saved.parameters if saved else None)
    yield from found
    if found:
        return
    claim, _ = stored.claimed(text)
    if saved:
        yield from _other_training(saved, claim)
    if isinstance(source, Replayed):
        yield from _other_program(source, claim)


def beyond(source: Source) -> str | None:
    """Why a good certificate does not cover this run: images with other pixels than those that it is about."""
    if not isinstance(source, Evaluation):
        return None
    images, (lo, hi) = source.dataset.test.images, stored.claimed(certificate_of(source))[0].inputs
    if not images.size or lo <= images.min() <= images.max() <= hi:
        return None
    return f"it is about pixels {lo}..{hi}, the images have {images.min()}..{images.max()}"


def _other_training(saved: Saved, claim: training.Training) -> Iterator[str]:
    """Where weights come from another training than the one that a certificate is about; any seed is covered."""
    for field in fields(Recipe):
        theirs, ours = getattr(saved.recipe, field.name), getattr(claim.recipe, field.name)
        if theirs != ours and field.name != "seed":
            yield f"it is about {field.name} {fact(ours)}, the weights are of {fact(theirs)}"


def _other_program(source: Replayed, claim: training.Training) -> Iterator[str]:
    facts = source.subject.facts
    expected = {name: fact(getattr(claim.recipe, name)) for name in claim.recipe.__dataclass_fields__ if name != "seed"}
    expected["dims"] = "-".join(map(str, claim.dims))
    for name, value in expected.items():
        if facts.get(name) != value:
            yield f"it is about {name} {value}, the trace about {facts.get(name)}"
    steps = claim.samples // claim.recipe.batch
    last = max((step.moment.step for step in source.trace.steps if step.moment.phase == "train"), default=0)
    if last > steps:
        yield f"it is about {steps} steps an epoch, the trace has {last}"
    machine = Machine(Interval())
    claim.run(machine)
    sites = machine.ledger.sites
    names = {key.name for key in sites}
    for code in source.trace.codes.values():
        if code.site in names and code.key not in sites:
            yield f"{code.site}: {code.op.name} into {code.to.role.value}, which is not in its program"
    for step in source.trace.steps:
        for event in source.trace.recorded(step):
            site, span = sites.get(event.code.key), event.figures.span
            if site is None or site.op != "load" or site.span is None or span is None:
                continue
            if not site.span.lo <= span.lo <= span.hi <= site.span.hi:
                yield f"{site.name}: it is about {site.span.lo}..{site.span.hi}, the trace has {span.lo}..{span.hi}"
                return


def _proved(program: Program) -> Proved:
    known: dict[str, frozenset[SiteKey]] = {}

    def proved(target: Target, site: SiteKey) -> bool:
        name = str(target)
        if name not in known:
            known[name] = safe_sites(program, target)
        return site in known[name]

    return proved


def safe_sites(program: Program, target: Target) -> frozenset[SiteKey]:
    """The sites at which nothing can overflow or be divided by zero on `target`.

    Also those that come after others which can: ranges cover what a register holds after an overflow, too. All that
    counts for more than one step is that the invariants hold again; if they do not, nothing is proved.
    """
    machine = Machine(Interval(), target.widths, target.overflow)
    for before, after in program(machine).values():
        (lo, hi), (least, most) = before.ends(), after.ends()
        if least < lo or hi < most:
            return frozenset()
    return frozenset(site.key for site in machine.ledger if not site.overflowed)
