"""What a training run reached, in whole numbers: the figures that a run, its trace and its audit share."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EpochResult", "Scores"]


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
