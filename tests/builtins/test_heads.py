"""What is copied to a device: constants once, not at every step, since a GPU is waited for at each copy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from skineval.builtins.heads import ToGrid
from skineval.builtins.imbalance import class_weights
from skineval.builtins.vision_transformer import VisionTransformer

META = torch.device("meta")  #: stands for a GPU: tensors without values on a device of their own


class Copies(TorchDispatchMode):
    """Counts copies from one device to another."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        options = options or {}
        if function is torch.ops.aten._to_copy.default:
            self.count += torch.device(options.get("device") or arguments[0].device) != arguments[0].device
        return function(*arguments, **options)


def weighing():
    loss = class_weights(np.array([4, 2, 2]), power=1.0)
    return lambda: loss(torch.zeros(2, 3, device=META), torch.zeros(2, dtype=torch.int64, device=META))


def pooling():
    grid, maps = ToGrid(7), torch.zeros(1, 2, 3, 5, device=META)
    return lambda: grid(maps)


def looking_up_positions():
    with META:
        network = VisionTransformer()
    return lambda: network._positions(3, 5)


@pytest.mark.parametrize("make", [weighing, pooling, looking_up_positions])
def test_a_constant_is_copied_once(make):
    step = make()
    counts = []
    for _ in range(3):
        with Copies() as copies:
            assert step().device == META
        counts.append(copies.count)
    assert counts[0] > 0
    assert counts[1:] == [0, 0]
