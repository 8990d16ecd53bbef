"""skineval: the benchmark for skin-lesion classifiers that can be believed.

Importing this package loads nothing: each name is loaded when it is asked for, and torch and numpy when they are used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skineval.api import bench, demo_app, embed, explanations, export, leakage, load_model, open, tune
    from skineval.base.errors import UsageError, WeightsError
    from skineval.catalog.hooks import hookimpl
    from skineval.catalog.parameters import Parameter
    from skineval.catalog.specs import (
        Architecture,
        ArchitectureFamily,
        CellEnded,
        CellStarted,
        DatasetSource,
        EpochEnded,
        Explainer,
        Metric,
        Reporter,
    )
    from skineval.catalog.strategy import ImbalanceStrategy
    from skineval.scoring import compare, evaluate
    from skineval.values.result import BenchResult

__all__ = [
    "Architecture",
    "ArchitectureFamily",
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
    "UsageError",
    "WeightsError",
    "bench",
    "compare",
    "demo_app",
    "embed",
    "evaluate",
    "explanations",
    "export",
    "hookimpl",
    "leakage",
    "load_model",
    "open",
    "tune",
]

#: Where what is not one of `skineval.catalog.specs` is from.
_API = ("bench", "demo_app", "embed", "explanations", "export", "leakage", "load_model", "open", "tune")
_HOMES = dict.fromkeys(_API, "api") | dict.fromkeys(("compare", "evaluate"), "scoring")
_HOMES |= {"ImbalanceStrategy": "catalog.strategy", "Parameter": "catalog.parameters"}
_HOMES |= {"BenchResult": "values.result", "hookimpl": "catalog.hooks"}
_HOMES |= dict.fromkeys(("UsageError", "WeightsError"), "base.errors")


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'catalog.specs')}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
