"""A bench whose images are copied before they are dealt out: everything copes, and everything says LEAKY."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

import skineval
from skineval.base.errors import DataError, UsageError
from skineval.grid.folder import BenchFolder
from skineval.grid.reading import load_bench
from skineval.report.figures.scene import scene_of
from skineval.values.task import DIAGNOSES
from tests.conftest import TINY, run_here

GRID = (*TINY, "--imbalance=none,smote", "--epochs=1", "--protocol=oversample-first", "--folds=2")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """The folder of a finished bench of four cells, and how the command ended."""
    folder = tmp_path_factory.mktemp("oversampled")
    done = run_here("bench", *GRID, "--out=out", cwd=folder)
    assert done.returncode == 0, done.stderr
    return BenchFolder(folder / "out"), done


def cell_predictions(folder):
    return [pd.read_csv(folder.cell(run_id).predictions) for run_id in pd.read_csv(folder.cells)["run_id"]]


def test_classes_are_even_and_every_copy_is_tested_once(bench):
    folder, _ = bench
    split = pd.read_csv(folder.split)
    assert tuple(split.columns) == ("image_id", "lesion_id", "group", "fold", "part")
    per_fold = split.groupby("fold")["image_id"].value_counts().unstack("fold")
    assert (per_fold[0] == per_fold[1]).all()
    assert per_fold[0].max() > 1
    tested = split[split["part"] == "test"]["image_id"].value_counts()
    assert tested.sort_index().tolist() == per_fold[0].sort_index().tolist()
    for run_id in pd.read_csv(folder.cells)["run_id"]:
        counts = json.loads(folder.cell(run_id).cell.read_text())["train_counts"]
        assert max(counts) - min(counts) <= 1


def test_predictions_have_a_row_for_each_copy_and_copies_agree(bench):
    folder, _ = bench
    split = pd.read_csv(folder.split)
    for frame in cell_predictions(folder):
        fold = frame["fold"].iloc[0]
        for part in ("validation", "test"):
            expected = split[(split["fold"] == fold) & (split["part"] == part)]["image_id"]
            assert frame[frame["part"] == part]["image_id"].tolist() == expected.tolist()
        assert frame["image_id"].duplicated().any()
        assert (frame.groupby("image_id")[list(DIAGNOSES)].nunique() == 1).all().all()


def test_figures_count_every_copy_and_name_images_once(bench):
    folder, done = bench
    results = pd.read_csv(folder.results, keep_default_na=False)
    assert set(results["protocol"]) == {"oversample-first"}
    row = results.query("metric == 'balanced_accuracy' and imbalance == 'smote'").iloc[0]
    tests = [frame[frame["part"] == "test"] for frame in cell_predictions(folder)[2:]]
    wanted = [balanced_accuracy_score(one["target"], one[list(DIAGNOSES)].idxmax(axis=1)) for one in tests]
    assert float(row["value"]) == pytest.approx(np.mean(wanted))
    assert row["n_images"] == 150
    assert "An image counts as often as copies of it are tested" in done.stdout
    compared = pd.read_csv(folder.comparisons)
    assert set(compared.query("not metric.str.startswith('recall')")["n_images"]) == {150}
    melanomas = {image for one in tests for image in one.query("target == 'mel'")["image_id"]}
    assert set(compared.query("metric == 'recall_mel'")["n_images"]) == {len(melanomas)}


def test_everything_says_leaky(bench):
    folder, done = bench
    assert "LEAKY" in done.stdout
    assert json.loads(folder.environment.read_text())["stamps"] == ["SYNTHETIC", "LEAKY"]
    report, page = ((folder.path / name).read_text() for name in ("report.md", "report.html"))
    titles = [line for line in report.splitlines() if line.startswith("**") and "[" in line]
    assert titles
    assert all("LEAKY" in title for title in titles)
    assert "after copies have brought every class to the size of the largest" in report
    assert "<b>LEAKY</b>" in page


def test_no_gallery_shows_an_image_twice(bench):
    folder, _ = bench
    for system in scene_of(load_bench(folder)).systems:
        shown = system.first_seed.image_ids.tolist()
        assert len(shown) == len(set(shown)) == 150
        assert len(system.test) > 150


def test_the_same_command_again_trains_nothing_and_leaves_every_file(bench, skineval_program):
    folder, _ = bench
    before = {file: file.stat().st_mtime_ns for file in folder.path.rglob("*") if file.is_file()}
    again = skineval_program("bench", *GRID, "--out=out", cwd=folder.path.parent)
    assert again.returncode == 0, again.stderr
    assert {file: file.stat().st_mtime_ns for file in folder.path.rglob("*") if file.is_file()} == before


def test_its_split_is_audited_and_taken_by_another_bench(bench, skineval_program):
    folder, _ = bench
    audited = skineval_program("data", "audit", str(folder.path), "--pairs=1", "--format=json", "--quiet")
    assert audited.returncode == 0, audited.stderr
    assert "was changed" not in audited.stdout
    assert "LEAKY" in audited.stdout
    again = skineval_program(
        "data", "split", "synthetic:images=150", f"--split={folder.split}", "--protocol=oversample-first"
    )
    assert again.returncode == 0, again.stderr
    fingerprint = json.loads(folder.environment.read_text())["split"]["fingerprint"]
    assert fingerprint[:16] in again.stdout
    refused = skineval_program("data", "split", "synthetic:images=150", f"--split={folder.split}", "--protocol=image")
    assert refused.returncode == 3
    assert "oversample-first" in refused.stderr


@pytest.mark.filterwarnings("ignore:SYNTHETIC", "ignore:LEAKY")
def test_its_predictions_are_scored_where_the_protocol_is_named(bench, skineval_program):
    folder, _ = bench
    file = folder.cell(pd.read_csv(folder.cells)["run_id"][0]).predictions
    with pytest.raises(DataError, match="second time") as caught:
        skineval.evaluate(file)
    assert "--protocol oversample-first" in caught.value.hint
    with pytest.raises(UsageError, match="no protocol 'oversample'"):
        skineval.evaluate(file, protocol="oversample")
    frame = pd.read_csv(file).query("part == 'test'")
    scored = skineval.evaluate(file, protocol="oversample-first", replicates=1000).set_index(["metric", "class"])
    wanted = balanced_accuracy_score(frame["target"], frame[list(DIAGNOSES)].idxmax(axis=1))
    assert scored.loc[("balanced_accuracy", ""), "value"] == pytest.approx(wanted)
    shown = skineval_program("evaluate", str(file), "--replicates=1000", "--protocol=oversample-first")
    assert shown.returncode == 0, shown.stderr
    assert "LEAKY" in shown.stdout
    assert "SYNTHETIC" in shown.stdout
