from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from math import isclose
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skineval.data.layouts import recognise
from skineval.data.layouts.images import Header, read_headers
from skineval.data.quality.inventory import Inventory, inventory
from skineval.data.synthetic.synthetic import load as synthetic
from skineval.report.document.console import render
from skineval.report.inventory import inventory_tables
from skineval.values.lesion_table import LesionTable
from skineval.values.task import DIAGNOSES
from tests.data.folders import encoded, ham_folder, made_table, metadata, picture, seven_classes, write_files
from tests.data.layouts import relayout

LESIONS = st.lists(st.tuples(st.sampled_from(DIAGNOSES), st.integers(1, 6)), min_size=1, max_size=40)


@given(LESIONS)
def test_counts_are_those_of_a_plain_loop(lesions: list[tuple[str, int]]) -> None:
    found = inventory(made_table(lesions))
    by_class = defaultdict(list)
    for dx, count in lesions:
        by_class[dx].append(count)
    total = sum(count for _, count in lesions)
    for one in found.classes:
        mine = by_class[one.dx]
        assert one.images == sum(mine)
        assert one.lesions == one.lesion_ids == len(mine)
        assert one.repeated == sum(count for count in mine if count > 1)
        assert not mine or isclose(one.clustering, sum(count * count for count in mine) / sum(mine))
    assert found.everything.images == total == sum(one.images for one in found.classes)
    assert dict(found.lesions_by_images) == Counter(count for _, count in lesions)
    malignant = sum(sum(by_class[dx]) for dx in ("mel", "bcc", "akiec"))
    assert found.malignant["malignant version 1"] == malignant
    assert isclose(found.majority_accuracy, max(map(sum, by_class.values())) / total)
    assert isclose(found.majority_balanced_accuracy, 1 / sum(map(bool, by_class.values())))
    assert sum(by_class[found.majority]) == max(map(sum, by_class.values()))


def test_gaps_and_contradictions(tmp_path: Path) -> None:
    rows = (
        "HAM_1,A1,nv,follow_up,0,male,trunk,x",
        "HAM_1,A2,nv,follow_up,0,male,back,x",
        "HAM_2,A3,mel,histo,,unknown,back,y",
        "HAM_3,A4,bkl,,35,female,unknown,",
        "HAM_3,A5,bkl,,50,female,unknown,",
    )
    table = recognise.load(ham_folder(tmp_path, metadata(rows), {f"A{n}": encoded(picture(n)) for n in range(1, 6)}))
    found = inventory(table)
    assert (found.age_missing, found.age_zero) == (1, 2)
    assert dict(found.unknown) == {
        "lesion_id": 0, "patient_id": 5, "dx_type": 2, "sex": 1, "localization": 2, "dataset": 2,
    }  # fmt: skip
    assert dict(found.varying) == {
        "dx": (), "dx_type": (), "age": ("HAM_3",), "sex": (), "localization": ("HAM_1",),
    }  # fmt: skip
    assert found.ages is not None
    assert (found.ages.lowest, found.ages.highest, found.ages.step) == (35, 50, 5)
    assert found.values["sex"] == (("female", 2), ("male", 2), ("unknown", 1))
    assert found.values["dataset"] == (("unknown", 2), ("x", 2), ("y", 1))
    assert (found.first_id, found.last_id) == ("A1", "A5")
    assert dict(found.classes[5].dx_types) == {"follow_up": 2}


def test_known_pairs_are_counted(tmp_path: Path) -> None:
    # The first two are a pair of two lesions, the others one of a single lesion, which joins nothing.
    ids = ("ISIC_0033481", "ISIC_0033421", "ISIC_0033556", "ISIC_0032634")
    rows = [f"HAM_{min(n, 2)},{id_},nv,histo,50,male,back,x" for n, id_ in enumerate(ids)]
    table = recognise.load(ham_folder(tmp_path, metadata(rows), {id_: encoded(picture(0)) for id_ in ids}))
    found = inventory(table)
    assert (found.everything.lesion_ids, found.everything.lesions) == (3, 2)
    assert found.lesions_by_images == ((2, 2),)


def test_official_parts(tmp_path: Path) -> None:
    table = recognise.load(seven_classes(tmp_path / "seven"))
    parts = ["test", *["train"] * 27]
    found = inventory(
        recognise.load(relayout.dermamnist(table, tmp_path / "dermamnist.npz", 4, [*parts[:-1], "validation"]))
    )
    assert [part for part, _ in found.official] == ["train", "validation", "test"]
    assert sum(n for _, counts in found.official for _, n in counts) == 28
    assert dict(dict(found.official)["test"])["akiec"] == 1
    assert not found.table.lesions_known


def test_headers_are_counted_and_bad_ones_named(tmp_path: Path) -> None:
    images = {
        "A1": encoded(picture(0, (20, 15))), "A2": encoded(picture(1, (20, 15))),
        "A3": encoded(picture(2, (8, 9), "L")), "A4": encoded(picture(3, (20, 15)), "PNG"), "A5": b"<html>",
    }  # fmt: skip
    rows = [f"HAM_{id_},{id_},nv,histo,50,male,back,x" for id_ in images]
    folder = ham_folder(tmp_path, metadata(rows), images)
    write_files(folder, {"A1_segmentation.png": encoded(picture(0).convert("L"), "PNG")})
    table = recognise.load(folder)
    told: list[tuple[int, int]] = []
    headers = read_headers(table.images, 5, lambda done, total: told.append((done, total)))
    assert headers is not None
    assert dict(headers.counts) == {
        Header(20, 15, "RGB", "JPEG"): 2, Header(8, 9, "L", "JPEG"): 1, Header(20, 15, "RGB", "PNG"): 1,
    }  # fmt: skip
    (bad,) = headers.unreadable
    assert "A5.jpg is not a JPEG, PNG, BMP, TIFF or WEBP image" in bad
    assert headers.masks == 1
    assert told == [(done, 5) for done in range(1, 6)]


def test_a_cut_header_is_named_and_not_raised(tmp_path: Path) -> None:
    table = recognise.load(
        ham_folder(tmp_path, images={f"ISIC_000000{n}": encoded(picture(n))[: 20 * n] for n in range(1, 5)})
    )
    headers = read_headers(table.images, 4)
    assert headers is not None
    assert len(headers.unreadable) == 4
    assert all("ISIC_000000" in one for one in headers.unreadable)


def test_painted_images_have_no_headers() -> None:
    table = synthetic(images=70)
    assert read_headers(table.images, 70) is None
    assert inventory(table).table.synthetic


def test_arrays_have_one_header(tmp_path: Path) -> None:
    table = recognise.load(seven_classes(tmp_path / "seven"))
    read = recognise.load(relayout.hmnist(table, tmp_path, 8, colours=False) / "hmnist_8_8_L.csv")
    headers = read_headers(read.images, len(read))
    assert headers is not None
    assert headers.counts == ((Header(8, 8, "L", "array"), 28),)


def test_part_of_a_table_counts_its_own_ages(tmp_path: Path) -> None:
    table = made_table([("nv", 2), ("mel", 1)])
    assert inventory(replace(table, zero_ages=frozenset({"I00000", "elsewhere"}))).age_zero == 1


@pytest.fixture(scope="module")
def real(real_table: LesionTable) -> Inventory:
    return inventory(real_table, read_headers(real_table.images, len(real_table)))


def test_real_data_has_the_figures_of_its_description(real_table: LesionTable) -> None:
    """With each lesion id as a lesion, as it was published."""
    published = real_table.frame.assign(group=real_table.frame["lesion_id"])
    real = inventory(replace(real_table, frame=published), read_headers(real_table.images, len(real_table)))
    assert (real.everything.images, real.everything.lesions, real.everything.lesion_ids) == (10_015, 7_470, 7_470)
    assert (real.first_id, real.last_id) == ("ISIC_0024306", "ISIC_0034320")
    assert real.lesions_by_images == ((1, 5514), (2, 1423), (3, 490), (4, 34), (5, 5), (6, 4))
    assert real.everything.repeated == 4_501
    expected = {
        "nv": (6705, 5403, 34.2, {"follow_up": 3704, "histo": 2498, "consensus": 503}),
        "mel": (1113, 614, 79.3, {"histo": 1113}),
        "bkl": (1099, 727, 60.0, {"histo": 766, "consensus": 264, "confocal": 69}),
        "bcc": (514, 327, 66.0, {"histo": 514}),
        "akiec": (327, 228, 53.8, {"histo": 327}),
        "vasc": (142, 98, 54.9, {"consensus": 75, "histo": 67}),
        "df": (115, 73, 66.1, {"consensus": 60, "histo": 55}),
    }
    for one in real.classes:
        share = round(100 * one.repeated / one.images, 1)
        assert (one.images, one.lesions, share, dict(one.dx_types)) == expected[one.dx]
    assert (real.age_missing, real.age_zero) == (57, 39)
    assert real.ages is not None
    assert (real.ages.step, real.ages.highest) == (5, 85)
    assert dict(real.values["sex"]) == {"male": 5406, "female": 4552, "unknown": 57}
    assert dict(real.unknown) == {
        "lesion_id": 0, "patient_id": 10_015, "dx_type": 0, "sex": 57, "localization": 234, "dataset": 0,
    }  # fmt: skip
    assert len(real.values["localization"]) == 15
    assert dict(real.varying) == {
        "dx": (), "dx_type": (), "age": (), "sex": (), "localization": ("HAM_0000871", "HAM_0001726"),
    }  # fmt: skip
    assert [round(n / 100.15, 2) for n in real.malignant.values()] == [19.51, 14.38, 11.11]
    assert round(100 * real.majority_accuracy, 2) == 66.95
    assert round(100 * real.majority_balanced_accuracy, 1) == 14.3
    assert round(real.everything.clustering, 2) == 1.64
    assert round(next(one for one in real.classes if one.dx == "mel").clustering, 2) == 2.13
    assert real.headers is not None
    assert sum(n for _, n in real.headers.counts) == 10_015
    assert not real.headers.unreadable


def test_known_pairs_make_the_lesions_of_real_data_fewer(real: Inventory) -> None:
    assert (real.everything.lesions, real.everything.lesion_ids) == (7_452, 7_470)
    assert sum(one.lesions for one in real.classes) == 7_452 == sum(lesions for _, lesions in real.lesions_by_images)
    assert sum(images * lesions for images, lesions in real.lesions_by_images) == 10_015
    assert dict(real.varying)["localization"] == ("HAM_0000871", "HAM_0001726", "HAM_0003762")


def test_real_figures_are_printed(real: Inventory) -> None:
    printed = "\n".join(render(one, "table", width=120) for one in inventory_tables(real))
    for figure in (
        "10,015", "7,470", "7,452", "5,484", "1,431", "493", "1,968 lesions with several images hold 4,531 images",
        "6,705", "5,403", "34.48 %", "79.34 %", "3,704", "2,498", "66.95 %", "80.49 %", "14.29 %", "19.51 %", "14.38 %",
        "11.11 %", "1.646", "2.127", "5,406", "4,552", "HAM_0000871, HAM_0001726", "CC BY-NC 4.0",
        "7,470 lesion ids are 7,452 lesions: several are known to be of one.",
        "15 values of localization", "3,954", "234", "39", "57",
    ):  # fmt: skip
        assert figure in printed, figure
