from __future__ import annotations

import csv
from pathlib import Path

from tests.conftest import Skineval


def test_a_split_is_written_and_what_is_there_is_kept(skineval_program: Skineval, tmp_path: Path) -> None:
    command = ("data", "split", "synthetic:images=150", "--out=s.csv")
    done = skineval_program(*command, "--limit=100")
    assert done.returncode == 0, done.stderr
    assert "[SYNTHETIC: " in done.stdout
    assert "NOT COMPARABLE: a sample of the data" in " ".join(done.stdout.split())
    assert "not comparable: a sample of 100 of 150 images" in done.stderr
    assert "Split: s.csv" in done.stderr
    sampled = (tmp_path / "s.csv").read_text()
    assert len(list(csv.DictReader(sampled.splitlines()))) == 100

    done = skineval_program(*command, "--limit=100", "-q")
    assert (done.returncode, done.stderr) == (0, "")

    done = skineval_program(*command)
    assert done.returncode == 2
    assert "s.csv is there already, with another content." in done.stderr
    assert "--force" in done.stderr
    assert "Images of each part" in done.stdout
    assert "NOT COMPARABLE" not in done.stdout
    assert (tmp_path / "s.csv").read_text() == sampled

    assert skineval_program(*command, "--force").returncode == 0
    assert len(list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))) == 150


def test_columns_are_the_classes_of_the_task(skineval_program: Skineval) -> None:
    done = skineval_program("data", "split", "synthetic:images=150", "--task=malignant", "--format=csv", "-q")
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [column for column in rows[0] if column.startswith("images_")] == ["images_benign", "images_malignant"]
    assert all(int(row["images_benign"]) + int(row["images_malignant"]) == int(row["images"]) for row in rows)
