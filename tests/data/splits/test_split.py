from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skineval.base.errors import DataError, UsageError
from skineval.base.terms import PARTS
from skineval.data.groups import grouped
from skineval.data.splits.dealing import split, with_validation
from skineval.data.splits.given import assemble, official_split, read_split
from skineval.data.splits.split import COLUMNS, Split
from skineval.values.lesion_table import LesionTable
from skineval.values.task import DIAGNOSES, DX7, MALIGNANT, Task
from tests.data.folders import made_table

TABLE = made_table([(dx, count) for dx in DIAGNOSES for count in (1, 1, 1, 2, 2, 3, 1, 1, 1, 1)])


@st.composite
def tables(draw: st.DrawFn) -> LesionTable:
    lesions = [(dx, n) for dx in DIAGNOSES for n in draw(st.lists(st.integers(1, 6), min_size=8, max_size=40))]
    return made_table(lesions)


def each_fold(made: Split, table: LesionTable) -> Sequence[tuple[set[int], set[int], set[int]]]:
    parts = [made.parts(fold) for fold in range(made.folds)]
    assert all((np.diff(rows) > 0).all() for part in parts for rows in (part.train, part.validation, part.test))
    return [(set(part.train.tolist()), set(part.validation.tolist()), set(part.test.tolist())) for part in parts]


@settings(deadline=None, max_examples=40)
@given(tables(), st.integers(1, 8), st.integers(0, 5), st.sampled_from(["lesion", "image"]))
def test_parts_partition_images_and_keep_groups_whole(table: LesionTable, folds: int, seed: int, protocol: str) -> None:
    try:
        made = split(table, protocol=protocol, folds=folds, seed=seed)
    except DataError:
        assert folds == 2  # one big lesion can fill half a class: then too few are left for train and validation
        return
    everything = set(range(len(table)))
    tested: list[int] = []
    for train, validation, test in each_fold(made, table):
        assert train | validation | test == everything
        assert len(train) + len(validation) + len(test) == len(table)
        assert train
        assert validation
        assert test
        tested += test
    if folds > 1:
        assert sorted(tested) == sorted(everything)
    if protocol == "lesion":
        assert made.frame.groupby(["fold", "group"])["part"].nunique().max() == 1
    assert made.leaky == (protocol == "image")


@settings(deadline=None, max_examples=40)
@given(tables(), st.integers(1, 5), st.integers(0, 5))
def test_class_counts_are_proportional(table: LesionTable, folds: int, seed: int) -> None:
    try:
        made = split(table, folds=folds, seed=seed)
    except DataError:
        assert folds == 2
        return
    share = 0.2 if folds == 1 else 1 / folds
    targets = DX7.targets(table.frame["dx"])
    largest = table.frame.groupby("group").size().max()
    for fold in range(folds):
        counts = np.bincount(targets[made.parts(fold).test], minlength=7)
        assert (np.abs(counts - share * np.bincount(targets, minlength=7)) <= largest).all()


def test_patients_with_lesions_of_several_classes_are_dealt_out_evenly() -> None:
    """Of 300 patients with eight lesions each, 40 have a rare one among them."""
    diagnoses = [dx for patient in range(300) for dx in ["nv"] * 7 + ["mel" if patient % 7 == 0 else "nv"]]
    table = made_table([(dx, 1) for dx in diagnoses])
    patients = [f"p{number // 8}" for number in range(len(table))]
    table = grouped(replace(table, frame=table.frame.assign(patient_id=patients)))
    task = DX7.without(set(DIAGNOSES) - {"mel", "nv"})
    for train, validation, test in each_fold(split(table, folds=5, task=task), table):
        assert not {patients[row] for row in test} & {patients[row] for row in train | validation}
        assert sum(diagnoses[row] == "mel" for row in test) in (8, 9)
        assert abs(len(test) - 480) <= 8


def test_a_class_of_many_rare_labels_is_in_every_part() -> None:
    """Each of 40 labels has a single lesion: dealt out one by one, all would be trained on."""
    table = made_table([("nv", 1)] * 60 + [("mel", 1)] * 40)
    labels = ["nv"] * 60 + [f"rare-{number}" for number in range(40)]
    table = replace(table, frame=table.frame.assign(dx=labels), labels=tuple(sorted(set(labels))))
    task = Task("own", ("common", "rare"), {label: ("common", "rare")[label != "nv"] for label in labels})
    made = split(table, folds=4, task=task)
    rare = [[sum(labels[row] != "nv" for row in part) for part in fold] for fold in each_fold(made, table)]
    assert all(test == 10 and validation in (4, 5) for _, validation, test in rare)


def test_counts_are_even_where_most_lesions_have_one_image() -> None:
    table = made_table([(dx, n) for dx in DIAGNOSES for n in (4, 3, 3, 2, 2, 2, 2, *[1] * 32)])
    made = split(table, folds=5)
    targets = DX7.targets(table.frame["dx"])
    counts = np.array([np.bincount(targets[made.parts(fold).test]) for fold in range(5)])
    assert (counts == 10).all()


def test_hold_out_has_one_row_an_image() -> None:
    made = split(TABLE, folds=1, seed=3)
    assert tuple(made.frame.columns) == COLUMNS
    assert made.frame["image_id"].tolist() == TABLE.frame["image_id"].tolist()
    assert set(made.frame["part"]) == set(PARTS)
    with pytest.raises(IndexError):
        made.parts(1)


def test_split_depends_on_the_seed_and_not_on_the_order_of_rows() -> None:
    backwards = TABLE.take(np.arange(len(TABLE))[::-1])
    first = split(TABLE, folds=3, seed=0)
    assert split(TABLE, folds=3, seed=0).fingerprint == first.fingerprint
    assert split(backwards, folds=3, seed=0).fingerprint == first.fingerprint
    assert split(TABLE, folds=3, seed=1).fingerprint != first.fingerprint
    assert split(TABLE, folds=3, seed=0, protocol="image").fingerprint != first.fingerprint


def test_split_is_the_same_on_every_machine() -> None:
    # A change of this value makes every published split another one: raise the protocol version with it.
    assert split(TABLE, folds=3, seed=0).fingerprint[:16] == "2df9cd9a6b5eb88f"


def test_image_protocol_parts_lesions() -> None:
    made = split(TABLE, protocol="image", seed=0)
    assert made.leaky
    assert made.frame.groupby("group")["part"].nunique().max() > 1
    with pytest.raises(DataError, match="leaks"):
        Split(made.frame, "lesion", 1)


def test_too_few_groups_names_class_and_count() -> None:
    few = made_table([(dx, 1) for dx in DIAGNOSES for _ in range(2 if dx == "df" else 9)])
    with pytest.raises(DataError, match=r"'df' has 2 lesions .* 5 fold") as caught:
        split(few, folds=5)
    assert "malignant" in caught.value.hint
    assert split(few, folds=5, task=MALIGNANT).folds == 5


def test_class_without_images_is_refused_unless_the_task_does_without() -> None:
    absent = made_table([(dx, 1) for dx in ("nv", "mel") for _ in range(9)])
    with pytest.raises(DataError, match="'akiec' has 0 lesions") as caught:
        split(absent)
    assert "--task malignant" in caught.value.hint
    assert "fold" not in caught.value.hint
    assert len(split(absent, task=MALIGNANT).frame) == 18


@pytest.mark.parametrize(
    "wrong", [{"folds": 0}, {"protocol": "patient"}, {"test": 0.0}, {"test": 1.5}, {"validation": 1.0}]
)
def test_arguments_out_of_range(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        split(TABLE, **wrong)  # type: ignore[arg-type]


def test_split_survives_csv(tmp_path: Path) -> None:
    made = split(TABLE, folds=3, seed=0)
    path = tmp_path / "split.csv"
    made.frame.sample(frac=1, random_state=0).to_csv(path, index=False)
    again = read_split(path, TABLE)
    pd.testing.assert_frame_equal(again.frame, made.frame, check_dtype=False)
    assert again.fingerprint == made.fingerprint
    assert again.parts(2).test.tolist() == made.parts(2).test.tolist()


def corrupted(how: str) -> pd.DataFrame:
    frame = split(TABLE, folds=2, seed=0).frame.copy()
    several = frame.duplicated(["fold", "group"], keep=False) & (frame["part"] == "train")
    match how:
        case "leak":
            frame.loc[several.idxmax(), "part"] = "validation"
        case "missing row":
            frame = frame.drop(index=5)
        case "repeated row":
            frame = pd.concat([frame, frame.iloc[[3]]])
        case "part":
            frame.loc[0, "part"] = "dev"
        case "fold":
            frame["fold"] = "one"
        case "group":
            frame.loc[0, "group"] = "L99999"
        case "tested twice":
            frame["part"] = "test"
        case "empty":
            frame = frame.iloc[:0]
    return frame


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("leak", "such as L0.* in fold 0: it leaks"),
        ("missing row", "rows for"),
        ("repeated row", "rows for"),
        ("part", "'dev'"),
        ("fold", "'one'"),
        ("group", "'L99999'"),
        ("tested twice", "not tested exactly once"),
        ("empty", "0 rows"),
    ],
)
def test_corrupted_splits_are_refused(how: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        assemble(corrupted(how), TABLE)


def test_repetitions_are_dealt_anew_and_the_first_is_what_it_is_alone() -> None:
    made = split(TABLE, folds=3, repeats=2, seed=0)
    assert (made.folds, made.repeats) == (6, 2)
    for again in range(2):
        tested = np.concatenate([made.parts(fold).test for fold in range(3 * again, 3 * again + 3)])
        assert sorted(tested.tolist()) == list(range(len(TABLE)))
    alone = split(TABLE, folds=3, seed=0)
    assert all((made.parts(fold).test == alone.parts(fold).test).all() for fold in range(3))
    assert any(not np.array_equal(made.parts(fold).test, made.parts(fold + 3).test) for fold in range(3))
    assert assemble(made.frame, TABLE).repeats == 2


def test_repeated_hold_outs_are_told() -> None:
    made = split(TABLE, repeats=3, seed=0)
    assert (made.folds, made.repeats) == (3, 3)
    assert assemble(made.frame, TABLE, repeats=3).fingerprint == made.fingerprint
    with pytest.raises(DataError, match="not tested exactly once"):
        assemble(made.frame, TABLE)
    with pytest.raises(DataError, match="not 2 equal repetitions"):
        assemble(made.frame, TABLE, repeats=2)


def test_a_split_made_elsewhere_needs_images_and_parts_only(tmp_path: Path) -> None:
    made = split(TABLE, seed=1)
    path = tmp_path / "mine.csv"
    elsewhere = made.frame[["part", "image_id"]].assign(remark="x").sample(frac=1, random_state=0)
    elsewhere.to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\r\n")
    assert read_split(path, TABLE).fingerprint == made.fingerprint


def test_the_parts_of_the_data_set_itself() -> None:
    made = split(TABLE, seed=1)
    parts = made.frame.set_index("image_id")["part"]
    table = replace(TABLE, official=tuple(parts[TABLE.frame["image_id"]]))
    assert official_split(table).parts(0).test.tolist() == made.parts(0).test.tolist()
    alone = split(TABLE, protocol="image", seed=1).frame
    leaking = replace(TABLE, official=tuple(alone["part"]))
    with pytest.raises(DataError, match="it leaks"):
        official_split(leaking)
    assert official_split(leaking, protocol="image").leaky
    with pytest.raises(DataError, match="no parts of its own"):
        official_split(TABLE)
    lacking = replace(TABLE, official=tuple(part.replace("validation", "train") for part in table.official))
    with pytest.raises(DataError, match="The validation part of made is not there"):
        official_split(lacking)
    completed = with_validation(lacking, protocol="lesion", seed=3, task=DX7)
    parts = official_split(completed).parts(0)
    assert parts.test.tolist() == made.parts(0).test.tolist()
    assert 0.1 < len(parts.validation) / (len(parts.validation) + len(parts.train)) < 0.2
    assert f"no validation part of its own: {len(parts.validation)} images" in completed.notes[-1]
    assert with_validation(table, protocol="lesion", seed=3, task=DX7) is table


def test_ids_of_a_split_are_matched_whatever_their_letter_case(tmp_path: Path) -> None:
    made = split(TABLE, seed=1)
    path = tmp_path / "mine.csv"
    lowered = made.frame["image_id"].str.lower()
    made.frame[["part"]].assign(image_id=lowered).to_csv(path, index=False)
    assert (lowered != made.frame["image_id"]).all()
    assert read_split(path, TABLE).fingerprint == made.fingerprint


def test_folds_that_are_counted_from_1_are_told(tmp_path: Path) -> None:
    frame = split(TABLE, folds=3, seed=0).frame
    frame.assign(fold=frame["fold"] + 1).to_csv(tmp_path / "split.csv", index=False)
    with pytest.raises(DataError, match="has no row of fold 0"):
        read_split(tmp_path / "split.csv", TABLE)


def test_unreadable_split_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    with pytest.raises(DataError, match=r"split\.csv cannot be read"):
        read_split(path, TABLE)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"split\.csv is not a CSV file"):
        read_split(path, TABLE)


def test_a_split_of_others_is_read_as_they_write_it(tmp_path: Path) -> None:
    made = split(TABLE, seed=1)
    names = {"train": "training", "validation": "Val", "test": "Test"}
    theirs = pd.DataFrame({"Image": "img/" + made.frame["image_id"] + ".jpg", "Split": made.frame["part"].map(names)})
    path = tmp_path / "split.csv"
    theirs.to_csv(path, sep=";", encoding="utf-16")  # with the index, too
    assert read_split(path, TABLE).fingerprint == made.fingerprint


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("part", None, r"split\.csv lacks the column part \(it has image_id, lesion_id, group, fold\)"),
        ("part", "holdout", r"split\.csv, row 4: 'holdout' is no part"),
        ("image_id", "x/ISIC_9.jpg", r"split\.csv, row 4: ISIC_9 is not in made"),
        ("image_id", "I00001.jpg", r"split\.csv, row 4: I00001 is there a second time in its fold, after row 3"),
    ],
)
def test_refusals_of_a_split_name_the_row(column: str, value: str | None, message: str, tmp_path: Path) -> None:
    frame = split(TABLE, seed=0).frame.copy()
    frame.loc[2, column] = value
    frame = frame if value else frame.drop(columns=column)
    frame.to_csv(tmp_path / "split.csv", index=False)
    with pytest.raises(DataError, match=message):
        read_split(tmp_path / "split.csv", TABLE)


@pytest.mark.parametrize("folds", [1, 5])
def test_real_split(real_table: LesionTable, folds: int) -> None:
    made = split(real_table, folds=folds, seed=0)
    assert len(made.frame) == folds * 10_015
    assert made.frame.groupby(["fold", "group"])["part"].nunique().max() == 1
    targets = DX7.targets(real_table.frame["dx"])
    overall = np.bincount(targets) / len(targets)
    siblings = real_table.frame.groupby("group")["image_id"].transform("size").to_numpy()
    for fold in range(folds):
        part = made.parts(fold)
        for rows in (part.train, part.validation, part.test):
            counts = np.bincount(targets[rows])
            assert np.abs(counts / len(rows) - overall).max() < 0.01
            assert abs(counts[3] - overall[3] * len(rows)) <= 2  # df, the rarest
        # Lesions of many images are not all in one part.
        assert abs(siblings[part.train].mean() - siblings[part.test].mean()) < 0.1
