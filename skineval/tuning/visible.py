"""What a search may see of a fold: its train and validation parts, in which nothing leads to the test part.

What it sees of one fold may be the test part of another: `seen_elsewhere` says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skineval.data.splits.split import Parts
from skineval.values.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Visible:
    """One fold without its test part."""

    rows: NDArray[np.int64]  #: (m,) of the store: the train part, then the validation part
    targets: NDArray[np.int64]  #: (m,) of these rows
    parts: Parts  #: places in `rows`; the test part is empty


def without_test(targets: NDArray[np.int64], parts: Parts) -> Visible:
    """The fold whose `parts` are rows of `targets` (N,), without its test part; the order within a part is kept."""
    rows = np.concatenate([parts.train, parts.validation])
    train, validation = np.split(np.arange(len(rows)), [len(parts.train)])
    return Visible(rows, targets[rows], Parts(train, validation, np.empty(0, dtype=np.int64)))


def seen_elsewhere(recipe: Recipe) -> str:
    """Why the test part of a resolved `recipe` judges no winner fairly, as a sentence; empty where it does."""
    folds, repeats = recipe.folds, recipe.repeats
    if folds * repeats == 1:
        return ""
    if folds == 1:
        seen = f"With {repeats} hold-outs a test image of one may be in the train or validation part of another"
    else:
        often = f", dealt out {repeats} times," if repeats > 1 else ""
        seen = f"With {folds} folds{often} every image is in the test part of one and in the train or validation part "
        seen += "of another"
    keys = [f"--{key} 1" for key, n in (("folds", folds), ("repeats", repeats)) if n > 1]
    fair = "with a split of one fold" if recipe.split else f"with {' '.join(keys)}"
    return f"{seen}: the choice is made on them, and only an external test, or a search {fair}, judges the winner."
