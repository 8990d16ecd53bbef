"""What a bench is made of: data with images left out, joined or dealt out elsewhere."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from skineval.base.errors import UsageError
from skineval.catalog.catalog import load_catalog
from skineval.grid.sources import load_table
from tests.data.folders import lesion_folder

KEYS = ("--image-size=32", "--models=cnn:width=4", "--replicates=1000", "--precision=fp32", "--weights=none")


@pytest.fixture
def folder(tmp_path):
    return lesion_folder(tmp_path / "data")


def test_a_damaged_and_a_missing_image_are_left_out_and_told(folder, skineval_program, tmp_path):
    damaged, missing = (folder / "images" / f"ISIC_000000{number}.jpg" for number in (3, 7))
    damaged.write_bytes(damaged.read_bytes()[:200])
    missing.unlink()
    refused = skineval_program("bench", f"--data={folder}", *KEYS, "--epochs=1")
    assert refused.returncode == 3

    checked = skineval_program("data", "check", str(folder), "--quarantine=q.csv")
    assert checked.returncode == 3
    assert set(pd.read_csv(tmp_path / "q.csv")["image_id"]) == {"ISIC_0000003", "ISIC_0000007"}

    done = skineval_program("bench", f"--data={folder}", *KEYS, "--epochs=1", "--quarantine=q.csv", "--out=out")
    assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(tmp_path / "out" / "split.csv")) == 82
    environment = json.loads((tmp_path / "out" / "environment.json").read_text())
    assert any(note.startswith("2 images in quarantine were left out") for note in environment["data"]["notes"])
    assert "2 images in quarantine" in (tmp_path / "out" / "report.md").read_text()


def test_a_split_is_written_read_and_refused_where_it_leaks(folder, skineval_program, tmp_path):
    written = skineval_program("data", "split", str(folder), "--folds=2", "--out=mine.csv", "--format=json")
    assert written.returncode == 0, written.stderr
    assert {(row["fold"], row["part"]) for row in json.loads(written.stdout)["rows"]} == {
        (fold, part) for fold in (0, 1) for part in ("train", "validation", "test")
    }
    made = pd.read_csv(tmp_path / "mine.csv")
    assert sum(row["images"] for row in json.loads(written.stdout)["rows"]) == len(made) == 2 * 84

    again = skineval_program("data", "split", str(folder), "--split=mine.csv", "--format=json")
    assert json.loads(again.stdout) == json.loads(written.stdout)

    several = made.duplicated(["fold", "group"], keep=False) & (made["part"] == "train")
    made.loc[several.idxmax(), "part"] = "validation"
    made.to_csv(tmp_path / "mine.csv", index=False)
    refused = skineval_program("data", "split", str(folder), "--split=mine.csv")
    assert refused.returncode == 3
    assert "it leaks" in refused.stderr
    leaky = skineval_program("data", "split", str(folder), "--split=mine.csv", "--protocol=image")
    assert leaky.returncode == 0, leaky.stderr
    assert "LEAKY" in leaky.stdout

    contradicted = skineval_program("data", "split", str(folder), "--split=mine.csv", "--folds=3", "--protocol=image")
    assert contradicted.returncode == 2
    assert "--folds is 3" in contradicted.stderr


def test_a_bench_takes_a_split_made_elsewhere(folder, skineval_program, tmp_path):
    written = skineval_program("data", "split", str(folder), "--split-seed=4", "--out=mine.csv", "--quiet")
    assert written.returncode == 0, written.stderr
    assert written.stderr == ""
    done = skineval_program("bench", f"--data={folder}", *KEYS, "--epochs=1", "--split=mine.csv", "--out=out")
    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out" / "split.csv"), pd.read_csv(tmp_path / "mine.csv"))
    assert str(tmp_path / "mine.csv") in (tmp_path / "out" / "recipe.toml").read_text()


@pytest.mark.parametrize(
    ("lacking", "message"),
    [
        ("train", "Fold 1 of the split has no train image; networks are trained on it."),
        ("validation", "Fold 1 of the split has no validation image; the epoch that is kept is chosen on it."),
        ("test", "Fold 1 of the split has no test image; every figure is measured on it."),
        ("train df", "Fold 1 of the split has none of the 12 images of class 'df' in its train part"),
        ("validation df", "Fold 1 of the split has none of the 12 images of class 'df' in its validation part"),
        ("test df", "Fold 1 of the split has none of the 12 images of class 'df' in its test part"),
    ],
)
def test_a_split_with_a_part_that_is_empty_or_lacks_a_class_trains_nothing(
    lacking, message, folder, skineval_program, tmp_path
):
    part, _, dx = lacking.partition(" ")
    skineval_program("data", "split", str(folder), "--repeats=2", "--out=mine.csv", "--quiet")
    made = pd.read_csv(tmp_path / "mine.csv")
    known = pd.read_csv(folder / "HAM10000_metadata.csv").set_index("image_id")["dx"]
    taken = (made["fold"] == 1) & (made["part"] == part) & (known[made["image_id"]].to_numpy() == dx if dx else True)
    made.loc[taken, "part"] = "test" if part == "validation" else "validation"
    made.to_csv(tmp_path / "mine.csv", index=False)
    keys = ("--split=mine.csv", "--repeats=2")
    refused = skineval_program("bench", f"--data={folder}", *KEYS, "--epochs=1", "--out=out", *keys)
    assert refused.returncode == 3
    assert message in " ".join(refused.stderr.split())
    assert not (tmp_path / "out").exists()
    joined = skineval_program("data", "split", str(folder), "--task=malignant", *keys)
    assert joined.returncode == (0 if dx else 3), joined.stderr


def test_data_without_lesions_has_no_lesion_level_parts(folder, skineval_program, tmp_path):
    sorted_into_classes = tmp_path / "classes"
    table = pd.read_csv(folder / "HAM10000_metadata.csv")
    for row in table.itertuples():
        target = sorted_into_classes / row.dx / f"{row.image_id}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((folder / "images" / f"{row.image_id}.jpg").read_bytes())
    refused = skineval_program("data", "split", str(sorted_into_classes))
    assert refused.returncode == 3
    assert "--protocol image" in refused.stderr
    leaky = skineval_program("data", "split", str(sorted_into_classes), "--protocol=image")
    assert leaky.returncode == 0, leaky.stderr
    assert "LEAKY" in leaky.stdout
    assert "Which images show one lesion is not known" in leaky.stdout
    assert "in more than one part" not in leaky.stdout
    again = skineval_program("data", "split", str(sorted_into_classes), "--protocol=image", "--format=json")
    assert all(row["images"] > 0 and row["lesions"] is None for row in json.loads(again.stdout)["rows"])


def test_names_that_are_offered_can_be_used():
    catalog = load_catalog()
    with pytest.raises(UsageError, match="nor a data set of that name") as caught:
        load_table("ISIC2018", catalog)
    assert "synthetic" in caught.value.hint
    assert "isic2018" not in caught.value.hint
    assert "data fetch" in caught.value.hint
