"""Several data sets as one: no picture twice, nothing parted that belongs together, nothing lost."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skineval.base.errors import DataError
from skineval.data.groups import grouped
from skineval.data.layouts import recognise
from skineval.data.splits.dealing import split
from skineval.data.union import union
from skineval.values.lesion_table import COLUMNS, LesionTable
from skineval.values.task import DIAGNOSES, DX7, MALIGNANT, as_labelled
from tests.data.folders import encoded, ham_folder, made_table, metadata, photograph, picture

NAMES = ("one", "two")


def read(folder: Path, rows: Sequence[str], pictures: Sequence[int]) -> LesionTable:
    """A HAM10000 folder of rows "image,lesion,dx", each with the picture of a number."""
    whole = [f"{lesion},{id_},{dx},histo,40,male,back,x" for id_, lesion, dx in (row.split(",") for row in rows)]
    images = {row.partition(",")[0]: encoded(picture(seed)) for row, seed in zip(rows, pictures, strict=True)}
    return recognise.load(ham_folder(folder, metadata(whole), images))


def shown(seed: int, width: int) -> bytes:
    """A photograph, at a size."""
    return encoded(photograph(seed, 120, 90).resize((width, width * 3 // 4)))


def column(table: LesionTable, name: str) -> dict[str, str]:
    return dict(zip(table.frame["image_id"], table.frame[name], strict=True))


def test_a_picture_is_kept_once_whatever_it_is_called(tmp_path: Path) -> None:
    one = read(tmp_path / "1", ["A,L1,nv", "B,L1,nv", "C,L2,mel"], [1, 2, 3])
    two = read(tmp_path / "2", ["C,L2,mel", "X,L9,nv", "Y,L9,nv", "Z,L2,mel"], [3, 2, 5, 6])
    both = union([one, two], NAMES, DX7)
    assert both.frame["image_id"].tolist() == ["A", "B", "C", "Y", "Z"]
    assert column(both, "source") == {"A": "one", "B": "one", "C": "one", "Y": "two", "Z": "two"}
    # X is B, of which the lesion is L1: Y, of the lesion of X, is of that too.
    assert column(both, "group") == {"A": "L1", "B": "L1", "C": "L2", "Y": "L1", "Z": "L2"}
    assert "2 pictures are there twice and kept once: 1 by id, 1 by content" in both.notes[0]
    shown = both.images.pixels(range(5), 8)
    expected = [one.images.pixels([0, 1, 2], 8), two.images.pixels([2, 3], 8)]
    np.testing.assert_array_equal(shown, np.concatenate(expected))
    assert both.fingerprint != union([two, one], NAMES, DX7).fingerprint
    assert union([one], NAMES[:1], DX7) is one


def test_a_picture_that_is_listed_twice_stays_twice(tmp_path: Path) -> None:
    """As two images of one lesion in HAM10000 are, whether in one table or in two."""
    one, two = read(tmp_path / "1", ["A,L1,nv"], [1]), read(tmp_path / "2", ["B,L1,nv"], [1])
    both = union([one, two], NAMES, DX7)
    assert column(both, "group") == {"A": "L1", "B": "L1"}


def test_an_id_of_two_pictures_is_two_images(tmp_path: Path) -> None:
    one = read(tmp_path / "1", ["1,L1,nv", "2,L2,nv"], [1, 2])
    two = read(tmp_path / "2", ["1,M1,mel", "3,M1,mel"], [3, 4])
    both = union([one, two], NAMES, DX7)
    assert both.frame["image_id"].tolist() == ["1", "2", "2-1", "3"]
    assert column(both, "group") == {"1": "L1", "2": "L2", "3": "M1", "2-1": "M1"}
    assert column(both, "dx")["2-1"] == "mel"
    assert any("called like another picture" in note and note.endswith(": 1") for note in both.notes)
    unknown = replace(two, frame=two.frame.assign(lesion_id=["1", "3"], group=["1", "3"]), lesions_known=False)
    both = union([one, unknown], NAMES, DX7)
    assert column(both, "lesion_id")["2-1"] == "2-1"
    assert both.alone.tolist() == [False, False, True, True]
    assert both.notes[0].endswith("; no picture is there twice")


def test_the_fingerprint_tells_which_pictures_there_are_in_which_order(tmp_path: Path) -> None:
    """Pixels are stored by it, row by row."""
    one = read(tmp_path / "1", ["1,L1,nv", "2,L2,nv"], [1, 2])
    two = read(tmp_path / "2", ["1,M1,mel", "3,M1,mel"], [3, 4])
    renamed = union([one, two], ("0", "zz"), DX7)
    both = union([one, two], NAMES, DX7)
    assert renamed.fingerprint == both.fingerprint
    assert renamed.frame["image_id"].equals(both.frame["image_id"])
    assert (renamed.images.pixels(range(4), 8) == both.images.pixels(range(4), 8)).all()
    assert union([two, one], NAMES, DX7).fingerprint != both.fingerprint


def test_patients_of_one_picture_are_one_patient_in_any_order(tmp_path: Path) -> None:
    """X of patient b is Y of patient d: then all images of both are of one."""
    one = read(tmp_path / "1", ["X,L1,nv", "X2,L2,nv"], [1, 2])
    two = read(tmp_path / "2", ["Y,M1,nv", "Y2,M2,nv", "Z,M3,nv"], [1, 3, 4])
    one = replace(one, frame=one.frame.assign(patient_id=["b", "b"]))
    two = replace(two, frame=two.frame.assign(patient_id=["d", "d", "e"]))
    for tables in ([one, two], [two, one]):
        both = grouped(union(tables, NAMES, DX7))
        assert set(both.frame["patient_id"]) == {"b", "e"}
        groups = column(both, "group")
        assert len({groups[id_] for id_ in groups if id_ != "Z"}) == 1
        assert both.unit == "patient"


def test_pictures_that_one_data_set_has_twice_are_kept_once_in_any_order(tmp_path: Path) -> None:
    one, two = read(tmp_path / "1", ["A,L1,nv"], [1]), read(tmp_path / "2", ["B,M1,nv", "C,M2,nv"], [1, 1])
    assert len(union([one, two], NAMES, DX7)) == len(union([two, one], NAMES, DX7)) == 1


def test_of_two_labels_that_is_taken_which_the_task_knows(tmp_path: Path) -> None:
    one, two = read(tmp_path / "1", ["A,L1,nv"], [1]), read(tmp_path / "2", ["A,L1,mel"], [1])
    vague = replace(one, frame=one.frame.assign(dx="malignant"), labels=("malignant",))
    for tables in ([vague, two], [two, vague]):
        assert union(tables, NAMES, DX7).frame["dx"].tolist() == ["mel"]


def test_checksums_that_agree_by_chance_are_no_content(tmp_path: Path) -> None:
    one, two = read(tmp_path / "1", ["A,L1,nv"], [1]), read(tmp_path / "2", ["B,M1,mel"], [2])
    # Both without the checksums that tell them apart.
    forged = [
        replace(one, images=replace(one.images, files=(replace(one.images.files[0], crc=None, size=0),)))  # type: ignore
        for one in (one, two)
    ]
    assert len(union(forged, NAMES, DX7)) == 2


def test_the_same_picture_at_another_size_is_known_by_its_id(tmp_path: Path) -> None:
    rows = ["L1,A,nv,histo,40,male,back,x", "L3,B,mel,histo,40,male,back,x"]
    small, larger = (
        recognise.load(
            ham_folder(tmp_path / f"{width}", metadata(rows), {"A": shown(1, width), "B": shown(seed, width)})
        )
        for width, seed in ((60, 2), (90, 3))
    )
    assert union([small, larger], NAMES, DX7).frame["image_id"].tolist() == ["2-B", "A", "B"]


def test_a_picture_under_two_labels_is_refused_where_the_task_tells_them_apart(tmp_path: Path) -> None:
    one, two = read(tmp_path / "1", ["A,L1,bcc"], [1]), read(tmp_path / "2", ["B,L8,mel", "C,L3,nv"], [1, 2])
    with pytest.raises(DataError, match="1 picture has two labels: A is bcc in one and B is mel in two"):
        union([one, two], NAMES, DX7)
    assert len(union([one, two], NAMES, MALIGNANT)) == 2
    assert len(union([one, two], NAMES, as_labelled(["bcc", "nv"]))) == 2  # nobody asks what B is


def test_a_picture_that_is_listed_twice_under_two_labels_is_refused_as_well(tmp_path: Path) -> None:
    one, two = read(tmp_path / "1", ["A,L1,bcc"], [1]), read(tmp_path / "2", ["B,L1,mel", "C,L3,nv"], [1, 2])
    with pytest.raises(DataError, match="A is bcc in one and B is mel in two"):
        union([one, two], NAMES, DX7)
    assert "no picture is there twice" not in union([one, two], NAMES, MALIGNANT).notes[0]


def test_every_name_of_a_lesion_and_a_patient_is_known(tmp_path: Path) -> None:
    one, two = read(tmp_path / "1", ["A,L1,nv", "C,L1,nv"], [1, 3]), read(tmp_path / "2", ["B,M1,nv"], [1])
    one = replace(one, frame=one.frame.assign(patient_id=["P1", "P1"]))
    two = replace(two, frame=two.frame.assign(patient_id=["Q1"]))
    further = union([one, two], NAMES, DX7).further
    assert further == {"lesion_id": {"M1"}, "group": {"M1"}, "patient_id": {"Q1"}}
    assert not any(union([two, two], NAMES, DX7).further.values())


def test_what_one_data_set_does_not_know_is_taken_from_another(tmp_path: Path) -> None:
    known = read(tmp_path / "1", ["A,L1,nv", "B,L1,nv"], [1, 2])
    frame = known.frame.assign(lesion_id=["A", "B"], group=["A", "B"], sex="unknown", age=float("nan"))
    silent = replace(known, frame=frame.assign(patient_id=["p", "unknown"]), lesions_known=False)
    for tables in ([known, silent], [silent, known]):
        both = union(tables, NAMES, DX7)
        assert both.frame["lesion_id"].tolist() == both.frame["group"].tolist() == ["L1", "L1"]
        assert both.frame[["sex", "age"]].to_numpy().tolist() == [["male", 40]] * 2
        assert both.frame["patient_id"].tolist() == ["p", "unknown"]
        assert both.lesions_known
    other = read(tmp_path / "2", ["C,L3,nv"], [3])
    assert not union([silent, other], NAMES, DX7).lesions_known


def test_each_part_has_its_share_of_each_data_set() -> None:
    lesions = [(dx, count) for dx in DIAGNOSES for count in (1, 1, 2, 3) * 5]
    one, two = (made_table(lesions, name=name) for name in NAMES)
    frame = two.frame.assign(**{name: "Z" + two.frame[name] for name in ("image_id", "lesion_id", "group")})
    small = replace(two, frame=frame).take(np.flatnonzero(two.frame["group"].str[-1:].isin(["0", "1", "5"])))
    both = replace(
        one,
        frame=pd.concat([one.frame.assign(source="one"), small.frame.assign(source="two")], ignore_index=True),
        sources=NAMES,
    )
    made = split(both)
    parts = made.frame.assign(source=both.frame["source"], dx=both.frame["dx"])
    share = parts.assign(tested=parts["part"] == "test").groupby(["source", "dx"])["tested"].mean()
    assert share.between(0.1, 0.34).all()


def test_two_halves_of_ham10000_are_ham10000(real_table: LesionTable, tmp_path: Path) -> None:
    """With 50 images in both; group for group, although lesions and known pairs of them are torn apart."""
    frame = real_table.frame
    described = frame.drop(columns="group").replace("unknown", "")
    files = dict(zip(frame["image_id"], real_table.images.files, strict=True))  # type: ignore[attr-defined]
    halves = []
    for name, rows in (("A", slice(0, 5030)), ("B", slice(4980, None))):
        folder = tmp_path / name
        folder.mkdir()
        described.iloc[rows].to_csv(folder / "HAM10000_metadata.csv", index=False)
        with zipfile.ZipFile(folder / "images.zip", "w") as archive:
            for id_ in described["image_id"].iloc[rows]:
                archive.writestr(f"{id_}.jpg", files[id_].read())
        halves.append(recognise.load(folder))
    both = union(halves, ["A", "B"], DX7)
    assert len(both) == 10_015
    assert "50 pictures are there twice and kept once: 50 by id, 0 by content" in both.notes[0]
    pd.testing.assert_frame_equal(both.frame[list(COLUMNS)], frame)


def test_a_picture_is_found_among_all_of_its_name_in_any_order(tmp_path: Path) -> None:
    def lone(number: int, content: bytes) -> LesionTable:
        folder = ham_folder(tmp_path / str(number), metadata([f"L{number},x,nv,histo,40,male,back,x"]), {"x": content})
        return recognise.load(folder)

    tables = [lone(1, shown(1, 120)), lone(2, shown(2, 120)), lone(3, shown(2, 90))]
    for order in ([0, 1, 2], [1, 2, 0], [2, 0, 1]):
        joined = union([tables[k] for k in order], [str(k) for k in order], DX7)
        assert len(joined) == 2
        assert "1 picture is there twice" in joined.notes[0]
        assert joined.frame["group"].nunique() == 2


def test_what_data_sets_say_otherwise_of_a_picture_or_a_patient_is_told(tmp_path: Path) -> None:
    one, two = (
        read(tmp_path / "1", ["A,L1,nv", "B,L2,nv"], [1, 2]),
        read(tmp_path / "2", ["A,L1,nv", "C,L3,nv"], [1, 3]),
    )
    one = replace(one, frame=one.frame.assign(patient_id=["p", "q"], sex=["male", "male"]))
    two = replace(two, frame=two.frame.assign(patient_id=["p", "q"], sex=["male", "female"], age=[41.0, 40.0]))
    notes = union([one, two], NAMES, DX7).notes
    assert any(note.endswith("of dx the first that has a class: age of 1") for note in notes)
    told = (
        "patient ids that occur in several data sets are taken for one patient each: 2, of which 1 have several of sex"
    )
    assert any(note.startswith(told) for note in notes)
    assert any(note == "lesion ids that occur in several data sets are taken for one lesion each: 1" for note in notes)
