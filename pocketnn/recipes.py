"""Named recipes, as data. `pocketnn recipes` prints them; `--recipe NAME` trains by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pocketnn.recipe import Recipe

__all__ = ["RECIPES", "Named"]


@dataclass(frozen=True, slots=True)
class Named:
    """A recipe with a name. data: the dataset it is for. words: what it is. reaches: what was measured, and how."""

    name: str
    data: str
    recipe: Recipe
    words: str
    reaches: str


_WORDS = "{} with small errors kept: one-sided targets, scaled deltas, carried remainders, a rate per layer that falls"
_COMMON: dict[str, Any] = {
    "epochs": 24, "schedule": "linear", "carry": True, "one_sided": True, "gain": 16,
}  # fmt: skip
_ALL = (
    Named(
        "reference",
        "mnist",
        Recipe((100, 50), epochs=60),
        "PocketNN's own recipe (arXiv 2201.02863)",
        "",
    ),
    Named(
        "reference-fashion",
        "fashion-mnist",
        Recipe((200, 100, 50), epochs=60),
        "PocketNN's own recipe (arXiv 2201.02863)",
        "",
    ),
    Named(
        "best",
        "mnist",
        Recipe(
            (100, 50), algorithm="bp", init=(3000, 2000, 1500), lr_inv=(32000, 164000, 40000), error_div=(1600, 800),
            target_on=64, target_off=-64, input_centre=33, **_COMMON,
        ),
        _WORDS.format("back-propagation"),
        "",
    ),
    Named(
        "best-fashion",
        "fashion-mnist",
        Recipe(
            (200, 100, 50), algorithm="bp", init=(3000, 2200, 2000, 1500), lr_inv=(32000, 220000, 164000, 40000),
            error_div=(3200, 1600, 800), target_on=64, target_off=0, input_centre=73, **_COMMON,
        ),
        _WORDS.format("back-propagation"),
        "",
    ),
)  # fmt: skip
RECIPES = {named.name: named for named in _ALL}
