"""Parts that protocols share: the same images are tested, and no lesion is parted where that is promised."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skineval.base.errors import DataError, UsageError
from skineval.base.terms import IMAGE, LESION, OVERSAMPLE_FIRST, PROTOCOLS
from skineval.data.quality.crossings import folds_apart, part_codes
from skineval.data.splits.dealing import split
from skineval.data.splits.given import read_split
from skineval.data.splits.shared import shared_split
from skineval.data.splits.split import Split
from skineval.report.split_table import split_table
from skineval.values.lesion_table import LesionTable
from skineval.values.task import DIAGNOSES, DX7
from tests.data.folders import made_table

TABLE = made_table([(dx, 1 + k % 3) for dx in DIAGNOSES for k in range(12 + 12 * (dx == "nv"))])


@st.composite
def tables(draw: st.DrawFn) -> LesionTable:
    return made_table(
        [(dx, n) for dx in DIAGNOSES for n in draw(st.lists(st.integers(1, 4), min_size=10, max_size=16))]
    )


def each_protocol(table: LesionTable, folds: int, seed: int) -> dict[str, Split] | None:
    """None where lesions are so large that a part is left without a class."""
    try:
        return {one: shared_split(table, protocol=one, folds=folds, seed=seed) for one in PROTOCOLS}
    except DataError:
        return None


@settings(deadline=None, max_examples=12)
@given(tables(), st.integers(1, 3), st.integers(0, 5))
def test_the_same_images_are_tested_and_train_parts_are_those_of_their_protocol(
    table: LesionTable, folds: int, seed: int
) -> None:
    made = each_protocol(table, folds, seed)
    if made is None:
        return
    groups = table.frame["group"].to_numpy()
    by_itself = split(table, protocol=IMAGE, folds=folds, seed=seed)
    for fold in range(folds):
        lesion, image, copied = (made[one].parts(fold) for one in (LESION, IMAGE, OVERSAMPLE_FIRST))
        for other in (image, copied):
            assert other.test.tolist() == lesion.test.tolist() == by_itself.parts(fold).test.tolist()
            assert other.validation.tolist() == lesion.validation.tolist()
        held = [*image.test.tolist(), *image.validation.tolist()]
        assert sorted([*image.train.tolist(), *held]) == list(range(len(table)))
        assert not set(groups[image.validation]) & set(groups[image.test])
        parted = np.isin(groups[image.train], groups[held])
        assert lesion.train.tolist() == image.train[~parted].tolist()
        assert set(copied.train.tolist()) >= set(image.train.tolist())


def test_copies_even_out_classes_and_those_of_test_images_are_among_them() -> None:
    parts = shared_split(TABLE, protocol=OVERSAMPLE_FIRST).parts(0)
    counts = Counter(TABLE.codes[parts.train].tolist()).values()
    assert max(counts) < 1.15 * min(counts)
    rare = [row for row in parts.test.tolist() if TABLE.frame["dx"][row] != "nv"]
    assert len(set(rare) & set(parts.train.tolist())) > len(rare) / 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_file_is_the_same_split_and_nothing_is_parted_by_what_is_in_no_part(protocol, tmp_path) -> None:
    made = shared_split(TABLE, protocol=protocol, folds=2, repeats=2)
    assert made.leaky == (protocol != LESION)
    file = tmp_path / "split.csv"
    made.frame.to_csv(file, index=False)
    assert read_split(file, TABLE, protocol=protocol, repeats=2).fingerprint == made.fingerprint
    shown = split_table(TABLE, DX7, made)
    assert ("more than one part of a fold: 0." in shown.footnotes[0]) == (protocol == LESION)
    assert ("unused" in {row.cells[1] for row in shown.rows}) == (protocol != IMAGE)


def test_what_is_in_no_part_is_on_no_side_of_a_border() -> None:
    made = shared_split(TABLE, protocol=LESION)
    codes, groups = part_codes(made), TABLE.frame["group"].to_numpy()
    tested, left = made.parts(0).test, np.flatnonzero(codes[0] < 0)
    siblings = [(int(row), int(one)) for row in tested for one in left if groups[row] == groups[one]]
    assert siblings
    assert [folds_apart(codes, pair) for pair in siblings] == [0] * len(siblings)
    assert folds_apart(codes, [int(tested[0]), int(made.parts(0).train[0])]) == 1


def test_what_cannot_be_shared_is_refused() -> None:
    with pytest.raises(UsageError, match="no protocol 'lesoin'"):
        shared_split(TABLE, protocol="lesoin")
    parted = made_table([(dx, 6 if dx == "df" else 1) for dx in DIAGNOSES for _ in range(30 if dx == "nv" else 5)])
    with pytest.raises(DataError, match="none of the 30 images of class 'df' in its train part") as caught:
        shared_split(parted, protocol=LESION)
    assert "few lesions" in caught.value.hint
