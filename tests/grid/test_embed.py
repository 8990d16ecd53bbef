"""Embeddings as a product, and those that come back from a file: the figures of a probe, to the last digit."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import skineval
from skineval.base.errors import DataError, ModelFileError, UsageError
from skineval.catalog.catalog import load_catalog
from skineval.data.embedding_file import read_embeddings, write_embeddings
from skineval.grid.folder import BenchFolder
from skineval.grid.learnt import learnt_by
from skineval.grid.prepare import prepare
from skineval.train.classifier import load_classifier
from skineval.tuning.plan import make_plan
from skineval.values.embeddings import Embeddings
from skineval.values.learnt import NOTHING, UNKNOWN, Learnt
from skineval.values.recipe import make_recipe
from skineval.values.task import DIAGNOSES
from tests.conftest import TINY, run_here

DATA = "synthetic:images=150"
OF_DATA = ("--data", DATA, "--image-size=32")
STRATEGIES = "none,class-weights,oversample,smote"


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A bench of a probe beside the same embeddings from two files, and what it printed."""
    folder = tmp_path_factory.mktemp("embed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKINEVAL_CACHE", str(folder / "cache"))
        for name in ("first.npz", "second.csv"):
            done = run_here("embed", "cnn:width=4", *OF_DATA, "--weights=none", f"--out={name}", cwd=folder)
            assert done.returncode == 0, done.stderr
            assert f"Embeddings: {name} (150 images, 32 numbers each)" in done.stderr
        asked = [one for one in TINY if not one.startswith("--models")]
        models = "--models=cnn:width=4,embeddings:file=first.npz,embeddings:file=second.csv"
        done = run_here(
            "bench", *asked, models, "--freeze=all", "--folds=2", f"--imbalance={STRATEGIES}", "--out=out", cwd=folder
        )
        assert done.returncode == 0, done.stderr
        yield BenchFolder(folder / "out"), done


def test_figures_of_a_file_are_those_of_the_probe(bench):
    folder, _ = bench
    results = pd.read_csv(folder.results)
    figures = {
        model: of.drop(columns="model").reset_index(drop=True)
        for model, of in results[~results["model"].isin(["majority", "prior"])].groupby("model")
    }
    assert set(figures) == {"cnn:width=4 (random probe)", "embeddings (first probe)", "embeddings (second probe)"}
    probe = figures.pop("cnn:width=4 (random probe)")
    assert set(probe["imbalance"]) == set(STRATEGIES.split(","))
    for figure in figures.values():
        pd.testing.assert_frame_equal(figure, probe, check_exact=True)


def test_the_report_says_what_made_a_file(bench):
    folder, _ = bench
    _, _, limitations = (folder.path / "report.md").read_text(encoding="utf-8").partition("## Limitations\n")
    assert limitations
    for name in ("first.npz", "second.csv"):
        assert f"{name} was made by cnn:width=4 with random weights, at 32 pixels." in limitations.replace("\\", "")


def test_a_file_has_no_maps_and_is_done_without_them(bench):
    folder, _ = bench
    cells = pd.read_csv(folder.cells)
    assert set(cells["status"]) == {"done"}
    explained = [folder.cell(run_id).explanation("gradcam").is_dir() for run_id in cells["run_id"]]
    assert explained == [model.startswith("cnn") for model in cells["model"]]
    again = run_here("bench", str(folder.recipe), "--out=out", cwd=folder.path.parent)
    assert "24 of 24 cells are there already" in again.stderr
    assert "[first probe" not in again.stdout  # names in brackets are no markup


def test_the_cell_of_a_file_cannot_look_at_images(bench):
    folder, _ = bench
    run_id = pd.read_csv(folder.cells).set_index("model").loc["embeddings (first probe)", "run_id"].iloc[0]
    with pytest.raises(UsageError, match="cannot look at images"):
        load_classifier(folder.cell(run_id).path)


def test_of_a_trained_cell_the_file_says_on_what_it_was_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("SKINEVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    keys = {"data": DATA, "image_size": 32, "models": "cnn:width=4", "imbalance": "none", "explainers": ""}
    result = skineval.bench(**keys, epochs=1, out=tmp_path / "out", weights="none", replicates=1000)
    cell = BenchFolder(tmp_path / "out").cell(result.finished[0].run_id)
    found = skineval.embed(cell.path, DATA, out="made.npz")
    split = pd.read_csv(tmp_path / "out" / "split.csv").set_index("image_id")["part"]
    assert found.learnt == Learnt(set(split.index[split != "test"]), known=set(split.index))
    # What its head says of them is what was predicted.
    classifier = load_classifier(cell.path)
    weight, bias = (tensor.detach().numpy() for tensor in classifier.network[-1].parameters())
    logits = found.values @ weight.T + bias
    predictions = pd.read_csv(cell.predictions).set_index("image_id")
    rows = pd.Series(range(len(found)), found.ids)[predictions.index].to_numpy()
    shares = np.exp(logits[rows]) / np.exp(logits[rows]).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, predictions[list(DIAGNOSES)], atol=1e-5)
    # With its own split that is fair; with another one it would leak.
    recipe = {**keys, "models": "embeddings:file=made.npz"}
    prepare(make_recipe({**recipe, "split": str(tmp_path / "out" / "split.csv")}), load_catalog())
    with pytest.raises(DataError, match=r"made.npz was trained on, or chosen by, .* that are tested"):
        prepare(make_recipe({**recipe, "split_seed": 3}), load_catalog())
    with pytest.raises(UsageError, match=r"--image-size is 64, and .* was trained with 32"):
        skineval.embed(cell.path, DATA, image_size=64)
    with pytest.raises(UsageError, match=r"--weights is given, and .* has its own"):
        skineval.embed(cell.path, DATA, weights="none")
    with pytest.raises(ModelFileError, match=r"out is no trained model\. The cells of the bench"):
        skineval.embed(tmp_path / "out", DATA)
    # So it is where what it has learnt comes as a file of weights, to begin with or to embed with.
    for freeze in ("none", "all"):
        begun = {**keys, "weights": str(cell.weights), "freeze": freeze}
        prepare(make_recipe({**begun, "split": str(tmp_path / "out" / "split.csv")}), load_catalog())
        with pytest.raises(DataError, match=r"model.safetensors was trained on, or chosen by, .* that are tested"):
            prepare(make_recipe({**begun, "split_seed": 3}), load_catalog())
    assert skineval.embed("cnn:width=4", DATA, image_size=32, weights=str(cell.weights)).learnt == found.learnt
    elsewhere = tmp_path / "copy.safetensors"
    elsewhere.write_bytes(cell.weights.read_bytes())
    assert skineval.embed("cnn:width=4", DATA, image_size=32, weights=str(elsewhere)).learnt == UNKNOWN
    (told,) = prepare(make_recipe({**keys, "weights": str(elsewhere)}), load_catalog()).remarks
    assert told.startswith("Of all 150 images of synthetic")
    # In the folder of another bench nothing says what it was trained on.
    skineval.bench(**{**keys, "split_seed": 3}, epochs=1, out=tmp_path / "third", weights="none", replicates=1000)
    moved = shutil.copytree(cell.path, BenchFolder(tmp_path / "third").cell(cell.path.name).path)
    assert learnt_by(moved) == UNKNOWN
    # A second one that began with the first knows its own images, and not those of the first.
    begun = {**keys, "split_seed": 3, "weights": str(elsewhere)}
    second = skineval.bench(**begun, epochs=1, out=tmp_path / "second", replicates=1000)
    cell = BenchFolder(tmp_path / "second").cell(second.finished[0].run_id)
    found = skineval.embed(cell.path, DATA, out="second.npz")
    split = pd.read_csv(tmp_path / "second" / "split.csv").set_index("image_id")["part"]
    learnt = set(split.index[split != "test"])
    assert found.learnt == Learnt(learnt, known=learnt)
    assert read_embeddings(Path("second.npz")).learnt == found.learnt
    own = {"split": str(tmp_path / "second" / "split.csv")}
    for asked in ({**keys, "weights": str(cell.weights)}, {**recipe, "models": "embeddings:file=second.npz"}):
        assert any(
            f"of {150 - len(learnt)} of the 150 images" in told.lower()
            for told in prepare(make_recipe(asked | own), load_catalog()).remarks
        )
        with pytest.raises(DataError, match=r"was trained on, or chosen by, .* that are tested"):
            prepare(make_recipe({**asked, "split_seed": 5}), load_catalog())


@pytest.fixture
def ids():
    table = prepare(make_recipe({"data": DATA, "models": "cnn"} | SMALL), load_catalog()).table
    return table.frame["image_id"].tolist()


SMALL = {"imbalance": "none", "image_size": 32, "weights": "none", "folds": 2}


def prepared(**keys):
    return prepare(make_recipe({"data": DATA, "models": "embeddings:file=made.npz"} | SMALL | keys), load_catalog())


def write(ids, width=3, learnt=UNKNOWN, seed=0):
    values = np.random.default_rng(seed).normal(size=(len(ids), width)).astype(np.float32)
    write_embeddings(Path("made.npz"), Embeddings("made", np.array(ids), values, learnt), replace=True)


def test_what_a_file_holds_is_held_against_the_data(tmp_path, monkeypatch, ids):
    monkeypatch.chdir(tmp_path)
    write(ids[1:])
    with pytest.raises(DataError, match=rf"no embeddings of 1 of the 150 images of .*: {ids[0]}"):
        prepared()
    write([*ids, "other"])
    (unknown, more) = prepared().remarks
    assert "does not say of all 150 images" in unknown
    assert more == "made.npz holds 1 image that the bench does not: other."
    write(ids, learnt=NOTHING)
    assert prepared().remarks == ()
    remarks = prepared(seeds="0,1", imbalance="none,oversample,undersample,smote").remarks
    (seeds,) = (one for one in remarks if one.startswith("Seeds change nothing"))
    assert seeds.startswith("Seeds change nothing of embeddings (made probe) under none, oversample: ")
    write(ids, width=1, learnt=NOTHING)  # a single dimension is enough
    assert {cell.model.text for cell in prepared().cells} == {"embeddings (made probe)"}
    with pytest.raises(UsageError, match="--tta is d4, and embeddings of a file are of images as they are"):
        prepared(tta="d4")


def test_an_id_of_two_pictures_has_no_embedding(tmp_path, monkeypatch, ids):
    monkeypatch.chdir(tmp_path)
    write(ids, learnt=NOTHING)
    with pytest.raises(
        DataError, match=r"made.npz knows pictures by their ids, and 80 ids of .* are of other pictures"
    ):
        prepared(external="synthetic:images=80")


def test_all_heads_and_folds_of_a_probe_have_one_network(tmp_path, monkeypatch):
    recipe = {"data": DATA, "models": "cnn", "freeze": "none,all", "probe": "linear,neighbours,mean"} | SMALL
    cells = prepare(make_recipe(recipe), load_catalog()).cells
    assert len({cell.initial_seed for cell in cells if cell.probe}) == 1
    assert len({cell.initial_seed for cell in cells if not cell.probe}) == SMALL["folds"]


def test_the_run_id_is_of_the_numbers_and_not_of_the_place(tmp_path, monkeypatch, ids):
    monkeypatch.chdir(tmp_path)
    write(ids)
    first = [cell.run_id for cell in prepared().cells]
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "made.npz").rename(tmp_path / "elsewhere" / "made.npz")
    moved = prepared(models="embeddings:file=elsewhere/made.npz")
    assert [cell.run_id for cell in moved.cells] == first
    write(ids, seed=1)
    assert [cell.run_id for cell in prepared().cells] != first
    assert read_embeddings(tmp_path / "made.npz").fingerprint == prepared().cells[0].weights


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("embeddings", "embeddings names no file"),
        ("cnn+embeddings:file=made.npz", "embeddings looks at no images"),
        ("embeddings:file=", "embeddings names no file"),
        ("embeddings:width=3", "embeddings has no parameter 'width'"),
    ],
)
def test_other_ways_to_name_a_file_are_refused(model, message):
    with pytest.raises(UsageError, match=message):
        load_catalog().architectures.select([model])
    with pytest.raises(
        UsageError, match=r"no model 'b.npz'.\nWhere that is the rest of the path after 'embeddings:file=a': a path"
    ):
        load_catalog().architectures.select(["embeddings:file=a", "b.npz"])


def test_a_path_may_hold_what_else_stands_between_parts(tmp_path, monkeypatch, ids):
    monkeypatch.chdir(tmp_path)
    write(ids)
    (tmp_path / "made.npz").rename("a+b:c=d.npz")
    cells = prepared(models="embeddings:file=a+b:c=d.npz").cells
    assert {cell.model.text for cell in cells} == {"embeddings (a+b:c=d probe)"}


def test_no_glob_matches_what_needs_a_file():
    assert "embeddings" not in [one.name for one in load_catalog().architectures.select(["*"])]
    with pytest.raises(UsageError, match=r"No network matches 'emb\*'"):
        load_catalog().architectures.select(["emb*"])


def test_a_search_has_nothing_to_search(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="A search is for a network, and embeddings is none"):
        make_plan(make_recipe({"data": DATA, "models": "embeddings:file=made.npz"} | SMALL), [], load_catalog())


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"model": "cnn,resnet18"}, "There is no model 'cnn,resnet18'"),
        ({"model": "resnet*"}, "One network embeds, and there are"),
        ({"weights": "none", "out": "made.txt"}, "--out is made.txt, which ends in '.txt'"),
        ({"model": "embeddings:file=made.npz"}, "are embeddings already"),
    ],
)
def test_what_cannot_embed_is_said(tmp_path, monkeypatch, ids, keys, message):
    monkeypatch.chdir(tmp_path)
    write(ids)
    with pytest.raises(UsageError, match=message):
        skineval.embed(**{"model": "cnn", "data": DATA, "weights": "none", **keys})
