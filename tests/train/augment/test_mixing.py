"""What covers parts of an image: rectangles, other images and hairs; against explicit loops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from skineval.train.augment import erasing, hair
from skineval.train.augment.draws import NEUTRAL
from skineval.train.augment.hair import TINT, draw_hairs_, hair_sheet
from skineval.train.augment.mixing import ALPHA, CUT, Shares, drawn_mixture
from tests.train.augment.pictures import CPU

SHARES = Shares.on(CPU)


def uniform(n, width, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random((n, width), dtype=np.float32))


@dataclass(frozen=True)
class Mixed:
    """A batch that was mixed."""

    images: torch.Tensor
    partner: torch.Tensor
    share: torch.Tensor


def mix(images, mixup, cutmix):
    mixture = drawn_mixture(mixup, cutmix, SHARES, *images.shape[2:])
    return Mixed(mixture.blend(images, slice(None)), mixture.partner, mixture.share)


def normalised(n=8, size=16):
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(1))


@given(st.integers(0, 2**31), st.integers(4, 40), st.integers(4, 40))
@settings(max_examples=50, deadline=None)
def test_erased_rectangles_are_as_large_as_drawn(seed, height, width):
    draws = uniform(16, 5, seed)
    draws[:, 0] *= erasing.PROBABILITY
    boxes = erasing.drawn_boxes(draws, height, width)
    for rows, columns, area in zip(boxes.rows, boxes.columns, draws[:, 1], strict=True):
        tall, wide = int(rows.sum()), int(columns.sum())
        wanted = (0.02 + 0.18 * float(area)) * height * width
        assert abs(tall * wide - wanted) <= tall + wide + 1  # a pixel more or less on each side
        for line in (rows, columns):  # one piece
            assert int((line.diff() != 0).sum()) <= 2 - int(line[0]) - int(line[-1])


def test_erasing_blanks_the_rectangles_and_nothing_else():
    images, draws = normalised(32), uniform(32, 5)
    erased = erasing.erase_(images.clone(), draws)
    boxes = erasing.drawn_boxes(draws, 16, 16)
    hit = 0
    for i in range(32):
        inside = torch.zeros(16, 16, dtype=torch.bool)
        if draws[i, 0] < erasing.PROBABILITY:
            rows, columns = (line[i].nonzero()[:, 0] for line in (boxes.rows, boxes.columns))
            inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
            hit += 1
        assert (erased[i, :, inside] == 0).all()
        assert torch.equal(erased[i, :, ~inside], images[i, :, ~inside])
    assert 0 < hit < 32


def test_erased_rectangles_are_everywhere_and_of_all_proportions():
    draws = uniform(40_000, 5)
    draws[:, 0] = 0
    boxes = erasing.drawn_boxes(draws, 16, 16)
    covered = boxes.mask().mean(dim=(0, 1))
    assert covered.min() > 0
    torch.testing.assert_close(covered, covered.flip(0, 1), atol=0.02, rtol=0)
    proportion = boxes.rows.sum(1) / boxes.columns.sum(1)
    assert 0.45 < (proportion > 1).float().mean() < 0.55
    assert proportion.max() > 2
    assert proportion.min() < 0.5


def test_shares_of_mixup_are_beta_distributed():
    shares = SHARES(uniform(20_000, 1)[:, 0]).numpy()
    for value in np.linspace(0.001, 0.999, 25):
        assert (shares <= value).mean() == pytest.approx(beta(ALPHA, ALPHA).cdf(value), abs=0.01)
    assert shares.min() >= 0
    assert shares.max() <= 1


@pytest.mark.parametrize("draw", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_shares_are_scipys(draw):
    assert float(SHARES(torch.tensor([draw]))) == pytest.approx(beta(ALPHA, ALPHA).ppf(draw), abs=1e-4)


def test_pieces_are_mixed_as_the_whole_is():
    images = normalised()
    mixture = drawn_mixture(uniform(8, 1), uniform(8, 4, seed=1), SHARES, 16, 16)
    whole = mixture.blend(images, slice(None))
    for piece in (slice(0, 1), slice(1, 6), slice(6, 8)):
        assert torch.equal(mixture.blend(images, piece), whole[piece])


def test_mixup_is_the_loop():
    images, draws = normalised(), uniform(8, 1)
    mixed = mix(images, draws, torch.ones(8, 4))
    for i in range(8):
        share = float(mixed.share[i])
        partner = (i - 1) % 8
        assert share == pytest.approx(float(SHARES(draws[i])), abs=1e-6)
        assert int(mixed.partner[i]) == partner
        expected = share * images[i] + (1 - share) * images[partner]
        torch.testing.assert_close(mixed.images[i], expected, atol=1e-5, rtol=1e-5)


def test_cutmix_is_the_loop_and_shares_are_those_of_pixels():
    own, other = torch.zeros(64, 3, 12, 20), torch.arange(1, 65).float().view(64, 1, 1, 1).expand(64, 3, 12, 20)
    images = own + other  # each of one colour, its number
    draws = uniform(64, 4)
    draws[0, 1:] = torch.tensor([0.0, 0.5, 0.5])
    draws[:32, 0] *= CUT
    mixed = mix(images, torch.ones(64, 1), draws)
    pasted = 0
    for i in range(64):
        partner = (i - 1) % 64
        foreign = mixed.images[i] == partner + 1
        assert (foreign | (mixed.images[i] == i + 1)).all()
        assert float(mixed.share[i]) == 1 - foreign[0].float().mean()
        if draws[i, 0] >= CUT:
            assert not foreign.any()
            continue
        pasted += 1
        side = float(torch.sqrt(1 - draws[i, 1]))
        for axis, size, draw in ((0, 12, 2), (1, 20, 3)):
            lines = foreign[0].any(dim=1 - axis)
            begin, end = (round((float(draws[i, draw]) + half * side / 2) * size) for half in (-1, 1))
            expected = [begin <= k < end for k in range(size)]
            assert lines.tolist() == expected or not any(lines)
    assert pasted >= 32
    assert mixed.share[0] == 0  # the whole image


def test_cutmix_leaves_to_mixup_what_it_does_not_take():
    images, blend, cut = normalised(400), uniform(400, 1), uniform(400, 4, seed=1)
    both, only_cut, only_mixup = (
        mix(images, blend, cut),
        mix(images, torch.ones(400, 1), cut),
        mix(images, blend, torch.ones(400, 4)),
    )
    taken = cut[:, 0] < CUT
    assert 0.4 < taken.float().mean() < 0.6
    for ours, theirs, which in ((both, only_cut, taken), (both, only_mixup, ~taken)):
        assert torch.equal(ours.images[which], theirs.images[which])
        assert torch.equal(ours.share[which], theirs.share[which])


@given(st.integers(0, 2**31), st.integers(1, 9), st.integers(1, 24), st.integers(1, 24))
@settings(max_examples=50, deadline=None)
def test_mixed_pixels_lie_between_the_two(seed, n, height, width):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(n, 3, height, width, generator=generator)
    mixed = mix(images, uniform(n, 1, seed), uniform(n, 4, seed + 1))
    other = images[mixed.partner]
    assert ((mixed.share >= 0) & (mixed.share <= 1)).all()
    assert (mixed.images >= torch.minimum(images, other) - 1e-5).all()
    assert (mixed.images <= torch.maximum(images, other) + 1e-5).all()
    # Of every image, its own part has the weight that its label is given.
    blank = torch.zeros_like(images)
    blank[0] = 1
    weights = mix(blank, uniform(n, 1, seed), uniform(n, 4, seed + 1)).images.mean(dim=(1, 2, 3))
    assert float(weights[0]) == pytest.approx(1.0 if n == 1 else float(mixed.share[0]), abs=1e-5)


def test_hairs_darken_some_pixels_of_some_images():
    planes, draws = torch.full((40, 3, 64, 64), 180.0), uniform(40, 5)
    drawn = draw_hairs_(planes.clone(), draws, torch.tensor(TINT))
    hairy = draws[:, 0] < hair.PROBABILITY
    assert 0 < int(hairy.sum()) < 40
    assert torch.equal(drawn[~hairy], planes[~hairy])
    covered = (drawn[hairy, 0] < 170).float().mean(dim=(1, 2))
    assert covered.mean() > 0.01  # hairs
    assert covered.max() < 0.25  # and not fur
    assert drawn[hairy].amin() >= hair.DARKNESS[0] * min(TINT)
    assert drawn[hairy].amax() <= 180


def test_an_image_gets_the_window_that_it_drew():
    draws = torch.tensor([[0.0, 0.3, 0.7, 1.0, 0.0]])
    drawn = draw_hairs_(torch.full((1, 3, 20, 30), 200.0), draws, torch.tensor(TINT))
    sheet = hair_sheet(30, CPU).float() / 255
    top, left = int(0.3 * (180 - 20 + 1)), int(0.7 * (180 - 30 + 1))
    cover = sheet[top : top + 20, left : left + 30] * hair.OPACITY[1]
    for channel in range(3):
        expected = 200 * (1 - cover) + hair.DARKNESS[0] * TINT[channel] * cover
        torch.testing.assert_close(drawn[0, channel], expected, atol=1e-3, rtol=1e-5)


def test_the_sheet_is_the_same_at_every_size():
    small, large = (hair_sheet(size, CPU).float() for size in (16, 64))
    shrunk = torch.nn.functional.avg_pool2d(large[None, None], 4)[0, 0]
    assert float(torch.corrcoef(torch.stack([small.flatten(), shrunk.flatten()]))[0, 1]) > 0.99
    assert hair_sheet(64, CPU) is hair_sheet(64, CPU)


def test_hairs_are_thin_and_long():
    lengths, thickness = [], []
    generator = np.random.default_rng(0)
    for _ in range(50):
        for curve, width in hair.tuft(generator):
            steps = np.linalg.norm(np.diff(curve, axis=0), axis=1)
            lengths.append(steps.sum())
            thickness.append(width)
    assert min(lengths) >= 0.3
    assert max(lengths) < 1.2
    assert min(thickness) > 0.004
    assert max(thickness) < 0.017


def test_neutral_draws_cover_nothing():
    images = normalised()
    neutral = {name: torch.tensor([numbers]).expand(8, -1) for name, numbers in NEUTRAL.items()}
    assert torch.equal(erasing.erase_(images.clone(), neutral["erase"]), images)
    assert torch.equal(draw_hairs_(images.clone(), neutral["hair"], torch.tensor(TINT)), images)
    mixed = mix(images, neutral["mixup"], neutral["cutmix"])
    assert torch.equal(mixed.images, images)
    assert (mixed.share == 1).all()
