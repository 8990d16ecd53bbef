"""Every hook a plugin can implement, and nothing else. Each first line says when the hook is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable

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

hookspec = pluggy.HookspecMarker("skineval")
hookimpl = pluggy.HookimplMarker("skineval")


@hookspec
def skineval_register_architectures() -> Iterable[Architecture]:  # type: ignore[empty-body]
    """When models are listed or looked up: the architectures this plugin offers."""


@hookspec
def skineval_register_families() -> Iterable[ArchitectureFamily]:  # type: ignore[empty-body]
    """When models are listed or looked up: the families of architectures this plugin offers, `family/name`."""


@hookspec
def skineval_register_imbalance() -> Iterable[ImbalanceStrategy]:  # type: ignore[empty-body]
    """When imbalance strategies are listed or looked up: the ones this plugin offers."""


@hookspec
def skineval_register_explainers() -> Iterable[Explainer]:  # type: ignore[empty-body]
    """When explainers are listed or looked up: the ones this plugin offers."""


@hookspec
def skineval_register_metrics() -> Iterable[Metric]:  # type: ignore[empty-body]
    """When predictions are measured: the metrics this plugin adds to every table."""


@hookspec
def skineval_register_datasets() -> Iterable[DatasetSource]:  # type: ignore[empty-body]
    """When `--data` is resolved: the data sets and folder layouts this plugin can read."""


@hookspec
def skineval_register_reporters() -> Iterable[Reporter]:  # type: ignore[empty-body]
    """When a bench has been measured: the reports this plugin writes."""


@hookspec
def skineval_on_cell_start(event: CellStarted) -> None:
    """When a cell begins or is resumed, in the process that trains it."""


@hookspec
def skineval_on_epoch_end(event: EpochEnded) -> None:
    """When an epoch has been trained, validated and saved, in the process that trains it."""


@hookspec
def skineval_on_cell_end(event: CellEnded) -> None:
    """When a cell is done or has failed, in the process that trained it."""
