from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from skineval.base.errors import UsageError
from skineval.data.groups import regroup
from skineval.data.quality.audit import Audit, Settings, audit
from skineval.data.quality.crossings import Claims
from skineval.data.quality.leakage import ALL
from skineval.data.splits.dealing import split
from skineval.data.synthetic import synthetic
from skineval.values.lesion_table import LesionTable

FEW = Settings(draws=5, most=6)


@pytest.fixture(scope="module")
def table() -> LesionTable:
    """200 images of lesions, the first ten a second time at the end under lesions of their own."""
    made = synthetic.load(images=200)
    rows = [*range(200), *range(10)]
    doubled = made.take(rows)
    frame = doubled.frame.copy()
    frame.loc[200:, "image_id"] = [f"TWIN_{row}" for row in range(10)]
    frame.loc[200:, ["lesion_id", "group"]] = [[f"LES_TWIN{row}"] * 2 for row in range(10)]
    return dataclasses.replace(doubled, frame=frame, name="twins")


@pytest.fixture(scope="module")
def found(table: LesionTable, cache: Path) -> Audit:
    return audit(table, FEW, cache=cache)


def test_counts_and_settings(table: LesionTable, found: Audit) -> None:
    assert (found.images, found.data, found.synthetic) == (210, "twins", True)
    assert found.lesions == found.lesion_ids == table.frame["lesion_id"].nunique()
    assert found.settings == FEW
    assert found.fingerprint == table.fingerprint
    assert found.actual is None


def test_twins_are_doubled_across_lesions(found: Audit) -> None:
    assert [one.copies.rows for one in found.doubled] == [(row, 200 + row) for row in range(10)]
    assert {one.copies.where for one in found.doubled} == {"across lesions"}
    assert {one.folds_apart for one in found.doubled} == {None}


def test_twins_look_alike(found: Audit) -> None:
    assert len(found.candidates) == 6
    for pair in found.candidates[:3]:
        assert pair.image_b.startswith("TWIN_")
        assert pair.lesion_b == f"LES_{pair.image_b.replace('_', '')}"
        assert pair.distance < 0.001
        assert pair.transform == "as it is"
        assert pair.dx_a == pair.dx_b
        assert pair.folds_apart is None


def test_copies_leak_from_the_largest_class_too(table: LesionTable, found: Audit) -> None:
    shares = {one.label: one for one in found.oversampled}
    largest = table.frame["dx"].value_counts().idxmax()
    twins = (table.frame["dx"].iloc[200:] == largest).sum()
    assert twins > 0
    assert shares[largest].expected > 0
    assert shares[ALL].expected > 0.8


def test_a_split_of_whole_lesions_has_no_siblings_and_confirmed_pairs_heal_it(
    table: LesionTable, found: Audit, cache: Path
) -> None:
    parting = found.lesion_level.parting
    assert parting is not None
    assert not parting.leaky
    assert parting.fingerprint == split(table).fingerprint
    tested = [one for one in parting.crossings if one.part == "test" and one.label == ALL]
    assert [one.by_lesion for one in tested] == [0]
    joined = regroup(table, [(pair.image_a, pair.image_b) for pair in found.candidates[:3]])
    healed = audit(joined, FEW, cache=cache)
    assert healed.lesions == healed.lesion_ids - 3 == found.lesions - 3
    assert {one.pair.image_b for one in healed.joined} == {pair.image_b for pair in found.candidates[:3]}
    assert not {pair.image_b for pair in healed.candidates} & {one.pair.image_b for one in healed.joined}
    assert sum(one.copies.where == "inside one lesion, under several lesion ids" for one in healed.doubled) == 3
    assert healed.siblings_by_lesion[0].expected > healed.siblings_by_lesion_id[0].expected
    assert healed.siblings_by_lesion_id == found.siblings_by_lesion_id


def test_an_actual_split_is_examined(table: LesionTable, cache: Path) -> None:
    made = split(table, protocol="image", folds=3)
    claims = Claims("a split", "image", made.fingerprint)
    done: list[tuple[int, int]] = []
    found = audit(
        table, FEW, cache=cache, actual=made, claims=claims, progress=lambda now, total: done.append((now, total))
    )
    assert found.actual is not None
    assert found.actual.leaky
    assert found.actual.contradictions == ()
    frame = made.frame.pivot(index="image_id", columns="fold", values="part")
    for pair in found.candidates:
        apart = (frame.loc[pair.image_a] == "test") != (frame.loc[pair.image_b] == "test")
        assert pair.folds_apart == apart.sum()
    copies = {one.copies.image_ids: one.folds_apart for one in found.doubled}
    assert set(copies.values()) <= {0, 2}
    assert done == sorted(done)
    assert done[-1] == (3 * len(table), 3 * len(table))


def test_the_data_set_s_own_parts_are_examined_where_it_has_all_three(table: LesionTable, cache: Path) -> None:
    parts = tuple(("train", "test", "validation")[row % 3] for row in range(len(table)))
    found = audit(dataclasses.replace(table, official=parts), FEW, cache=cache)
    assert found.actual is not None
    assert found.actual.name == "the data set's own parts"
    assert found.actual.leaky
    assert found.actual.contradictions == ()
    two = tuple("train" if row % 3 else "test" for row in range(len(table)))
    assert audit(dataclasses.replace(table, official=two), FEW, cache=cache).actual is None


def test_nothing_is_proved_where_lesions_are_not_known_of_all_images(table: LesionTable, cache: Path) -> None:
    unknown = audit(dataclasses.replace(table, lesions_known=False), FEW, cache=cache)
    assert unknown.lesion_level.parting is None
    assert "not known of all of them" in unknown.lesion_level.refused
    assert unknown.lesions is unknown.lesion_ids is None
    assert unknown.siblings_by_lesion[0].expected > 0
    assert {one.copies.where for one in unknown.doubled} == {"not known"}


def test_nothing_is_counted_of_lesions_where_no_two_images_are_known_to_show_one(
    table: LesionTable, cache: Path
) -> None:
    frame = table.frame.assign(lesion_id=table.frame["image_id"], group=table.frame["image_id"])
    parts = tuple(("train", "test", "validation")[row % 3] for row in range(len(table)))
    found = audit(dataclasses.replace(table, frame=frame, lesions_known=False, official=parts), FEW, cache=cache)
    assert found.siblings_by_lesion == found.siblings_by_lesion_id == ()
    assert found.lesion_level.refused == "Which images show one lesion is not known."
    assert found.actual is not None
    assert found.actual.parted_lesions is found.actual.parted_lesion_ids is None
    assert {(one.by_lesion, one.by_lesion_id) for one in found.actual.crossings} == {(None, None)}
    assert sum(one.copies for one in found.actual.crossings) > 0
    assert {(pair.lesion_a, pair.lesion_b) for pair in found.candidates} == {("", "")}


def test_too_few_lesions_make_no_split(table: LesionTable, cache: Path) -> None:
    few = table.take([0, 1])
    refused = audit(few, FEW, cache=cache).lesion_level.refused
    assert "too few" in refused
    assert "Join it to another class, or leave it out, by" in refused


def test_settings_out_of_range_are_refused(table: LesionTable, cache: Path) -> None:
    with pytest.raises(UsageError, match=r"1\.5"):
        audit(table, Settings(test=1.5), cache=cache)
