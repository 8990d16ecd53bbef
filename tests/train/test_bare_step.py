"""What a training step needs, and the batch size that `auto` makes of it."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from skineval.base.errors import UsageError
from skineval.train.bare_step import SHARE, Need, bare_step, empty_stage, largest_batch, memory_need
from skineval.train.learner import make_learner
from skineval.train.network import Blueprint
from skineval.values.runspec import Training
from tests.train.toys import TOY

CPU = torch.device("cpu")


def need(size, architecture=TOY, precision="fp32"):
    return memory_need(Blueprint(architecture, {}, 3, size), CPU, precision)


def broad(num_classes, *, weights):
    """A network whose weights take far more memory than what it computes from an image."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(16), nn.Flatten(), nn.Linear(2048, 512), nn.Linear(512, 3)
    )


BROAD = dataclasses.replace(TOY, name="broad", build=broad)


def test_memory_for_images_grows_with_their_area():
    small, large = need(16), need(32)
    assert small.fixed == large.fixed == 16 * sum(p.numel() for p in TOY.build(3, weights=None).parameters())
    assert large.an_image == pytest.approx(4 * small.an_image, rel=0.05)


def test_bfloat16_takes_between_a_part_and_all_of_the_memory_of_float32():
    """Autocast keeps copies of the weights for the backward pass: these are no memory of an image."""
    full, half = need(32, BROAD), need(32, BROAD, "bf16")
    assert full.fixed == half.fixed
    assert 0.3 * full.an_image < half.an_image <= full.an_image


def test_memory_for_an_image_is_at_least_what_its_layers_return():
    """Input, two convolutions of 8 channels, normalisation and the sign of ReLUs, all 16 x 16 float32."""
    assert need(16).an_image >= (3 + 8 + 8 + 8) * 16 * 16 * 4


@given(fixed=st.integers(0, 10**9), an_image=st.integers(1, 10**9), memory=st.integers(10**6, 10**12))
def test_the_largest_batch_fits_and_the_next_does_not(fixed, an_image, memory):
    room = memory * SHARE["cuda"] - fixed
    try:
        size = largest_batch(Need(fixed, an_image), memory, "cuda")
    except UsageError:
        assert 8 * an_image > room
        return
    assert size in (8, 16, 32, 64, 128, 256)
    assert size * an_image <= room
    assert size == 256 or 2 * size * an_image > room


def test_the_bare_step_learns():
    torch.manual_seed(0)
    learner = make_learner(TOY.build(3, weights=None), Training(1, 8, 1e-2), CPU)
    stage = empty_stage(Blueprint(TOY, {}, 3, 16), 4, CPU, "fp32")
    before = learner.network[0].weight.detach().clone()
    step = bare_step(learner, stage, 8, 3, 1e-2)
    step()
    assert not torch.equal(learner.network[0].weight, before)
    assert all(weight.value.grad is None for weight in learner.optimizer.weights)
