"""Deterministic algorithms: switched on, and their cost measured against the others."""

from __future__ import annotations

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


def test_an_operation_without_a_deterministic_algorithm_is_refused():
    determinism.make_deterministic()
    assert torch.are_deterministic_algorithms_enabled()


def test_the_cost_is_the_ratio_of_the_two_ways():
    def step():
        time.sleep(0.009 if torch.are_deterministic_algorithms_enabled() else 0.003)

    assert 1.5 < determinism.cost(step, CPU) < 4.5
    assert torch.are_deterministic_algorithms_enabled()
