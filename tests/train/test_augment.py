"""Augmentation: each image its own, a function of seed, epoch and position, and exact where it can be checked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as V

from skineval.train.augment import (
    Strength,
    affine_matrices,
    epoch_draws,
    make_transform,
    normaliser,
    recolour,
    sampling_grid,
    warp,
)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CPU = torch.device("cpu")


def pictures(n=4, size=16):
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(n, 3, 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 1)
    return (smooth * 255).to(torch.uint8).contiguous(memory_format=torch.channels_last)


def draws(**fixed):
    """Draws in the middle of their range, which change nothing but mirror; `fixed` sets single ones."""
    values = torch.full((4, 6), 0.5)
    values[:, 0] = 0.0  # angle
    for column, value in fixed.items():
        values[:, int(column[1:])] = value
    return values


def test_the_middle_of_the_range_changes_nothing():
    images = pictures()
    torch.testing.assert_close(warp(images, draws(_1=0.9)), images.float(), atol=0.02, rtol=0)


def test_a_draw_below_one_half_mirrors():
    images = pictures()
    mirrored = warp(images, draws(_1=0.1))
    same = min((mirrored - images.flip(d).float()).abs().max() for d in (2, 3))
    assert same < 0.02 or (mirrored - images.flip(3).float()).abs().max() < 0.02


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_quarter_turns_are_exact(quarter):
    images = pictures()
    turned = warp(images, draws(_1=0.9, _0=quarter / 4))
    candidates = [torch.rot90(images, k, (2, 3)).float() for k in (quarter, -quarter)]
    assert min((turned - candidate).abs().max() for candidate in candidates) < 0.1


def test_zoom_is_that_of_torchvision():
    images = pictures(size=32)
    strength = Strength(scale=0.5, shift=0)
    grown = warp(images, draws(_1=0.9, _2=0.0), strength)  # 1 / 1.5 of the view: things look larger
    expected = V.affine(
        images.float(), angle=0, translate=[0, 0], scale=1.5, shear=[0.0], interpolation=V.InterpolationMode.BILINEAR
    )
    torch.testing.assert_close(grown, expected, atol=1.0, rtol=0)


def test_every_image_gets_its_own_parameters():
    one = pictures(1).expand(8, -1, -1, -1).contiguous(memory_format=torch.channels_last)
    transform = make_transform("basic", MEAN, STD, CPU)
    out = transform(one, torch.from_numpy(epoch_draws(0, 1, 8, 10))).images
    assert out.shape == (8, 3, 16, 16)
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert all((out[i] - out[j]).abs().max() > 0.01 for i in range(8) for j in range(i))


def test_the_result_does_not_depend_on_the_batch():
    images, transform = pictures(4), make_transform("basic", MEAN, STD, CPU)
    numbers = torch.from_numpy(epoch_draws(3, 2, 4, 10))
    whole = transform(images, numbers).images
    for i in range(4):
        torch.testing.assert_close(transform(images[i : i + 1], numbers[i : i + 1]).images, whole[i : i + 1])


def test_draws_are_a_function_of_seed_and_epoch():
    assert np.array_equal(epoch_draws(1, 2, 5, 10), epoch_draws(1, 2, 5, 10))
    assert not np.array_equal(epoch_draws(1, 2, 5, 10), epoch_draws(1, 3, 5, 10))
    assert not np.array_equal(epoch_draws(1, 2, 5, 10), epoch_draws(2, 2, 5, 10))
    assert epoch_draws(1, 2, 5, 10).shape == (5, 10)


def test_a_longer_epoch_begins_like_a_shorter_one():
    assert np.array_equal(epoch_draws(1, 1, 5, 10), epoch_draws(1, 1, 50, 10)[:5])


def test_the_normaliser_is_that_of_torchvision():
    images = pictures()
    expected = V.normalize(images.float() / 255, list(MEAN), list(STD))
    torch.testing.assert_close(normaliser(MEAN, STD, CPU)(images), expected)


@pytest.mark.parametrize("channel", range(4))
def test_the_middle_of_the_range_only_normalises(channel):
    images = pictures()
    middle = torch.full((4, 4), 0.5)
    normalised = normaliser(MEAN, STD, CPU)(images)
    torch.testing.assert_close(recolour(images.float(), middle, MEAN, STD), normalised, atol=1e-5, rtol=1e-5)
    moved = middle.clone()
    moved[:, channel] = 1.0
    assert (recolour(images.float(), moved, MEAN, STD) - normalised).abs().max() > 0.01


@pytest.mark.parametrize(
    ("draw", "strength", "oracle"),
    [
        (0, {"brightness": 0.3}, lambda images: V.adjust_brightness(images, 1.3)),
        (1, {"contrast": 0.4}, None),
        (2, {"saturation": 0.4}, lambda images: V.adjust_saturation(images, 1.4)),
        (3, {"balance": 0.1}, lambda images: images * torch.tensor([1.1, 1.0, 0.9]).view(3, 1, 1)),
    ],
)
def test_colours_change_as_torchvision_changes_them(draw, strength, oracle):
    raw = pictures().float() / 255 * 0.4 + 0.3  # away from the ends, where torchvision clips
    numbers = torch.full((4, 4), 0.5)
    numbers[:, draw] = 1.0
    only = Strength(**{"brightness": 0, "contrast": 0, "saturation": 0, "balance": 0} | strength)
    changed = recolour(raw * 255, numbers, MEAN, STD, only)
    centre = raw.mean(dim=(2, 3), keepdim=True)  # torchvision stretches around one grey for all channels; we do not
    expected = oracle(raw) if oracle else centre + 1.4 * (raw - centre)
    torch.testing.assert_close(changed, V.normalize(expected, list(MEAN), list(STD)), atol=0.02, rtol=0)


def test_the_sampling_grid_is_that_of_torch():
    matrices = affine_matrices(torch.rand(8, 6))
    expected = torch.nn.functional.affine_grid(matrices, [8, 3, 12, 20], align_corners=False)
    torch.testing.assert_close(sampling_grid(matrices, 12, 20), expected, atol=1e-5, rtol=1e-5)


def test_matrices_turn_without_shearing():
    matrices = affine_matrices(torch.rand(64, 6), Strength(scale=0.0))
    linear = matrices[:, :, :2]
    torch.testing.assert_close(linear @ linear.transpose(1, 2), torch.eye(2).expand(64, 2, 2), atol=1e-5, rtol=0)
    assert {round(float(d)) for d in torch.linalg.det(linear)} == {-1, 1}
