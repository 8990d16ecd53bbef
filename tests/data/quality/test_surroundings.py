"""What a check says of files that nobody reads, and of classes that are too small to bench."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skineval.data.layouts import recognise
from skineval.data.quality.check import check
from skineval.data.quality.surroundings import small_classes
from skineval.data.splits.dealing import split
from skineval.values.task import as_labelled
from tests.data.folders import IDS, JPEGS, ham_folder, made_table, metadata, write_files


def remarks(folder: Path) -> dict[str, str]:
    """Where each remark is on, by its code."""
    return {one.code: one.where for one in check(folder, recognise.load).findings if one.severity == "remark"}


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("HAM10000_metadata (1).csv", metadata().encode(), "second-table"),
        ("images/holiday", JPEGS[IDS[0]], "no-suffix"),
    ],
)
def test_a_file_that_nobody_reads_and_somebody_may_mean_is_named(
    tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    ham_folder(tmp_path)
    assert code not in remarks(tmp_path)
    write_files(tmp_path, {name: content})
    assert remarks(tmp_path)[code] == name


def test_other_tables_and_texts_without_suffix_are_not(tmp_path: Path) -> None:
    write_files(ham_folder(tmp_path), {"prices.csv": b"a,b\n1,2\n", "LICENSE": b"free", "empty": b""})
    assert not {"second-table", "no-suffix", "empty-folder"} & remarks(tmp_path).keys()


def test_an_empty_folder_is_named_and_a_hidden_one_is_not(tmp_path: Path) -> None:
    (ham_folder(tmp_path) / "later" / "mel").mkdir(parents=True)
    (tmp_path / ".git" / "tags").mkdir(parents=True)
    found = check(tmp_path, recognise.load).findings
    assert [one.where for one in found if one.code == "empty-folder"] == ["later/mel"]


def test_that_lesions_are_not_known_is_told_before_a_bench_refuses_it(tmp_path: Path) -> None:
    write_files(tmp_path, {f"{dx}/{dx}{k}.jpg": JPEGS[IDS[k]] for k, dx in enumerate(("mel", "nv", "nv"))})
    (told,) = [one for one in check(tmp_path, recognise.load).findings if one.code == "unknown-lesions"]
    assert told.what == "which lesion is shown is not known of 3 of 3 images"
    assert "--protocol image" in told.hint
    assert "unknown-lesions" not in remarks(ham_folder(tmp_path / "ham"))


def test_classes_of_fewer_lesions_than_folds_are_counted() -> None:
    table = made_table([("nv", 1)] * 12 + [("mel", 1)] * 4 + [("df", 3)])
    (few,) = small_classes(Path("data"), table)
    assert few.what == "classes of few lesions: df (1 lesion), mel (4 lesions)"
    assert list(small_classes(Path("data"), table.take(np.arange(12)))) == []


def test_as_many_lesions_as_the_advice_says_make_a_bench() -> None:
    for n, folds in ((3, 1), (5, 5)):
        table = made_table([("nv", 1)] * 40 + [("mel", 1)] * n)
        assert split(table, folds=folds, task=as_labelled(("mel", "nv"))).folds == folds


def test_ids_of_doubt_are_remarks(tmp_path: Path) -> None:
    assert not {"lesion-spelling"} & remarks(ham_folder(tmp_path / "sound")).keys()
    rows = [f"{lesion},{id_},nv,histo,50,male,back,{who}" for lesion, id_, who in zip(
        ["HAM_1", "HAM-01", "HAM_2", "HAM_2"], IDS, ["P1", "P1", "P2", "P3"], strict=False
    )]  # fmt: skip
    table = metadata(rows).replace("dataset", "patient_id")
    assert {"lesion-spelling", "patients-of-lesion"} <= remarks(ham_folder(tmp_path / "odd", table)).keys()
