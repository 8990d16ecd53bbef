from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from skineval.data.layouts import recognise
from skineval.data.quality.duplicates import content, content_units, find_copies
from skineval.values.lesion_table import LesionTable
from tests.data.folders import IDS, JPEGS, Made, encoded, ham_folder, made_table


def thumbnails(table: LesionTable) -> np.ndarray:
    return table.images.pixels(range(len(table)), 16)


def test_identical_files_are_told_from_identical_pictures(tmp_path: Path) -> None:
    again = encoded(Image.open(ham_folder(tmp_path / "a") / "images" / f"{IDS[0]}.jpg"), "PNG")
    images = {IDS[0]: JPEGS[IDS[0]], IDS[1]: JPEGS[IDS[2]], IDS[2]: JPEGS[IDS[2]], IDS[3]: again}
    table = recognise.load(ham_folder(tmp_path / "b", images=images))
    first, second = find_copies(table, thumbnails(table))
    assert (first.image_ids, first.same, first.where) == ((IDS[0], IDS[3]), "pixels", "across classes")
    assert (second.image_ids, second.same, second.where) == ((IDS[1], IDS[2]), "bytes", "across classes")
    assert second.lesion_ids == ("HAM_0000001", "HAM_0000002")
    assert second.dx == ("nv", "mel")
    assert content_units([first, second], 4).tolist() == [0, 1, 1, 0]


def test_where_copies_lie() -> None:
    table = made_table([("nv", 2), ("nv", 1), ("nv", 1), ("mel", 1)])
    frame = table.frame.assign(group=["L00000", "L00000", "L00000", "L00002", "L00003"])
    table = replace(table, frame=frame)

    def where(*rows: int) -> str:
        part = replace(table, images=_Same()).take(rows)
        (found,) = find_copies(part, thumbnails(part))
        assert found.rows == tuple(range(len(rows)))
        return found.where

    assert where(0, 1) == "inside one lesion"
    assert where(0, 2) == "inside one lesion, under several lesion ids"
    assert where(0, 1, 3) == "across lesions"
    assert where(0, 1, 4) == "across classes"


class _Same(Made):
    def pixels(self, rows: object, size: int) -> np.ndarray:
        return np.zeros((len(rows), size, size, 3), dtype=np.uint8)  # type: ignore[arg-type]


class _Fine(Made):
    """Images that differ only where they are seen large."""

    def pixels(self, rows: object, size: int) -> np.ndarray:
        pixels = np.zeros((len(rows), size, size, 3), dtype=np.uint8)  # type: ignore[arg-type]
        for place, row in enumerate(rows):  # type: ignore[arg-type, var-annotated]
            pixels[place, 0, 0] = row if size > 100 else 0
        return pixels


def test_images_that_agree_only_when_small_are_no_copies() -> None:
    table = replace(made_table([("nv", 3)]), images=_Fine())
    assert find_copies(table, thumbnails(table)) == ()


def test_images_without_files_are_compared_by_their_pixels() -> None:
    table = made_table([("nv", 260)])  # of the colours of `Made`, 251 are different
    found = find_copies(table, thumbnails(table))
    assert [one.rows for one in found] == [(row, row + 251) for row in range(9)]
    assert {one.same for one in found} == {"pixels"}


def test_content_of_files_is_found_through_subsets(tmp_path: Path) -> None:
    table = recognise.load(ham_folder(tmp_path))
    part = table.take([3, 1, 0]).take([1])
    assert content(part.images, 0) == JPEGS[IDS[1]]
    assert content(made_table([("nv", 1)]).images, 0) is None


def test_the_real_copies_are_found(real_table: LesionTable) -> None:
    ids = real_table.frame["image_id"]
    around = [
        row
        for known in ("ISIC_0024366", "ISIC_0029861", "ISIC_0024777", "ISIC_0029938")
        for row in range(ids[ids == known].index[0] - 20, ids[ids == known].index[0] + 20)
    ]
    part = real_table.take(around)
    found = find_copies(part, part.images.pixels(range(len(part)), 64))
    assert {one.image_ids for one in found} == {
        ("ISIC_0024366", "ISIC_0029861"),
        ("ISIC_0024777", "ISIC_0029938"),
    }
    assert {(one.same, one.where) for one in found} == {("bytes", "inside one lesion")}
