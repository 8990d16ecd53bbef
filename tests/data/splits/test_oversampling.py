"""Classes evened out by copies before the split: the parts, and that they leak as much as the audit says they do."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skineval.base.errors import DataError
from skineval.base.terms import OVERSAMPLE_FIRST
from skineval.data.quality.crossings import Claims, examine, folds_apart, part_codes
from skineval.data.quality.leakage import ALL, MINORITY, leaks
from skineval.data.splits.dealing import split
from skineval.data.splits.given import assemble, official_split, read_split
from skineval.data.splits.oversampling import occurrences, oversample
from skineval.data.splits.split import Split
from skineval.values.lesion_table import LesionTable
from skineval.values.task import DIAGNOSES, MALIGNANT
from tests.data.folders import made_table

#: As uneven as HAM10000, in the small: 12 df and 120 nv.
COUNTS = {"akiec": 18, "bcc": 24, "bkl": 40, "df": 12, "mel": 40, "nv": 120, "vasc": 14}
TABLE = made_table([(dx, 1 + k % 3) for dx, count in COUNTS.items() for k in range(count // 2)])


def seen_elsewhere(made: Split, fold: int = 0) -> np.ndarray:
    """Whether each test row has a copy in train or validation, counted row by row."""
    parts = made.parts(fold)
    known = Counter([*parts.train.tolist(), *parts.validation.tolist()])
    return np.array([known[row] > 0 for row in parts.test.tolist()])


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(0, 3))
def test_every_class_is_as_large_as_the_largest_and_keeps_its_rows(classes: list[int], seed: int) -> None:
    codes, names = np.array(classes), [f"image {k}" for k in range(len(classes))]
    rows = oversample(names, codes, seed)
    assert set(rows.tolist()) == set(range(len(classes)))
    assert set(Counter(codes[rows].tolist()).values()) == {max(Counter(classes).values())}
    assert (np.diff(rows) >= 0).all()
    # The order of rows says nothing: the same names are copied as often.
    back = oversample(names[::-1], codes[::-1], seed)
    assert Counter(names[row] for row in rows) == Counter(names[::-1][row] for row in back)


def test_copies_are_drawn_anew_by_another_seed_and_each_image_as_likely() -> None:
    codes = np.array([0] * 5 + [1] * 5005)
    names = [f"image {k}" for k in range(len(codes))]
    drawn = [np.bincount(oversample(names, codes, seed))[:5] - 1 for seed in (0, 1)]
    assert drawn[0].tolist() != drawn[1].tolist()
    for counts in drawn:
        assert counts.sum() == 5000
        assert np.abs(counts - 1000).max() < 4 * math.sqrt(5000 * 0.2 * 0.8)


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_occurrences_count_what_came_before(names: list[str]) -> None:
    assert occurrences(np.array(names, dtype=str)).tolist() == [names[:k].count(name) for k, name in enumerate(names)]


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 4), st.integers(1, 2), st.integers(0, 3))
def test_copies_are_dealt_out_one_by_one_and_stratified(folds: int, repeats: int, seed: int) -> None:
    made = split(TABLE, protocol=OVERSAMPLE_FIRST, folds=folds, repeats=repeats, seed=seed)
    codes = TABLE.codes
    size = np.bincount(codes).max()
    assert made.leaky
    assert made.rows.tolist() == oversample(TABLE.frame["image_id"].tolist(), codes, seed).tolist()
    assert len(made.frame) == folds * repeats * 7 * size
    tested: dict[int, Counter[int]] = {again: Counter() for again in range(repeats)}
    for fold in range(folds * repeats):
        parts = made.parts(fold)
        everything = np.sort(np.concatenate([parts.train, parts.validation, parts.test]))
        assert everything.tolist() == made.rows.tolist()
        share = 0.2 if folds == 1 else 1 / folds
        assert np.abs(np.bincount(codes[parts.test], minlength=7) - share * size).max() < 1
        tested[fold // folds].update(parts.test.tolist())
    if folds > 1:
        assert all(times == Counter(made.rows.tolist()) for times in tested.values())


def test_the_parts_depend_on_the_seed_and_not_on_the_order_of_rows() -> None:
    backwards = TABLE.take(np.arange(len(TABLE))[::-1])
    first = split(TABLE, protocol=OVERSAMPLE_FIRST, folds=2)
    assert split(backwards, protocol=OVERSAMPLE_FIRST, folds=2).fingerprint == first.fingerprint
    assert split(TABLE, protocol=OVERSAMPLE_FIRST, folds=2, seed=1).fingerprint != first.fingerprint
    # A change of this value makes every published split another one: raise the protocol version with it.
    assert first.fingerprint[:16] == "ec3fe43bc44b49c0"


def test_the_share_with_a_copy_on_the_other_side_is_what_the_audit_expects() -> None:
    codes = TABLE.codes
    expected = {
        one.label: one.expected for one in leaks(codes, DIAGNOSES, np.arange(len(TABLE)), oversample=True, draws=1)
    }
    shares: dict[str, list[float]] = {ALL: [], MINORITY: [], "mel": [], "nv": []}
    for seed in range(60):
        made = split(TABLE, protocol=OVERSAMPLE_FIRST, seed=seed)
        seen, classes = seen_elsewhere(made), codes[made.parts(0).test]
        shares[ALL].append(seen.mean())
        shares[MINORITY].append(seen[classes != DIAGNOSES.index("nv")].mean())
        for label in ("mel", "nv"):
            shares[label].append(seen[classes == DIAGNOSES.index(label)].mean())
    assert expected["nv"] == pytest.approx(0, abs=1e-12)
    for label, drawn in shares.items():
        error = np.std(drawn, ddof=1) / math.sqrt(len(drawn))
        assert abs(np.mean(drawn) - expected[label]) < 4 * error + 1e-12, label


def test_the_split_of_a_bench_is_read_back_and_audited(tmp_path: Path) -> None:
    made = split(TABLE, protocol=OVERSAMPLE_FIRST, folds=3)
    made.frame.sample(frac=1, random_state=0).to_csv(tmp_path / "split.csv", index=False)
    again = read_split(tmp_path / "split.csv", TABLE, protocol=OVERSAMPLE_FIRST)
    assert again.fingerprint == made.fingerprint
    assert (again.folds, again.repeats) == (3, 1)
    assert all(np.array_equal(again.parts(f).test, made.parts(f).test) for f in range(3))
    repeated = split(TABLE, protocol=OVERSAMPLE_FIRST, folds=2, repeats=2)
    assert assemble(repeated.frame, TABLE, protocol=OVERSAMPLE_FIRST).repeats == 2

    claims = Claims("it", OVERSAMPLE_FIRST, made.fingerprint)
    found = examine(TABLE, again, claims, np.arange(len(TABLE)))
    assert found.contradictions == ()
    for fold in range(3):
        (everything,) = [one for one in found.crossings if (one.fold, one.part, one.label) == (fold, "test", ALL)]
        seen = seen_elsewhere(made, fold)
        assert (everything.images, everything.copies) == (len(seen), seen.sum())
        assert everything.by_lesion >= everything.copies
    (image,) = np.flatnonzero(np.bincount(made.rows) == 1)[:1]
    assert folds_apart(part_codes(made), np.flatnonzero(made.rows == image)) == 0
    most = int(np.bincount(made.rows).argmax())
    assert folds_apart(part_codes(made), np.flatnonzero(made.rows == most)) == 3


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing copy", "has more copies in one fold than in another"),
        ("no copies", "holds each of .* images once: nothing was oversampled"),
        ("tested twice", "not tested exactly once"),
        ("one copy tested", "not tested exactly once"),
        ("missing image", "an image is missing from a fold"),
    ],
)
def test_splits_that_are_not_of_the_protocol_are_refused(how: str, message: str) -> None:
    frame = split(TABLE, protocol=OVERSAMPLE_FIRST, folds=2).frame.copy()
    if how == "missing copy":
        frame = frame.drop(index=frame.index[frame.duplicated(["fold", "image_id"])][0])
    elif how == "no copies":
        frame = split(TABLE, protocol="image", folds=2).frame
    elif how == "tested twice":
        frame.loc[frame.index[frame["part"] == "train"][0], "part"] = "test"
    elif how == "one copy tested":  # and the others left out of every test part, without a word
        image = frame["image_id"].value_counts().index[0]
        tests = frame.index[(frame["image_id"] == image) & (frame["part"] == "test")]
        frame.loc[tests[1:], "part"] = "train"
    else:
        frame = frame[frame["image_id"] != TABLE.frame["image_id"][0]]
    with pytest.raises(DataError, match=message) as caught:
        assemble(frame, TABLE, protocol=OVERSAMPLE_FIRST)
    assert caught.value.hint


def test_other_protocols_take_no_copies_and_official_parts_hold_none() -> None:
    made = split(TABLE, protocol=OVERSAMPLE_FIRST)
    for protocol in ("lesion", "image"):
        with pytest.raises(DataError, match="or in it twice") as caught:
            assemble(made.frame, TABLE, protocol=protocol)
        assert OVERSAMPLE_FIRST in caught.value.hint
    parts = tuple(split(TABLE).frame["part"])
    with pytest.raises(DataError, match="nothing was oversampled"):
        official_split(replace(TABLE, official=parts), protocol=OVERSAMPLE_FIRST)


def test_a_class_without_images_has_no_copies_either() -> None:
    absent = made_table([(dx, 1) for dx in ("nv", "mel") for _ in range(9)])
    with pytest.raises(DataError, match="'akiec' has 0 images with copies"):
        split(absent, protocol=OVERSAMPLE_FIRST)
    targets = MALIGNANT.targets(absent.frame["dx"])
    made = split(absent, protocol=OVERSAMPLE_FIRST, task=MALIGNANT)
    assert set(targets[made.parts(0).test].tolist()) == {0, 1}


def test_real_images_leak_as_published(real_table: LesionTable) -> None:
    codes = real_table.codes
    made = split(real_table, protocol=OVERSAMPLE_FIRST)
    expected = {one.label: one for one in leaks(codes, DIAGNOSES, np.arange(len(real_table)), oversample=True)}
    seen, classes = seen_elsewhere(made), codes[made.parts(0).test]
    assert len(seen) == expected[ALL].n_test == 9387
    minority = seen[classes != DIAGNOSES.index("nv")]
    for drawn, label in ((seen, ALL), (minority, MINORITY)):
        assert abs(drawn.mean() - expected[label].expected) < 4 * expected[label].deviation, label
    assert 100 * seen.mean() == pytest.approx(85.6, abs=0.1)
    assert 100 * minority.mean() == pytest.approx(99.8, abs=0.1)
