"""How good a system is on parts of the images, such as those of one sex, and how far that is from how good it is.

A figure of few images says nothing, and balanced accuracy of other classes says nothing of the part: it is the mean
over the classes of which the part has `LEAST` units at least, and the gap is to the same classes of all images. With
many parts some gap is large by chance; 1 in 20 intervals of parts that do not differ leaves 0 out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skineval.base.terms import PRIMARY
from skineval.catalog.specs import Metric
from skineval.data.attributes import ordered
from skineval.measure.intervals import distinct, estimate, share_intervals, share_of
from skineval.measure.names import METRICS
from skineval.measure.replicates import Kept, by_metric, figures
from skineval.measure.resampling import UnitCounts
from skineval.measure.shares import Shares, reach_of_difference
from skineval.values.measures import Estimate, Subgroup
from skineval.values.predictions import Predictions

LEAST = 10  #: units of a class, or of the malignant and of the benign: fewer do not speak
_MALIGNANCY = "malignancy_auc"
_METRICS = {metric.name: metric for metric in METRICS}


def subgroups(
    system: str, test: Predictions, values: Mapping[str, NDArray[np.str_]], *, replicates: int, seed: int = 0
) -> Iterator[Subgroup]:
    """Every part of the images that a system was tested on, by the attributes of `values`, (N,) each."""
    kept = Kept()
    for attribute, of_images in values.items():
        for value in ordered(of_images):
            mask = of_images == value
            few = test.take(mask)
            spoken = [name for k, name in enumerate(test.classes) if _units(few, few.targets == k) >= LEAST]
            found = Subgroup(
                system=system,
                attribute=attribute,
                value=value,
                n_images=len(np.unique(few.image_ids)),
                n_lesions=len(np.unique(few.groups)),
                n_classes=len(spoken),
            )
            if len(spoken) > 1:
                figure = _figure(test, mask, PRIMARY, spoken, replicates, seed, kept)
                found = replace(found, **_columns(PRIMARY, "", *figure))
            if _has_both(few):
                figure = _figure(test, mask, _MALIGNANCY, test.classes, replicates, seed, kept)
                found = replace(found, **_columns(_MALIGNANCY, "malignancy_", *figure))
            yield found


def _columns(name: str, prefix: str, score: Estimate, gap: Estimate) -> dict[str, Any]:
    """What a figure and its gap are called in a row of subgroups.csv."""
    return {
        name: score.value,
        f"{prefix}low": score.low,
        f"{prefix}high": score.high,
        f"{prefix}gap": gap.value,
        f"{prefix}gap_low": gap.low,
        f"{prefix}gap_high": gap.high,
    }


def _units(test: Predictions, mask: NDArray[np.bool_]) -> int:
    return len(np.unique(test.groups[mask]))


def _has_both(few: Predictions) -> bool:
    """Whether there are malignant and benign lesions enough."""
    if few.malignant is None:
        return False
    is_malignant = np.isin(np.array(few.classes)[few.targets], few.malignant)
    return min(_units(few, is_malignant), _units(few, ~is_malignant)) >= LEAST


def _figure(
    test: Predictions,
    mask: NDArray[np.bool_],
    name: str,
    classes: Sequence[str],
    replicates: int,
    seed: int,
    kept: Kept,
) -> tuple[Estimate, Estimate]:
    """The metric called `name` of the images of a mask and of `classes`, and its gap to all images of these classes."""
    metric = _METRICS[name]
    spoken = np.isin(test.targets, [test.classes.index(one) for one in classes])
    few, every = test.take(mask & spoken), test.take(spoken)
    (score,) = estimate([few], [metric], replicates=replicates, seed=seed)
    drawn = kept.drawn([every], replicates, seed)
    part = metric.mean_of or metric
    ours, theirs = (_side(one, [metric, part], drawn, kept) for one in (few, every))
    gap = float(ours.value - theirs.value)
    below, above = np.nan, np.nan
    if len(rest := test.take(~mask & spoken)):
        # All is the part and the rest: the gap is as much of what sets these apart as the rest is of all.
        counted = share_of(part, every)
        left = 1 - counted[mask[spoken]].sum(axis=0) / counted.sum(axis=0).clip(1)
        others = _side(rest, [metric, part], drawn, kept)
        below, above = reach_of_difference(ours.shares, others.shares, left / np.sum(~np.isnan(ours.shares.values)))
    if np.isnan(below):  # nothing sets them apart, as where all malignant images are in the part
        below, above = reach_of_difference(ours.shares, theirs.shares)
    return score, Estimate(gap, gap - below, gap + above)


@dataclass(frozen=True, eq=False)
class _Side:
    """A figure, and the shares that it is the mean of."""

    value: float
    shares: Shares


def _side(test: Predictions, metrics: Sequence[Metric], drawn: UnitCounts, kept: Kept) -> _Side:
    metric, part = metrics
    own = list({one.name: one for one in metrics}.values())
    values = by_metric(own, test.classes, figures(test, own, np.ones((1, len(test)))))
    used = {name: ~np.isnan(found) for name, found in values.items()}
    replicates = kept.replicates([test], own, used, [test.fold], drawn)
    shares = share_intervals([test], [test.fold], drawn, part, values[part.name][0], replicates[part.name])
    return _Side(float(values[metric.name][0, 0]), distinct(part, shares))
