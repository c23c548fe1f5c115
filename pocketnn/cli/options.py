"""Options that several commands share, and progress on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import click

from pocketnn.arith import MAX_BITS, MIN_BITS, Flags, Overflow
from pocketnn.errors import UsageError
from pocketnn.machine import Widths
from pocketnn.train import Progress

__all__ = [
    "MODES",
    "WORD",
    "Decorator",
    "Sizes",
    "StepRange",
    "WidthsText",
    "all_of",
    "data_options",
    "fail_on_option",
    "fails",
    "json_option",
    "machine_options",
    "other_machine_options",
    "overflow_of",
    "progress_line",
    "widths_of",
]

Decorator = Callable[[Any], Any]


def all_of(*options: Decorator) -> Decorator:
    """One decorator that applies several options, shown in the order written."""

    def apply(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return apply


class Sizes(click.ParamType):  # type: ignore[type-arg]  # generic only in newer releases of click
    """Layer sizes: whole numbers from `least` with commas between; empty for no hidden layer."""

    name = "N,N,..."

    def __init__(self, least: int = 1) -> None:
        self.least = least

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            sizes = tuple(int(part) for part in value.split(",")) if value.strip() else ()
        except ValueError:
            self.fail(f"{value!r} is not a list like 100,50", param, ctx)
        if any(size < self.least for size in sizes):
            self.fail(f"{value!r}: each number is {self.least} or more", param, ctx)
        return sizes


class StepRange(click.ParamType):  # type: ignore[type-arg]  # generic only in newer releases of click
    """Steps A:B, counted from 1, both included; either may be left out."""

    name = "A:B"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int | None]:
        if isinstance(value, tuple):
            return value[0], value[1]
        first, colon, last = value.partition(":")
        try:
            steps = int(first or 1), (int(last) if last else None) if colon else int(first)
        except ValueError:
            self.fail(f"{value!r} is not a range of steps like 5:10", param, ctx)
        if steps[0] < 1 or (steps[1] is not None and steps[1] < steps[0]):
            self.fail(f"{value!r}: steps count from 1, and the first is not after the last", param, ctx)
        return steps


class WidthsText(click.ParamType):  # type: ignore[type-arg]  # generic only in newer releases of click
    """A word-length assignment as it is printed: N, or N+ROLE=N, with a part for each role that differs."""

    name = "N[+ROLE=N]"

    def convert(self, value: Any, param: Any, ctx: Any) -> Widths:
        if isinstance(value, Widths):
            return value
        try:
            return Widths.parse(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


MODES = [o.value for o in Overflow]
WORD = click.IntRange(MIN_BITS, MAX_BITS)

data_options = all_of(
    click.option("--data", default="digits", show_default=True, metavar="NAME|DIR", help="Dataset, or its folder."),
    click.option("--limit", type=click.IntRange(1), help="Use only the first N training and the first N test images."),
)
machine_options = all_of(
    click.option(
        "--word", type=WidthsText(), default="32", show_default=True,
        help="Register width in bits, and those of the roles that differ, as in 8+accumulator=16+loss=16.",
    ),
    click.option("--accumulator", type=WORD, help="Width of accumulators, where it differs."),
    click.option(
        "--overflow", type=click.Choice(MODES), default="wrap", show_default=True,
        help="What a register does with a value that does not fit.",
    ),
)  # fmt: skip
other_machine_options = all_of(
    click.option("--word", type=WidthsText(), help="Register width in bits of another machine; see `train`."),
    click.option("--accumulator", type=WORD, help="Width of its accumulators, where it differs."),
    click.option("--overflow", type=click.Choice(MODES), help="What its registers do with a value that does not fit."),
)  # for commands that know a machine: what is not given is that one's
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")


def fail_on_option(text: str, default: str | None = "any") -> Decorator:
    """Which overflows count for the exit code. text: whose."""
    choices = click.Choice(["corrupted", "any", "none"])
    return click.option("--fail-on", type=choices, default=default, show_default=True, help=text)


def fails(flags: Flags, fail_on: str) -> bool:
    """Whether what happened is what --fail-on speaks of: final values are wrong, or anything overflowed at all."""
    wrong = flags.corrupted > 0 or flags.zero_divisions > 0
    return fail_on != "none" and (wrong or (fail_on == "any" and flags.events > 0))


def widths_of(word: Widths, accumulator: int | None) -> Widths:
    """The word-length assignment that `machine_options` describe."""
    return Widths.of(word, accumulator)


def overflow_of(name: str) -> Overflow:
    """The overflow mode of that name."""
    return Overflow(name)


def progress_line() -> Progress | None:
    """A line on stderr that shows what is running and how far it is; None when stderr is not a terminal."""
    if not sys.stderr.isatty():
        return None
    shown = 0.0

    def show(what: str, done: int, total: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown > 0.1:
            shown = now
            click.echo(f"\r\x1b[K{what} {done}/{total} ({100 * done // max(1, total)} %)", nl=False, err=True)
        if done == total:
            click.echo("\r\x1b[K", nl=False, err=True)

    return show
