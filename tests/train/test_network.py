"""Multiply-adds of networks are those that were published."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision import models

from skineval.base.errors import PluginError
from skineval.builtins.architectures import ARCHITECTURES
from skineval.catalog.shelf import select
from skineval.catalog.specs import Architecture
from skineval.train.network import Blueprint, multiply_adds

BY_NAME = {architecture.name: architecture for architecture in ARCHITECTURES}


@pytest.mark.parametrize(
    ("name", "billions"),
    [("resnet50", 4.09), ("densenet121", 2.83), ("efficientnet_b3", 1.83), ("vit_b_16", 17.56), ("swin_v2_t", 5.94)],
)
def test_they_are_those_that_torchvision_publishes(name, billions):
    architecture = BY_NAME[name]
    counted = multiply_adds(Blueprint(architecture, select(architecture).parameters, 1000, architecture.image_size))
    assert counted == pytest.approx(billions * 1e9, rel=0.005)
    assert counted == pytest.approx(models.get_model_weights(name).DEFAULT.meta["_ops"] * 1e9, rel=0.001)


def test_they_are_what_a_convolution_and_a_linear_layer_need():
    def build(num_classes, *, weights):
        return nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, bias=False), nn.Flatten(), nn.Linear(8 * 3 * 3, num_classes))

    counted = multiply_adds(Blueprint(Architecture("two", build, "Two layers."), {}, 5, 7))
    assert counted == 3 * 3 * 3 * 8 * 9 + 72 * 5


class LooksAtValues(nn.Module):
    """A network that cannot be run without values."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 7)

    def forward(self, images):
        means = images.mean(dim=(2, 3))
        return self.layer(means if means.sum().item() >= 0 else -means)


def test_a_network_that_looks_at_values_is_counted_too():
    architecture = Architecture("looks", lambda num_classes, *, weights: LooksAtValues(), "Looks at values.")
    assert multiply_adds(Blueprint(architecture, {}, 7, 8)) == 21


def test_one_that_cannot_be_run_is_named():
    def build(num_classes, *, weights):
        raise ValueError("no such thing")

    with pytest.raises(PluginError, match="broken cannot be run: ValueError: no such thing"):
        multiply_adds(Blueprint(Architecture("broken", build, "Fails."), {}, 7, 8))


def test_nothing_is_left_on_another_device():
    multiply_adds(Blueprint(BY_NAME["cnn"], select(BY_NAME["cnn"]).parameters, 7, 64))
    assert torch.zeros(1).device.type == "cpu"
