from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skineval.base.errors import DataError, UsageError
from skineval.data.groups import grouped, known_groups, make_groups, read_pairs, regroup
from skineval.data.layouts.known_pairs import KNOWN_DUPLICATES
from skineval.data.samples import sample
from skineval.values.lesion_table import LesionTable
from skineval.values.task import DIAGNOSES
from tests.data.folders import made_table

MIXED = [(dx, count) for dx, n in zip(DIAGNOSES, (9, 15, 30, 7, 30, 160, 8), strict=True) for count in (1, 2) * n]


def test_known_duplicates_join_lesions() -> None:
    assert len(KNOWN_DUPLICATES) == 18
    (first, second), (third, _) = KNOWN_DUPLICATES[:2]
    groups = make_groups([first, second, third, "ISIC_1"], ["HAM_9", "HAM_2", "HAM_3", "HAM_9"], KNOWN_DUPLICATES)
    assert groups.tolist() == ["HAM_2", "HAM_2", "HAM_3", "HAM_2"]


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=12),
)
def test_groups_are_the_connected_lesions(lesions: list[int], pairs: list[tuple[int, int]]) -> None:
    lesion_ids = [f"L{lesion:02}" for lesion in lesions]
    image_ids = [f"I{index}" for index in range(len(lesions))]
    groups = make_groups(image_ids, lesion_ids, [(f"I{a}", f"I{b}") for a, b in pairs])
    expected = np.array(lesions)
    for _ in lesions:  # spread the smallest lesion number until nothing changes
        for lesion in set(lesions):
            same = np.array(lesions) == lesion
            expected[same] = expected[same].min()
        for a, b in pairs:
            if max(a, b) < len(lesions):
                expected[[a, b]] = min(expected[a], expected[b])
    for lesion in set(lesions):
        same = np.array(lesions) == lesion
        expected[same] = expected[same].min()
    assert groups.tolist() == [f"L{lesion:02}" for lesion in expected]


def with_patients(*patients: str, lesions_known: bool = True) -> LesionTable:
    """Four lesions: of two images, of one, of one, of two."""
    table = made_table([("nv", 2), ("mel", 1), ("nv", 1), ("nv", 2)])
    frame = table.frame.assign(patient_id=list(patients))
    if not lesions_known:
        frame = frame.assign(lesion_id=frame["image_id"], group=frame["image_id"])
    return replace(table, frame=frame, lesions_known=lesions_known)


def test_images_of_a_patient_are_one_group() -> None:
    """An image of no known patient stays with its lesion, of which another image may have one."""
    table = with_patients("a", "unknown", "b", "a", "unknown", "unknown")
    by_patient = grouped(table)
    assert by_patient.frame["group"].tolist() == ["L00000"] * 2 + ["L00001", "L00000"] + ["L00003"] * 2
    assert (by_patient.unit, table.unit) == ("group", "lesion")  # some patients are not known
    assert (by_patient.n_lesions, by_patient.n_patients) == (4, None)
    alone = grouped(table, "lesion")
    assert alone.frame.equals(table.frame)
    assert not alone.by_patient
    assert any("patients have several lesions, which may be on both sides" in note for note in alone.notes)
    assert by_patient.fingerprint != table.fingerprint
    assert any("no known patient" in note and note.endswith(": 3") for note in by_patient.notes)
    with pytest.raises(UsageError, match="names no patients"):
        grouped(made_table([("nv", 1)]), "patient")


def test_patients_keep_images_together_of_which_the_lesion_is_not_known() -> None:
    known = grouped(with_patients("a", "a", "b", "b", "c", "c", lesions_known=False))
    assert (known.unit, known.n_lesions, known.n_patients) == ("patient", None, 3)
    assert known.frame["group"].nunique() == 3
    partly = grouped(with_patients("a", "a", "b", "b", "c", "unknown", lesions_known=False))
    assert partly.unit == "image"  # nobody knows what the last image shows
    assert partly.frame["group"].nunique() == 4


def test_images_of_which_nothing_is_known_can_be_left_out() -> None:
    table = with_patients("a", "unknown", "unknown", "unknown", "unknown", "unknown", lesions_known=False)
    table = replace(table, frame=table.frame.assign(lesion_id=["I00000", "L1", "L1", "I00003", "I00004", "I00005"]))
    assert grouped(table).unit == "image"
    kept = known_groups(grouped(table))
    assert kept.frame["image_id"].tolist() == ["I00000", "I00001", "I00002"]
    assert kept.unit == "group"
    by_lesion = known_groups(table)
    assert by_lesion.frame["image_id"].tolist() == ["I00001", "I00002"]
    assert by_lesion.unit == "lesion"
    assert "3 images" in kept.notes[-1]
    assert known_groups(kept) is kept
    with pytest.raises(DataError, match="of no image what it belongs to"):
        known_groups(with_patients(*["unknown"] * 6, lesions_known=False))


def test_subset_keeps_rows_and_pixels_together() -> None:
    table = made_table([("nv", 2), ("mel", 3)])
    part = table.take([4, 0])
    again = part.take([1])
    assert part.frame["image_id"].tolist() == ["I00004", "I00000"]
    assert part.frame.index.tolist() == [0, 1]
    assert part.images.pixels([0, 1], 1)[:, 0, 0, 0].tolist() == [4, 0]
    assert again.images.pixels([0], 1)[0, 0, 0, 0] == 0
    assert part.images.masks([0], 4) is None
    assert len({table.fingerprint, part.fingerprint, again.fingerprint, table.take([0, 4]).fingerprint}) == 4
    assert table.take([4, 0]).fingerprint == part.fingerprint


@pytest.mark.parametrize("limit", [60, 100, 200, 350])
def test_sample_is_stratified_and_of_whole_groups(limit: int) -> None:
    table = made_table(MIXED)
    drawn = sample(table, limit, seed=1)
    assert abs(len(drawn) - limit) <= len(DIAGNOSES)
    assert set(drawn.frame["dx"]) == set(DIAGNOSES)
    assert (drawn.frame.groupby("dx")["group"].nunique() >= 5).all()
    whole = table.frame[table.frame["group"].isin(drawn.frame["group"])]
    assert whole["image_id"].tolist() == drawn.frame["image_id"].tolist()
    assert "not comparable" in drawn.notes[-1]
    assert sample(table, limit, seed=1).fingerprint == drawn.fingerprint
    assert sample(table, limit, seed=2).fingerprint != drawn.fingerprint


def test_sample_keeps_some_groups_even_below_its_limit() -> None:
    drawn = sample(made_table(MIXED), 1, seed=0)
    assert drawn.frame.groupby("dx")["group"].nunique().tolist() == [5] * 7
    assert "1 were asked for, but 5 lesions of each diagnosis are kept" in drawn.notes[-1]


def test_sample_of_everything_is_the_table() -> None:
    table = made_table([("nv", 2), ("mel", 3)])
    assert sample(table, 5, seed=0) is table
    with pytest.raises(UsageError):
        sample(table, 0, seed=0)


def test_sample_of_real_data_has_its_proportions(real_table: LesionTable) -> None:
    drawn = sample(real_table, 2000, seed=0)
    shares = [frame["dx"].value_counts(normalize=True).sort_index() for frame in (real_table.frame, drawn.frame)]
    assert abs(len(drawn) - 2000) <= 7
    assert (shares[0] - shares[1]).abs().max() < 0.002


def test_confirmed_pairs_join_groups() -> None:
    table = made_table([("nv", 2), ("nv", 1), ("nv", 1), ("mel", 1), ("mel", 2)])
    joined = regroup(table, [("I00000", "I00003"), ("I00003", "I00001"), ("I00004", "I00006")])
    assert joined.frame["group"].tolist() == ["L00000", "L00000", "L00001", "L00000", *["L00003"] * 3]
    assert joined.frame["lesion_id"].tolist() == table.frame["lesion_id"].tolist()
    assert joined.notes[-1] == "confirmed pairs of images: 3, which join 2 lesions to others"
    assert joined.fingerprint != table.fingerprint
    assert regroup(table, [("I00001", "I00003"), ("I00005", "I00004")]).fingerprint == joined.fingerprint
    assert len(joined.images.pixels([0], 4)) == 1


def test_pairs_that_join_nothing_change_nothing_but_the_notes() -> None:
    table = made_table([("nv", 2), ("mel", 1)])
    same = regroup(table, [("I00000", "I00001")])
    assert same.fingerprint == table.fingerprint
    assert same.frame.equals(table.frame)
    assert same.notes[-1] == "confirmed pairs of images: 1, which join 0 lesions to others"
    assert regroup(table, []).notes == table.notes


def test_pairs_of_two_diagnoses_are_joined_and_named() -> None:
    joined = regroup(made_table([("nv", 1), ("mel", 1)]), [("I00000", "I00001")])
    assert joined.frame["group"].nunique() == 1
    assert "confirmed pairs with two diagnoses, of which one must be wrong: 1" in joined.notes[-1]
    assert "I00000 (nv) and I00001 (mel)" in joined.notes[-1]


def test_pairs_are_matched_whatever_the_letter_case() -> None:
    table = made_table([("nv", 1), ("nv", 1)])
    assert regroup(table, [("i00000", "I00001")]).frame["group"].tolist() == ["L00000", "L00000"]


@pytest.mark.parametrize(
    ("cells", "said"),
    [(("no", "maybe"), "2: keep says no"), (("ja", "nein"), "3: keep says no"), (("x", ""), "3: keep says nothing")],
)
def test_pairs_that_a_person_denied_are_refused(tmp_path: Path, cells: tuple[str, str], said: str) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(f"image_a,image_b,keep\na,b,{cells[0]}\na,c,{cells[1]}\n")
    with pytest.raises(DataError, match=f"row {said}"):
        read_pairs(path)
    path.write_text("image_a,image_b,distance\na,b,0\na,c,1.5\n")
    assert len(read_pairs(path)) == 2


def test_pairs_of_unknown_images_are_refused() -> None:
    table = made_table([("nv", 2)])
    with pytest.raises(DataError, match="Pair 2, I00001 and I9: there is no image I9 in made"):
        regroup(table, [("I00000", "I00001"), ("I00001", "I9")])


def lesions(*ids: str) -> LesionTable:
    """A table of an image for each lesion id."""
    table = made_table([("nv", 1)] * len(ids))
    return replace(table, frame=table.frame.assign(lesion_id=ids, group=ids))


@pytest.mark.parametrize(
    "ids",
    [
        ("12", "00012"),
        ("12", "12.0"),
        ("HAM-0002", "HAM_0002"),
        ("Fall 12", "fall-12"),
        ("L1", "L1\N{ZERO WIDTH SPACE}"),
    ],
)
def test_lesions_written_in_two_ways_are_kept_together_and_named(ids: tuple[str, str]) -> None:
    table = lesions(*ids, "3", "4")
    found = grouped(table)
    assert found.frame["group"].nunique() == 3
    assert found.frame["lesion_id"].tolist() == [*ids, "3", "4"]
    assert f"{ids[0]} and {ids[1]}" in found.notes[-1]
    assert found.fingerprint != table.fingerprint


@pytest.mark.parametrize(
    "ids", [("1_11", "11_1"), ("12_3", "1_23"), ("L1", "M1"), ("12", "120"), ("1.5", "15"), ("?", "-")]
)
def test_other_lesions_are_as_they_were(ids: tuple[str, str]) -> None:
    table = lesions(*ids)
    found = grouped(table)
    assert (found.fingerprint, found.notes) == (table.fingerprint, table.notes)


def test_real_lesions_are_as_they_were(real_table: LesionTable) -> None:
    assert grouped(real_table).fingerprint == real_table.fingerprint
    assert real_table.fingerprint.startswith("978929c8321fbc38")
    assert real_table.frame["group"].nunique() == 7452


def of_patients(*patients: str) -> LesionTable:
    """A table of an image and a lesion for each patient."""
    table = lesions(*(f"lesion {chr(65 + k // 26)}{chr(65 + k % 26)}" for k in range(len(patients))))
    return replace(table, frame=table.frame.assign(patient_id=patients))


def test_patients_written_in_two_ways_are_one_group() -> None:
    table = grouped(of_patients("P7", "p-07", "P8", "unknown"))
    assert table.frame["group"].nunique() == 3
    assert any("P7 and p-07" in note for note in table.notes)


@pytest.mark.parametrize(("n", "told"), [(30, True), (10, False)])
def test_a_patient_with_far_more_images_than_others_is_asked_about(n: int, told: bool) -> None:
    table = grouped(of_patients(*["nemo"] * n, *[f"P{k}" for k in range(60) for _ in (0, 1)]))
    assert any("patient nemo has" in note for note in table.notes) == told


def test_a_lesion_of_two_patients_is_told() -> None:
    table = of_patients("P1", "P2", "P3")
    table = replace(table, frame=table.frame.assign(lesion_id=["L1", "L1", "L2"], group=["L1", "L1", "L2"]))
    notes = grouped(table).notes
    assert "1 lesion has images of several patients, who are kept together: L1 (P1 and P2)" in notes
