"""The figures of the official scorer of ISIC 2018 Task 3, as `--preset isic2018` asks for them.

The package isic-challenge-scoring takes scores of each class by itself: a class is called where its score is above
0.5, whatever the others are, so that an image may be called several classes, or none. What would be 0/0 is 1 there, and
here. Beside these stand the mean over classes of each of them, and balanced accuracy, which ranked the challenge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from skineval.base.errors import DataError
from skineval.catalog.specs import Compute, Metric, ShareOf
from skineval.measure.metrics import (
    Floats,
    Integers,
    Mask,
    cumulated,
    mean_where_defined,
    of_class,
    of_other_classes,
    ratio,
    sums,
)
from skineval.measure.names import METRICS
from skineval.measure.ranking import rarer_side
from skineval.values.task import DIAGNOSES

_HALF = 0.5
_SENSITIVITY = 0.8

#: What a class is called for, and what it is: found, falsely called, falsely and rightly not called; (B, C) each.
Counts = tuple[Floats, Floats, Floats, Floats]


def preset(classes: Sequence[str]) -> tuple[Metric, ...]:
    """The metrics, the mean of each over classes behind it; raises DataError where the classes are not the seven."""
    if set(classes) != set(DIAGNOSES):
        raise DataError(
            f"The preset isic2018 is of {', '.join(DIAGNOSES)}, and there are {', '.join(classes)}.",
            "Leave --preset out.",
        )
    return METRICS[0], *(metric for one in _PER_CLASS for metric in (one, _mean(one)))


def called(probabilities: Floats) -> Mask:
    """(N, C): the classes whose score is above one half."""
    mask: Mask = probabilities > _HALF
    return mask


def auc_sens_80(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
    """(B, C): the area under that part of the ROC curve of a class whose sensitivity is 0.80 or more, 0 to 1.

    It is not scaled to the part: 1 where all are told apart, and 0.18 where scores say nothing.
    """
    positive = of_class(targets, probabilities, classes)
    columns = [_area(positive[:, c], probabilities[:, c], weights) for c in range(len(classes))]
    return np.stack(columns, axis=1)


def _area(positive: Mask, scores: Floats, weights: Floats) -> Floats:
    levels, level = np.unique(-scores, return_inverse=True)
    sides = (cumulated(sums(weights, level, len(levels), values=side.astype(float))) for side in (positive, ~positive))
    found, alarms = (ratio(side, side[:, -1:]) for side in sides)
    found_before, alarms_before = (np.pad(side[:, :-1], ((0, 0), (1, 0))) for side in (found, alarms))
    rise = found - found_before
    # The part of each line of the curve that lies below is left out; of one that does not rise, all or nothing.
    level_part = np.where(found_before >= _SENSITIVITY, 0.0, 1.0)
    part = np.where(rise > 0, (_SENSITIVITY - found_before) / np.where(rise > 0, rise, 1), level_part).clip(0, 1)
    start = found_before + part * rise
    width = (1 - part) * (alarms - alarms_before)
    area: Floats = (width * (start + found) / 2).sum(axis=1)
    return area


def _counts(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Counts:
    is_one, is_called = of_class(targets, probabilities, classes), called(probabilities)
    found, alarms, missed, spared = (
        weights @ mask for mask in (is_one & is_called, ~is_one & is_called, is_one & ~is_called, ~is_one & ~is_called)
    )
    return found, alarms, missed, spared


def _share(numerator: Floats, denominator: Floats) -> Floats:
    return np.where(denominator > 0, ratio(numerator, denominator), 1.0)


def _of_counts(figure: Callable[[Floats, Floats, Floats, Floats], Floats]) -> Compute:
    def compute(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
        return figure(*_counts(targets, probabilities, weights, classes))

    return compute


def _everything(targets: Integers, probabilities: Floats, classes: Sequence[str]) -> Mask:
    return np.ones_like(probabilities, dtype=np.bool_)


def _called(targets: Integers, probabilities: Floats, classes: Sequence[str]) -> Mask:
    return called(probabilities)


def _not_called(targets: Integers, probabilities: Floats, classes: Sequence[str]) -> Mask:
    return ~called(probabilities)


def _of_either(targets: Integers, probabilities: Floats, classes: Sequence[str]) -> Mask:
    return called(probabilities) | of_class(targets, probabilities, classes)


def _at_half(name: str, figure: Callable[..., Floats], share_of: ShareOf, summary: str) -> Metric:
    return Metric(f"{name}_at_half", _of_counts(figure), summary, per_class=True, share_of=share_of)


def _mean(of: Metric) -> Metric:
    def compute(targets: Integers, probabilities: Floats, weights: Floats, classes: Sequence[str]) -> Floats:
        return mean_where_defined(of.compute(targets, probabilities, weights, classes))

    return Metric(f"macro_{of.name}", compute, f"mean over classes: {of.summary}", exchange=of.exchange, mean_of=of)


_RANKED = {metric.name: metric for metric in METRICS if metric.name in ("auc", "ap")}
_PER_CLASS = (
    _at_half("accuracy", lambda a, b, c, d: _share(a + d, a + b + c + d), _everything, "share of images called right"),
    _at_half("sensitivity", lambda a, b, c, d: _share(a, a + c), of_class, "share of the class that is called"),
    _at_half(
        "specificity", lambda a, b, c, d: _share(d, b + d), of_other_classes, "share of others that is not called"
    ),
    _at_half("dice", lambda a, b, c, d: _share(2 * a, 2 * a + b + c), _of_either, "F1 of calling the class"),
    _at_half("ppv", lambda a, b, c, d: _share(a, a + b), _called, "share of what is called that is of the class"),
    _at_half("npv", lambda a, b, c, d: _share(d, c + d), _not_called, "share of what is not called that is of others"),
    _RANKED["auc"],
    Metric(
        "auc_sens_80",
        auc_sens_80,
        "area under the ROC curve from a sensitivity of 0.80 on",
        per_class=True,
        exchange="ranks",
        share_of=rarer_side,
    ),
    _RANKED["ap"],
)
