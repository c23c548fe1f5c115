"""Named recipes, as data. `pocketnn recipes` prints them; `--recipe NAME` trains by one."""

from __future__ import annotations

from dataclasses import dataclass

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


_ALL = (
    Named("reference", "mnist", Recipe((100, 50), epochs=60), "PocketNN's own recipe (arXiv 2201.02863)", ""),
    Named(
        "reference-fashion",
        "fashion-mnist",
        Recipe((200, 100, 50), epochs=60),
        "PocketNN's own recipe (arXiv 2201.02863)",
        "",
    ),
)
RECIPES = {named.name: named for named in _ALL}
