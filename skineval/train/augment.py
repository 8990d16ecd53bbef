"""Augmentation of whole batches on the device, every image with its own parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from skineval.augmentations import components


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


@dataclass(frozen=True)
class Strength:
    """How far `basic` augmentation goes."""

    scale: float = 0.15  #: zoom between 1/(1+scale) and 1+scale
    shift: float = 0.08  #: of the image side, either way
    brightness: float = 0.1  #: factor 1 +- brightness
    contrast: float = 0.15
    saturation: float = 0.15
    balance: float = 0.05  #: factor of each of red and blue, for the light of different dermatoscopes


BASIC = Strength()


def epoch_draws(seed: int, epoch: int, n: int, width: int) -> NDArray[np.float32]:
    """Uniform numbers (n, width) for the n images of an epoch: a function of seed, epoch and position alone."""
    generator = np.random.Generator(np.random.Philox(key=[seed, epoch]))
    return generator.random((n, width), dtype=np.float32)


def normaliser(mean: Sequence[float], std: Sequence[float], device: torch.device) -> Callable[[Tensor], Tensor]:
    """uint8 images (N, 3, H, W) -> float32, 0..1, minus `mean`, over `std`, channel by channel."""
    scale = (1 / (255 * torch.tensor(std, device=device))).view(1, 3, 1, 1)
    offset = (-torch.tensor(mean, device=device) / torch.tensor(std, device=device)).view(1, 3, 1, 1)

    def normalise(images: Tensor) -> Tensor:
        return torch.addcmul(offset, images.float(), scale)

    return normalise


def make_transform(name: str, mean: Sequence[float], std: Sequence[float], device: torch.device) -> Transform:
    """The train transform that `augment` of a recipe names."""
    normalise = normaliser(mean, std, device)
    if not components(name):
        return Transform(0, lambda images, draws: Batch(normalise(images)))

    def basic(images: Tensor, draws: Tensor) -> Batch:
        changed = recolour(warp(images, draws[:, :6]), draws[:, 6:], mean, std)
        return Batch(changed.contiguous(memory_format=torch.channels_last))

    return Transform(10, basic)


def warp(images: Tensor, draws: Tensor, strength: Strength = BASIC) -> Tensor:
    """Turn by any angle, flip, zoom and shift: uint8 or float (N, 3, H, W), draws (N, 6) -> float32 0..255.

    A lesion has no up: all turns are alike. Outside the frame the image is mirrored, so that no black corner tells
    the network how an image was turned.
    """
    grid = sampling_grid(affine_matrices(draws, strength), images.shape[2], images.shape[3])
    # Plane by plane is how it is sampled fastest; and bytes are put in that order faster than floats.
    planes = images.contiguous().float()
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


def affine_matrices(draws: Tensor, strength: Strength = BASIC) -> Tensor:
    """Inverse maps (N, 2, 3), in the coordinates of `grid_sample`, from draws (N, 6)."""
    angle = 2 * math.pi * draws[:, 0]
    mirror = torch.where(draws[:, 1] < 0.5, -1.0, 1.0)
    zoom = torch.exp((2 * draws[:, 2] - 1) * math.log1p(strength.scale))
    shift = (2 * draws[:, 3:5] - 1) * 2 * strength.shift  # the image is 2 units wide
    cosine, sine = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    rows = [cosine * mirror, -sine, shift[:, 0], sine * mirror, cosine, shift[:, 1]]
    return torch.stack(rows, dim=1).view(-1, 2, 3)


def recolour(
    images: Tensor, draws: Tensor, mean: Sequence[float], std: Sequence[float], strength: Strength = BASIC
) -> Tensor:
    """Change brightness, contrast, saturation and colour balance of images (N, 3, H, W) 0..255, and normalise them.

    `draws` is (N, 4). All of it is linear in colour: one 3x3 matrix and one offset an image do it in one pass.
    """
    means, stds = torch.tensor(mean, device=images.device), torch.tensor(std, device=images.device)
    linear, offset = colour_maps(images.mean(dim=(2, 3)) / 255, draws, strength)
    matrix = linear / (255 * stds.view(1, 3, 1))
    shift = ((offset - means) / stds).unsqueeze(2)
    return torch.baddbmm(shift, matrix, images.flatten(2)).view_as(images)


def colour_maps(centres: Tensor, draws: Tensor, strength: Strength) -> tuple[Tensor, Tensor]:
    """Matrices (N, 3, 3) and offsets (N, 3) that change colours 0..1 of images whose mean colours are (N, 3)."""
    signed = 2 * draws - 1
    brightness = 1 + strength.brightness * signed[:, 0]
    contrast = 1 + strength.contrast * signed[:, 1]
    saturation = (1 + strength.saturation * signed[:, 2]).view(-1, 1, 1)
    warmth = strength.balance * signed[:, 3]
    # Towards the grey of the pixel (saturation), then towards the image's mean (contrast), then scale each channel.
    grey = torch.tensor([0.299, 0.587, 0.114], device=draws.device).expand(3, 3)
    saturate = saturation * torch.eye(3, device=draws.device) + (1 - saturation) * grey
    gain = brightness.view(-1, 1) * torch.stack([1 + warmth, torch.ones_like(warmth), 1 - warmth], dim=1)
    linear = (gain * contrast.view(-1, 1)).unsqueeze(2) * saturate
    offset = gain * (1 - contrast).view(-1, 1) * (saturate @ centres.unsqueeze(2)).squeeze(2)
    return linear, offset
