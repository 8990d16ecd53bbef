from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skineval.base.errors import DataError
from skineval.base.terms import PARTS
from skineval.data.layouts import class_folders
from skineval.data.quality.crossings import Claims, Parting, examine, folds_apart, part_codes, refuse_parted_copies
from skineval.data.quality.leakage import ALL
from skineval.data.splits.dealing import split
from skineval.data.splits.given import assemble
from skineval.data.splits.split import TEST, Split
from skineval.values.lesion_table import LesionTable
from skineval.values.task import DIAGNOSES
from tests.data.folders import encoded, made_table, picture, write_files

MIXED = [(dx, 1 + k % 3) for dx in DIAGNOSES for k in range(12)]


def loose(table: LesionTable, parts: list[list[str]]) -> Split:
    """A split with these parts in each fold, whatever it leaks."""
    frame = pd.concat([table.frame[["image_id"]].assign(fold=fold, part=part) for fold, part in enumerate(parts)])
    return assemble(frame, table, protocol="image")


def contents(table: LesionTable) -> np.ndarray:
    return np.arange(len(table))


def one(found: Parting, part: str, label: str = ALL, fold: int = 0) -> tuple[int, int, int, int]:
    (mine,) = (x for x in found.crossings if (x.part, x.label, x.fold) == (part, label, fold))
    return mine.images, mine.by_lesion_id, mine.by_lesion, mine.copies


def test_mates_are_counted_image_by_image() -> None:
    table = made_table([("nv", 4), ("mel", 2), ("nv", 1), ("nv", 1)])
    table = replace(table, frame=table.frame.assign(group=["A"] * 4 + ["B"] * 2 + ["C"] * 2))
    made = loose(table, [["train", "test", "test", "validation", "test", "test", "train", "test"]])
    found = examine(table, made, Claims("it", "image"), np.array([0, 1, 2, 3, 0, 5, 6, 7]))
    assert one(found, "test") == (5, 2, 3, 1)
    assert one(found, "test", "nv") == (3, 2, 3, 0)
    assert one(found, "test", "mel") == (2, 0, 0, 1)
    assert one(found, "validation") == (1, 1, 1, 0)
    assert (found.parted_lesion_ids, found.parted_lesions) == (1, 2)
    assert found.leaky
    assert found.contradictions == ()
    assert found.fingerprint == made.fingerprint


def test_pictures_stored_anew_on_both_sides_are_refused(tmp_path: Path) -> None:
    shown = {"a": (1, "PNG"), "b": (1, "BMP"), "c": (2, "PNG"), "d": (3, "PNG")}
    files = {f"nv/{name}.{kind.lower()}": encoded(picture(seed), kind) for name, (seed, kind) in shown.items()}
    write_files(tmp_path, files)
    table = class_folders.load(tmp_path)
    pixels = table.images.pixels(range(4), 16)
    apart, together = (
        loose(table, [["train", "test", "train", "test"]]),
        loose(table, [["train", "train", "test", "test"]]),
    )
    with pytest.raises(DataError, match=r"1 picture is under several names, .*: a and b") as caught:
        refuse_parted_copies(table, apart, pixels)
    assert "--groups" in caught.value.hint
    refuse_parted_copies(table, together, pixels)
    refuse_parted_copies(table, loose(table, [["unused", "test", "train", "test"]]), pixels)


@given(st.integers(0, 2**32), st.integers(1, 2))
@settings(max_examples=25, deadline=None)
def test_counts_are_those_of_looking_at_every_image(seed: int, folds: int) -> None:
    random = np.random.default_rng(seed)
    table = made_table([("nv", 3), ("mel", 2), ("nv", 1), ("mel", 2)])
    tested = random.permutation(len(table)) % 2
    parts = [
        [
            "test" if (folds == 1 and not tested[row]) or (folds == 2 and tested[row] == fold) else part
            for row, part in enumerate(random.choice(["train", "validation"], len(table)).tolist())
        ]
        for fold in range(folds)
    ]
    found = examine(table, loose(table, parts), Claims("it", "image"), contents(table))
    lesions = table.frame["lesion_id"].tolist()
    for fold, part_of in enumerate(parts):
        for part, before in (("test", ("train", "validation")), ("validation", ("train",))):
            known = {lesion for lesion, other in zip(lesions, part_of, strict=True) if other in before}
            expected = sum(lesion in known for lesion, mine in zip(lesions, part_of, strict=True) if mine == part)
            assert one(found, part, fold=fold)[1:3] == (expected, expected)
    assert found.parted_lesions == sum(
        len({part for lesion, part in zip(lesions, part_of, strict=True) if lesion == each}) > 1
        for part_of in parts
        for each in set(lesions)
    )


@pytest.mark.parametrize("folds", [1, 3])
def test_a_split_of_whole_lesions_is_proved(folds: int) -> None:
    table = made_table(MIXED)
    made = split(table, folds=folds)
    found = examine(table, replace(made, protocol="image"), Claims("it", "lesion", made.fingerprint), contents(table))
    assert not found.leaky
    assert found.parted_lesions == found.parted_lesion_ids == 0
    assert all(x.by_lesion == x.by_lesion_id == x.copies == 0 for x in found.crossings)
    assert sum(x.images for x in found.crossings if x.part == "test" and x.label == ALL) >= len(table) // 6
    assert found.fingerprint == made.fingerprint
    assert found.contradictions == ()


def test_what_is_not_as_claimed_is_said() -> None:
    table = made_table(MIXED)
    made = split(table)
    changed = made.frame.assign(part=made.frame["part"].replace({"validation": "train", "train": "validation"}))
    found = examine(table, assemble(changed, table), Claims("it", "lesion", made.fingerprint), contents(table))
    assert len(found.contradictions) == 1
    assert "it was changed" in found.contradictions[0]

    several = table.frame["group"].duplicated(keep=False).idxmax()
    frame = made.frame.assign(part=["test" if row == several else "train" for row in range(len(table))])
    claims = Claims("it", "lesion", made.fingerprint, "as it was", "as it is")
    found = examine(table, assemble(frame, table, protocol="image"), claims, contents(table))
    assert found.fingerprint == ""
    assert found.parted_lesions == 1
    leaks, data = found.contradictions
    assert "claims to keep lesions together, and 1 lesion is parted" in leaks
    assert "not the data that was benched" in data


def test_folds_apart() -> None:
    parts = np.array([[0, 0, 2, 1], [2, 0, 0, 2], [2, 2, 1, 0]])
    assert TEST == 2
    assert folds_apart(parts, [0, 1]) == 1
    assert folds_apart(parts, [0, 2]) == 3
    assert folds_apart(parts, [1, 3]) == 2
    assert folds_apart(parts, [0]) == 0
    table = made_table(MIXED)
    made = split(table, folds=3)
    codes = part_codes(made)
    assert codes.shape == (3, len(table))
    assert PARTS[codes[1, 5]] == made.frame[made.frame["fold"] == 1]["part"].iloc[5]
