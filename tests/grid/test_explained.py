"""Maps of a trained cell, scored: beside controls, of few images or all, without masks, and what is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import skineval
from skineval.base.errors import DataError, ModelFileError, UsageError
from skineval.explain.rating import GROUPS
from skineval.explain.scores import SCORES
from skineval.grid.explained import SCORED
from skineval.report.document.console import render
from skineval.report.document.tables import format_row
from skineval.report.explained import tables
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


@pytest.fixture(scope="module")
def everything(bench):
    """All scores of an explainer that asks about a class, and of one that does not."""
    return skineval.explanations(
        bench, explainers="gradcam,eigencam", scores=",".join(SCORED), limit=6, replicates=1000
    )


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
    first = {one.name: [explained.scores[one.name][key].value for key in SCORES] for one in explained.rated}
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
        for key, score in scores.items():
            assert score.value == pytest.approx(mine[key].mean())
            assert score.n_images == mine[key].notna().sum()


def test_the_table_has_a_row_each_and_says_what_the_controls_are(explained):
    (shown,) = tables(explained)
    rows = [format_row(row, shown.columns) for row in shown.rows]
    assert [row[0] for row in rows] == [one.name for one in explained.rated]
    assert "SYNTHETIC" in shown.title
    said = " ".join(shown.footnotes)
    assert "Maps are of the predicted class." in said
    assert "a network with random weights" in said


def test_an_explainer_that_has_no_map_says_why_and_the_others_are_scored(bench):
    found = skineval.explanations(bench, explainers="rollout,gradcam", limit=6, replicates=1000)
    rows = {row.cells[0]: row for row in tables(found)[0].rows}
    assert "attend to all patches" in rows["rollout"].note
    assert "rollout (untrained)" not in rows
    assert {one.a for one in found.differences} == {"gradcam"}


def test_images_whose_map_says_nothing_are_counted(explained):
    scored = {key: replace(one, n_images=4) for key, one in explained.scores["gradcam"].items()}
    said = tables(replace(explained, scores={**explained.scores, "gradcam": scored}))[0].footnotes
    most = explained.scores["centre"]["auc"].n_images
    assert f"gradcam: {most - 4} of {most} images are left out, of which a map says nothing." in said


def test_few_images_are_of_all_classes_and_the_same_each_time(bench):
    few = skineval.explanations(bench, limit=12, replicates=1000)
    again = skineval.explanations(bench, limit=12, replicates=1000)
    assert len(few.images) == 12
    assert few.images.image_ids.tolist() == again.images.image_ids.tolist()
    whole = skineval.explanations(bench, limit=10_000, replicates=1000).images
    counts = [np.bincount(one.targets, minlength=7) / len(one) for one in (few.images, whole)]
    assert np.abs(counts[0] - counts[1]).max() < 1 / 12
    pd.testing.assert_frame_equal(few.frame(), again.frame())


def test_each_group_has_a_table_in_which_controls_stand_where_they_make_sense(everything):
    shown = dict(zip(SCORED, tables(everything), strict=True))
    names = {group: [row.cells[0] for row in table.rows] for group, table in shown.items()}
    both = ["gradcam", "eigencam"]
    twins = ["gradcam", "gradcam (untrained)", "eigencam", "eigencam (untrained)"]
    assert names["outlines"] == [*twins, "centre", "uniform", "noise"]
    assert names["faithfulness"] == [*twins, "centre", "noise"]
    assert names["sanity"] == names["stability"] == both
    assert names["controls"] == ["whole image", "lesion filled in", "lesion black", "lesion alone"]
    for group, table in shown.items():
        assert "SYNTHETIC" in table.title
        assert max(map(len, render(table, "table", width=80).splitlines())) <= 80
        assert any("Brackets: 95 %" in note for note in table.footnotes) is (group in ("outlines", "controls"))


def test_explainers_are_compared_in_one_score_of_a_group_with_a_correction_of_its_own(everything):
    pairs = [("gradcam", "centre"), ("eigencam", "centre")]
    pairs += [(name, f"{name} (untrained)") for name in ("gradcam", "eigencam")]
    for column in ("auc", "road"):
        mine = [one for one in everything.differences if one.metric == column]
        assert [(one.a, one.b) for one in mine] == pairs
        assert min(one.p_holm for one in mine) == pytest.approx(min(1, 4 * min(one.p for one in mine)))
    assert len(everything.differences) == 8


def test_every_score_has_its_range_and_the_class_blind_say_nothing_of_the_class(everything):
    frame = everything.frame()
    assert {column for columns in GROUPS.values() for column in columns} < set(frame.columns)
    for column, least in [("deletion", 0), ("insertion", 0), ("road", -1), ("mirrored", -1), ("noisy", -1)]:
        assert frame[column].dropna().between(least, 1).all()
        assert frame[column].notna().any()
    blind = frame[frame["explainer"] == "eigencam"]
    assert blind["random_logit"].dropna().to_numpy() == pytest.approx(1)
    assert frame.loc[frame["explainer"] == "gradcam", "random_logit"].mean() < 0.99
    assert any("Blind to the class" in note and "eigencam" in note for note in tables(everything)[2].footnotes)


def test_complexity_rises_from_the_trained_network_to_the_untrained_one(everything):
    frame = everything.frame().set_index("image_id")
    trained, untrained = (frame[frame["explainer"] == name] for name in ("gradcam", "gradcam (untrained)"))
    rise = (untrained["complexity"] - trained["complexity"]) / trained["complexity"]
    assert trained["complexity_rise"].dropna().to_numpy() == pytest.approx(rise.dropna().to_numpy())
    assert trained["complexity_rise"].notna().any()


def test_of_whole_images_a_network_says_what_it_said_in_the_bench(everything):
    whole, *without = everything.removed
    assert whole.difference is None
    predicted = everything.images
    recalls = [
        (predicted.probabilities.argmax(axis=1) == label)[predicted.targets == label].mean()
        for label in np.unique(predicted.targets)
    ]
    assert whole.scores[0].value == pytest.approx(np.mean(recalls))
    assert whole.scores[0].n_images == len(predicted)
    for one in without:
        assert one.difference.value == pytest.approx(one.scores[0].value - whole.scores[0].value)


def test_without_masks_all_else_is_scored_and_outlines_say_why_not(bench, monkeypatch):
    monkeypatch.setattr("skineval.explain.asked.Asked.masks", None)
    found = skineval.explanations(bench, explainers="gradcam", scores="outlines,stability,controls", limit=6)
    (shown,) = tables(found)
    assert shown.title.startswith("Stability")
    assert (
        "There is no mask of any test image. Left out, since they need one: outlines and controls." in shown.footnotes
    )
    with pytest.raises(DataError, match="no mask of any test image"):
        skineval.explanations(bench, explainers="gradcam", limit=6)


def test_of_another_class_maps_are_others(bench, explained):
    contrast = skineval.explanations(bench, target="nv-mel", scores="outlines,sanity", replicates=1000)
    plain = explained.rated[0].scores["auc"]
    assert not np.allclose(contrast.rated[0].scores["auc"], plain, equal_nan=True)


def test_the_command_writes_scores_galleries_and_a_page(bench):
    keys = ("--explainers=gradcam,rollout", "--scores=outlines,stability", "--replicates=1000", "--out=maps")
    asked = ("explain", str(bench), *keys)
    done = run_here(*asked, "--limit=8", cwd=bench.parent)
    assert done.returncode == 0, done.stderr
    assert "(untrained)" in done.stdout
    folder = bench.parent / "maps"
    scores = pd.read_csv(folder / "scores.csv")
    assert list(scores.columns) == ["explainer", "image_id", "lesion_id", *SCORES, *GROUPS["stability"]]
    assert len(scores) == 8 * 6
    assert "Stability of explanations" in done.stdout
    galleries = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.svg"))
    shown = set(scores["image_id"])
    predictions = pd.read_csv(next(bench.glob("cells/*/predictions.csv"))).set_index("image_id")
    assert galleries == sorted({f"gradcam/{code}.svg" for code in predictions.loc[list(shown), "target"]})
    page = (folder / "index.html").read_text()
    assert all(f"test images of class {file.partition('/')[2][:-4]}" in page for file in galleries)
    before = {file: file.read_bytes() for file in folder.rglob("*.*")}
    refused = run_here(*asked, "--limit=7", cwd=bench.parent)
    assert refused.returncode == 2
    assert "is not empty" in refused.stderr
    assert {file: file.read_bytes() for file in folder.rglob("*.*")} == before
    for name in ("gradcam/mine.svg", "mine/nv.svg"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("of somebody")
    again = run_here(*asked, "--limit=7", "--force", "--explainers=saliency", cwd=bench.parent)
    assert again.returncode == 0, again.stderr
    assert len(pd.read_csv(folder / "scores.csv")) == 7 * 5
    left = {file.relative_to(folder).as_posix() for file in folder.rglob("*.svg")}
    assert {"gradcam/mine.svg", "mine/nv.svg"} == {name for name in left if not name.startswith("saliency/")}


def test_chosen_images_are_all_shown(bench, tmp_path):
    predictions = pd.read_csv(next(bench.glob("cells/*/predictions.csv")))
    tested = predictions[predictions["part"] == "test"]
    of_class = tested[tested["target"] == "nv"]["image_id"].tolist()
    found = skineval.explanations(bench, images=",".join(of_class), out=tmp_path / "maps", replicates=1000)
    assert sorted(found.images.image_ids) == sorted(of_class)
    ((file,),) = found.galleries.values()
    assert file == tmp_path / "maps" / "gradcam" / "nv.svg"
    assert all(name in file.read_text() for name in of_class)
    with pytest.raises(UsageError, match="not in the test part: nobody"):
        skineval.explanations(bench, images=["nobody", of_class[0]])


def test_who_is_interrupted_goes_on_with_the_next_images_and_has_the_same_scores(bench, tmp_path, monkeypatch):
    monkeypatch.setenv("SKINEVAL_CACHE", str(tmp_path))
    monkeypatch.setattr("skineval.train.predict.PIXELS", 4 * 32**2)
    monkeypatch.setattr("skineval.explain.ledger.EVERY", 1000.0)
    asked = {"explainers": "gradcam,layercam", "scores": "sanity", "limit": 9, "replicates": 1000}
    whole = skineval.explanations(bench, **asked)
    kept = tmp_path / "explaining"
    assert list(kept.iterdir()) == []

    def stopping(done: int, total: int) -> None:
        if done < total and [*kept.glob("*/*")] and total == 9:  # the second way to make maps has begun
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        skineval.explanations(bench, **asked, progress=stopping)
    assert len([*kept.glob("*/*")]) == 2
    told: list[int] = []
    again = skineval.explanations(bench, **asked, progress=lambda done, total: told.append(done))
    assert told[:3] == [8, 9, 4]  # the rest of the second, and the third from its first image on
    pd.testing.assert_frame_equal(again.frame(), whole.frame())
    assert list(kept.iterdir()) == []
    with pytest.raises(KeyboardInterrupt):
        skineval.explanations(bench, **asked, progress=stopping)
    told.clear()
    skineval.explanations(bench, **asked, fresh=True, progress=lambda done, total: told.append(done))
    assert told[:3] == [4, 8, 9]


def test_a_target_that_is_none_names_the_classes(bench):
    wrong = run_here("explain", str(bench), "--target=melanoma", cwd=bench.parent)
    assert wrong.returncode == 2
    assert "akiec, bcc, bkl, df, mel, nv, vasc" in wrong.stderr


def test_what_is_no_cell_of_a_bench_is_refused(bench, tmp_path):
    (cell,) = (bench / "cells").iterdir()
    alone = shutil.copytree(cell, tmp_path / cell.name)
    with pytest.raises(ModelFileError, match="is no cell of a bench"):
        skineval.explanations(alone)
    with pytest.raises(UsageError, match="--scores names 'sanety', which is none"):
        skineval.explanations(bench, scores="outlines,sanety")
    with pytest.raises(UsageError, match="no explainer 'gradcamm'"):
        skineval.explanations(bench, explainers="gradcamm")
    other = shutil.copytree(bench, tmp_path / "other")
    recipe = (other / "recipe.toml").read_text().replace("images=150", "images=160")
    (other / "recipe.toml").write_text(recipe)
    with pytest.raises(DataError, match="no longer those of the bench"):
        skineval.explanations(other)
