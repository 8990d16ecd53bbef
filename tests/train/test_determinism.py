"""Deterministic algorithms: switched on, and their cost measured against the others."""

from __future__ import annotations

import os
import time

import pytest
import torch

from skineval.train import determinism

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    yield
    torch.use_deterministic_algorithms(False)


def test_an_operation_without_a_deterministic_algorithm_is_an_error_and_cublas_keeps_its_order():
    determinism.make_deterministic()
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_the_cost_is_the_ratio_of_the_two_ways(monkeypatch):
    clock = [0.0]

    def step():
        clock[0] += 9 if torch.are_deterministic_algorithms_enabled() else 3

    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    assert determinism.cost(step, CPU) == 3
    assert torch.are_deterministic_algorithms_enabled()


def test_a_step_that_fails_leaves_determinism_on():
    calls = []

    def step():
        calls.append(torch.are_deterministic_algorithms_enabled())
        if not calls[-1]:
            raise ZeroDivisionError

    determinism.make_deterministic()
    with pytest.raises(ZeroDivisionError):
        determinism.cost(step, CPU)
    assert not calls[-1]
    assert torch.are_deterministic_algorithms_enabled()
