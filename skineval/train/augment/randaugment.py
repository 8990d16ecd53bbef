"""RandAugment (Cubuk et al. 2020, arXiv 1909.13719) for whole batches: two operations an image, its N.

As in the paper, each is drawn from all with equal probability, and has the range that AutoAugment gave it. Other than
there:

- Equalize and solarize are left out: a lesion is diagnosed by its colour, of which equalize leaves nothing, while
  solarize makes turquoise of bright skin and of the pale parts of lesions.
- Operations are done in one fixed order (posterize, sharpness, then all that moves pixels, then autocontrast and all
  else that is linear in colour) and not in the order drawn. So one sampling pass and one matrix do most of them,
  together with those of the other components. One drawn twice is done once, with both strengths added.
- Strength is drawn between 0 and MAGNITUDE, in either direction where there are two, instead of being MAGNITUDE.
- Contrast is changed around the mean of each channel, not around the mean grey. Nothing is clipped between operations.
- What comes into the frame is the mirrored image, not grey.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from skineval.train.augment.colour import Light, Stretch
from skineval.train.augment.geometry import Pose

MAGNITUDE = 9 / 30  #: M of the paper, over its largest value
#: How far each operation goes at the largest magnitude; 0 where it has none.
RANGES = {
    "identity": 0.0,
    "autocontrast": 0.0,
    "rotate": math.radians(30),
    "shear-x": 0.3,
    "shear-y": 0.3,
    "translate-x": 2 * 150 / 331,  # of half the width of the image
    "translate-y": 2 * 150 / 331,
    "brightness": 0.9,
    "contrast": 0.9,
    "colour": 0.9,
    "sharpness": 0.9,
    "posterize": 4.0,  # bits
}
OPERATIONS = tuple(RANGES)


@dataclass(frozen=True)
class Doses:
    """How much of each operation each image of a batch gets."""

    strength: Tensor  #: (N, K) float32, signed, in the unit of the operation's range; K as in `OPERATIONS`
    drawn: Tensor  #: (N, K) float32: how often the operation was drawn

    def __getitem__(self, operation: str) -> Tensor:
        """The strengths (N,) of an operation; 0 where it was not drawn."""
        return self.strength[:, OPERATIONS.index(operation)]


def drawn_doses(draws: Tensor, ranges: Tensor) -> Doses:
    """The doses that draws (N, 4) make: operation and strength, alternating.

    `ranges` are those of `RANGES`, (K,), on the device.
    """
    number = torch.arange(len(OPERATIONS), device=draws.device)
    hits = ((draws[:, 0::2] * len(OPERATIONS)).long().unsqueeze(2) == number).float()
    signed = (2 * draws[:, 1::2] - 1) * MAGNITUDE
    return Doses((hits * signed.unsqueeze(2)).sum(dim=1) * ranges, hits.sum(dim=1))


def posed(pose: Pose, doses: Doses) -> Pose:
    """`pose`, with what RandAugment adds to it."""
    return replace(
        pose,
        angle=pose.angle + doses["rotate"],
        slant_x=pose.slant_x + doses["shear-x"],
        slant_y=pose.slant_y + doses["shear-y"],
        right=pose.right + doses["translate-x"],
        down=pose.down + doses["translate-y"],
    )


def lit(light: Light, doses: Doses) -> Light:
    """`light`, with what RandAugment adds to it."""
    return replace(
        light,
        brightness=light.brightness * (1 + doses["brightness"]),
        contrast=light.contrast * (1 + doses["contrast"]),
        saturation=light.saturation * (1 + doses["colour"]),
    )


def posterize(images: Tensor, doses: Doses) -> Tensor:
    """Set the lowest bits of uint8 images (N, 3, H, W) to zero."""
    lost = doses["posterize"].abs().round()
    kept = (256 - torch.exp2(lost)).round().to(torch.uint8)
    return images & kept.view(-1, 1, 1, 1)


def autocontrast(images: Tensor, doses: Doses) -> Stretch:
    """What stretches each channel of uint8 images (N, 3, H, W) to 0..255, where that was drawn."""
    flat = images.flatten(2)
    low, high = flat.amin(dim=2).float(), flat.amax(dim=2).float()
    wanted = (doses.drawn[:, OPERATIONS.index("autocontrast"), None] > 0) & (high > low)
    scale = torch.where(wanted, 255 / (high - low).clamp(min=1), 1.0)
    return Stretch(scale, torch.where(wanted, -low * scale, 0.0))


def sharpen_(planes: Tensor, doses: Doses) -> Tensor:
    """Sharpen (above 0) or blur (below) float32 images (N, 3, H, W) in place, all but the pixels at the edge.

    The smooth image that they are moved away from is Pillow's: a 3x3 mean in which the centre weighs five times.
    """
    strength = doses["sharpness"].view(-1, 1, 1, 1)
    rows = planes[:, :, :-2] + planes[:, :, 1:-1]
    rows += planes[:, :, 2:]
    square = rows[..., :-2] + rows[..., 1:-1]
    square += rows[..., 2:]  # the sum of all nine
    inner = planes[:, :, 1:-1, 1:-1]
    inner.mul_(1 + strength * (9 / 13)).addcmul_(square, strength * (-1 / 13))
    return planes
