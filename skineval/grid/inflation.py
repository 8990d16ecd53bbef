"""What leaks add to figures: the same systems trained under protocols with leaks and without, on the same test images.

Each figure under a protocol that leaks minus the one under protocol `lesion`, which does not: overall, of each class,
and apart for images of which the leaky train part holds something, a sibling or a copy, and for those of which it holds
nothing. The latter are a control: leaks add nothing to them, and what is left is due to another train part, which is
larger. Both are of the same classes, those of which each has `LEAST` units at least, as of subgroups.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skineval.base.terms import LESION, PRIMARY
from skineval.catalog.specs import Metric
from skineval.grid.measuring import images_of, systems
from skineval.measure.comparisons import differences, holm
from skineval.measure.replicates import Kept
from skineval.measure.subgroups import LEAST
from skineval.values.measures import Inflation, system_name
from skineval.values.predictions import Predictions, concatenated
from skineval.values.result import BenchResult

OVERALL = (PRIMARY, "accuracy", "macro_auc")
RECALL = "recall_"  #: begins the metric that is the recall of one class
#: Which test images a difference is of: all, those of which something is in the leaky train part, and the others.
ALL, WITH, WITHOUT = "all", "with siblings", "without siblings"

Pair: TypeAlias = tuple[list[Predictions], list[Predictions]]  #: cells of a system under one protocol and under another
Trained: TypeAlias = Mapping[int, NDArray[np.str_]]  #: fold -> the groups of which something is in the train part


def inflations(clean: BenchResult, leaky: Iterable[BenchResult], known: Iterable[Metric]) -> tuple[Inflation, ...]:
    """Every figure of every system that both have, `clean` being the bench under protocol `lesion`: overall first.

    Holm's correction is over all rows of one metric on the same images, whatever their system and protocol, and over
    the recalls of all classes together.
    """
    metrics = [metric for metric in known if metric.name in OVERALL]
    found = [row for bench in leaky for row in _of_protocol(clean, bench, metrics)]
    families: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, row in enumerate(found):
        families[RECALL if row.metric.startswith(RECALL) else row.metric, row.images].append(place)
    for places in families.values():
        corrected = holm([found[place].p for place in places])
        for place, p in zip(places, corrected.tolist(), strict=True):
            found[place] = replace(found[place], p_holm=p)
    return tuple(sorted(found, key=lambda row: (ALL, WITH, WITHOUT).index(row.images)))


def told_apart(bench: BenchResult) -> tuple[str, ...]:
    """The classes of which images with something in the train part of a bench, and others, are compared; none of one.

    Of each there are enough, counted over all folds.
    """
    trained = _trained(bench)
    firsts = {cell.fold: cell.predictions.select("test") for cell in reversed(bench.finished)}
    if not firsts:
        return ()
    sides = [concatenated([_apart(cell, trained, with_) for cell in firsts.values()]) for with_ in (True, False)]
    enough = [
        name
        for place, name in enumerate(bench.classes)
        if all(len(np.unique(side.groups[side.targets == place])) >= LEAST for side in sides)
    ]
    return tuple(enough) if len(enough) > 1 else ()


def seen(bench: BenchResult, fold: int) -> tuple[int, int]:
    """How many test images of a fold have something in its train part, and how many there are."""
    groups = bench.split[(bench.split["fold"] == fold) & (bench.split["part"] == "test")]["group"]
    return int(groups.isin(_trained(bench)[fold]).sum()), len(groups)


def _of_protocol(clean: BenchResult, leaky: BenchResult, metrics: Sequence[Metric]) -> Iterator[Inflation]:
    trained, classes, pairs = _trained(leaky), told_apart(leaky), _pairs(clean, leaky)
    primary = [metric for metric in metrics if metric.name == PRIMARY]
    kept = Kept()
    for name, pair in pairs.items():
        yield from _rows(name, leaky, pair, metrics, ALL, kept)
    for label in leaky.classes:
        # Of the images of one class, the share that is called right is the recall of the class.
        recall = [replace(metric, name=f"{RECALL}{label}") for metric in metrics if metric.name == "accuracy"]
        for name, (ours, theirs) in pairs.items():
            yield from _rows(name, leaky, (images_of([label], ours), images_of([label], theirs)), recall, ALL, kept)
    for images, with_ in ((WITH, True), (WITHOUT, False)) if classes else ():
        for name, pair in pairs.items():
            ours, theirs = ([_apart(cell, trained, with_) for cell in images_of(classes, side)] for side in pair)
            yield from _rows(name, leaky, (ours, theirs), primary, images, kept)


def _rows(
    name: str, leaky: BenchResult, pair: Pair, metrics: Sequence[Metric], images: str, kept: Kept
) -> Iterator[Inflation]:
    ours, theirs = ([cell for cell in side if len(cell)] for side in pair)
    if not {cell.fold for cell in ours} & {cell.fold for cell in theirs}:
        return
    recipe = leaky.recipe
    for row in differences(ours, theirs, metrics, replicates=recipe.replicates, seed=recipe.split_seed, kept=kept):
        yield Inflation(**{**asdict(row), "a": recipe.protocol, "b": LESION, "system": name, "images": images})


def _pairs(clean: BenchResult, leaky: BenchResult) -> dict[str, Pair]:
    """What both benches have of each system that both have."""
    ours, theirs = systems(leaky), systems(clean)
    return {system_name(*names): (found, theirs[names]) for names, found in ours.items() if names in theirs}


def _trained(bench: BenchResult) -> Trained:
    trains = bench.split[bench.split["part"] == "train"]
    folds = trains["fold"].unique().tolist()
    return {fold: np.unique(trains["group"][trains["fold"] == fold].to_numpy(dtype=str)) for fold in folds}


def _apart(cell: Predictions, trained: Trained, with_: bool) -> Predictions:
    """Those images of a cell of which something is in the train part of its fold, or the others."""
    return cell.take(np.isin(cell.groups, trained[cell.fold]) == with_)
