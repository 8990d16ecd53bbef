"""Ensembles of a bench: which cells are averaged, and that their rows are those of the mean."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from skineval.base.errors import UsageError
from skineval.grid.ensembles import check_members, ensembles
from skineval.grid.folder import BenchFolder
from skineval.measure.ensembles import mean_of
from skineval.values.predictions import EVERY_FOLD
from skineval.values.recipe import make_recipe
from skineval.values.result import CellResult
from skineval.values.task import DIAGNOSES
from tests.conftest import TINY, run_here, undrawn
from tests.measure.samples import classifier

DRAWN = True

MODELS = ("cnn:width=4", "cnn:width=6")
GRID = (*TINY, f"--models={','.join(MODELS)}", "--seeds=0,1", "--epochs=1", "--explainers=")
OTHER = "synthetic:images=80:seed=5"


def cells(models=("a", "b"), folds=(0, 1), seeds=(0, 1), imbalance="none"):
    """Finished cells whose predictions all differ; those of a fold are for the same images."""
    return [
        CellResult(
            f"{model}-{imbalance}-{fold}-{seed}",
            model,
            imbalance,
            fold,
            seed,
            classifier(12, seed=place, fold=fold, train_seed=seed, truth_seed=fold),
            pd.DataFrame(),
            (1,) * 7,
        )
        for place, (model, fold, seed) in enumerate(product(models, folds, seeds))
    ]


def recipe(**keys):
    values = {"models": "a,b", "data": "d", "folds": 2, "seeds": "0,1"} | keys
    return make_recipe(values)


def averaged(found, over, **keys):
    return ensembles(recipe(**keys), found, {cell.run_id: cell.predictions for cell in found}, over)


def test_over_seeds_each_model_is_averaged_within_its_folds():
    found = cells()
    a, b = averaged(found, {"seeds"})
    assert [one.model for one in (a, b)] == ["ensemble(a)", "ensemble(b)"]
    assert a.over == ("seeds",)
    assert a.system == "ensemble(a)/none"
    assert a.members == ("a-none-0-0", "a-none-0-1", "a-none-1-0", "a-none-1-1")
    assert a.n_wanted == 4
    assert [one.fold for one in a.predictions] == [0, 1]
    for fold, one in enumerate(a.predictions):
        wanted = mean_of([cell.predictions for cell in found if (cell.model, cell.fold) == ("a", fold)])
        assert np.array_equal(one.probabilities, wanted.probabilities)


def test_over_models_folds_and_seeds_stay_apart_unless_chosen_too():
    (alone,) = averaged(cells(), {"models"})
    assert alone.model == "ensemble(a,b)"
    assert [(one.fold, one.seed, one.n_cells) for one in alone.predictions] == [
        (0, 0, 2), (0, 1, 2), (1, 0, 2), (1, 1, 2)
    ]  # fmt: skip
    a, b, both = averaged(cells(), {"models", "seeds"})
    assert (a.over, b.over, both.over) == (("seeds",), ("seeds",), ("models", "seeds"))
    assert [(one.fold, one.n_cells) for one in both.predictions] == [(0, 4), (1, 4)]
    assert both.n_wanted == 8


def on_other_images(found):
    """The same cells on an external test: every fold predicts the same images."""
    return [
        replace(cell, predictions=classifier(12, seed=place, fold=0, train_seed=cell.seed))
        for place, cell in enumerate(found)
    ]


def test_over_folds_all_networks_of_a_model_are_one_whatever_failed():
    found = on_other_images(cells())
    a, _ = averaged(found, {"folds"}, external="x")
    assert [(one.fold, one.seed, one.n_cells) for one in a.predictions] == [(EVERY_FOLD, 0, 2), (EVERY_FOLD, 1, 2)]
    *_, a, _, both = averaged(found, {"folds", "seeds", "models"}, external="x")
    assert [(one.fold, one.n_cells) for one in (*a.predictions, *both.predictions)] == [
        (EVERY_FOLD, 4), (EVERY_FOLD, 8)
    ]  # fmt: skip
    one_fold_left = [cell for cell in found if cell.fold == 1]
    *_, a, _ = averaged(one_fold_left, {"folds", "seeds"}, external="x")
    assert [one.fold for one in a.predictions] == [EVERY_FOLD]
    assert (len(a.members), a.n_wanted) == (2, 4)


@pytest.mark.parametrize("over", [{"folds", *rest} for rest in ((), ("seeds",), ("models",), ("seeds", "models"))])
def test_equal_names_have_equal_members_on_the_internal_and_on_an_external_test(over):
    inside = averaged(cells(), over - {"folds"})
    outside = averaged(on_other_images(cells()), over, external="x")

    def of(found):
        return {one.system: (one.members, [(p.fold, p.seed, p.n_cells) for p in one.predictions]) for one in found}

    names, there = of(inside), of(outside)
    assert len(there) == len(outside)
    assert {name: there[name] for name in names} == names
    over_folds = there.keys() - names.keys()
    assert over_folds
    assert all(";folds)" in name for name in over_folds)
    assert all(fold == EVERY_FOLD for name in over_folds for fold, *_ in there[name][1])


def test_strategies_are_never_averaged():
    found = cells() + cells(imbalance="smote")
    systems = [one.system for one in averaged(found, {"models", "seeds"}, imbalance="none,smote")]
    assert systems == [f"{model}/{strategy}" for strategy in ("none", "smote") for model in
                       ("ensemble(a)", "ensemble(b)", "ensemble(a,b)")]  # fmt: skip


def test_a_mean_needs_two_members_and_says_how_many_it_has():
    found = cells()
    lacking = [cell for cell in found if cell.run_id not in ("a-none-0-1", "b-none-0-0", "b-none-0-1", "b-none-1-1")]
    a, b, both = averaged(lacking, {"models", "seeds"})
    assert a.members == ("a-none-1-0", "a-none-1-1")  # of fold 0 there is a single network
    assert [one.fold for one in a.predictions] == [1]
    assert b.predictions == b.members == ()
    assert b.n_wanted == 4
    assert both.members == ("a-none-1-0", "a-none-1-1", "b-none-1-0")


def test_the_order_of_cells_does_not_matter():
    found = cells()
    for one, other in zip(
        averaged(found, {"models", "seeds"}), averaged(found[::-1], {"models", "seeds"}), strict=True
    ):
        by_fold = {p.fold: p.probabilities for p in other.predictions}
        assert all(np.array_equal(p.probabilities, by_fold[p.fold]) for p in one.predictions)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"ensemble": "seeds", "seeds": "3,3"}, "over seeds and seeds are 3, a single one"),
        ({"ensemble": "folds"}, "over folds and there is no external"),
        ({"ensemble": "networks"}, "ensemble is 'networks'"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(keys, message):
    with pytest.raises(UsageError, match=message):
        recipe(**keys)


def test_the_order_of_what_is_averaged_is_none():
    assert recipe(ensemble="seeds,models") == recipe(ensemble=["models", "seeds", "models"])


def test_a_single_member_is_refused_before_training():
    with pytest.raises(UsageError, match="the bench has one, cnn"):
        check_members(("models",), ["cnn"], 5)
    with pytest.raises(UsageError, match="over folds and the bench has one"):
        check_members(("folds",), ["cnn", "resnet18"], 1)
    check_members((), ["cnn"], 1)
    check_members(("models", "folds"), ["cnn", "resnet18"], 2)


def test_nothing_is_written_where_there_is_nothing_to_average(skineval_program, tmp_path):
    done = skineval_program("bench", *TINY, "--ensemble=models", "--out=out")
    assert done.returncode == 2
    assert "--ensemble is over models and the bench has one" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A bench that was run first without, then with ensembles; with it the files of the first run."""
    folder = tmp_path_factory.mktemp("ensembles")
    with undrawn():
        first = run_here("bench", *GRID, "--out=out", cwd=folder)
    assert first.returncode == 0, first.stderr
    files = {file: file.stat().st_mtime_ns for file in (folder / "out" / "cells").rglob("*") if file.is_file()}
    second = run_here("bench", *GRID, "--ensemble=seeds,models", "--out=out", cwd=folder)
    assert second.returncode == 0, second.stderr
    return BenchFolder(folder / "out"), files, second


def means(folder: BenchFolder, models: tuple[str, ...], file: str = "predictions.csv") -> pd.DataFrame:
    """Targets and mean probabilities, added up image by image."""
    totals: dict[str, np.ndarray] = {}
    targets: dict[str, str] = {}
    n = 0
    for row in pd.read_csv(folder.cells).itertuples():
        if row.model not in models:
            continue
        n += 1
        frame = pd.read_csv(folder.cell(row.run_id).path / file)
        for one in frame[frame["part"] != "validation"].to_dict("records"):
            totals[one["image_id"]] = totals.get(one["image_id"], 0) + np.array([one[name] for name in DIAGNOSES])
            targets[one["image_id"]] = one["target"]
    mean = pd.DataFrame(totals, index=list(DIAGNOSES)).T / n
    return mean.assign(target=pd.Series(targets))


def test_ensembles_are_added_to_a_finished_bench_without_training(bench):
    folder, files, _ = bench
    assert {file: file.stat().st_mtime_ns for file in (folder.path / "cells").rglob("*") if file.is_file()} == files
    recipe_there = (folder.path / "recipe.toml").read_text()
    assert "ensemble" in recipe_there


@pytest.mark.parametrize("models", [MODELS[:1], MODELS[1:], MODELS])
def test_their_rows_are_those_of_the_mean_of_the_files(bench, models):
    folder, _, _ = bench
    results = pd.read_csv(folder.results, keep_default_na=False)
    name = f"ensemble({','.join(models)})"
    row = results[(results["model"] == name) & (results["metric"] == "balanced_accuracy")].iloc[0]
    mean = means(folder, models)
    wanted = balanced_accuracy_score(mean["target"], mean[list(DIAGNOSES)].idxmax(axis=1))
    assert float(row["value"]) == pytest.approx(wanted)
    assert row["n_cells"] == 2 * len(models)
    assert (row["imbalance"], row["n_images"]) == ("none", len(mean))
    loss = results[(results["model"] == name) & (results["metric"] == "nll")].iloc[0]
    of_target = [mean.loc[image, target] for image, target in mean["target"].items()]
    assert float(loss["value"]) == pytest.approx(-np.log(of_target).mean())


def test_they_are_compared_drawn_and_explained(bench):
    folder, _, done = bench
    compared = pd.read_csv(folder.comparisons)
    systems = {*compared["a"], *compared["b"]}
    assert {f"ensemble({name})/none" for name in (*MODELS, ",".join(MODELS))} < systems
    assert "mean of the probabilities" in done.stdout
    report = (folder.path / "report.md").read_text()
    assert "| ensemble(cnn:width=4,cnn:width=6)/none | all models and seeds | 4 | 4 |" in report
    drawn = [Path(file).name for file in (folder.path / "figures").iterdir()]
    assert sum(name.startswith("confusion-ensemble") for name in drawn) == 3
    assert not any(name.startswith("training-ensemble") for name in drawn)


def test_they_go_when_they_are_no_longer_asked_for(bench, skineval_program):
    folder, files, _ = bench
    before = folder.results.read_bytes()
    with undrawn():
        without = skineval_program("bench", *GRID, "--out=out", cwd=folder.path.parent)
    assert without.returncode == 0, without.stderr
    assert b"ensemble(" not in folder.results.read_bytes()
    with undrawn():
        back = skineval_program("bench", *GRID, "--ensemble=models,seeds", "--out=out", cwd=folder.path.parent)
    assert back.returncode == 0, back.stderr
    assert folder.results.read_bytes() == before
    assert {file: file.stat().st_mtime_ns for file in (folder.path / "cells").rglob("*") if file.is_file()} == files


def test_folds_are_averaged_on_an_external_test_only(tmp_path, skineval_program):
    external = ("--folds=2", f"--external={OTHER}", "--ensemble=folds")
    with undrawn():
        done = skineval_program("bench", *TINY, "--epochs=1", "--explainers=", *external, "--out=out")
    assert done.returncode == 0, done.stderr
    folder = BenchFolder(tmp_path / "out")
    assert "ensemble(" not in folder.results.read_text()
    name = json.loads(folder.environment.read_text())["external"][0]
    results = pd.read_csv(folder.external(name).results, keep_default_na=False)
    row = results.query("model == 'ensemble(cnn:width=4;folds)' and metric == 'balanced_accuracy'").iloc[0]
    mean = means(folder, ("cnn:width=4",), f"external/{name}.csv")
    wanted = balanced_accuracy_score(mean["target"], mean[list(DIAGNOSES)].idxmax(axis=1))
    assert float(row["value"]) == pytest.approx(wanted)
    assert row["n_cells"] == 2
    # The difference is that of the rows: the mean over folds against each of them.
    single = results[(results["model"] == "cnn:width=4") & (results["metric"] == "balanced_accuracy")].iloc[0]
    compared = pd.read_csv(folder.external(name).comparisons).query("metric == 'balanced_accuracy'").iloc[0]
    gap = abs(float(row["value"]) - float(single["value"]))
    assert abs(compared["difference"]) == pytest.approx(gap)
    assert "| its folds | 2 | 2 |" in (folder.path / "report.md").read_text()
