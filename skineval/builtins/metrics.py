"""The metrics that come with skineval; `skineval.measure.metrics`, which needs numpy, is loaded when they compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skineval.measure.names import FIGURES, Figure
from skineval.specs import Metric

if TYPE_CHECKING:
    from skineval.specs import Compute


def _compute(name: str) -> Compute:
    def compute(targets, probabilities, weights, classes):  # type: ignore[no-untyped-def]
        from skineval.measure import metrics

        return getattr(metrics, name)(targets, probabilities, weights, classes)

    return compute


def _metric(figure: Figure) -> Metric:
    return Metric(
        figure.name,
        _compute(figure.name),
        figure.summary,
        per_class=figure.per_class,
        higher_is_better=figure.higher_is_better,
    )


METRICS = tuple(_metric(figure) for figure in FIGURES)
