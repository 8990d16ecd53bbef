"""Hairs over the lesion, as dermatoscopes see them: one large sheet of hairs, and a window of it for each image."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

PROBABILITY = 0.25
SIDE = 6  #: of the sheet, in images
TUFTS = 3.0  #: an image: hairs of a tuft grow side by side
LENGTH = (0.3, 0.9)  #: of a hair, in images
WIDTH = (0.006, 0.014)
OPACITY = (0.5, 0.95)
DARKNESS = (15.0, 80.0)  #: red of a hair, 0..255
TINT = (1.0, 0.8, 0.72)  #: colour over red: brown
_FINEST = 1024  # pixels an image is drawn with, before it is made as small as it is needed
_STEPS = 16  # straight pieces of a hair


def draw_hairs_(planes: Tensor, draws: Tensor, tint: Tensor) -> Tensor:
    """Draw hairs over float32 images (N, 3, H, W) 0..255, in place; `tint` is `TINT` on the device, (3,).

    `draws` are (N, 5): whether, where on the sheet (down, right), opacity, darkness.
    """
    height, width = planes.shape[2:]
    windows = hair_sheet(max(height, width), planes.device).unfold(0, height, 1).unfold(1, width, 1)
    down, right = ((draws[:, k + 1] * windows.shape[k]).long().clamp(max=windows.shape[k] - 1) for k in (0, 1))
    opacity = OPACITY[0] + (OPACITY[1] - OPACITY[0]) * draws[:, 3]
    opacity = torch.where(draws[:, 0] < PROBABILITY, opacity / 255, 0.0)
    cover = windows[down, right].float().mul_(opacity.view(-1, 1, 1)).unsqueeze(1)
    colour = (DARKNESS[0] + (DARKNESS[1] - DARKNESS[0]) * draws[:, 4, None]) * tint
    return planes.lerp_(colour.view(-1, 3, 1, 1), cover)


@functools.lru_cache(maxsize=2)
def hair_sheet(size: int, device: torch.device) -> Tensor:
    """How much of each pixel is covered by hair, (SIDE * size, SIDE * size) uint8, for images of `size` pixels.

    It is the same sheet at every size and on every device.
    """
    finer = max(1, _FINEST // size)
    canvas = Image.new("L", (SIDE * size * finer, SIDE * size * finer))
    pen = ImageDraw.Draw(canvas)
    generator = np.random.default_rng(0)
    for _ in range(round(TUFTS * SIDE**2)):
        for hair, width in tuft(generator):
            _draw(pen, hair * size * finer, width * size * finer)
    return torch.from_numpy(np.array(canvas.reduce(finer))).to(device)


def tuft(generator: np.random.Generator) -> list[tuple[NDArray[np.float64], float]]:
    """A few hairs that grow in one direction, each a curve (_STEPS + 1, 2) and a width, in images."""
    root, direction = generator.uniform(0, SIDE, 2), generator.uniform(0, 2 * math.pi)
    bend = generator.normal(0, 0.1)
    thickness = generator.uniform(*WIDTH)
    return [
        (
            _curve(
                root + generator.normal(0, 0.2, 2),
                direction + generator.normal(0, 0.15),
                generator.uniform(*LENGTH),
                bend + generator.normal(0, 0.05),
            ),
            thickness * generator.uniform(0.7, 1.2),
        )
        for _ in range(generator.integers(1, 5))
    ]


def _curve(root: NDArray[np.float64], direction: float, length: float, bend: float) -> NDArray[np.float64]:
    """A quadratic Bezier curve whose middle lies `bend` of its length beside the straight line, (_STEPS + 1, 2)."""
    along = np.array([math.cos(direction), math.sin(direction)]) * length
    beside = np.array([-along[1], along[0]]) * 2 * bend
    t = np.linspace(0, 1, _STEPS + 1)[:, None]
    curve: NDArray[np.float64] = root + t * along + 2 * t * (1 - t) * beside
    return curve


def _draw(pen: ImageDraw.ImageDraw, points: NDArray[np.float64], width: float) -> None:
    """Thick at the root, a third as thick at the tip."""
    for step in range(_STEPS):
        thickness = max(1, round(width * (1 - 2 / 3 * step / _STEPS)))
        pen.line([tuple(points[step]), tuple(points[step + 1])], fill=255, width=thickness)
