"""Rectangles, one an image, as masks: for what is erased and what is pasted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


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
