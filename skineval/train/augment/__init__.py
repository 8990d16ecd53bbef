"""Augmentation of whole batches on the device, every image with its own parameters.

What is done to an image depends on the image and its draws, not on the batch that it is in; only `mixup` and `cutmix`
mix it with its neighbour. No step waits for a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from skineval.train.augment import randaugment
from skineval.train.augment.chunks import cut, joined
from skineval.train.augment.colour import Palette, drawn_light, normaliser, recolour
from skineval.train.augment.draws import COLUMNS, WIDTH, chosen_columns, epoch_draws, neutral_draws
from skineval.train.augment.erasing import erase_
from skineval.train.augment.geometry import drawn_pose, warp
from skineval.train.augment.hair import TINT, draw_hairs_
from skineval.train.augment.mixing import Shares, drawn_mixture
from skineval.values.augmentations import MIXING, components

__all__ = ["Batch", "Transform", "epoch_draws", "make_transform", "normaliser"]

_MOVING = {"flip", "rotate", "zoom", "shift", "shear", "randaugment"}
_COLOURING = {"colour", "randaugment"}


@dataclass(frozen=True)
class Batch:
    """Images as the network is given them, and what is to be learnt of them beside their own label."""

    images: Tensor  #: (N, 3, H, W) float32, normalised, channels_last
    partner: Tensor | None = None  #: (N,) int64, positions in the batch: whose label an image has as well
    share: Tensor | None = None  #: (N,) float32 in [0, 1]: how much of an image's target is its own label


@dataclass(frozen=True)
class Transform:
    """What is done to a batch of train images."""

    draws: int  #: uniform numbers it takes for an image
    apply: Callable[[Tensor, Tensor], Batch]  #: uint8 images (N, 3, H, W), numbers (N, draws) in [0, 1) -> batch

    def __call__(self, images: Tensor, draws: Tensor) -> Batch:
        """The batch that uint8 images (N, 3, H, W) and numbers (N, draws) in [0, 1) make."""
        return self.apply(images, draws)


def make_transform(name: str, mean: Sequence[float], std: Sequence[float], device: torch.device) -> Transform:
    """The train transform that `augment` of a recipe names."""
    chosen = frozenset(components(name))
    normalise = normaliser(mean, std, device)
    if not chosen:
        return Transform(0, lambda images, draws: Batch(normalise(images)))

    palette, shares = Palette.on(mean, std, device), Shares.on(device)
    ranges = torch.tensor(list(randaugment.RANGES.values()), device=device)
    tint = torch.tensor(TINT, device=device)
    own, neutral = chosen_columns(chosen, device), neutral_draws(device)

    def changed(images: Tensor, draws: Tensor) -> Tensor:
        """All that is done to each image alone: uint8 -> float32 (N, 3, H, W), normalised."""
        pose, light, stretch = drawn_pose(draws[:, :6]), drawn_light(draws[:, COLUMNS["colour"]]), None
        # Plane by plane is how it is sampled fastest; and bytes are put in that order faster than floats.
        images = images.contiguous()
        if "randaugment" in chosen:
            doses = randaugment.drawn_doses(draws[:, COLUMNS["randaugment"]], ranges)
            pose, light = randaugment.posed(pose, doses), randaugment.lit(light, doses)
            images = randaugment.posterize(images, doses)
            stretch = randaugment.autocontrast(images, doses)
        planes = images.float()
        if "randaugment" in chosen:
            randaugment.sharpen_(planes, doses)
        if "hair" in chosen:
            draw_hairs_(planes, draws[:, COLUMNS["hair"]], tint)
        if chosen & _MOVING:
            planes = warp(planes, pose.matrices())
        planes = recolour(planes, light, palette, stretch) if chosen & _COLOURING else normalise(planes)
        return erase_(planes, draws[:, COLUMNS["erase"]]) if "erase" in chosen else planes

    def augment(images: Tensor, draws: Tensor) -> Batch:
        draws = torch.where(own, draws, neutral)
        chunks, mixes = cut(images), bool(chosen & MIXING)
        # What is mixed is mixed plane by plane, like everything.
        layout = torch.contiguous_format if mixes else torch.channels_last
        alone = joined((changed(images[chunk], draws[chunk]) for chunk in chunks), images, layout)
        if not mixes:
            return Batch(alone)
        mixture = drawn_mixture(draws[:, COLUMNS["mixup"]], draws[:, COLUMNS["cutmix"]], shares, *images.shape[2:])
        mixed = joined((mixture.blend(alone, chunk) for chunk in chunks), images, torch.channels_last)
        return Batch(mixed, mixture.partner, mixture.share)

    return Transform(WIDTH, augment)
