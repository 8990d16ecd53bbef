"""The metrics that come with skineval; `skineval.measure.metrics`, which needs numpy, is loaded when they compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skineval.measure.names import made_of_figures


def _later(name: str) -> Callable[..., Any]:
    def function(*arguments: Any) -> Any:
        from skineval.measure import metrics

        return getattr(metrics, name)(*arguments)

    return function


METRICS = made_of_figures(_later)
