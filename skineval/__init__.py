"""skineval: the benchmark for skin-lesion classifiers that can be believed.

Importing this package does no work and loads neither torch nor numpy; the functions load what they need.
"""

from __future__ import annotations

from skineval.api import bench, evaluate, load_model, tune
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
    "tune",
]
