"""A few of the faults of training that benchmarks/reliability injects by the hundred; and that it would notice them."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest

from benchmarks.reliability import (
    determinism,
    full_disk,
    interrupts,
    kills,
    not_finite,
    out_of_memory,
    saves,
    toy,
    tracing,
)
from benchmarks.reliability.programs import apart


def held(outcomes):
    assert outcomes
    assert not [f"{one.fault}: {one.figure}" for one in outcomes if not one.passed]


def test_a_killed_bench_ends_as_if_nothing_had_happened(tmp_path):
    trials, reference = kills.killed(3, tmp_path, reports=False)
    assert [(trial.code, trial.identical, trial.leftovers) for trial in trials] == [(0, True, 0)] * 3
    assert all(0 <= trial.again <= 1 for trial in trials)
    assert sum(name.endswith("model.safetensors") for name in reference.hashes) == 2
    assert "out/results.csv" in reference.hashes


def test_a_save_that_dies_leaves_the_old_checkpoint_or_the_new_one():
    held(saves.measure(most=6))


def careless(most):
    """A save that writes where the old file is."""
    with patch("skineval.train.weights.atomic_write", Path.write_bytes):
        return saves.died("better epoch", most)


@pytest.mark.skipif(not tracing.possible(), reason="this system does not let one process trace another")
def test_a_save_that_is_not_atomic_would_be_noticed():
    assert apart(careless, 200).neither > 0


def test_a_full_disk_is_named_and_nothing_is_lost():
    held(full_disk.measure(most=2, reports=False))


def test_ctrl_c_saves_and_ends_soon():
    held(interrupts.measure(most=2, reports=False))


def test_where_memory_runs_out_results_are_those_of_a_direct_run():
    held(out_of_memory.measure(most=2))


def test_a_loss_that_is_not_finite_costs_an_epoch_or_its_cell():
    held(not_finite.measure())


def test_the_same_recipe_is_the_same_bit_for_bit():
    held(determinism.measure(most=4))


def test_a_difference_of_one_bit_would_be_noticed(tmp_path):
    path = tmp_path / "out" / "cells" / "a" / "model.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\0")
    before = toy.hashes(tmp_path)
    path.write_bytes(b"\1")
    assert len(before) == 1
    assert toy.hashes(tmp_path) != before
