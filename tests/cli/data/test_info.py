"""`skineval data info` as a user meets it."""

from __future__ import annotations

import json

import pytest

from tests.data.folders import seven_classes


def test_a_folder_is_described(tmp_path, skineval_program):
    seven_classes(tmp_path / "data")
    done = skineval_program("data", "info", "data")
    assert done.returncode == 0, done.stderr
    assert "HAM10000, images in folders" in done.stdout
    assert "20 × 15 RGB JPEG" in done.stdout
    assert "CC BY-NC 4.0" in done.stdout
    assert done.stderr == ""


def test_json_is_one_document(tmp_path, skineval_program):
    seven_classes(tmp_path / "data")
    done = skineval_program("data", "info", "data", "--format", "json")
    tables = {table["title"]: table["rows"] for table in json.loads(done.stdout)}
    counts = {row["dx"]: (row["images"], row["lesions"]) for row in tables["Classes"]}
    assert counts["mel"] == (4, 3)
    assert counts["all"] == (28, 21)
    facts = {row["what"]: row["value"] for row in tables["Data set"]}
    assert facts["licence"] == "CC BY-NC 4.0"
    assert (facts["images"], facts["lesions"], facts["images of that size"]) == (28, 21, 28)


def test_a_named_data_set_is_described(skineval_program):
    done = skineval_program("data", "info", "synthetic:images=100", "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert "images,100" in done.stdout


def test_what_is_nothing_known_is_refused(tmp_path, skineval_program):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    done = skineval_program("data", "info", "photos")
    assert done.returncode == 3
    assert "photos holds no data set that skineval recognises: 1 file of .jpg (a.jpg)" in " ".join(done.stderr.split())
    assert "ISIC2018_Task3" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["info", "audit"])
def test_pictures_with_two_labels_are_no_contradiction_where_both_are_of_one_class(command, tmp_path, skineval_program):
    for name in ("one", "other"):
        seven_classes(tmp_path / name)
    metadata = next((tmp_path / "other").glob("*.csv"))
    metadata.write_text(metadata.read_text().replace(",vasc,", ",df,"))
    done = skineval_program("data", command, "one,other")
    assert done.returncode == 3
    assert "4 pictures have two labels" in done.stderr
    assert "take a --task that has one class for both" in done.stderr
    assert skineval_program("data", command, "one,other", "--task=malignant").returncode == 0
