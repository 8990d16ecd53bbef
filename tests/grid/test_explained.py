"""Maps of a trained cell, scored: beside controls, of few images or all, and what is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import skineval
from skineval.base.errors import DataError, ModelFileError, UsageError
from skineval.explain.scores import SCORES
from skineval.report.document.tables import format_row
from skineval.report.explained import table
from tests.conftest import TINY, run_here


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """The folder of a bench of one cell, whose network has hardly learnt anything."""
    folder = tmp_path_factory.mktemp("explained")
    done = run_here("bench", *TINY, "--epochs=1", "--explainers=", "--replicates=1000", "--out=out", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "out"


@pytest.fixture(scope="module")
def explained(bench):
    return skineval.explanations(bench, explainers="gradcam,layercam", replicates=1000)


def test_each_explainer_stands_beside_its_untrained_twin_and_maps_of_no_network(explained):
    assert [one.name for one in explained.rated] == [
        "gradcam",
        "gradcam (untrained)",
        "layercam",
        "layercam (untrained)",
        "centre",
        "uniform",
        "noise",
    ]
    assert [(one.a, one.b) for one in explained.differences] == [
        ("gradcam", "centre"),
        ("layercam", "centre"),
        ("gradcam", "gradcam (untrained)"),
        ("layercam", "layercam (untrained)"),
    ]
    first = {one.name: [score.value for score in explained.scores[one.name]] for one in explained.rated}
    assert first["uniform"][0] == pytest.approx(0, abs=1e-6)
    assert first["uniform"][3] == 0.5
    assert first["centre"][3] > 0.8, "lesions of synthetic pictures lie in the middle"
    assert first["noise"][3] == pytest.approx(0.5, abs=0.02)
    assert first["gradcam"] != first["gradcam (untrained)"]


def test_scores_of_each_image_are_those_whose_mean_is_shown(bench, explained):
    frame = explained.frame()
    predictions = pd.read_csv(next(bench.glob("cells/*/predictions.csv")))
    tested = predictions.loc[predictions["part"] == "test", "image_id"]
    for name, scores in explained.scores.items():
        mine = frame[frame["explainer"] == name]
        assert set(mine["image_id"]) == set(tested)
        for key, score in zip(SCORES, scores, strict=True):
            assert score.value == pytest.approx(mine[key].mean())
            assert score.n_images == mine[key].notna().sum()


def test_the_table_has_a_row_each_and_says_what_the_controls_are(explained):
    shown = table(explained)
    rows = [format_row(row, shown.columns) for row in shown.rows]
    assert [row[0] for row in rows] == [one.name for one in explained.rated]
    assert "SYNTHETIC" in shown.title
    said = " ".join(shown.footnotes)
    assert "Maps are of the predicted class." in said
    assert "a network with random weights" in said


def test_an_explainer_that_has_no_map_says_why_and_the_others_are_scored(bench):
    found = skineval.explanations(bench, explainers="rollout,gradcam", limit=6, replicates=1000)
    rows = {row.cells[0]: row for row in table(found).rows}
    assert "attend to all patches" in rows["rollout"].note
    assert "rollout (untrained)" not in rows
    assert {one.a for one in found.differences} == {"gradcam"}


def test_images_whose_map_says_nothing_are_counted(explained):
    scored = [replace(one, n_images=4) for one in explained.scores["gradcam"]]
    said = table(replace(explained, scores={**explained.scores, "gradcam": scored})).footnotes
    most = explained.scores["centre"][0].n_images
    assert f"gradcam: {most - 4} of {most} images are left out, whose map is zero everywhere." in said


def test_few_images_are_of_all_classes_and_the_same_each_time(bench):
    few = skineval.explanations(bench, limit=12, replicates=1000)
    again = skineval.explanations(bench, limit=12, replicates=1000)
    assert len(few.images) == 12
    assert few.images.image_ids.tolist() == again.images.image_ids.tolist()
    whole = skineval.explanations(bench, limit=10_000, replicates=1000).images
    counts = [np.bincount(one.targets, minlength=7) / len(one) for one in (few.images, whole)]
    assert np.abs(counts[0] - counts[1]).max() < 1 / 12
    pd.testing.assert_frame_equal(few.frame(), again.frame())


def test_of_another_class_maps_are_others(bench, explained):
    contrast = skineval.explanations(bench, target="nv-mel", replicates=1000)
    plain = explained.rated[0].scores["auc"]
    assert not np.allclose(contrast.rated[0].scores["auc"], plain, equal_nan=True)


def test_the_command_writes_scores_and_a_table(bench):
    done = run_here("explain", str(bench), "--limit=8", "--replicates=1000", "--out=scores.csv", cwd=bench.parent)
    assert done.returncode == 0, done.stderr
    assert "gradcam (untrained)" in done.stdout
    scores = pd.read_csv(bench.parent / "scores.csv")
    assert list(scores.columns) == ["explainer", "image_id", "lesion_id", *SCORES]
    assert len(scores) == 8 * 5
    refused = run_here("explain", str(bench), "--limit=7", "--replicates=1000", "--out=scores.csv", cwd=bench.parent)
    assert refused.returncode == 2
    assert len(pd.read_csv(bench.parent / "scores.csv")) == 8 * 5
    wrong = run_here("explain", str(bench), "--target=melanoma", cwd=bench.parent)
    assert wrong.returncode == 2
    assert "akiec, bcc, bkl, df, mel, nv, vasc" in wrong.stderr


def test_what_is_no_cell_of_a_bench_is_refused(bench, tmp_path):
    (cell,) = (bench / "cells").iterdir()
    alone = shutil.copytree(cell, tmp_path / cell.name)
    with pytest.raises(ModelFileError, match="is no cell of a bench"):
        skineval.explanations(alone)
    with pytest.raises(UsageError, match="no explainer 'gradcamm'"):
        skineval.explanations(bench, explainers="gradcamm")
    other = shutil.copytree(bench, tmp_path / "other")
    recipe = (other / "recipe.toml").read_text().replace("images=150", "images=160")
    (other / "recipe.toml").write_text(recipe)
    with pytest.raises(DataError, match="no longer those of the bench"):
        skineval.explanations(other)
