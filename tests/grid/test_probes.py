"""A linear probe: no network is trained, a head is fitted on its embeddings, which are made once."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from skineval.base.errors import UsageError
from skineval.base.terms import PENALTIES
from skineval.catalog.catalog import load_catalog
from skineval.grid.folder import BenchFolder
from skineval.grid.prepare import prepare
from skineval.grid.reading import load_bench
from skineval.train.classifier import load_classifier
from skineval.tuning.plan import make_plan
from skineval.tuning.space import make_space
from skineval.values.recipe import make_recipe
from skineval.values.task import DIAGNOSES
from tests.conftest import TINY, run_here

PROBES = (*TINY, "--epochs=1", "--folds=2", "--freeze=none,all")
PROBE = "cnn:width=4 (random probe)"


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """The folder of a bench of a network and its probe, what the command said, and the cache."""
    folder = tmp_path_factory.mktemp("probes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKINEVAL_CACHE", str(folder / "cache"))
        done = run_here("bench", *PROBES, "--imbalance=none,class-weights", "--out=out", cwd=folder)
        assert done.returncode == 0, done.stderr
        yield BenchFolder(folder / "out"), done, folder / "cache"


def embedded(cache):
    return sorted(cache.rglob("*.safetensors"))


def cells(folder):
    return pd.read_csv(folder.cells).query("model == @PROBE")


def test_a_network_and_its_probe_are_rows_of_one_table(bench):
    folder, done, _ = bench
    assert set(pd.read_csv(folder.cells)["model"]) == {"cnn:width=4", PROBE}
    assert f"{PROBE}/class-weights fold 1 seed 0" in done.stderr
    report = (folder.path / "report.md").read_text(encoding="utf-8")
    assert "A random probe is a control" in report
    assert all(cell.history.empty == (cell.model == PROBE) for cell in load_bench(folder).finished)


def test_one_pass_serves_all_folds_and_strategies(bench):
    folder, _, cache = bench
    (file,) = embedded(cache)
    before = file.stat().st_mtime_ns
    again = run_here(
        "bench", *PROBES, "--imbalance=none,class-weights,oversample,smote", "--out=out", cwd=folder.path.parent
    )
    assert again.returncode == 0, again.stderr
    assert [one.stat().st_mtime_ns for one in embedded(cache)] == [before]
    assert set(cells(folder)["imbalance"]) == {"none", "class-weights", "oversample", "smote"}


def test_predictions_are_those_of_a_regression_on_the_embeddings(bench):
    """That of scikit-learn with one of the penalties, on the train part alone."""
    folder, _, cache = bench
    (file,) = embedded(cache)
    embeddings = load_file(file)["embeddings"]
    split = pd.read_csv(folder.split)
    done = cells(folder).set_index("imbalance")[["run_id", "fold"]]
    converged = 0
    for strategy, weight in (("none", None), ("class-weights", "balanced")):
        for run_id, fold in done.loc[strategy].to_numpy():
            parts = split[split["fold"] == fold].sort_values("image_id")["part"].to_numpy()
            predictions = pd.read_csv(folder.cell(run_id).predictions).query("part == 'test'").sort_values("image_id")
            targets = _targets(folder)
            found = []
            for penalty in PENALTIES:
                train = parts == "train"
                scaler = StandardScaler().fit(embeddings[train])
                oracle = LogisticRegression(C=penalty, class_weight=weight, max_iter=5000, tol=1e-8)
                oracle.fit(scaler.transform(embeddings[train]), targets[train])
                assert set(oracle.classes_) == set(DIAGNOSES)
                found.append(oracle.predict_proba(scaler.transform(embeddings[parts == "test"])))
            nearest = min(np.abs(one - predictions[list(DIAGNOSES)].to_numpy()).max() for one in found)
            network = load_classifier(folder.cell(run_id).path).network
            head, bias = (tensor.detach().numpy() for tensor in network[-1].parameters())
            shares = np.exp(embeddings[parts == "test"] @ head.T + bias)
            shares /= shares.sum(axis=1, keepdims=True)
            np.testing.assert_allclose(shares, predictions[list(DIAGNOSES)], atol=1e-5)
            about = json.loads(folder.cell(run_id).model.read_text())
            if (
                float(about["head"].removeprefix("penalty C = ")) <= 0.1
            ):  # a weaker one does not converge: test_embeddings
                assert nearest < 0.02
                converged += 1
    assert converged


def _targets(folder):
    """The label of every image, sorted by id."""
    files = [folder.cell(run_id).predictions for run_id in pd.read_csv(folder.cells)["run_id"]]
    tested = pd.concat(map(pd.read_csv, files)).drop_duplicates("image_id").sort_values("image_id")
    return tested["target"].to_numpy()


def test_the_model_on_disk_says_what_was_predicted(bench):
    folder, _, _ = bench
    (run_id, *_) = cells(folder)["run_id"]
    predictions = pd.read_csv(folder.cell(run_id).predictions).query("part == 'test'")
    bench_ = load_bench(folder)
    classifier = load_classifier(folder.cell(run_id).path)
    table = prepare(bench_.recipe, load_catalog()).table
    pixels = table.images.pixels(table.rows_of(predictions["image_id"].tolist()), bench_.recipe.image_size)
    found = classifier.predict_proba(list(pixels))
    np.testing.assert_allclose(found, predictions[list(DIAGNOSES)].to_numpy(), atol=2e-4)
    about = json.loads(folder.cell(run_id).model.read_text())
    assert about["best_epoch"] == 0
    assert about["head"] in {f"penalty C = {penalty:g}" for penalty in PENALTIES}


def probe(**changes):
    keys = {"data": "synthetic:images=80", "models": "cnn:width=4", "image_size": 16, "weights": "none"}
    recipe = make_recipe({**keys, "imbalance": "none", "freeze": "all", "precision": "fp32", **changes})
    return prepare(recipe, load_catalog()).cells


def test_settings_of_training_make_no_other_probe():
    assert probe() == probe(epochs=7, learning_rate=0.1, augment="strong", batch_size=8)
    assert probe() != probe(tta="d4")
    assert probe(freeze="all,none") == probe(freeze="none,all")
    assert len(probe(freeze="none,all")) == 2 * len(probe())


def test_nothing_of_a_probe_is_searched():
    keys = {"data": "synthetic", "models": "cnn", "weights": "none", "learning_rate": 0.1, "batch_size": 8}
    with pytest.raises(UsageError, match="a probe has no training"):
        make_space(["freeze=none,all"], make_recipe(keys))
    with pytest.raises(UsageError, match="a probe has no training"):
        make_plan(make_recipe({**keys, "imbalance": "none", "freeze": "all"}), [], load_catalog())


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    """The folder of a bench of one frozen network under three heads, and its cache."""
    folder = tmp_path_factory.mktemp("heads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKINEVAL_CACHE", str(folder / "cache"))
        asked = (*TINY, "--freeze=all", "--probe=linear,neighbours,mean", "--imbalance=none,smote", "--out=out")
        done = run_here("bench", *asked, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count(": embedding ") == len(embedded(folder / "cache")) == 1
        yield BenchFolder(folder / "out"), asked


CNN = "cnn:width=4 (random"


def test_heads_are_rows_of_one_table(heads):
    folder, _ = heads
    models = {f"{CNN} probe)", f"{CNN} neighbours)", f"{CNN} nearest mean)"}
    assert set(pd.read_csv(folder.cells)["model"]) == models
    report = (folder.path / "report.md").read_text(encoding="utf-8")
    assert all(words in report for words in ("multinomial logistic", "Neighbours are", "The nearest mean is"))


@pytest.mark.parametrize("model", ["neighbours)", "nearest mean)"])
def test_the_model_of_each_head_says_what_was_predicted(heads, model):
    folder, _ = heads
    cells = pd.read_csv(folder.cells)
    bench_ = load_bench(folder)
    table = prepare(bench_.recipe, load_catalog()).table
    for run_id in cells.loc[cells["model"] == f"{CNN} {model}", "run_id"]:
        chosen = json.loads(folder.cell(run_id).model.read_text())["head"]
        assert re.fullmatch(r"\d+ neighbours" if model == "neighbours)" else r"temperature \d.*", chosen)
        predictions = pd.read_csv(folder.cell(run_id).predictions).query("part == 'test'")
        pixels = table.images.pixels(table.rows_of(predictions["image_id"].tolist()), bench_.recipe.image_size)
        found = load_classifier(folder.cell(run_id).path).predict_proba(list(pixels))
        np.testing.assert_allclose(found, predictions[list(DIAGNOSES)].to_numpy(), atol=1e-3)


def test_a_head_that_is_there_is_added_to(heads):
    folder, asked = heads
    done = run_here("bench", *asked, "--external=synthetic:images=70:seed=5", cwd=folder.path.parent)
    assert done.returncode == 0, done.stderr
    assert len(list(folder.path.glob("cells/*/external/*.csv"))) == 6


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"freeze": "none", "probe": "mean"}, "--probe is mean, and nothing is frozen"),
        (
            {"probe": "linear,mean", "imbalance": "none,class-weights"},
            "class-weights acts on a loss, and the head that --probe mean names has none",
        ),
    ],
)
def test_what_no_head_can_do_is_refused(keys, message):
    whole = {"data": "synthetic:images=150", "models": "cnn", "weights": "none", "image_size": 32, "freeze": "all"}
    with pytest.raises(UsageError, match=message):
        prepare(make_recipe({**whole, "imbalance": "none", **keys}), load_catalog())
