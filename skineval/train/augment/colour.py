"""Everything that is linear in colour, in one pass with the normalisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

BRIGHTNESS = 0.1  #: factor 1 +- BRIGHTNESS
CONTRAST = 0.15
SATURATION = 0.15
BALANCE = 0.05  #: factor of each of red and blue, for the light of different dermatoscopes
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in Pillow and torchvision


@dataclass(frozen=True)
class Palette:
    """What is known of colours before any image, (3,) float32 each, on the device."""

    mean: Tensor  #: of channels 0..1, as the network wants them normalised
    std: Tensor
    luma: Tensor  #: how much each channel adds to the grey of a pixel

    @classmethod
    def on(cls, mean: Sequence[float], std: Sequence[float], device: torch.device) -> Palette:
        """Copied once: a copy to a GPU for every batch would make it wait."""
        return cls(*(torch.tensor(values, dtype=torch.float32, device=device) for values in (mean, std, _LUMA)))


@dataclass(frozen=True)
class Light:
    """How the colours of each image are changed, (N,) float32 each; 1, 1, 1, 0 changes nothing."""

    brightness: Tensor  #: factor of all channels
    contrast: Tensor  #: factor of the distance from the mean colour of the image
    saturation: Tensor  #: factor of the distance from the grey of the pixel
    warmth: Tensor  #: red is multiplied by 1 + warmth, blue by 1 - warmth


@dataclass(frozen=True)
class Stretch:
    """A change of levels before all others: channel * scale + bias, 0..255; (N, 3) float32 each."""

    scale: Tensor
    bias: Tensor


def normaliser(mean: Sequence[float], std: Sequence[float], device: torch.device) -> Callable[[Tensor], Tensor]:
    """uint8 or float32 images (N, 3, H, W) 0..255 -> float32, 0..1, minus `mean`, over `std`, channel by channel."""
    palette = Palette.on(mean, std, device)
    scale = (1 / (255 * palette.std)).view(1, 3, 1, 1)
    offset = (-palette.mean / palette.std).view(1, 3, 1, 1)

    def normalise(images: Tensor) -> Tensor:
        return torch.addcmul(offset, images.float(), scale)

    return normalise


def drawn_light(draws: Tensor) -> Light:
    """The light that draws (N, 4) make: brightness, contrast, saturation, balance."""
    signed = 2 * draws - 1
    return Light(
        brightness=1 + BRIGHTNESS * signed[:, 0],
        contrast=1 + CONTRAST * signed[:, 1],
        saturation=1 + SATURATION * signed[:, 2],
        warmth=BALANCE * signed[:, 3],
    )


def recolour(planes: Tensor, light: Light, palette: Palette, stretch: Stretch | None = None) -> Tensor:
    """Change the colours of images (N, 3, H, W) float32 0..255, and normalise them.

    One 3x3 matrix and one offset an image do all of it in one pass. Nothing is clipped on the way: what is brighter
    than white stays brighter.
    """
    means = planes.mean(dim=(2, 3))
    if stretch is not None:
        means = torch.addcmul(stretch.bias, means, stretch.scale)
    linear, offset = colour_maps(means / 255, light, palette)
    matrix = linear / (255 * palette.std.view(1, 3, 1))
    shift = ((offset - palette.mean) / palette.std).unsqueeze(2)
    if stretch is not None:
        shift = torch.baddbmm(shift, matrix, stretch.bias.unsqueeze(2))
        matrix = matrix * stretch.scale.unsqueeze(1)
    return torch.baddbmm(shift, matrix, planes.flatten(2)).view_as(planes)


def colour_maps(centres: Tensor, light: Light, palette: Palette) -> tuple[Tensor, Tensor]:
    """Matrices (N, 3, 3) and offsets (N, 3) that change colours 0..1 of images whose mean colours are (N, 3)."""
    saturation, contrast = light.saturation.view(-1, 1, 1), light.contrast.view(-1, 1)
    # Towards the grey of the pixel (saturation), then towards the image's mean (contrast), then scale each channel.
    grey = palette.luma.expand(3, 3)
    saturate = saturation * torch.eye(3, device=grey.device) + (1 - saturation) * grey
    balance = torch.stack([1 + light.warmth, torch.ones_like(light.warmth), 1 - light.warmth], dim=1)
    gain = light.brightness.view(-1, 1) * balance
    linear = (gain * contrast).unsqueeze(2) * saturate
    offset = gain * (1 - contrast) * (saturate @ centres.unsqueeze(2)).squeeze(2)
    return linear, offset
