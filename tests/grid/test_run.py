"""A whole bench, small: its files, running it again, and reading it through the Python functions."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import skineval
from skineval.base.errors import DataError, ModelFileError, UsageError
from skineval.catalog.catalog import load_catalog
from skineval.data.synthetic import synthetic
from skineval.grid.destination import open_folder
from skineval.grid.folder import BenchFolder, read_environment
from skineval.grid.prepare import prepare
from skineval.measure.ranks import LAG_P, RANK_KEPT
from skineval.measure.rarity import HEAD_RECALL, TAIL_RECALL
from skineval.train.weights import read_tensors
from skineval.values.measures import COMPARISON_COLUMNS, as_frame
from skineval.values.recipe import make_recipe, read_recipe
from skineval.values.task import DIAGNOSES
from tests.conftest import TINY, run_here, undrawn

DRAWN = True

GRID = (*TINY, "--imbalance=none,class-weights,smote", "--epochs=2")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """The folder of a finished bench of three cells."""
    folder = tmp_path_factory.mktemp("bench")
    done = run_here("bench", *GRID, "--out=out", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "SYNTHETIC" in done.stdout
    lines = [line for line in done.stderr.splitlines() if ": epoch " in line]
    assert [line.partition(", loss ")[0] for line in lines] == [
        f"cnn:width=4/{imbalance} fold 0 seed 0: epoch {epoch}/2"
        for imbalance in ("none", "class-weights")
        for epoch in (1, 2)
    ]  # a log has a line an epoch of every network that is trained
    return BenchFolder(folder / "out")


def cells(bench):
    return pd.read_csv(bench.cells, dtype={"reason": str})


def frame_of(cell):
    return cell.predictions.to_frame()


def predictions(bench, imbalance):
    run_id = cells(bench).set_index("imbalance").loc[imbalance, "run_id"]
    return pd.read_csv(bench.cell(run_id).predictions)


def test_every_file_of_the_contract_is_there(bench):
    files = [
        "recipe.toml",
        "environment.json",
        "split.csv",
        "cells.csv",
        "results.csv",
        "comparisons.csv",
        "ladders.csv",
        "attributes.csv",
        "subgroups.csv",
        "choices.csv",
        "report.md",
        "report.html",
    ]
    assert all((bench.path / name).is_file() for name in files)
    assert any((bench.path / "figures").iterdir())
    for run_id in cells(bench)["run_id"]:
        folder = bench.path / "cells" / run_id
        for name in ("cell.json", "history.csv", "predictions.csv", "model.safetensors", "model.json"):
            assert (folder / name).is_file(), name
        galleries = list((folder / "explanations" / "gradcam").glob("*.svg"))
        assert galleries
        assert all("outline of the lesion" in file.read_text() for file in galleries)


def test_columns_are_those_of_the_contract(bench):
    def header(path):
        return path.read_text().splitlines()[0]

    assert header(bench.split) == "image_id,lesion_id,group,fold,part"
    assert header(bench.cells) == "run_id,model,imbalance,fold,seed,status,reason,seconds,images_per_second,device"
    assert (
        header(bench.results) == "model,imbalance,task,protocol,metric,class,value,low,high,n_images,n_lesions,n_cells"
    )
    assert header(bench.comparisons) == "a,b,metric,difference,low,high,p,p_holm,n_images,n_lesions"
    assert header(bench.ladders) == header(bench.comparisons)
    cell = bench.cell(cells(bench)["run_id"][0])
    assert header(cell.history) == "epoch,learning_rate,train_loss,val_loss,val_balanced_accuracy,seconds"
    assert header(cell.predictions) == "image_id,lesion_id,fold,seed,part,target,akiec,bcc,bkl,df,mel,nv,vasc"


def test_predictions_are_of_the_validation_and_test_parts_and_sum_to_one(bench):
    split = pd.read_csv(bench.split).set_index("image_id")["part"]
    frame = predictions(bench, "none")
    assert set(frame["part"]) == {"validation", "test"}
    assert (split.loc[frame["image_id"]].to_numpy() == frame["part"].to_numpy()).all()
    assert len(frame) == (split != "train").sum()
    np.testing.assert_allclose(frame[list(DIAGNOSES)].sum(axis=1), 1, atol=1e-9)


def test_every_figure_has_its_interval_and_numbers(bench):
    results = pd.read_csv(bench.results, keep_default_na=False, na_values=[""])
    overall = results[results["class"].isna() & (results["model"] == "cnn:width=4")]
    assert set(overall["metric"]) >= {"balanced_accuracy", "accuracy", "macro_auc", "nll", "brier", "ece"}
    bounded = overall.dropna(subset="low")  # areas of a class of one lesion have no interval
    assert {"balanced_accuracy", "accuracy", "malignancy_auc", "nll", "brier", "ece"} <= set(bounded["metric"])
    assert (bounded["low"] <= bounded["value"]).all()
    assert (bounded["value"] <= bounded["high"]).all()
    test_images = (pd.read_csv(bench.split)["part"] == "test").sum()
    sides = overall["metric"].isin([HEAD_RECALL, TAIL_RECALL])
    of_a_class = overall["metric"].isin([HEAD_RECALL, TAIL_RECALL, "worst_recall"])
    assert set(overall[~of_a_class].dropna(subset="value")["n_images"]) == {test_images}
    assert overall[sides].groupby("imbalance")["n_images"].sum().tolist() == [test_images] * 3
    assert {"majority", "prior"} <= set(results["model"])


def test_the_balanced_accuracy_is_that_of_scikit_learn(bench):
    from sklearn.metrics import balanced_accuracy_score

    frame = predictions(bench, "class-weights").query("part == 'test'")
    classes = list(DIAGNOSES)
    expected = balanced_accuracy_score(frame["target"], frame[classes].idxmax(axis=1))
    results = pd.read_csv(bench.results, keep_default_na=False)
    row = results.query("metric == 'balanced_accuracy' and imbalance == 'class-weights'")
    assert float(row["value"].iloc[0]) == pytest.approx(expected)


def test_smote_shares_the_network_of_none(bench):
    run_ids = cells(bench).set_index("imbalance")["run_id"]
    none, smote = (read_tensors(bench.cell(run_ids[name]).weights) for name in ("none", "smote"))
    different = [name for name in none if not none[name].equal(smote[name])]
    assert sorted(different) == ["4.bias", "4.weight"]
    assert len(list((bench.path / "networks").iterdir())) == 2


def test_whoever_shares_a_network_is_charged_its_training_and_marked(bench):
    listed = cells(bench).set_index("imbalance")
    trained = pd.read_csv(bench.cell(listed["run_id"]["none"]).history)["seconds"].sum()
    assert listed["seconds"].min() >= trained > 0
    report = (bench.path / "report.md").read_text().splitlines()
    marked = {
        name: [r"s\* |" in line for line in report if run_id in line] for name, run_id in listed["run_id"].items()
    }
    assert {name: any(lines) for name, lines in marked.items()} == {
        "none": False, "class-weights": False, "smote": True
    }  # fmt: skip
    assert any("* with what other systems share and was done once" in line for line in report)


def test_the_recipe_repeats_the_bench(bench, skineval_program):
    recipe = make_recipe(read_recipe(str(bench.recipe)))
    assert recipe.models == ("cnn:width=4",)
    assert recipe.learning_rate == "auto"
    assert read_environment(bench).learning_rate == {"cnn:width=4": 1e-3}
    again = skineval_program("bench", str(bench.recipe), "--out", str(bench.path))
    assert again.returncode == 0, again.stderr
    assert "done" not in again.stderr
    assert "3 of 3 cells are there already" in again.stderr


def test_the_same_command_again_trains_nothing_and_leaves_every_file(bench, skineval_program):
    def snapshot():
        return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in sorted(bench.path.rglob("*")) if p.is_file()}

    before = snapshot()
    again = skineval_program("bench", *GRID, "--out=out", cwd=bench.path.parent)
    assert again.returncode == 0
    assert snapshot() == before


def test_the_report_can_be_rebuilt_and_is_the_same(bench, skineval_program):
    before = {p: p.read_bytes() for p in (bench.results, bench.comparisons, bench.ladders, bench.path / "report.md")}
    for path in before:
        path.unlink()
    done = skineval_program("report", "out", cwd=bench.path.parent)
    assert done.returncode == 0, done.stderr
    assert {p: p.read_bytes() for p in before} == before


def test_another_recipe_is_refused(bench, skineval_program):
    refused = skineval_program("bench", *GRID, "--epochs=3", "--out=out", cwd=bench.path.parent)
    assert refused.returncode == 2
    assert "epochs is 2 there, 3 here" in refused.stderr
    assert "--fresh" in refused.stderr


def test_what_is_left_out_is_told_to_be_named_too(bench, skineval_program):
    refused = skineval_program("bench", *GRID, "--imbalance=adasyn", "--out=out", cwd=bench.path.parent)
    assert refused.returncode == 2
    assert "imbalance is none,class-weights,smote there, adasyn here" in refused.stderr
    assert "--imbalance none,class-weights,smote,adasyn" in refused.stderr


def test_a_network_that_another_bench_has_trained_is_not_trained_again(tmp_path):
    """Where folders have no names of their own, so that nobody has asked for all to be done anew."""
    few = (*TINY, "--epochs=1", "--explainers=", "--replicates=1000")
    with undrawn():
        first = run_here("bench", *few, "--imbalance=none", cwd=tmp_path)
        plan = run_here("bench", *few, "--imbalance=none,smote", "--dry-run", "--format=csv", cwd=tmp_path)
        second = run_here("bench", *few, "--imbalance=none,smote", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert plan.stdout.count("needs no training of its own") == 2
    assert second.returncode == 0, second.stderr
    assert "1 network taken from runs/" in second.stderr
    assert ": epoch " in first.stderr
    assert ": epoch " not in second.stderr
    networks = [file.read_bytes() for file in tmp_path.glob("runs/*/networks/*/network.safetensors")]
    assert len(networks) == 2
    assert networks[0] == networks[1]
    predicted = [file.read_bytes() for file in tmp_path.glob("runs/*/cells/*-none-*/predictions.csv")]
    assert len(predicted) == 2
    assert predicted[0] == predicted[1]


def test_a_loaded_model_predicts_what_the_bench_predicted(bench):
    run_id = cells(bench).set_index("imbalance").loc["smote", "run_id"]
    model = skineval.load_model(bench.cell(run_id).path, device="cpu")
    frame = predictions(bench, "smote").iloc[:8]
    table = synthetic.load(images=150)
    rows = [int(np.flatnonzero(table.frame["image_id"] == image_id)[0]) for image_id in frame["image_id"]]
    probabilities = model.predict_proba(table.images.pixels(rows, 32))
    np.testing.assert_allclose(probabilities, frame[list(model.classes)], atol=1e-4)
    assert model.predict_proba([]).shape == (0, 7)


def test_a_loaded_model_takes_files_and_pictures(bench, tmp_path):
    from PIL import Image

    run_id = cells(bench)["run_id"][0]
    model = skineval.load_model(bench.cell(run_id).weights, device="cpu")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8))
    picture.save(tmp_path / "lesion.png")
    from_file = model.predict_proba([tmp_path / "lesion.png"])
    np.testing.assert_allclose(from_file, model.predict_proba([picture]))
    np.testing.assert_allclose(from_file.sum(axis=1), 1)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff nonsense")
    with pytest.raises(DataError, match=r"broken\.jpg"):
        model.predict_proba([tmp_path / "broken.jpg"])


def test_a_model_that_is_damaged_is_refused(bench, tmp_path):
    with pytest.raises(ModelFileError, match=r"model\.json"):
        skineval.load_model(tmp_path)
    source = bench.cell(cells(bench)["run_id"][0])
    (tmp_path / "model.json").write_text(source.model.read_text())
    (tmp_path / "model.safetensors").write_bytes(source.weights.read_bytes()[:-100])
    with pytest.raises(ModelFileError, match=r"model\.safetensors"):
        skineval.load_model(tmp_path)


def test_a_model_of_which_somebody_has_changed_the_classes_is_refused(bench, tmp_path):
    cell = shutil.copytree(bench.cell(cells(bench)["run_id"][0]).path, tmp_path / cells(bench)["run_id"][0])
    about = json.loads((cell / "model.json").read_text())
    (cell / "model.json").write_text(json.dumps({**about, "classes": about["classes"][::-1]}))
    with pytest.raises(ModelFileError, match=r"model\.json is not as the bench wrote it"):
        skineval.load_model(cell)


def test_a_bench_is_no_model_and_names_its_cells(bench):
    for path in (bench.path, bench.path / "cells", bench.path / "cells" / "typo"):
        with pytest.raises(ModelFileError) as error:
            skineval.load_model(path)
        for run_id in cells(bench)["run_id"]:
            assert run_id in str(error.value)


@pytest.mark.filterwarnings("ignore:SYNTHETIC")
def test_evaluate_gives_the_figures_of_the_bench(bench):
    run_id = cells(bench).set_index("imbalance").loc["none", "run_id"]
    scored = skineval.evaluate(bench.cell(run_id).predictions, replicates=1000).set_index(["metric", "class"])["value"]
    results = pd.read_csv(bench.results).query("imbalance == 'none'").fillna({"class": ""})
    # Head and tail go by train images, ranks by other systems, of which the file knows nothing.
    unknown = [HEAD_RECALL, TAIL_RECALL, RANK_KEPT, LAG_P]
    expected = results[~results["metric"].isin(unknown)].set_index(["metric", "class"])["value"]
    for key, value in expected.items():
        assert scored[key] == pytest.approx(value, nan_ok=True), key


@pytest.mark.filterwarnings("ignore:SYNTHETIC")
def test_compare_takes_a_bench_with_all_of_its_systems(bench, tmp_path):
    found = skineval.compare(bench.path, replicates=1000)
    known = pd.read_csv(bench.comparisons)
    known = known[known["metric"] != "recall_mel"]
    assert found[["a", "b", "metric"]].to_dict("list") == known[["a", "b", "metric"]].to_dict("list")
    np.testing.assert_allclose(found["difference"], known["difference"], atol=1e-12)
    cell = bench.cell(cells(bench)["run_id"][0])
    with pytest.raises(DataError, match=r"in the bench .*, and synthetic (says|lacks)"):
        skineval.evaluate(bench.path, data="synthetic:images=150:seed=1")
    with pytest.warns(UserWarning, match="0 of the 30 images have another photograph of their lesion"):
        assert len(skineval.compare(bench.path, data="synthetic:images=150", replicates=1000)) == len(found)
    copied = shutil.copy(cell.predictions, tmp_path / "copy.csv")
    beside = skineval.evaluate([bench.path, copied], replicates=1000)
    assert "copy" in set(beside["model"])
    assert set(beside["imbalance"]) == {"", *cells(bench)["imbalance"]}


def test_the_environment_says_what_one_needs_to_know(bench):
    environment = json.loads(bench.environment.read_text())
    assert environment["data"]["images"] == 150
    assert environment["device"]["reason"]
    assert environment["threads"] >= 1
    assert environment["versions"]["torch"]
    assert environment["precision"] == {"cnn": "fp32: asked for"}


def test_every_cell_says_what_it_was_trained_with(bench):
    environment = json.loads(bench.environment.read_text())
    for run_id in cells(bench)["run_id"]:
        record = json.loads(bench.cell(run_id).cell.read_text())
        assert record["torch"] == environment["versions"]["torch"]
        assert record["threads"] == environment["threads"]


def test_the_python_function_returns_the_result(bench):
    keys = {flag.lstrip("-").split("=", 1)[0].replace("-", "_"): flag.split("=", 1)[1] for flag in GRID}
    numbers = {key: int(keys[key]) for key in ("image_size", "replicates", "epochs")}
    result = skineval.bench(out=bench.path, **{**keys, **numbers})
    assert list(result.cells["status"]) == ["done"] * 3
    best = result.results.query("metric == 'balanced_accuracy' and model != 'majority' and model != 'prior'")
    assert all(math.isfinite(value) for value in best["value"])
    assert result.warnings == ("SYNTHETIC",)
    opened = skineval.open(bench.path)
    pd.testing.assert_frame_equal(opened.results, result.results)
    pd.testing.assert_frame_equal(opened.comparisons, result.comparisons)
    pd.testing.assert_frame_equal(*(as_frame(one.ladders, COMPARISON_COLUMNS) for one in (opened, result)))
    assert "cnn:width=4/none" in {one.b for one in opened.ladders}
    np.testing.assert_array_equal(opened.pixels(["SYN_0000003"]), result.pixels(["SYN_0000003"]))
    assert opened.unfinished == ()


def test_what_python_is_handed_is_shown_in_a_few_lines(bench):
    result = skineval.open(bench.path)
    cell = result.finished[0]
    model = skineval.load_model(bench.cell(cell.run_id).path, device="cpu")
    for value in (result, replace(result), cell, cell.predictions, model):
        assert len(repr(value)) < 400, repr(value)
        assert "\n" not in repr(value)
    assert "3 of 3 cells done" in repr(result)
    assert "SYNTHETIC" in repr(result)
    assert "cnn" in repr(model)


def test_an_unfinished_bench_is_opened_as_it_is(bench, tmp_path):
    """Killed while it ran: a cell is not done, nothing is measured, and the data is gone."""
    folder = BenchFolder(tmp_path / "out")
    shutil.copytree(bench.path, folder.path)
    first, second, _ = cells(folder)["run_id"]
    for file in (folder.receipt, folder.results, folder.comparisons, folder.cell(first).cell):
        file.unlink()
    recipe = folder.recipe.read_text().replace("synthetic:images=150", str(tmp_path / "gone"))
    folder.recipe.write_text(recipe)
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    result = skineval.open(folder.path)
    assert result.unfinished == (first,)
    assert result.cells["status"].tolist() == ["not run", "done", "done"]
    # How far it is behind the best is said where the strategies have `none` beside them.
    mine = f"imbalance == 'class-weights' and metric != '{LAG_P}'"
    whole = skineval.open(bench.path).results.query(mine).reset_index(drop=True)
    part = result.results.query("imbalance == 'class-weights'").reset_index(drop=True)
    pd.testing.assert_frame_equal(part, whole)
    assert "2 of 3 cells done" in repr(result)
    with pytest.raises(DataError, match="gone"):
        result.pixels(["SYN_0000003"])
    assert before == {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    split = folder.split.read_text()
    for damaged in (split[:3000], split.replace(",train\n", ",test\n", 1), "garbage\n"):
        folder.split.write_text(damaged)
        with pytest.raises(DataError, match=r"split\.csv"):
            skineval.open(folder.path)
    folder.split.write_text(split)
    table = folder.cells.read_text()
    for damaged in (table[:60], "garbage\n"):
        folder.cells.write_text(damaged)
        with pytest.raises(DataError, match=r"cells\.csv"):
            skineval.open(folder.path)
    folder.cells.write_text(table)
    predictions = folder.cell(second).predictions
    predictions.write_text("".join(predictions.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(DataError, match=r"predictions\.csv is not as the bench wrote it"):
        skineval.open(folder.path)
    folder.cell(second).predictions.write_text("image_id\n")
    with pytest.raises(DataError, match=r"predictions\.csv"):
        skineval.open(folder.path)
    with pytest.raises(DataError, match=r"recipe\.toml is missing"):
        skineval.open(tmp_path)


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    for fresh in (False, True):
        with pytest.raises(UsageError, match="holds something else"):
            skineval.bench(
                models="cnn:width=4",
                data="synthetic:images=150",
                image_size=32,
                weights="none",
                out=tmp_path,
                fresh=fresh,
            )
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_a_folder_in_which_nothing_but_an_unfinished_file_was_left_is_taken(tmp_path):
    """As by `kill -9` while the very first file, the recipe, was written."""
    (tmp_path / ".recipe.toml.k3v9.part").write_text("models = [")
    catalog = load_catalog()
    keys = {"models": "cnn:width=4", "data": "synthetic:images=150", "image_size": 32, "weights": "none"}
    folder = open_folder(prepare(make_recipe(keys), catalog), tmp_path)
    assert folder.recipe.is_file()
