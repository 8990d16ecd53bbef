"""The synthetic data set: the same for everybody, shaped like HAM10000, and its pictures hang together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skineval.base.errors import UsageError
from skineval.data.synthetic import synthetic
from skineval.values.lesion_table import COLUMNS
from skineval.values.task import DIAGNOSES


@pytest.fixture(scope="module")
def table():
    return synthetic.load(images=300, seed=3)


@pytest.fixture(scope="module")
def pixels(table):
    return table.images.pixels(range(len(table)), 32)


@pytest.fixture(scope="module")
def masks(table):
    return table.images.masks(range(len(table)), 32)


def test_columns_and_ids(table):
    frame = table.frame
    assert tuple(frame.columns) == COLUMNS
    assert list(frame.index) == list(range(len(table)))
    assert frame.image_id.is_unique
    assert frame.image_id[0] == "SYN_S3_0000001"  # the seed, so that sets of different seeds share no image
    assert frame.lesion_id.str.fullmatch(r"LES_S3_\d{7}").all()
    assert (frame.group == frame.lesion_id).all()
    assert set(frame.dx) == set(DIAGNOSES)
    assert set(frame.dataset) == {"synthetic"}
    assert frame.age.dtype == float
    assert frame.age.dropna().between(5, 85).all()
    assert (frame.age.dropna() % 5 == 0).all()
    assert frame.drop(columns="age").notna().all(axis=None)


def test_says_that_it_is_synthetic(table):
    assert table.synthetic
    assert table.name == "synthetic"
    assert "synthetic" in " ".join(table.notes).lower()
    assert "clinically" in " ".join(table.notes)


def test_what_is_known_of_a_lesion_is_constant(table):
    known = ["dx", "dx_type", "age", "sex", "localization", "dataset", "group"]
    assert (table.frame.groupby("lesion_id")[known].nunique(dropna=False) == 1).all(axis=None)


@given(images=st.integers(synthetic.MIN_IMAGES, 1500), seed=st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_any_number_of_images_has_lesions_of_every_class(images, seed):
    frame = synthetic.load(images=images, seed=seed).frame
    lesions = frame.groupby("dx").lesion_id.nunique()
    assert len(frame) == images
    assert set(lesions.index) == set(DIAGNOSES)
    assert lesions.min() >= (6 if images >= 200 else 3)
    assert frame.dx.value_counts().idxmax() == "nv"


def test_classes_and_repeats_are_those_of_ham10000():
    frame = synthetic.load(images=10_015).frame
    images = {"akiec": 327, "bcc": 514, "bkl": 1099, "df": 115, "mel": 1113, "nv": 6705, "vasc": 142}
    lesions = {"akiec": 228, "bcc": 327, "bkl": 727, "df": 73, "mel": 614, "nv": 5403, "vasc": 98}
    assert frame.dx.value_counts().to_dict() == images
    assert frame.groupby("dx").lesion_id.nunique().to_dict() == lesions
    several = frame.lesion_id.duplicated(keep=False).groupby(frame.dx).mean()
    assert several["mel"] == pytest.approx(0.793, abs=0.01)
    assert several["nv"] == pytest.approx(0.342, abs=0.01)
    assert set(frame.dx_type[frame.dx.isin(["akiec", "bcc", "mel"])]) == {"histo"}


@pytest.mark.parametrize("images", [0, 69, 100_001])
def test_impossible_sizes_are_refused(images):
    with pytest.raises(UsageError, match=str(images)):
        synthetic.load(images=images)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match=tmp_path.name):
        synthetic.load(tmp_path)


def test_same_seed_same_data(table, pixels):
    again = synthetic.load(images=300, seed=3)
    assert again.frame.equals(table.frame)
    assert again.fingerprint == table.fingerprint
    assert np.array_equal(again.images.pixels(range(20), 32), pixels[:20])


def test_other_seed_other_data(table, pixels):
    other = synthetic.load(images=300, seed=4)
    assert not other.frame.equals(table.frame)
    assert other.fingerprint != table.fingerprint
    assert not (other.images.pixels(range(20), 32) == pixels[:20]).all(axis=(1, 2, 3)).any()


def test_number_of_images_is_part_of_the_fingerprint(table):
    assert synthetic.load(images=301, seed=3).fingerprint != table.fingerprint


@given(rows=st.lists(st.integers(0, 299), max_size=12))
@settings(max_examples=15, deadline=None)
def test_a_picture_does_not_depend_on_what_else_is_asked_for(table, pixels, masks, rows):
    assert np.array_equal(table.images.pixels(rows, 32), pixels[rows])
    assert np.array_equal(table.images.masks(rows, 32), masks[rows])


def test_threads_do_not_disturb_each_other(table, pixels):
    with ThreadPoolExecutor(4) as pool:
        parts = pool.map(lambda start: table.images.pixels(range(start, start + 10), 32), range(0, 80, 10))
    assert np.array_equal(np.concatenate(list(parts)), pixels[:80])


@pytest.mark.parametrize("size", [16, 50, 64, 200, 512])
def test_sizes(table, size):
    pixels, masks = table.images.pixels([5, 1], size), table.images.masks([5, 1], size)
    assert pixels.shape == (2, size, size, 3)
    assert pixels.dtype == np.uint8
    assert masks.shape == (2, size, size)
    assert masks.dtype == bool


def test_the_same_picture_at_every_size(table):
    rows = range(0, 40, 4)
    small, large = (table.images.pixels(rows, size).astype(float) for size in (32, 256))
    shrunk = large.reshape(-1, 32, 8, 32, 8, 3).mean(axis=(2, 4))
    assert np.abs(shrunk - small).mean() < 4
    masks = table.images.masks(rows, 256).reshape(-1, 32, 8, 32, 8).mean(axis=(2, 4)) >= 0.5
    assert (masks == table.images.masks(rows, 32)).mean() > 0.98


def test_masks_show_the_lesion(pixels, masks):
    area = masks.mean(axis=(1, 2))
    assert area.min() > 0.01
    assert area.max() <= 1
    assert 0.15 < np.median(area) < 0.6
    brightness = pixels.mean(axis=3)
    inner = (np.hypot(*(np.indices((32, 32)) - 15.5)) < 16)[None]
    lesion = _mean(brightness, masks & inner)
    skin = _mean(brightness, ~masks & inner)
    assert np.nanmean(lesion < skin) > 0.9
    assert np.nanmedian(skin - lesion) > 15


def test_views_of_a_lesion_resemble_one_another(table, pixels, masks):
    """Mean colours of lesion and skin: nearer between views of one lesion than between lesions of its class."""
    look = np.concatenate([_mean(pixels, masks), _mean(pixels, ~masks)], axis=1)
    frame = table.frame[np.isfinite(look).all(axis=1)]
    lesion, dx = frame.lesion_id.to_numpy(), frame.dx.to_numpy()
    look = look[frame.index]
    apart = np.linalg.norm(look[:, None] - look[None], axis=2)
    same_class = dx[:, None] == dx[None]
    same_lesion = lesion[:, None] == lesion[None]
    siblings = apart[same_lesion & ~np.eye(len(frame), dtype=bool)]
    strangers = apart[same_class & ~same_lesion]
    assert np.median(siblings) < 0.6 * np.median(strangers)
    assert (siblings < np.median(strangers)).mean() > 0.85


def test_views_of_a_lesion_are_different_pictures(table, pixels):
    twins = table.frame.groupby("lesion_id").indices.values()
    first, second = np.array([rows[:2] for rows in twins if len(rows) > 1]).T
    difference = np.abs(pixels[first].astype(float) - pixels[second]).mean(axis=(1, 2, 3))
    assert difference.min() > 3


def _mean(values, where):
    """Mean over the pixels of each image (n, h, w, ...) where `where` (n, h, w) is True; NaN where nowhere."""
    weights = where.reshape(*where.shape, *[1] * (values.ndim - 3))
    count = where.sum(axis=(1, 2)).astype(float)
    count[count == 0] = np.nan
    return (values * weights).sum(axis=(1, 2)) / count.reshape(-1, *[1] * (values.ndim - 3))
