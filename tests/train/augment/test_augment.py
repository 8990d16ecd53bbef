"""Augmentation as a whole: each image its own, a function of seed, epoch and position."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skineval.train.augment import chunks, epoch_draws, make_transform, normaliser
from skineval.train.augment.draws import COLUMNS, NEUTRAL, WIDTH, neutral_draws
from skineval.values.augmentations import COMPONENTS, PRESETS, canonical, components
from tests.train.augment.pictures import CPU, MEAN, STD, pictures

MIXING = ("mixup", "cutmix")
ALONE = ",".join(name for name in COMPONENTS if name not in MIXING)
EVERYTHING = [*PRESETS, *COMPONENTS, ALONE, "flip,rotate,zoom,shift", "mixup,cutmix", "colour,erase"]


def numbers(n, seed=0):
    return torch.from_numpy(epoch_draws(seed, 1, n, WIDTH))


def augmented(name, images, draws):
    return make_transform(name, MEAN, STD, CPU)(images, draws)


def test_names_and_deeds_are_the_same():
    assert set(NEUTRAL) == set(COMPONENTS)
    assert components("strong") == tuple(COMPONENTS)
    assert canonical(",".join(reversed(COMPONENTS))) == "strong"
    assert canonical("shift, flip,rotate,zoom") == "flip,rotate,zoom,shift"
    assert [COLUMNS[name].stop - COLUMNS[name].start for name in NEUTRAL] == [len(row) for row in NEUTRAL.values()]
    assert sorted(k for columns in COLUMNS.values() for k in range(WIDTH)[columns]) == list(range(WIDTH))


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_batch_is_what_a_network_is_given(name):
    images = pictures(6, 20)
    before = images.clone()
    batch = augmented(name, images, numbers(6))
    assert batch.images.shape == (6, 3, 20, 20)
    assert batch.images.dtype == torch.float32
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, before)  # a store that lives in memory is not painted on
    mixes = bool({*components(name)} & {*MIXING})
    assert (batch.partner is not None) == (batch.share is not None) == mixes
    if mixes:
        assert batch.partner.dtype == torch.int64
        assert batch.share.dtype == torch.float32
        assert batch.share.shape == (6,)


@pytest.mark.parametrize("name", EVERYTHING)
def test_neutral_draws_only_normalise(name):
    images = pictures(4, 20)
    batch = augmented(name, images, neutral_draws(CPU).expand(4, -1))
    torch.testing.assert_close(batch.images, normaliser(MEAN, STD, CPU)(images), atol=2e-3, rtol=0)
    assert batch.share is None or (batch.share == 1).all()


@pytest.mark.parametrize("name", COMPONENTS)
def test_each_component_heeds_its_own_draws_and_no_others(name):
    images, draws = pictures(32), numbers(32)
    first = augmented(name, images, draws).images
    for column in range(WIDTH):
        changed = draws.clone()
        changed[:, column] = numbers(32, seed=1)[:, column]
        same = torch.equal(augmented(name, images, changed).images, first)
        assert same == (column not in range(WIDTH)[COLUMNS[name]]), column


def test_components_turn_an_image_alike_whatever_else_is_done():
    images, draws = pictures(8, 32), numbers(8)
    turned = augmented("rotate", images, draws).images
    both = augmented("rotate,colour", images, torch.cat([draws[:, :6], torch.full((8, WIDTH - 6), 0.5)], dim=1)).images
    torch.testing.assert_close(turned, both, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["basic", "strong", ALONE])
def test_every_image_gets_its_own_parameters(name):
    one = pictures(1).expand(8, -1, -1, -1).contiguous(memory_format=torch.channels_last)
    out = augmented(name, one, numbers(8)).images
    assert all((out[i] - out[j]).abs().max() > 0.01 for i in range(8) for j in range(i))


@pytest.mark.parametrize("name", [name for name in EVERYTHING if not {*components(name)} & {*MIXING}])
@given(seed=st.integers(0, 2**31), n=st.integers(2, 7), size=st.integers(8, 24))
@settings(max_examples=8, deadline=None)
def test_the_result_does_not_depend_on_the_batch(name, seed, n, size):
    images, draws = pictures(n, size, seed), numbers(n, seed)
    transform = make_transform(name, MEAN, STD, CPU)
    whole = transform(images, draws).images
    assert torch.isfinite(whole).all()
    for i in range(n):
        torch.testing.assert_close(transform(images[i : i + 1], draws[i : i + 1]).images, whole[i : i + 1])
    order = torch.arange(n - 1, -1, -1)
    torch.testing.assert_close(transform(images[order], draws[order]).images, whole[order])


@given(seed=st.integers(0, 2**31), n=st.integers(1, 7), size=st.integers(8, 24))
@settings(max_examples=20, deadline=None)
def test_strong_is_each_image_alone_mixed_with_the_one_before(seed, n, size):
    images, draws = pictures(n, size, seed), numbers(n, seed)
    batch, alone = augmented("strong", images, draws), augmented(ALONE, images, draws).images
    assert torch.isfinite(batch.images).all()
    other = alone[batch.partner]
    assert (batch.images >= torch.minimum(alone, other) - 1e-4).all()
    assert (batch.images <= torch.maximum(alone, other) + 1e-4).all()
    assert torch.equal(batch.partner, (torch.arange(n) - 1) % n)


@pytest.mark.parametrize("name", ["strong", "basic", "mixup"])
@pytest.mark.parametrize(("size", "count"), [(1, 7), (3 * 24 * 24, 7), (3 * 3 * 24 * 24 + 5, 3), (10**6, 1)])
def test_the_result_does_not_depend_on_how_a_batch_is_cut(name, size, count, monkeypatch):
    images, draws = pictures(7, 24), numbers(7)
    whole = augmented(name, images, draws)
    monkeypatch.setattr(chunks, "SIZE", size)
    assert len(chunks.cut(images)) == count
    cut = augmented(name, images, draws)
    torch.testing.assert_close(cut.images, whole.images)
    assert cut.images.is_contiguous(memory_format=torch.channels_last)
    if name != "basic":
        assert torch.equal(cut.share, whole.share)


@pytest.mark.parametrize("name", EVERYTHING)
def test_nothing_is_decided_by_what_is_on_the_device(name):
    """Tensors without values raise where Python asks for one, which is where a GPU would be waited for."""
    device = torch.device("meta")
    transform = make_transform(name, MEAN, STD, device)
    images = torch.empty(6, 20, 20, 3, dtype=torch.uint8, device=device).permute(0, 3, 1, 2)
    batch = transform(images, torch.empty(6, transform.draws, device=device))
    assert batch.images.shape == (6, 3, 20, 20)
    assert all(t is None or t.device == device for t in (batch.images, batch.partner, batch.share))
    with pytest.raises(RuntimeError):
        batch.images.sum().item()


def test_the_same_draws_make_the_same_batch():
    images, draws = pictures(8, 24), numbers(8)
    one, two = (augmented("strong", images, draws) for _ in range(2))
    assert torch.equal(one.images, two.images)
    assert torch.equal(one.share, two.share)


def test_extremes_of_draws_are_finite():
    images = torch.cat(
        [pictures(2), torch.zeros(1, 3, 16, 16, dtype=torch.uint8), torch.full((1, 3, 16, 16), 255).byte()]
    )
    largest = float(np.nextafter(np.float32(1), np.float32(0)))
    for value in (0.0, largest):
        batch = augmented("strong", images, torch.full((4, WIDTH), value))
        assert torch.isfinite(batch.images).all()
        assert ((batch.share >= 0) & (batch.share <= 1)).all()


def test_draws_are_a_function_of_seed_and_epoch():
    assert np.array_equal(epoch_draws(1, 2, 5, 10), epoch_draws(1, 2, 5, 10))
    assert not np.array_equal(epoch_draws(1, 2, 5, 10), epoch_draws(1, 3, 5, 10))
    assert not np.array_equal(epoch_draws(1, 2, 5, 10), epoch_draws(2, 2, 5, 10))
    assert epoch_draws(1, 2, 5, 10).shape == (5, 10)


def test_a_longer_epoch_begins_like_a_shorter_one():
    assert np.array_equal(epoch_draws(1, 1, 5, 10), epoch_draws(1, 1, 50, 10)[:5])
