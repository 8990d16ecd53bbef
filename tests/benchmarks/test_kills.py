"""What a killed bench was at is told by the files it had written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.reliability.kills import phase
from skineval.base.terms import DONE
from skineval.grid.cell.record import CellRecord, write_cell
from skineval.grid.folder import BenchFolder
from tests.values.test_recipe import SPEC


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_each_file_that_is_there_tells_a_later_phase(tmp_path: Path) -> None:
    """In the order in which a bench writes them."""
    bench = BenchFolder(tmp_path / "out")
    first, second = (CellRecord(replace(SPEC, seed=seed), DONE) for seed in (0, 1))
    first_cell, second_cell = (bench.cell(record.spec.run_id) for record in (first, second))
    network = bench.network(first.spec.run_id)
    steps = [
        (lambda: touch(bench.cells), "preparing images"),
        (lambda: touch(tmp_path / "cache/pixels/store.json"), "training"),
        (lambda: touch(network.path / ".last.k3v9.part"), "saving a checkpoint"),
        (lambda: touch(network.weights), "predicting"),
        (lambda: write_cell(first_cell, replace(first, adding="explaining with gradcam")), "explaining"),
        (lambda: write_cell(first_cell, first), "predicting"),
        (lambda: write_cell(second_cell, replace(second, adding="explaining with gradcam")), "explaining"),
        (lambda: write_cell(second_cell, second), "measuring"),
        (lambda: touch(bench.comparisons), "writing reports"),
        (lambda: touch(bench.receipt), "printing"),
    ]
    assert phase(tmp_path) == "starting"
    for step, expected in steps:
        step()
        assert phase(tmp_path) == expected
