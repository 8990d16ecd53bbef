"""Random erasing (Zhong et al. 2020, arXiv 1708.04896)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

PROBABILITY = 0.25
AREA = (0.02, 0.2)  #: of the image; the paper goes to 0.4, where little is left of a lesion
PROPORTION = 0.3  #: sides are to one another as 1:1 to 1:PROPORTION


def drawn_boxes(draws: Tensor, height: int, width: int) -> Boxes:
    """The rectangles that draws (N, 5) make: whether, area, proportion, down, right; empty where nothing is erased.

    They lie within the image, everywhere with equal probability. Proportions are log-uniform, so that upright and
    lying rectangles are equally frequent.
    """
    area = AREA[0] + (AREA[1] - AREA[0]) * draws[:, 1]
    stretch = torch.exp((draws[:, 2] - 0.5) * math.log(1 / PROPORTION))  # the square root of the proportion
    side = torch.sqrt(area)
    tall, wide = (height * side * stretch).clamp(max=height), (width * side / stretch).clamp(max=width)
    tall = torch.where(draws[:, 0] < PROBABILITY, tall, 0.0)
    return Boxes(
        span(draws[:, 3] * (height - tall), tall, height),
        span(draws[:, 4] * (width - wide), wide, width),
    )


def erase_(images: Tensor, draws: Tensor) -> Tensor:
    """Set rectangles of normalised images (N, 3, H, W) to the mean colour, which is 0, in place; draws are (N, 5)."""
    boxes = drawn_boxes(draws, images.shape[2], images.shape[3])
    return images.mul_(1 - boxes.mask())


@dataclass(frozen=True)
class Boxes:
    """Which rows and columns lie in each rectangle."""

    rows: Tensor  #: (N, H) float32, 0 or 1
    columns: Tensor  #: (N, W)

    def mask(self) -> Tensor:
        """(N, 1, H, W) float32, 1 inside."""
        return (self.rows.unsqueeze(2) * self.columns.unsqueeze(1)).unsqueeze(1)

    def fraction(self) -> Tensor:
        """How much of the pixels is inside, (N,)."""
        pixels = self.rows.sum(dim=1) * self.columns.sum(dim=1)
        return pixels / (self.rows.shape[1] * self.columns.shape[1])


def span(start: Tensor, length: Tensor, size: int) -> Tensor:
    """Which of `size` pixels lie in spans that begin at `start` (N,) and are `length` (N,) long: (N, size) float32."""
    pixels = torch.arange(size, device=start.device)
    begin, end = start.round().unsqueeze(1), (start + length).round().unsqueeze(1)
    return ((pixels >= begin) & (pixels < end)).float()
