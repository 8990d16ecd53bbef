"""From a recipe to its cells: pure, nothing is read or written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from skineval.catalog.catalog import Catalog
from skineval.catalog.loading import BUILTINS_NAME, Provider
from skineval.catalog.specs import Architecture
from skineval.grid.variants import Variant
from skineval.train.weights import NONE
from skineval.values.keys import KEYS, RUN, Keys
from skineval.values.recipe import Recipe
from skineval.values.runspec import NONE as NO_STRATEGY
from skineval.values.runspec import RunSpec, Selection, Training
from skineval.values.task import Task

#: What a probe is trained with.
UNTRAINED = Training(epochs=0, batch_size=0, learning_rate=0.0, augment="none")

T = TypeVar("T", RunSpec, Training)

HEAD_SHARE = 0.1  #: of the time of a cell that trains its network, for one that only refits the head of a trained one


@dataclass(frozen=True)
class Facts:
    """What the cells depend on beside the recipe."""

    data: str  #: fingerprint of the data set
    split: str  #: fingerprint of the split
    task: Task
    folds: int  #: in all, over every repetition
    precision: Callable[[Architecture], str]
    batch_size: Callable[[Selection], int]


def plan(recipe: Recipe, facts: Facts, catalog: Catalog, models: Sequence[Variant]) -> tuple[RunSpec, ...]:
    """Every cell of the grid, cells that train a network before those that reuse it."""
    strategies = catalog.imbalance.select(recipe.imbalance)
    cells = [
        _cell(recipe, facts, catalog, model, imbalance, fold, seed)
        for model in models
        for imbalance in strategies
        for fold in range(facts.folds)
        for seed in dict.fromkeys(recipe.seeds)
    ]
    return tuple(sorted(cells, key=lambda cell: cell.on_embeddings))


def make_training(recipe: Recipe, batch_size: int, weights: str) -> Training:
    """How a recipe wants networks to be trained that begin with `weights`, `auto` resolved."""
    return _made(
        Training,
        recipe,
        batch_size=batch_size,
        learning_rate=peak_learning_rate(recipe, weights),
        freeze_epochs=recipe.freeze_epochs if "backbone" in recipe.freeze else 0,
    )


def peak_learning_rate(recipe: Recipe, weights: str) -> float:
    """`auto` made a number: pretrained weights are changed gently, random ones are not worth keeping."""
    if recipe.learning_rate == "auto":
        return 1e-3 if weights == NONE else 3e-4
    return recipe.learning_rate


def run_folder_name(recipe: Recipe, cells: Sequence[RunSpec]) -> str:
    """A name for the folder of a bench that no other recipe has."""
    name = "+".join(dict.fromkeys(str(cell.model) for cell in cells))
    readable = "".join(c if c.isalnum() or c in "+_." else "-" for c in name)[:40]
    # Two recipes may have the same cells, such as where what one of them leaves out is not there.
    beside = [
        f"{name} {getattr(recipe, name)!r}"
        for name, key in KEYS.items()
        if key.panel != RUN and not key.keeps and getattr(recipe, name) != key.default
    ]
    ids = sorted(cell.run_id for cell in cells)
    digest = hashlib.sha256("\n".join([*ids, *beside]).encode()).hexdigest()[:8]
    source = "+".join(place.rstrip("/").rpartition("/")[2].partition(":")[0] for place in recipe.data)
    readable_source = "".join(c if c.isalnum() else "-" for c in source)[:24] or "data"
    return f"{readable_source}-{readable}-{digest}"


def package_of(catalog: Catalog, model: str) -> str:
    """The packages of others that a model comes from, with their versions; "" of skineval's own."""
    architecture = catalog.architectures[model]
    others = dict.fromkeys(one.made_by for one in architecture.parts or (architecture,) if one.made_by)
    return " + ".join(filter(None, (packages(catalog.architectures.providers(model)), *others)))


def packages(providers: Sequence[Provider]) -> str:
    """The packages of others that something comes from, with their versions."""
    # skineval's own code is told apart by the protocol version: a new release does not invalidate every old cell.
    return " + ".join(provider.package for provider in providers if provider.name != BUILTINS_NAME)


def _cell(
    recipe: Recipe, facts: Facts, catalog: Catalog, model: Variant, imbalance: Selection, fold: int, seed: int
) -> RunSpec:
    batch_size = 0 if model.probe else facts.batch_size(model.selection)
    trained = NO_STRATEGY if model.probe else catalog.imbalance.trained(imbalance)
    of_images = {"image_size": 0, "fit": Keys.fit} if model.architecture.embeddings else {}
    return _made(
        RunSpec,
        recipe,
        **of_images,
        model=model.named,
        imbalance=imbalance,
        fold=fold,
        seed=seed,
        task=facts.task.identity,
        classes=facts.task.classes,
        data=facts.data,
        split=facts.split,
        training=UNTRAINED if model.probe else make_training(recipe, batch_size, model.begins),
        weights=model.begins,
        precision="fp32" if model.probe else facts.precision(model.architecture),
        model_package=package_of(catalog, model.selection.name),
        imbalance_package=packages(catalog.imbalance.providers(imbalance.name)),
        on_embeddings=bool(model.probe) or trained != imbalance,
        trained=trained,
        trained_package=packages(catalog.imbalance.providers(trained.name)),
        probe=model.probe,
    )


def _made(kind: type[T], recipe: Recipe, **resolved: Any) -> T:
    """A value of `kind`: what is resolved, and for its other fields what the keys of the same name say."""
    said = {one.name: getattr(recipe, one.name) for one in fields(kind) if one.name in KEYS}
    return kind(**{**said, **resolved})
