"""skineval: the benchmark for skin-lesion classifiers that can be believed.

Importing this package does no work and loads neither torch nor numpy; the functions load what they need.
"""

from __future__ import annotations

from skineval.api import bench, evaluate, load_model, open, tune
from skineval.grid.result import BenchResult
from skineval.hookspecs import hookimpl
from skineval.specs import (
    Architecture,
    CellEnded,
    CellStarted,
    DatasetSource,
    EpochEnded,
    Explainer,
    ImbalanceStrategy,
    Metric,
    Parameter,
    Reporter,
)

__all__ = [
    "Architecture",
    "BenchResult",
    "CellEnded",
    "CellStarted",
    "DatasetSource",
    "EpochEnded",
    "Explainer",
    "ImbalanceStrategy",
    "Metric",
    "Parameter",
    "Reporter",
    "bench",
    "evaluate",
    "hookimpl",
    "load_model",
    "open",
    "tune",
]
