"""Smooth images for the tests of augmentation."""

from __future__ import annotations

import torch
from torch import Tensor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CPU = torch.device("cpu")


def pictures(n: int = 4, size: int = 16, seed: int = 0) -> Tensor:
    """uint8 (n, 3, size, size), as `Stage.take` gives them: channels last in memory."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 1)
    return (smooth * 255).to(torch.uint8).contiguous(memory_format=torch.channels_last)
