"""Images without their lesion: what is left of it, and what of all around it."""

from __future__ import annotations

import numpy as np
import pytest

from skineval.explain.removal import alone, blacked_out, filled

SIDE = 64


def lesion(seed=0):
    """A dark disc on skin that grows brighter to the right: (1, S, S, 3), and its mask (1, S, S)."""
    row, column = np.mgrid[:SIDE, :SIDE]
    skin = np.broadcast_to((150 + column)[..., None], (SIDE, SIDE, 3)).astype(np.uint8)
    mask = (row - 30) ** 2 + (column - 34) ** 2 < 10**2
    return np.where(mask[..., None], np.uint8(20), skin)[None], mask[None], skin[None]


def test_where_it_was_the_skin_goes_on():
    image, mask, skin = lesion()
    found = filled(image, mask)
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - skin)[mask].max() <= 4
    far = np.abs(np.mgrid[:SIDE, :SIDE] - np.array([30, 34])[:, None, None]).max(axis=0) > 20
    assert np.array_equal(found[0][far], image[0][far])


@pytest.mark.parametrize("left", [0, 1])
def test_where_hardly_any_skin_is_left_it_is_of_the_mean_colour(left):
    image, _, _ = lesion()
    mask = np.ones((1, SIDE, SIDE), dtype=bool)
    mask[:, :, :left] = False
    assert filled(image, mask) == pytest.approx(np.broadcast_to(image.mean(axis=(1, 2)), image.shape), abs=1)


def test_a_lesion_that_is_nowhere_leaves_the_image_as_it_is():
    image, mask, _ = lesion()
    assert np.array_equal(filled(image, np.zeros_like(mask)), image)


def test_black_is_black_and_the_rest_is_as_it_was():
    image, mask, _ = lesion()
    without, only = blacked_out(image, mask), alone(image, mask)
    assert (without[mask] == 0).all()
    assert (only[~mask] == 0).all()
    assert np.array_equal(without + only, image)
