"""RandAugment: what is drawn, and each operation against torchvision's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as V

from skineval.train.augment import make_transform
from skineval.train.augment.draws import COLUMNS, neutral_draws
from skineval.train.augment.randaugment import (
    MAGNITUDE,
    OPERATIONS,
    RANGES,
    Doses,
    autocontrast,
    drawn_doses,
    posterize,
    sharpen_,
)
from tests.train.augment.pictures import CPU, MEAN, STD, pictures

TABLE = torch.tensor(list(RANGES.values()))


def numbers(*slots: tuple[str, float], n: int = 1) -> torch.Tensor:
    """Draws (n, 4) that choose two operations and their strengths."""
    places = [((OPERATIONS.index(operation) + 0.5) / len(OPERATIONS), strength) for operation, strength in slots]
    return torch.tensor(places).view(1, -1).expand(n, -1)


def doses(n: int = 4, **strengths: float) -> Doses:
    """Doses of given strengths."""
    strength, drawn = torch.zeros(n, len(OPERATIONS)), torch.zeros(n, len(OPERATIONS))
    for operation, value in strengths.items():
        strength[:, OPERATIONS.index(operation)] = value
        drawn[:, OPERATIONS.index(operation)] = 1
    return Doses(strength, drawn)


def transformed(images: torch.Tensor, *slots: tuple[str, float]) -> torch.Tensor:
    """What the component makes of images, 0..255 and not normalised."""
    draws = neutral_draws(CPU).repeat(len(images), 1)
    draws[:, COLUMNS["randaugment"]] = numbers(*slots)
    out = make_transform("randaugment", MEAN, STD, CPU)(images, draws).images
    return 255 * (out * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1))


def test_every_operation_is_drawn_equally_often():
    drawn = drawn_doses(torch.from_numpy(np.random.default_rng(0).random((12_000, 4), dtype=np.float32)), TABLE).drawn
    assert (drawn.sum(dim=1) == 2).all()
    frequency = drawn.mean(dim=0) / 2
    assert torch.allclose(frequency, torch.full_like(frequency, 1 / len(OPERATIONS)), atol=0.01)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_strengths_go_to_the_magnitude_either_way(operation):
    for draw, expected in ((0.0, -MAGNITUDE), (0.5, 0.0), (1.0, MAGNITUDE)):
        given = drawn_doses(numbers((operation, draw), ("identity", 0.9)), TABLE)
        assert float(given[operation]) == pytest.approx(expected * RANGES[operation], abs=1e-7)
        assert float(given.strength.abs().sum()) == pytest.approx(abs(expected * RANGES[operation]), abs=1e-7)


def test_an_operation_drawn_twice_gets_both_strengths():
    given = drawn_doses(numbers(("brightness", 1.0), ("brightness", 0.75)), TABLE)
    assert float(given["brightness"]) == pytest.approx(1.5 * MAGNITUDE * 0.9)


def test_the_largest_draw_below_one_is_the_last_operation():
    largest = float(np.nextafter(np.float32(1), np.float32(0)))
    assert drawn_doses(torch.tensor([[largest, 0.5, 0.0, 0.5]]), TABLE).drawn[0, [0, -1]].tolist() == [1, 1]


def test_identity_changes_nothing():
    images = pictures()
    out = transformed(images, ("identity", 0.1), ("identity", 0.9))
    torch.testing.assert_close(out, images.float(), atol=0.02, rtol=0)


@pytest.mark.parametrize("bits", range(5))
def test_posterize_is_that_of_torchvision(bits):
    images = pictures()
    assert torch.equal(posterize(images, doses(posterize=-float(bits))), V.posterize(images, 8 - bits))


def test_autocontrast_is_that_of_torchvision():
    images = pictures() // 2 + 30
    images[0, 1] = 77  # flat: nothing to stretch
    stretch = autocontrast(images, doses(autocontrast=0.0))
    ours = images * stretch.scale[..., None, None] + stretch.bias[..., None, None]
    torch.testing.assert_close(ours, V.autocontrast(images.float() / 255) * 255, atol=1e-2, rtol=0)
    assert ours[1:].amin() == pytest.approx(0, abs=1e-3)
    assert ours[1:].amax() == pytest.approx(255, abs=1e-3)


def test_autocontrast_is_for_those_that_drew_it():
    stretch = autocontrast(pictures() // 2 + 30, doses(brightness=0.1))
    assert (stretch.scale == 1).all()
    assert (stretch.bias == 0).all()


@pytest.mark.parametrize("strength", [-0.9, -0.27, 0.0, 0.27, 0.9])
def test_sharpness_is_that_of_torchvision(strength):
    images = pictures().float() * 0.3 + 90  # away from the ends, where torchvision clips
    ours = sharpen_(images.contiguous(), doses(sharpness=strength))
    expected = V.adjust_sharpness(images / 255, 1 + strength) * 255
    torch.testing.assert_close(ours, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("operation", "oracle"),
    [
        ("brightness", lambda images, s: V.adjust_brightness(images, 1 + s)),
        ("colour", lambda images, s: V.adjust_saturation(images, 1 + s)),
        ("sharpness", lambda images, s: V.adjust_sharpness(images, 1 + s)),
        ("contrast", lambda images, s: images.mean((2, 3), keepdim=True) * -s + images * (1 + s)),
        ("autocontrast", lambda images, s: V.autocontrast(images)),
    ],
)
@pytest.mark.parametrize("draw", [0.0, 0.8])
def test_colours_change_as_torchvision_changes_them(operation, oracle, draw):
    images = (pictures() * 0.4).to(torch.uint8) + 70  # away from the ends, where torchvision clips
    expected = oracle(images.float() / 255, (2 * draw - 1) * MAGNITUDE * 0.9) * 255
    out = transformed(images, (operation, draw), ("identity", 0.5))
    torch.testing.assert_close(out, expected, atol=0.1, rtol=0)


@pytest.mark.parametrize(
    ("operation", "affine"),
    [
        ("rotate", {"angle": 30 * MAGNITUDE}),
        ("shear-x", {"shear": [math.degrees(math.atan(0.3 * MAGNITUDE)), 0.0]}),
        ("shear-y", {"shear": [0.0, math.degrees(math.atan(0.3 * MAGNITUDE))]}),
        ("translate-x", {"translate": [150 / 331 * 64 * MAGNITUDE, 0]}),
        ("translate-y", {"translate": [0, 150 / 331 * 64 * MAGNITUDE]}),
    ],
)
def test_pixels_move_as_torchvision_moves_them(operation, affine):
    images = pictures(size=64)
    arguments = {"angle": 0, "translate": [0, 0], "scale": 1.0, "shear": [0.0]} | affine
    expected = V.affine(images.float(), interpolation=V.InterpolationMode.BILINEAR, **arguments)
    inside = V.affine(torch.ones(4, 1, 64, 64), interpolation=V.InterpolationMode.BILINEAR, **arguments) > 0.999
    off = [
        ((transformed(images, (operation, draw), ("identity", 0.5)) - expected) * inside).abs().max()
        for draw in (0.0, 1.0)
    ]
    assert min(off) < 4.0  # torchvision moves by whole pixels
    assert max(off) > 20.0
