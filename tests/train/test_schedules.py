"""Learning rates: those of torch's schedulers, and what every schedule promises."""

from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skineval.train.schedules import learning_rate, one_cycle, plateau
from skineval.values.runspec import Training


def training(**changes):
    return Training(**{"epochs": 10, "batch_size": 8, "learning_rate": 1.0, **changes})


def optimizer(rate=1.0):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)


def test_the_learning_rate_warms_up_then_falls_to_zero():
    asked = training(warmup=2.0)
    expected = {0: 0.1, 1: 0.55, 2: 1.0, 6: 0.5, 10: 0.0}
    for epoch, rate in expected.items():
        assert learning_rate(asked, epoch) == pytest.approx(rate)
    assert learning_rate(training(schedule="constant"), 2.5) == 1.0


def test_the_cosine_is_that_of_torch():
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(one := optimizer(0.3), T_max=10)
    for epoch in range(10):
        asked = training(warmup=0.0, learning_rate=0.3)
        assert learning_rate(asked, epoch) == pytest.approx(schedule.get_last_lr()[0])
        one.step()
        schedule.step()


def test_one_cycle_is_that_of_torch():
    """torch counts steps from one end to the other, so that the last has the smallest rate; ours ends after it."""
    steps = 1001
    schedule = torch.optim.lr_scheduler.OneCycleLR(one := optimizer(), max_lr=1.0, total_steps=steps)
    for step in range(steps):
        expected = schedule.get_last_lr()[0]
        assert one_cycle(1.0, step / (steps - 1)) == pytest.approx(expected, abs=4e-3)
        assert learning_rate(training(schedule="one-cycle"), 10 * step / (steps - 1)) == one_cycle(
            1.0, (10 * step / (steps - 1)) / 10
        )
        one.step()
        if step < steps - 1:
            schedule.step()


@given(
    losses=st.lists(st.floats(0.01, 10), max_size=30),
    factor=st.sampled_from([0.1, 0.5, 0.9]),
    patience=st.integers(0, 4),
)
def test_plateau_is_that_of_torch(losses, factor, patience):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one = optimizer()
        # Without a least change of the rate: torch's default would keep the rate where it is tiny.
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(one, factor=factor, patience=patience, eps=0)
        for place, loss in enumerate(losses):
            schedule.step(loss)
            assert plateau(losses[: place + 1], factor, patience) == pytest.approx(one.param_groups[0]["lr"])


def test_the_plateau_lowers_the_rate_of_the_epoch_after():
    asked = training(schedule="plateau", plateau_patience=1, plateau_factor=0.1, warmup=0.0)
    assert learning_rate(asked, 3.0, [1.0, 1.0, 0.9]) == 1.0
    assert learning_rate(asked, 3.5, [0.9, 1.0, 1.0]) == pytest.approx(0.1)


@given(
    schedule=st.sampled_from(["cosine", "one-cycle", "plateau", "constant"]),
    done=st.floats(0, 10, exclude_max=True),
    warmup=st.floats(0, 10),
    losses=st.lists(st.floats(0.1, 3), max_size=10),
)
def test_no_rate_is_negative_or_above_the_peak(schedule, done, warmup, losses):
    assert 0 <= learning_rate(training(schedule=schedule, warmup=warmup), done, losses) <= 1.0 + 1e-12
