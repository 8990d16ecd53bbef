"""Everything that every plugin offers, by kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from skineval.catalog.architectures import ArchitectureShelf, FamilyShelf
from skineval.catalog.faults import specification_fault
from skineval.catalog.hybrids import resolved
from skineval.catalog.loading import Plugins, Problem, load_plugins, set_aside
from skineval.catalog.shelf import KINDS, Entry, Shelf
from skineval.catalog.specs import (
    Architecture,
    ArchitectureFamily,
    DatasetSource,
    Explainer,
    Metric,
    Reporter,
    Specification,
)
from skineval.catalog.strategies import StrategyShelf
from skineval.catalog.strategy import ImbalanceStrategy
from skineval.values.runspec import Selection

S = TypeVar("S", bound=Specification)


@dataclass(frozen=True)
class Catalog:
    """Everything that can be named in a recipe, and what was set aside on the way."""

    architectures: ArchitectureShelf
    imbalance: StrategyShelf
    explainers: Shelf[Explainer]
    metrics: Shelf[Metric]
    datasets: Shelf[DatasetSource]
    reporters: Shelf[Reporter]
    plugins: Plugins
    problems: tuple[Problem, ...]

    @property
    def shelves(self) -> dict[str, Shelf[Any]]:
        """What is offered of each kind, as `skineval list` calls it."""
        shelves = (
            self.architectures,
            self.architectures.families,
            self.imbalance,
            self.explainers,
            self.metrics,
            self.datasets,
            self.reporters,
        )
        return {shelf.kind: shelf for shelf in shelves}

    def architecture(self, selection: Selection) -> Architecture:
        """The architecture that `selection` names, as its parameters make it; raises UsageError for unknown names."""
        return resolved(self.architectures[selection.name], selection.parameters)


def load_catalog(plugins: Plugins | None = None) -> Catalog:
    """Ask every plugin what it offers."""
    loaded = load_plugins() if plugins is None else plugins
    problems = list(loaded.problems)

    def collect(hook: str, of: type[S]) -> Mapping[str, Entry[S]]:
        entries: dict[str, Entry[S]] = {}
        for found in loaded.collect(hook):
            if isinstance(found, Problem):
                problems.append(found)
                continue
            provider, specification = found
            names = {name: entry.provider for name, entry in entries.items()}
            fault = specification_fault(specification, of, names)
            if fault:
                problems.append(set_aside(Problem(provider, hook, fault)))
            else:
                entries[specification.name] = Entry(specification, provider)
        return MappingProxyType(entries)

    def shelf(of: type[S], noun: str, hook: str) -> Shelf[S]:
        return Shelf(KINDS[of], noun, collect(hook, of))

    families = FamilyShelf(
        KINDS[ArchitectureFamily], "family of models", collect("skineval_register_families", ArchitectureFamily)
    )
    return Catalog(
        architectures=ArchitectureShelf(
            KINDS[Architecture], "model", collect("skineval_register_architectures", Architecture), families
        ),
        imbalance=StrategyShelf(
            KINDS[ImbalanceStrategy],
            "imbalance strategy",
            collect("skineval_register_imbalance", ImbalanceStrategy),
        ),
        explainers=shelf(Explainer, "explainer", "skineval_register_explainers"),
        metrics=shelf(Metric, "metric", "skineval_register_metrics"),
        datasets=shelf(DatasetSource, "data set", "skineval_register_datasets"),
        reporters=shelf(Reporter, "reporter", "skineval_register_reporters"),
        plugins=loaded,
        problems=tuple(problems),
    )
