from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from skineval.base.errors import DataError
from skineval.data.groups import read_pairs
from skineval.data.layouts.known_pairs import KNOWN_DUPLICATES
from skineval.data.quality.descriptors import SIDE, VIEWS, Placement, describe, relief, same_way_up, to_grey
from skineval.data.quality.near_duplicates import SimilarPair, search
from skineval.data.synthetic import synthetic
from skineval.values.lesion_table import LesionTable

LARGE = 2 * SIDE
TURNS = [(mirrored, turns) for mirrored in (False, True) for turns in range(4)]


def shrunk(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


@pytest.fixture(scope="module")
def originals() -> NDArray[np.uint8]:
    """One image of each of 40 lesions, large."""
    table = synthetic.load(images=120)
    rows = table.frame.drop_duplicates("lesion_id").index[:40].tolist()
    return table.images.pixels(rows, LARGE)


@pytest.fixture(scope="module")
def small(originals: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.stack([shrunk(picture) for picture in originals])


def found_in(pixels: NDArray[np.uint8], most: int = 3) -> tuple[SimilarPair, ...]:
    ids = [f"I{row}" for row in range(len(pixels))]
    return search(pixels, ids, ids, most=most).candidates


def planted(small: NDArray[np.uint8], copy: NDArray[np.uint8]) -> SimilarPair:
    """The best candidate once `copy`, of image 7, stands at the end."""
    match = found_in(np.concatenate([small, copy[None]]), most=1)[0]
    assert (match.first, match.second) == (7, len(small))
    return match


@pytest.mark.parametrize(("mirrored", "turns"), TURNS)
def test_turned_and_mirrored_copies_stand_out_with_what_was_done(
    small: NDArray[np.uint8], mirrored: bool, turns: int
) -> None:
    copy = np.rot90(small[7][:, ::-1] if mirrored else small[7], turns)
    match = planted(small, copy)
    assert match.distance < 0.01
    assert match.transform == Placement(mirrored, turns, 1.0).inverse.words


@pytest.mark.parametrize("zoom", [0.5, 0.6, 0.7, 0.85])
def test_magnified_copies_stand_out_with_their_zoom(originals: NDArray[np.uint8], zoom: float) -> None:
    small = np.stack([shrunk(picture) for picture in originals])
    margin = round(LARGE * (1 - zoom) / 2)
    match = planted(small, shrunk(originals[7][margin : LARGE - margin, margin : LARGE - margin]))
    assert match.transform == f"zoom {zoom:.2f}"


def test_shifted_copies_of_other_colour_and_brightness_stand_out(originals: NDArray[np.uint8]) -> None:
    frames = originals[:, 8:-8, 8:-8]
    small = np.stack([shrunk(picture) for picture in frames])
    moved = shrunk(originals[7, 12:-4, 12:-4]).astype(float)
    noisy = moved * [0.8, 0.7, 0.9] + 12 + np.random.default_rng(0).normal(0, 3, moved.shape)
    match = planted(small, noisy.clip(0, 255).astype(np.uint8))
    assert match.transform == "as it is"


def test_pairs_are_ranked_by_contrast_and_listed_once_for_two_groups(small: NDArray[np.uint8]) -> None:
    pixels = np.concatenate([small, small[3:4], small[3:4], small[5:6]])
    n = len(small)
    ids = [f"I{row}" for row in range(len(pixels))]
    ids[n + 1] = ids[n]  # the two copies of image 3 are one lesion
    found = search(pixels, ids, ids, most=5)
    assert {(one.first, one.second) for one in found.candidates[:2]} <= {(3, n), (3, n + 1), (5, n + 2)}
    assert [one.first for one in found.candidates[:2]].count(3) == 1
    contrasts = [one.contrast for one in found.candidates]
    assert contrasts == sorted(contrasts, reverse=True)
    assert len(found.candidates) == 5
    assert found.joined == ()


def test_joined_lesions_are_no_candidates_but_tell_how_good_the_search_is(small: NDArray[np.uint8]) -> None:
    pixels = np.concatenate([small, small[9:10], small[11:12, ::-1]])
    n = len(small)
    lesions = [f"L{row}" for row in range(len(pixels))]
    groups = list(lesions)
    groups[n] = lesions[9]
    groups[1] = lesions[0]  # two that do not look alike
    found = search(pixels, lesions, groups, most=100)
    best, other = found.joined
    assert (best.match.first, best.match.second, best.random) == (9, n, 0)
    assert (other.match.first, other.match.second) == (0, 1)
    assert best.rank <= 2 < other.rank
    assert other.random > 0.01
    pairs = [(one.first, one.second) for one in found.candidates]
    assert pairs[0] == (11, n + 1)
    assert (9, n) not in pairs
    assert (0, 1) not in pairs


def test_images_of_one_lesion_are_never_candidates(small: NDArray[np.uint8]) -> None:
    pixels = np.concatenate([small, small])
    lesions = [f"L{row % len(small)}" for row in range(len(pixels))]
    found = search(pixels, lesions, lesions, most=1000)
    assert all(lesions[one.first] != lesions[one.second] for one in found.candidates)
    assert all(one.distance > 0.01 for one in found.candidates)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 6])
def test_few_images(small: NDArray[np.uint8], n: int) -> None:
    assert len(found_in(small[:n], most=1000)) == n * (n - 1) // 2
    twins = found_in(np.concatenate([small[:n], small[:n]]), most=max(n, 1))
    assert {(one.first, one.second) for one in twins} == {(row, row + n) for row in range(n)}


def test_images_without_any_structure_are_no_obstacle() -> None:
    found = found_in(np.stack([np.full((SIDE, SIDE, 3), level, np.uint8) for level in (0, 9, 255)]))
    assert len(found) == 3
    assert all(np.isfinite([one.contrast, one.distance]).all() for one in found)


def test_progress_is_told_up_to_the_end(small: NDArray[np.uint8]) -> None:
    told: list[tuple[int, int]] = []
    ids = [str(row) for row in range(len(small))]
    search(small, ids, ids, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (2 * len(small), 2 * len(small))
    assert told == sorted(told)


@given(st.booleans(), st.integers(0, 3), st.sampled_from([1.0, 0.85, 0.5]))
def test_views_are_undone_by_their_inverse(mirrored: bool, turns: int, zoom: float) -> None:
    pictures = np.arange(2 * 6 * 6, dtype=np.float32).reshape(2, 6, 6)
    view = Placement(mirrored, turns, zoom)
    assert (view.inverse.turn(view.turn(pictures)) == pictures).all()
    assert view.inverse.zoom * view.zoom == pytest.approx(1)
    assert view.inverse.inverse == view or view.inverse.inverse.zoom == pytest.approx(zoom)


def test_descriptors_are_of_length_one_for_every_view(small: NDArray[np.uint8]) -> None:
    views = describe(small)
    assert views.shape[:2] == (len(VIEWS), len(small))
    assert np.linalg.norm(views, axis=2) == pytest.approx(1, abs=1e-5)
    assert VIEWS[0] == Placement(False, 0, 1.0)


def test_relief_is_without_brightness_and_empty_outside_of_a_smaller_picture(small: NDArray[np.uint8]) -> None:
    grey = to_grey(small[:3])
    assert relief(grey) == pytest.approx(relief(grey + 40), abs=1e-4)
    half = relief(grey, 0.5)
    border = np.ones((SIDE, SIDE), dtype=bool)
    border[SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4] = False
    assert (half[:, border] == 0).all()
    assert (half[:, ~border] != 0).mean() > 0.99


def test_half_a_turn_is_told_by_the_pictures(small: NDArray[np.uint8]) -> None:
    for picture in relief(to_grey(small[:10])):
        assert same_way_up(picture, np.roll(picture, (3, -5), (0, 1)))
        assert not same_way_up(picture, np.roll(picture, (3, -5), (0, 1))[::-1, ::-1])


def test_pairs_are_read_whatever_stands_beside_them(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_bytes('\ufeffnote,Image_B , image_a\r\n"a, b",I2, I1\r\n\r\n,I4,I3\r\n'.encode())
    assert read_pairs(file) == (("I1", "I2"), ("I3", "I4"))
    file.write_text("image_a,image_b\n")
    assert read_pairs(file) == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"image_a,image_b,folds_apart,confirmed\nI1,I2,0,yes\nI1,I3,1,no\n", "row 3: confirmed says no"),
        (b"image_a,other\n", "lacks the column image_b (it has image_a, other)"),
        (b"image_a,image_b\nI1,I2\nI3\n", "row 3: fewer than two images are named"),
        (b"image_a,image_b\n\nI1, \n", "row 3: fewer than two images are named"),
        (b"image_a,image_b\nI1,x/I1.jpg\n", "row 2: 'I1' is paired with itself"),
        (b'image_a,image_b\n"I1,I2\n', "is not a CSV file"),
        (b"image_a,image_b\n\xff\xfe,I1\n", "is not a CSV file"),
    ],
)
def test_files_that_hold_no_pairs_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "pairs.csv"
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_pairs(file)
    assert words in caught.value.message
    assert "pairs.csv" in caught.value.message
    assert caught.value.hint


def test_a_missing_file_of_pairs_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.csv cannot be read: No such file"):
        read_pairs(tmp_path / "nowhere.csv")


@pytest.fixture(scope="module")
def real_pixels(real_table: LesionTable, cache: Path) -> NDArray[np.uint8]:
    from skineval.data.pixels.store import open_store

    return open_store(real_table, SIDE, cache=cache).array


def test_published_pairs_rank_before_random_ones(real_table: LesionTable, real_pixels: NDArray[np.uint8]) -> None:
    lesions = real_table.frame["lesion_id"].tolist()
    found = search(real_pixels, lesions, real_table.frame["group"].tolist())
    assert len(found.joined) == len(KNOWN_DUPLICATES)
    assert sum(one.rank <= 100 for one in found.joined) >= 9
    assert sum(one.rank <= 30 for one in found.joined) >= 7
    assert np.median([one.random for one in found.joined]) < 0.0005
    assert sum(one.random < 0.05 for one in found.joined) >= 17
    lesion = dict(zip(real_table.frame["image_id"], lesions, strict=True))
    published = {frozenset((lesion[a], lesion[b])) for a, b in KNOWN_DUPLICATES}
    shown = {frozenset((lesions[one.first], lesions[one.second])) for one in found.candidates}
    assert len(shown) == 100
    assert not published & shown


def test_images_of_one_lesion_are_the_first_where_lesions_are_unknown(
    real_table: LesionTable, real_pixels: NDArray[np.uint8]
) -> None:
    # Half of the table, to be quick.
    lesions = real_table.frame["lesion_id"].tolist()[::2]
    ids = real_table.frame["image_id"].tolist()[::2]
    candidates = search(real_pixels[::2], ids, ids, most=300).candidates
    assert np.mean([lesions[one.first] == lesions[one.second] for one in candidates]) > 0.95
