"""How good a system is on parts of the images, such as those of one sex, and how far that is from how good it is.

A figure of few images says nothing, and balanced accuracy of other classes says nothing of the part: it is the mean
over the classes of which the part has `LEAST` units at least, and the gap is to the same classes of all images. With
many parts some gap is large by chance; 1 in 20 intervals of parts that do not differ leaves 0 out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skineval.base.terms import PRIMARY
from skineval.catalog.specs import Metric
from skineval.data.attributes import ordered
from skineval.measure.intervals import distinct, estimate, percentile_interval, share_intervals
from skineval.measure.metrics import Floats
from skineval.measure.names import METRICS
from skineval.measure.replicates import bootstrap, by_metric, figures
from skineval.measure.resampling import UnitCounts, resample
from skineval.measure.shares import Shares, reach_of_difference
from skineval.values.measures import Estimate, Score
from skineval.values.predictions import Predictions

LEAST = 10  #: units of a class, or of the malignant and of the benign: fewer do not speak
_MALIGNANCY = "malignancy_auc"
_METRICS = {metric.name: metric for metric in METRICS}


@dataclass(frozen=True)
class Part:
    """The images of one value of an attribute."""

    attribute: str
    value: str
    n_images: int
    n_lesions: int
    classes: tuple[str, ...]  #: those that its balanced accuracy is the mean over
    score: Score | None  #: balanced accuracy; None where it has too few lesions to speak
    gap: Estimate | None  #: that less the one of all images of these classes
    malignancy: Score | None  #: malignancy AUC, and the same for it
    malignancy_gap: Estimate | None
    system: str = ""  #: of which it is; "" until somebody says so who knows it


def parts(
    test: Predictions, values: Mapping[str, NDArray[np.str_]], *, replicates: int, seed: int = 0
) -> Iterator[Part]:
    """Every part of the images by the attributes of `values`, (N,) each."""
    for attribute, of_images in values.items():
        for value in ordered(of_images):
            mask = of_images == value
            few = test.take(mask)
            spoken = tuple(name for k, name in enumerate(test.classes) if _units(few, few.targets == k) >= LEAST)
            score, gap = _figure(test, mask, PRIMARY, spoken, replicates, seed) if len(spoken) > 1 else (None, None)
            malignancy, malignancy_gap = (
                _figure(test, mask, _MALIGNANCY, test.classes, replicates, seed) if _has_both(few) else (None, None)
            )
            yield Part(
                attribute,
                value,
                len(np.unique(few.image_ids)),
                len(np.unique(few.groups)),
                spoken,
                score,
                gap,
                malignancy,
                malignancy_gap,
            )


def _units(test: Predictions, mask: NDArray[np.bool_]) -> int:
    return len(np.unique(test.groups[mask]))


def _has_both(few: Predictions) -> bool:
    """Whether there are malignant and benign lesions enough."""
    if few.malignant is None:
        return False
    is_malignant = np.isin(np.array(few.classes)[few.targets], few.malignant)
    return min(_units(few, is_malignant), _units(few, ~is_malignant)) >= LEAST


def _figure(
    test: Predictions, mask: NDArray[np.bool_], name: str, classes: Sequence[str], replicates: int, seed: int
) -> tuple[Score, Estimate]:
    """The metric called `name` of the images of a mask and of `classes`, and its gap to all images of these classes."""
    metric = _METRICS[name]
    spoken = np.isin(test.targets, [test.classes.index(one) for one in classes])
    few, every = test.take(mask & spoken), test.take(spoken)
    (score,) = estimate([few], [metric], replicates=replicates, seed=seed)
    drawn = resample([every], replicates, seed)
    part = metric.mean_of or metric
    ours, theirs = (_sides(one, (metric, part), drawn) for one in (few, every))
    gap = float(ours[metric.name][0][0] - theirs[metric.name][0][0])
    if part.share_of is None:
        return score, Estimate(gap, *percentile_interval((ours[metric.name][1] - theirs[metric.name][1])[:, 0]))
    below, above = reach_of_difference(
        *(_shares(one, sides[part.name], part, drawn) for one, sides in ((few, ours), (every, theirs)))
    )
    return score, Estimate(gap, gap - below, gap + above)


def _sides(test: Predictions, metrics: Sequence[Metric], drawn: UnitCounts) -> dict[str, tuple[Floats, Floats]]:
    """The figures (K,) and their replicates (B, K) of each metric."""
    own = list({metric.name: metric for metric in metrics}.values())
    values = by_metric(own, test.classes, figures(test, own, np.ones((1, len(test)))))
    replicates = by_metric(own, test.classes, bootstrap(test, own, drawn))
    return {metric.name: (values[metric.name][0], replicates[metric.name]) for metric in own}


def _shares(test: Predictions, side: tuple[Floats, Floats], metric: Metric, drawn: UnitCounts) -> Shares:
    return distinct(metric, share_intervals([test], [test.fold], drawn, metric, *side))
