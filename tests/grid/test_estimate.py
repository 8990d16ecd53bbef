"""What a bench will cost is said within seconds, and with a word on a machine that has other work."""

from __future__ import annotations

import dataclasses
import os

import pytest

from skineval.catalog.catalog import load_catalog
from skineval.grid import estimate
from skineval.grid.prepare import prepare
from skineval.report.plan import plan
from skineval.values.recipe import make_recipe

KEYS = {
    "models": "cnn:width=4,cnn:width=8",
    "data": "synthetic:images=140",
    "image_size": 32,
    "batch_size": 64,
    "weights": "none",
    "imbalance": "smote,smote:k=3",
}


@pytest.fixture(scope="module")
def prepared():
    return dataclasses.replace(prepare(make_recipe(KEYS), load_catalog()), threads=1)


def costs_of(prepared, **there):
    return estimate.estimate_cells(prepared, estimate.measure_steps(prepared), **there)


def test_without_time_no_step_is_measured_and_with_time_a_whole_batch_is(prepared, monkeypatch):
    tried: list[int] = []
    original = estimate.bare_step
    monkeypatch.setattr(estimate, "bare_step", lambda *args: (tried.append(args[2]), original(*args))[1])
    monkeypatch.setattr(estimate, "BUDGET", 0.0)
    costs = costs_of(prepared)
    assert tried == []
    assert all(cost.seconds > 0 and cost.memory > estimate.BASE_MEMORY for cost in costs)
    monkeypatch.setattr(estimate, "BUDGET", 1e9)
    again = costs_of(prepared)
    assert tried == [4, 8, 16, 32, 64, 64] * 2
    assert [cost.memory for cost in again] == [cost.memory for cost in costs]


def test_a_network_that_cells_share_is_charged_once(prepared):
    costs = costs_of(prepared)
    first, other = (cost for cost in costs if cost.cell.model.parameters["width"] == 4)
    assert first.cell.network_id == other.cell.network_id
    assert (first.work, other.work) == (estimate.TRAINS, estimate.SHARES)
    assert 0 < other.seconds < first.seconds / 2


def test_what_is_done_costs_nothing_and_the_rest_goes_on_from_there(prepared):
    first, *others = prepared.cells
    costs = costs_of(prepared, done={first.run_id}, networks={first.network_id})
    found = {cost.cell.run_id: cost for cost in costs}
    assert (found[first.run_id].work, found[first.run_id].seconds) == (estimate.DONE_ALREADY, 0.0)
    (beside,) = (cell for cell in others if cell.network_id == first.network_id)
    assert found[beside.run_id].work == estimate.SHARES


@pytest.mark.parametrize(("load", "said"), [(0.2, ""), (1.9, ""), (2.1, "The machine is busy (load average 2.1, 4 co")])
def test_a_busy_machine_is_said_to_be_busy(monkeypatch, load, said):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 9.0, 9.0), raising=False)
    assert estimate.busy().startswith(said)
    assert bool(estimate.busy()) == bool(said)


def test_what_is_left_out_of_the_estimate_is_said():
    known = "the start of 2 processes that load torch, decoding what is not in the cache"
    for asked, said in (
        ({"explainers": ""}, f"{known} and intervals, "),
        (
            {"explainers": "gradcam", "external": "synthetic:seed=5"},
            f"{known}, predictions of external tests, explanations with their galleries and intervals, ",
        ),
    ):
        table = plan([], (), make_recipe({**KEYS, **asked, "jobs": 2}))
        assert f"to its last epoch. Left out: {said}tests and reports at the end." in table.footnotes[1]
