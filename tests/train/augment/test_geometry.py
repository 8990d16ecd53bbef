"""Where pixels go: exact where it can be checked, by torchvision and by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torchvision.transforms.v2 import functional as V

from skineval.train.augment.geometry import SCALE, SHEAR, SHIFT, Pose, drawn_pose, sampling_grid, warp
from tests.train.augment.pictures import pictures


def still(n=4, **changes) -> Pose:
    """A pose that changes nothing, but for `changes`."""
    zeros, ones = torch.zeros(n), torch.ones(n)
    pose = Pose(zeros, ones, ones, zeros, zeros, zeros, zeros)
    return replace(pose, **{name: torch.full((n,), float(value)) for name, value in changes.items()})


def warped(images, **changes):
    return warp(images.float().contiguous(), still(len(images), **changes).matrices())


def drawn(**fixed):
    """Draws that change nothing; `fixed` sets columns, as `_0`."""
    values = torch.tensor([[0.0, 1.0, 0.5, 0.5, 0.5, 0.5]])
    for column, value in fixed.items():
        values[:, int(column[1:])] = value
    return drawn_pose(values)


def test_a_still_pose_changes_nothing():
    images = pictures()
    torch.testing.assert_close(warped(images), images.float(), atol=0.02, rtol=0)


def test_neutral_draws_make_a_still_pose():
    torch.testing.assert_close(drawn().matrices(), still(1).matrices())


@pytest.mark.parametrize(
    ("column", "value", "field", "expected"),
    [
        (0, 0.25, "angle", math.pi / 2),
        (1, 0.49, "mirror", -1),
        (1, 0.51, "mirror", 1),
        (2, 1.0, "zoom", 1 + SCALE),
        (2, 0.0, "zoom", 1 / (1 + SCALE)),
        (3, 1.0, "right", 2 * SHIFT),
        (4, 0.0, "down", -2 * SHIFT),
        (5, 1.0, "slant_x", SHEAR),
    ],
)
def test_each_draw_sets_one_thing(column, value, field, expected):
    pose = drawn(**{f"_{column}": value})
    assert float(getattr(pose, field)) == pytest.approx(expected)
    torch.testing.assert_close(replace(pose, **{field: getattr(drawn(), field)}).matrices(), drawn().matrices())


def test_mirrored_images_are_flipped():
    images = pictures()
    torch.testing.assert_close(warped(images, mirror=-1), images.flip(3).float(), atol=0.02, rtol=0)


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_quarter_turns_are_exact(quarter):
    images = pictures()
    turned = warped(images, angle=quarter * math.pi / 2)
    torch.testing.assert_close(turned, torch.rot90(images, quarter, (2, 3)).float(), atol=0.05, rtol=0)


def test_shifts_of_whole_pixels_are_exact():
    images = pictures()
    moved = warped(images, right=3 * 2 / 16, down=-2 * 2 / 16)  # the view goes right and up
    torch.testing.assert_close(moved[:, :, 2:, :-3], images[:, :, :-2, 3:].float(), atol=0.05, rtol=0)


@pytest.mark.parametrize(
    ("pose", "affine"),
    [
        ({"zoom": 1 / 1.5}, {"scale": 1.5}),
        ({"angle": math.radians(20)}, {"angle": -20}),
        ({"angle": math.radians(-35), "zoom": 1 / 1.3}, {"angle": 35, "scale": 1.3}),
        ({"slant_x": math.tan(math.radians(15))}, {"shear": [15.0, 0.0]}),
    ],
)
def test_poses_are_those_of_torchvision(pose, affine):
    images = pictures(size=32)
    arguments = {"angle": 0, "translate": [0, 0], "scale": 1.0, "shear": [0.0]} | affine
    ours = warped(images, **pose)
    expected = V.affine(images.float(), interpolation=V.InterpolationMode.BILINEAR, fill=-1e6, **arguments)
    inside = V.affine(torch.ones(4, 1, 32, 32), interpolation=V.InterpolationMode.BILINEAR, **arguments) > 0.999
    assert ((ours - expected) * inside).abs().max() < 0.1


def test_what_comes_into_the_frame_is_mirrored():
    images = pictures()
    moved = warped(images, right=4 * 2 / 16)
    torch.testing.assert_close(moved[..., -4:], images[..., -4:].flip(3).float(), atol=0.05, rtol=0)


def test_the_sampling_grid_is_that_of_torch():
    matrices = drawn_pose(torch.rand(8, 6)).matrices()
    expected = torch.nn.functional.affine_grid(matrices, [8, 3, 12, 20], align_corners=False)
    torch.testing.assert_close(sampling_grid(matrices, 12, 20), expected, atol=1e-5, rtol=1e-5)


def test_matrices_are_products_of_their_parts():
    angle, mirror, zoom, right, down, slant_x, slant_y = (torch.rand(64) for _ in range(7))
    mirror = torch.where(mirror < 0.5, -1.0, 1.0)
    matrices = Pose(angle, mirror, zoom, right, down, slant_x, slant_y).matrices()
    for i in range(64):
        turn = torch.tensor([[angle[i].cos(), -angle[i].sin()], [angle[i].sin(), angle[i].cos()]])
        slant = torch.tensor([[1.0, slant_x[i]], [slant_y[i], 1.0]])
        linear = zoom[i] * turn @ slant @ torch.diag(torch.stack([mirror[i], torch.tensor(1.0)]))
        torch.testing.assert_close(matrices[i, :, :2], linear)
        torch.testing.assert_close(matrices[i, :, 2], torch.stack([right[i], down[i]]))
