"""The first plugin: everything skineval itself offers, through the same hooks as anybody's package."""

from __future__ import annotations

from collections.abc import Iterable

from skineval.builtins.architectures import ARCHITECTURES, EMBEDDINGS
from skineval.builtins.datasets import SOURCES
from skineval.builtins.explainers import EXPLAINERS
from skineval.builtins.imbalance import STRATEGIES
from skineval.builtins.reporters import REPORTERS
from skineval.catalog.hooks import hookimpl
from skineval.catalog.specs import Architecture, DatasetSource, Explainer, Metric, Reporter
from skineval.catalog.strategy import ImbalanceStrategy
from skineval.measure.names import METRICS, OF_REJECTION


@hookimpl
def skineval_register_architectures() -> Iterable[Architecture]:
    return (*ARCHITECTURES, EMBEDDINGS)


@hookimpl
def skineval_register_imbalance() -> Iterable[ImbalanceStrategy]:
    return STRATEGIES


@hookimpl
def skineval_register_explainers() -> Iterable[Explainer]:
    return EXPLAINERS


@hookimpl
def skineval_register_metrics() -> Iterable[Metric]:
    return (*METRICS, *OF_REJECTION)


@hookimpl
def skineval_register_datasets() -> Iterable[DatasetSource]:
    return SOURCES


@hookimpl
def skineval_register_reporters() -> Iterable[Reporter]:
    return REPORTERS
