"""The simulations of intervals and tests run, and their truth is that of their samples."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.statistics.__main__ import MAKERS, QUICK
from benchmarks.statistics.world import HOLD_OUT, PLAIN, World, answers, truth
from skineval.measure.names import METRICS


def test_quick_runs_have_every_table_with_figures():
    found = [make(QUICK) for make in MAKERS]
    assert len({table.title for table in found}) == 16
    assert all(row.cells[min(2, len(row.cells) - 1)] is not None for table in found for row in table.rows)


def test_the_truth_is_what_samples_scatter_about():
    metrics = [metric for metric in METRICS if metric.name in ("recall", "accuracy", "nll")]
    world = World("even", HOLD_OUT.classes, (40,) * 7)
    (true,) = truth(world, [PLAIN], metrics, 10_000)
    rng = np.random.default_rng(0)
    (cell,) = answers(world, world.sample(rng, [10_000] * 7), [PLAIN], rng)
    for metric in metrics:
        found = metric.compute(cell.targets, cell.probabilities, np.ones((1, len(cell))), cell.classes)[0]
        assert found == pytest.approx(true[metric.name] if metric.per_class else true[metric.name][0], abs=0.03)
