"""What is swept: the values to combine, and the jobs that come of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from pocketnn.arith import Overflow, Word
from pocketnn.audit.verdict import Target
from pocketnn.errors import UsageError
from pocketnn.machine import Widths
from pocketnn.recipe import Recipe

__all__ = ["Job", "Plan"]


@dataclass(frozen=True, slots=True)
class Job:
    """One line of the table: word of all registers in bits and overflow mode (None: exactly), and what of the recipe
    differs."""

    word: int | None
    overflow: str | None
    batch: int
    lr_inv: int | tuple[int, ...]
    seed: int

    @property
    def target(self) -> Target | None:
        """The machine; None for the exact one."""
        if self.word is None or self.overflow is None:
            return None
        return Target(Widths(Word(self.word)), Overflow(self.overflow))


@dataclass(frozen=True, slots=True)
class Plan:
    """A dataset by name with an optional limit, a recipe, and the values to combine: each recipe exactly, and on every
    machine. Raises UsageError where there is nothing to combine, or for what does not exist."""

    data: str
    limit: int | None
    recipe: Recipe
    words: tuple[int, ...]
    overflows: tuple[str, ...]
    batches: tuple[int, ...]
    lr_invs: tuple[int | tuple[int, ...], ...]
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        for name in ("words", "overflows", "batches", "lr_invs", "seeds"):
            if not getattr(self, name):
                raise UsageError(f"{name} is empty: give at least one value")
        for job in self.jobs():
            self.recipe_of(job)
            if job.word is not None:
                Word(job.word)

    def jobs(self) -> Iterator[Job]:
        """Every job once, in the order of the table."""
        machines = [(None, None), *product(dict.fromkeys(self.words), dict.fromkeys(self.overflows))]
        recipes = product(dict.fromkeys(self.batches), dict.fromkeys(self.lr_invs), dict.fromkeys(self.seeds))
        for (batch, lr_inv, seed), (word, overflow) in product(recipes, machines):
            yield Job(word, overflow, batch, lr_inv, seed)

    def recipe_of(self, job: Job) -> Recipe:
        """The recipe of one job."""
        return replace(self.recipe, batch=job.batch, lr_inv=job.lr_inv, seed=job.seed)
