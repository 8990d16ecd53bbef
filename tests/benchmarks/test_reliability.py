"""A few of the faults of training that benchmarks/reliability injects by the hundred; and that it would notice them."""

from __future__ import annotations

import math
import os
from dataclasses import replace
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
from benchmarks.reliability.programs import Program, Surroundings, apart, ready
from tests.conftest import install_plugin


def held(outcomes):
    assert outcomes
    assert not [f"{one.fault}: {one.figure}" for one in outcomes if not one.passed]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The same bench, which nobody kills."""
    ready()
    return kills.uninterrupted(surroundings(tmp_path_factory.mktemp("undisturbed") / "whole"))


def surroundings(folder):
    return Surroundings(folder, (min(os.sched_getaffinity(0)),), reports=False)


@pytest.mark.parametrize(
    ("written", "alone"),
    [
        ("out/networks/*/last.safetensors", False),
        ("out/networks/*/network.safetensors", False),
        ("out/cells/*-none-*/cell.json", True),
    ],
)
def test_a_bench_that_is_killed_once_a_file_is_there_ends_as_if_nothing_had_happened(
    written, alone, undisturbed, tmp_path
):
    assert sum(name.endswith("model.safetensors") for name in undisturbed.hashes) == 2
    assert "out/results.csv" in undisturbed.hashes
    program = Program(toy.BENCH, surroundings(tmp_path))
    interrupts.wait_for(program, lambda: any(tmp_path.glob(written)))
    assert program.kill(alone=alone)
    found = kills.aftermath(program, math.nan, undisturbed)
    assert (found.code, found.identical, found.leftovers) == (0, True, 0)
    assert 0 <= found.again <= 1


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


@pytest.mark.parametrize(
    ("slow", "written"),
    [
        (("training=0.1", "--epochs=3", "--batch-size=32"), "out/networks/*/last.safetensors"),
        (("predicting=0.2", "--epochs=1", "--tta=d4"), "out/networks/*/network.safetensors"),
    ],
    ids=["training", "prediction"],
)
def test_ctrl_c_saves_and_the_same_command_ends_as_ever(slow, written, tmp_path):
    ready()
    install_plugin(tmp_path / "site", "slow", toy.SLOW)
    stop = interrupts.interrupted(
        interrupts.slow(*slow), tmp_path, tmp_path / "site", lambda folder: any(folder.glob(written))
    )
    assert stop.clean, stop.said
    assert stop.resumed


def test_a_second_ctrl_c_waits_for_no_step(tmp_path):
    ready()
    install_plugin(tmp_path / "site", "slow", toy.SLOW)
    program = Program(
        interrupts.slow("training=60", "--epochs=1"), replace(surroundings(tmp_path), site=tmp_path / "site")
    )
    interrupts.wait_for(program, (tmp_path / toy.STEPPING).is_file)
    workers = program.workers()
    program.interrupt()
    assert not program.ends_within(0.5)
    program.interrupt()
    assert program.wait(50) == 130  # before the step is done
    assert workers
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


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
