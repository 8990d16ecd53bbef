"""What strategies can be benched on what, and what is to be said of them, before anything is trained."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import UsageError, one_line
from skineval.base.terms import MEAN, NEIGHBOURS
from skineval.catalog.catalog import Catalog
from skineval.catalog.combinations import overdone
from skineval.catalog.strategy import ImbalanceStrategy
from skineval.grid.variants import Variant
from skineval.values.augmentations import MIXING, components
from skineval.values.recipe import Recipe
from skineval.values.runspec import Selection


def check_strategies(recipe: Recipe, compared: Sequence[Variant], catalog: Catalog) -> None:
    """Raise UsageError where a strategy cannot act on something that is compared."""
    heads = tuple(dict.fromkeys(one.probe for one in compared if one.probe))
    trains = any(not one.probe for one in compared)
    mixing = sorted(MIXING & {*components(recipe.augment)})
    for selection in catalog.imbalance.select(recipe.imbalance):
        strategy = catalog.imbalance[selection.name]
        for head in heads:
            if reason := _refusal(strategy, head):
                raise UsageError(
                    f"{selection} {reason}.",
                    "Bench these heads by themselves." if head != "linear" else _without_probes(compared),
                )
        if recipe.reject and strategy.estimates_prior:
            raise UsageError(
                f"{selection} takes all images of a set for images of the classes, and --reject adds images of none.",
                f"Leave --reject or {selection.name} out.",
            )
        if trains and mixing and "mixing" in strategy.slots:
            raise UsageError(
                f"{selection} mixes images, and so does {mixing[0]} of --augment: an image would have three labels.",
                f"Leave {mixing[0]} or {selection.name} out.",
            )


def _without_probes(compared: Sequence[Variant]) -> str:
    """What to do for want of a network that is trained."""
    files = [one for one in compared if one.architecture.embeddings]
    return f"Name a network in place of {files[0].selection}." if files else "Bench it without --freeze all."


def _refusal(strategy: ImbalanceStrategy, head: str) -> str:
    """Why a strategy cannot act on a probe; empty if it can."""
    if {"augmentation", "mixing"} & {*strategy.slots}:
        return "changes images while a network is trained, and a probe is not"
    if strategy.cosine_scale is not None:
        return "trains a head of cosines with its network, and that of a probe is not trained"
    if head != "linear" and strategy.loss is not None:
        return f"acts on a loss, and the head that --probe {head} names has none"
    if head == NEIGHBOURS and strategy.refit is not None:
        return f"changes a linear head, and --probe {head} has none"
    return ""


def of_strategies(
    recipe: Recipe, compared: Sequence[Variant], catalog: Catalog, labels: NDArray[np.int64], classes: Sequence[str]
) -> Iterator[str]:
    """Sentences on the strategies of a recipe, where `labels` (n,) are those of a train part."""
    counts = np.bincount(labels, minlength=len(classes))
    heads = {one.probe for one in compared}
    for selection in catalog.imbalance.select(recipe.imbalance):
        strategy = catalog.imbalance[selection.name]
        yield from _told(selection, strategy, counts, classes)
        if strategy.estimates_prior:
            yield (
                f"{selection}: what is said of an image depends on the others of its set, from all of which, without "
                "their labels, the shares of the classes are estimated; a model loaded by itself does not."
            )
        if MEAN in heads and ((strategy.adjust and strategy.balances) or strategy.estimates_prior):
            yield (
                f"{selection}: it makes up for class frequencies, and the nearest mean takes all classes for equally "
                "frequent as it is, so that together they do it twice."
            )
        of_trained, of_probes = (overdone(strategy, selection.parameters, on_probe=probe) for probe in (False, True))
        names = (of_trained if "" in heads else ()) or (of_probes if heads != {""} else ())
        if names:
            where = "" if names == of_trained else " of probes"
            yield (
                f"{selection}{where}: {' and '.join(names)} make up for class frequencies, each without regard to the "
                "other: together they may overdo it."
            )


def _told(
    selection: Selection, strategy: ImbalanceStrategy, counts: NDArray[np.int64], classes: Sequence[str]
) -> Iterator[str]:
    """The remark of a strategy, which may be a plugin's, on copies of what others are told of, too."""
    if strategy.tells is None:
        return
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what it prints is no result
            told = strategy.tells(counts.copy(), tuple(classes), **selection.parameters)
        if not isinstance(told, str):
            raise TypeError(f"tells returned {type(told).__name__} where str is expected")
    except (Exception, SystemExit) as error:
        yield f"{selection}: what it has to tell could not be had: {one_line(error)}."
        return
    if told:
        yield f"{selection}: {told}."
