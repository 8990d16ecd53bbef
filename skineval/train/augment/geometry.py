"""Everything that moves pixels, in one sampling pass: turn, mirror, zoom, shift and slant."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SCALE = 0.15  #: zoom between 1/(1+SCALE) and 1+SCALE
SHIFT = 0.08  #: of the image side, either way
SHEAR = 0.14  #: tangent of the slant, 8 degrees


@dataclass(frozen=True)
class Pose:
    """How each image of a batch is seen, (N,) float32 each: the map from places in the result to places in the image.

    A place is mirrored, then slanted, then turned and zoomed, then shifted.
    """

    angle: Tensor  #: radians
    mirror: Tensor  #: -1 or 1
    zoom: Tensor  #: of the view: above 1, things look smaller
    right: Tensor  #: shift of the view, in half image widths
    down: Tensor
    slant_x: Tensor  #: tangent: how far a place goes right for each step down
    slant_y: Tensor

    def matrices(self) -> Tensor:
        """Inverse maps (N, 2, 3), in the coordinates of `grid_sample`."""
        cosine, sine = torch.cos(self.angle) * self.zoom, torch.sin(self.angle) * self.zoom
        rows = [
            (cosine - sine * self.slant_y) * self.mirror,
            cosine * self.slant_x - sine,
            self.right,
            (sine + cosine * self.slant_y) * self.mirror,
            sine * self.slant_x + cosine,
            self.down,
        ]
        return torch.stack(rows, dim=1).view(-1, 2, 3)


def drawn_pose(draws: Tensor) -> Pose:
    """The pose that draws (N, 6) make: rotate, flip, zoom, shift (right, down), shear.

    A lesion has no up: all turns are alike.
    """
    signed = 2 * draws - 1
    return Pose(
        angle=2 * math.pi * draws[:, 0],
        mirror=torch.where(draws[:, 1] < 0.5, -1.0, 1.0),
        zoom=torch.exp(signed[:, 2] * math.log1p(SCALE)),
        right=signed[:, 3] * (2 * SHIFT),  # the image is 2 units wide
        down=signed[:, 4] * (2 * SHIFT),
        slant_x=signed[:, 5] * SHEAR,
        slant_y=torch.zeros_like(signed[:, 5]),
    )


def warp(planes: Tensor, matrices: Tensor) -> Tensor:
    """Sample images (N, 3, H, W) float32 at the places of inverse maps (N, 2, 3), bilinearly.

    Outside the frame the image is mirrored, so that no black corner tells the network how an image was turned.
    """
    grid = sampling_grid(matrices, planes.shape[2], planes.shape[3])
    return F.grid_sample(planes, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def sampling_grid(matrices: Tensor, height: int, width: int) -> Tensor:
    """Where each pixel of the result comes from, (N, height, width, 2), for inverse maps (N, 2, 3).

    As `torch.nn.functional.affine_grid`, in a quarter of the time: what rows and columns contribute is added once.
    """
    down, across = (_centres(size, matrices.device) for size in (height, width))
    columns = matrices[:, :, 0, None] * across
    rows = matrices[:, :, 1, None] * down + matrices[:, :, 2, None]
    return rows.transpose(1, 2).unsqueeze(2) + columns.transpose(1, 2).unsqueeze(1)


def _centres(size: int, device: torch.device) -> Tensor:
    return (2 * torch.arange(size, device=device) + 1) / size - 1
