"""Heads: what turns the last maps or the embedding of a network into logits."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skineval.catalog.networks import linear

DROPOUT = 0.4
FILTERS, GRID, DENSE = 64, 7, 128  #: of the conv head; its dense layer sees the grid, halved
HIDDEN = 256  #: of the mlp head


def convolutional(channels: int, num_classes: int) -> nn.Sequential:
    """From maps (N, channels, h, w) to logits (N, num_classes): a convolution, max-pooling, two dense layers.

    The head of a published ResNet-50 for HAM10000: Conv2d(64, 3x3), ReLU, max-pool 2, dropout 0.4, flatten,
    dense 128, ReLU, dropout 0.4, dense. Its dense layer fits maps of 7x7, which images of 224 pixels give; maps of
    another size are brought to 7x7 before the max-pooling, by averaging or repeating, so that the number of weights
    does not depend on the size of the images.
    """
    return nn.Sequential(
        nn.Conv2d(channels, FILTERS, 3, padding=1),
        nn.ReLU(),
        ToGrid(GRID),
        nn.MaxPool2d(2),
        nn.Dropout(DROPOUT),
        nn.Flatten(),
        nn.Linear(FILTERS * (GRID // 2) ** 2, DENSE),
        nn.ReLU(),
        nn.Dropout(DROPOUT),
        linear(DENSE, num_classes),
    )


def perceptron(inputs: int, num_classes: int) -> nn.Sequential:
    """From embeddings (N, inputs) to logits (N, num_classes) with one hidden layer of 256 and dropout 0.4."""
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), linear(HIDDEN, num_classes))


class ToGrid(nn.Module):
    """Maps (N, C, h, w) averaged, or repeated, to (N, C, side, side): adaptive average pooling.

    Written as two products of matrices, because the gradient of torch's own is not deterministic on GPUs.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, maps: Tensor) -> Tensor:
        """Maps of which every position is the mean of the positions that it covers."""
        height, width = maps.shape[-2:]
        if (height, width) == (self.side, self.side):
            return maps
        rows, columns = (_averaging(size, self.side, maps.device, maps.dtype) for size in (height, width))
        return rows @ maps @ columns.T

    def extra_repr(self) -> str:
        """Shown where the network is printed."""
        return str(self.side)


@cache
def _averaging(size: int, side: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Which of `size` positions each of `side` is the mean of, (side, size); copied to a GPU once."""
    return F.adaptive_avg_pool1d(torch.eye(size, device="cpu"), side).T.to(device, dtype)
