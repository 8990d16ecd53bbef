"""What becomes of colours, against torchvision."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torchvision.transforms.v2 import functional as V

from skineval.train.augment import normaliser
from skineval.train.augment.colour import (
    BALANCE,
    BRIGHTNESS,
    CONTRAST,
    SATURATION,
    Light,
    Palette,
    Stretch,
    drawn_light,
    recolour,
)
from tests.train.augment.pictures import CPU, MEAN, STD, pictures

PALETTE = Palette.on(MEAN, STD, CPU)
PLAIN = Light(torch.ones(4), torch.ones(4), torch.ones(4), torch.zeros(4))


def light(**changes) -> Light:
    return replace(PLAIN, **{name: torch.full((4,), value) for name, value in changes.items()})


def test_the_normaliser_is_that_of_torchvision():
    images = pictures()
    expected = V.normalize(images.float() / 255, list(MEAN), list(STD))
    torch.testing.assert_close(normaliser(MEAN, STD, CPU)(images), expected)


def test_plain_light_only_normalises():
    images = pictures()
    plain = recolour(images.float(), PLAIN, PALETTE)
    torch.testing.assert_close(plain, normaliser(MEAN, STD, CPU)(images), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("column", "field", "low", "high"),
    [
        (0, "brightness", 1 - BRIGHTNESS, 1 + BRIGHTNESS),
        (1, "contrast", 1 - CONTRAST, 1 + CONTRAST),
        (2, "saturation", 1 - SATURATION, 1 + SATURATION),
        (3, "warmth", -BALANCE, BALANCE),
    ],
)
def test_each_draw_sets_one_thing(column, field, low, high):
    draws = torch.full((3, 4), 0.5)
    draws[:, column] = torch.tensor([0.0, 0.5, 1.0])
    drawn = drawn_light(draws)
    torch.testing.assert_close(getattr(drawn, field), torch.tensor([low, (low + high) / 2, high]))
    others = {"brightness": 1, "contrast": 1, "saturation": 1, "warmth": 0}
    del others[field]
    assert all((getattr(drawn, name) == value).all() for name, value in others.items())


@pytest.mark.parametrize(
    ("change", "oracle"),
    [
        ({"brightness": 1.3}, lambda images: V.adjust_brightness(images, 1.3)),
        ({"brightness": 0.6}, lambda images: V.adjust_brightness(images, 0.6)),
        ({"contrast": 1.4}, None),
        ({"saturation": 1.4}, lambda images: V.adjust_saturation(images, 1.4)),
        ({"saturation": 0.3}, lambda images: V.adjust_saturation(images, 0.3)),
        ({"warmth": 0.1}, lambda images: images * torch.tensor([1.1, 1.0, 0.9]).view(3, 1, 1)),
    ],
)
def test_colours_change_as_torchvision_changes_them(change, oracle):
    raw = pictures().float() / 255 * 0.4 + 0.3  # away from the ends, where torchvision clips
    changed = recolour(raw * 255, light(**change), PALETTE)
    centre = raw.mean(dim=(2, 3), keepdim=True)  # torchvision stretches around one grey for all channels; we do not
    expected = oracle(raw) if oracle else centre + 1.4 * (raw - centre)
    torch.testing.assert_close(changed, V.normalize(expected, list(MEAN), list(STD)), atol=0.005, rtol=0)


def test_levels_are_stretched_before_all_else():
    planes = pictures().float()
    stretch = Stretch(torch.rand(4, 3) + 0.5, 40 * torch.rand(4, 3))
    lights = Light(torch.rand(4) + 0.5, torch.rand(4) + 0.5, torch.rand(4) + 0.5, torch.rand(4) - 0.5)
    by_hand = planes * stretch.scale[:, :, None, None] + stretch.bias[:, :, None, None]
    expected = recolour(by_hand, lights, PALETTE)
    torch.testing.assert_close(recolour(planes, lights, PALETTE, stretch), expected, atol=1e-4, rtol=1e-4)
