"""What a training run reached, in whole numbers: the figures that a run, its trace and its audit share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["EpochResult", "Predictions", "Scores"]

Classes = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One epoch: the loss register at its end, and correct predictions while training and on the test images."""

    epoch: int
    loss_sum: int
    train_correct: int
    train_total: int
    test_correct: int
    test_total: int


@dataclass(frozen=True, slots=True)
class Scores:
    """A finished training run in figures. final_train_correct: training images right after the last epoch."""

    epochs: tuple[EpochResult, ...]
    final_train_correct: int
    train_total: int
    test_correct: int
    test_total: int


class Predictions:
    """Predicted classes in the order in which they were scored, of each phase's latest epoch alone.

    So at most one number per sample and phase is kept, however long the run.
    """

    def __init__(self) -> None:
        self._passes: dict[str, tuple[int, list[Classes]]] = {}

    def add(self, phase: str, epoch: int, classes: Classes) -> None:
        """The next predictions of `phase`; a new epoch takes the place of the one before."""
        known = self._passes.get(phase)
        if known is None or known[0] != epoch:
            known = self._passes[phase] = (epoch, [])
        known[1].append(classes)

    def of(self, phase: str) -> Classes:
        """Predictions of the latest epoch of `phase`; empty if there are none."""
        _, chunks = self._passes.get(phase, (0, []))
        return np.concatenate([np.zeros(0, np.int64), *(chunk.reshape(-1) for chunk in chunks)])

    def changed(self, other: Predictions, phase: str = "test") -> int | None:
        """How many predictions of `phase` differ from another run's of the same samples; None if there are none."""
        ours, theirs = self.of(phase), other.of(phase)
        return int(np.count_nonzero(ours != theirs)) if 0 < len(ours) == len(theirs) else None
