"""Made-up benches of several strategies for each model, measured as any bench is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from skineval.catalog.specs import Metric
from skineval.grid.measuring import measured
from skineval.measure.names import METRICS
from skineval.values.result import BenchResult, CellResult
from tests.report.conftest import make_bench

#: Model, strategy and skill: the best of the first model is a remedy, that of the second `none`.
SYSTEMS = (
    ("resnet34", "none", 1.3),
    ("resnet34", "smote", 1.9),
    ("resnet34", "focal:gamma=1.5", 1.85),
    ("resnet34", "focal:gamma=0", 1.3),
    ("cnn", "none", 1.8),
    ("cnn", "smote", 1.0),
    ("alone", "none", 1.5),
)
SHARED = ("smote",)  #: strategies that act on the network of `none`


#: What the trade of strategies and their ladders are made of, for who needs no other figure.
OF_TRADE = tuple(metric for metric in METRICS if metric.name in ("balanced_accuracy", "accuracy", "recall", "ece"))


def laddered(
    folder: Path,
    systems: Sequence[tuple[str, str, float]] = SYSTEMS,
    replicates: int = 200,
    metrics: Sequence[Metric] = METRICS,
) -> BenchResult:
    """A bench of these systems, two seeds each; `focal:gamma=0` says what `none` says."""
    bench = make_bench(folder, systems=systems, failed=None, pixels=None, replicates=1)  # which are measured anew
    by_name = {(cell.model, cell.imbalance, cell.seed): cell for cell in bench.finished}

    def made(cell: CellResult) -> CellResult:
        none = by_name[cell.model, "none", cell.seed]
        network = none.run_id if cell.imbalance in SHARED else ""
        return replace(
            cell, network=network, predictions=(none if cell.imbalance == "focal:gamma=0" else cell).predictions
        )

    recipe = bench.recipe.model_copy(update={"replicates": replicates})
    return measured(replace(bench, finished=list(map(made, bench.finished)), recipe=recipe), metrics)
