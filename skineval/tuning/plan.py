"""From a recipe to a search that can begin: one model, one strategy, the dimensions that vary."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import UsageError
from skineval.base.terms import Value
from skineval.catalog.catalog import Catalog
from skineval.data.splits.split import Parts
from skineval.grid.plan import make_training, run_folder_name
from skineval.grid.prepare import Prepared, prepare
from skineval.grid.sources import DEALT_OUT, absolute
from skineval.train.weights import NONE
from skineval.tuning.space import Space, applied, described, make_space, own_values, refuse_probes
from skineval.values.recipe import Recipe
from skineval.values.runspec import RunSpec, Selection


@dataclass(frozen=True, eq=False)
class Plan:
    """A search that is ready to begin."""

    prepared: Prepared  #: its cells are those of the recipe's own setting, one for each fold and seed
    recipe: Recipe  #: resolved: the winning recipe is this one with other values
    space: Space

    @property
    def own(self) -> dict[str, Value]:
        """The recipe's own setting, which is trial 0."""
        return own_values(self.space, self.recipe)

    def with_values(self, parameters: Mapping[str, Value]) -> Recipe:
        """The recipe of a trial."""
        return applied(self.recipe, parameters)

    def cells(self, parameters: Mapping[str, Value]) -> tuple[RunSpec, ...]:
        """The cells of a trial."""
        recipe = self.with_values(parameters)
        assert recipe.batch_size != "auto"  # a plan's recipe is resolved
        training = make_training(recipe, recipe.batch_size, self.prepared.cells[0].weights)
        return tuple(dataclasses.replace(cell, training=training) for cell in self.prepared.cells)

    @property
    def caveat(self) -> str:
        """Why the test part will judge no winner fairly, as a sentence; empty where it will."""
        return seen_elsewhere(self.recipe)

    @property
    def folder_name(self) -> str:
        """A name that no other search has."""
        digest = hashlib.sha256(json.dumps(described(self.space)).encode()).hexdigest()[:4]
        return f"tune-{run_folder_name(self.recipe, self.prepared.cells)}-{digest}"


def make_plan(
    recipe: Recipe, search: Sequence[str], catalog: Catalog, unasked: Mapping[str, str] | None = None
) -> Plan:
    """Resolve the recipe and the space; what `prepare` raises, and UsageError unless there is one model and strategy.

    `unasked` are the keys that a file decided, with its name. External tests are not even opened: they are handed on
    to the winning recipe.
    """
    sources = unasked or {}
    refuse_probes(recipe.freeze)
    models = catalog.architectures.select(recipe.models)
    _only("models", "models", models, sources)
    if catalog.architecture(models[0]).embeddings:
        raise UsageError(f"A search is for a network, and {models[0].name} is none.", "Use `skineval bench`.")
    _only("imbalance", "imbalance strategies", catalog.imbalance.select(recipe.imbalance), sources)
    # Trials come one after the other, but with the threads, and the memory, that each of a bench's jobs has.
    prepared = prepare(recipe.model_copy(update={"external": ()}), catalog)
    cell = prepared.cells[0]
    if len(prepared.weights) > 1:
        raise UsageError(
            f"A search is for one network, and --weights names {len(prepared.weights)} that it begins with: "
            f"{', '.join(recipe.weights)}.",
            "Name one.",
        )
    resolved = prepared.recipe.model_copy(
        update={
            "external": tuple(_anywhere(source) for source in recipe.external),
            "batch_size": cell.training.batch_size,
            "learning_rate": cell.training.learning_rate,
            # With those that were asked for, the search would try to freeze a backbone of random values.
            "weights": (NONE,) if cell.weights == NONE else prepared.recipe.weights,
        }
    )
    return Plan(prepared, resolved, make_space(search, resolved))


def _only(key: str, what: str, selected: Sequence[Selection], sources: Mapping[str, str]) -> None:
    if len(selected) != 1:
        named = ", ".join(str(selection) for selection in selected)
        who = f"the recipe {sources[key]} names" if key in sources else "there are"
        raise UsageError(
            f"A search is for a single one of the {what}, and {who} {len(selected)}: {named}.",
            f"Name one: --{key} {selected[0]}.",
        )


def _anywhere(source: str) -> str:
    """A data set as a recipe elsewhere would name it."""
    return str(absolute(source)) if Path(source).expanduser().exists() else source


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
    fair = "with a split of one fold" if recipe.split not in DEALT_OUT else f"with {' '.join(keys)}"
    return f"{seen}: the choice is made on them, and only an external test, or a search {fair}, judges the winner."
