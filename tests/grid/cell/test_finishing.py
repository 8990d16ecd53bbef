"""Strategies that act on trained networks: one network serves them all, and each does to it what it says."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import skineval
from skineval.base.errors import CellError
from skineval.builtins.imbalance import logit_adjustment
from skineval.catalog.catalog import load_catalog
from skineval.catalog.specs import Architecture
from skineval.catalog.strategy import ImbalanceStrategy
from skineval.data.splits.split import Parts
from skineval.grid.cell.cell import Cell, no_masks
from skineval.grid.cell.finishing import adjust, finish, resampled
from skineval.grid.cell.training import make_objective
from skineval.grid.folder import BenchFolder
from skineval.grid.prepare import prepare
from skineval.measure.metrics import balanced_accuracy
from skineval.train.classifier import load_classifier
from skineval.train.weights import Weights
from skineval.values.recipe import make_recipe
from skineval.values.runspec import Selection, Training
from skineval.values.task import DIAGNOSES

AFTER = "logit-adjustment,logit-adjustment:tau=validation,crt,random-over,adasyn"
KEYS = {"data": "synthetic:images=200", "models": "cnn:width=4", "image_size": 32, "weights": "none", "explainers": ""}


@pytest.fixture(scope="module")
def benches(tmp_path_factory):
    """A bench of a trained network, and one of its probes with every head: run_id and folder by model and strategy."""
    folder = tmp_path_factory.mktemp("finishing")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKINEVAL_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        first = {**KEYS, "epochs": 2, "precision": "fp32", "replicates": 1000, "out": folder / "out"}
        skineval.bench(**first, imbalance="none")
        networks = sorted((folder / "out" / "networks").iterdir())
        skineval.bench(**first, imbalance=f"none,{AFTER}")
        assert sorted((folder / "out" / "networks").iterdir()) == networks  # nothing was trained
        probes = {**KEYS, "freeze": "all", "probe": "linear,neighbours,mean", "replicates": 1000}
        skineval.bench(**probes, imbalance="none,logit-adjustment", out=folder / "probes")
    for name in ("out", "probes"):
        bench = BenchFolder(folder / name)
        cells = pd.read_csv(bench.cells)
        assert set(cells["status"]) == {"done"}, cells["reason"].tolist()
        found |= {(row.model, row.imbalance): bench.cell(row.run_id) for row in cells.itertuples()}
    return found


def predictions(cell):
    frame = pd.read_csv(cell.predictions)
    return frame, frame[list(DIAGNOSES)].to_numpy()


def offsets(cell, tau=1.0):
    return logit_adjustment(np.array(json.loads(cell.cell.read_text())["train_counts"]), tau=tau)


def adjusted(probabilities, added):
    weighed = probabilities * np.exp(added)
    return weighed / weighed.sum(axis=1, keepdims=True)


def test_adjusted_predictions_are_those_of_the_plain_network_over_the_class_shares(benches):
    for (model, strategy), cell in benches.items():
        if strategy == "logit-adjustment":
            _, plain = predictions(benches[model, "none"])
            _, found = predictions(cell)
            np.testing.assert_allclose(found, adjusted(plain, offsets(cell)), atol=1e-5, err_msg=model)


def test_tau_is_the_best_on_the_validation_part(benches):
    cell = benches["cnn:width=4", "logit-adjustment:tau=validation"]
    frame, plain = predictions(benches["cnn:width=4", "none"])
    validation = (frame["part"] == "validation").to_numpy()
    targets = pd.Categorical(frame["target"][validation], list(DIAGNOSES)).codes.astype(np.int64)
    tried = np.arange(0, 2.25, 0.25)
    scores = [
        balanced_accuracy(
            targets, adjusted(plain[validation], offsets(cell, tau)), np.ones((1, len(targets))), DIAGNOSES
        )[0]
        for tau in tried
    ]
    best = tried[int(np.argmax(scores))]
    assert json.loads(cell.model.read_text())["head"] == f"tau = {best:g}"
    np.testing.assert_allclose(predictions(cell)[1], adjusted(plain, offsets(cell, best)), atol=1e-5)


def test_the_model_on_disk_has_what_was_added(benches):
    cell = benches["cnn:width=4 (random neighbours)", "logit-adjustment"]
    frame, expected = predictions(cell)
    table = prepare(make_recipe({**KEYS, "imbalance": "none"}), load_catalog()).table
    pixels = table.images.pixels(table.rows_of(frame["image_id"].tolist()), KEYS["image_size"])
    np.testing.assert_allclose(load_classifier(cell.path).predict_proba(list(pixels)), expected, atol=2e-4)


LABELS = np.repeat([0, 1], [6, 3])
EMBEDDINGS = np.arange(18, dtype=np.float32).reshape(9, 2)


def cell_of(notes=None, **acts):
    """As much of a cell as its strategy sees."""
    return SimpleNamespace(
        strategy=ImbalanceStrategy("theirs", "One of a plugin.", **acts),
        spec=SimpleNamespace(imbalance=Selection("theirs")),
        architecture=SimpleNamespace(name="cnn"),
        train_labels=LABELS,
        train_counts=np.bincount(LABELS, minlength=3),
        stage=SimpleNamespace(on_note=[].append if notes is None else notes.append),
    )


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ((EMBEDDINGS[:5], LABELS), r"theirs returned embeddings \(5, 2\) and labels \(9,\) for \(9, 2\)"),
        ((EMBEDDINGS[:, :1], LABELS), r"theirs returned embeddings \(9, 1\)"),
        ((EMBEDDINGS[:0], LABELS[:0]), r"theirs returned embeddings \(0, 2\)"),
        ((EMBEDDINGS, LABELS + 1), r"labels of no class of the train part: \[2\]"),
        ((EMBEDDINGS * np.nan, LABELS), "embeddings that are not finite"),
    ],
)
def test_what_resampling_must_not_return_is_refused(returned, message):
    cell = cell_of(resample=lambda embeddings, labels, *, seed: returned)
    with pytest.raises(CellError, match=message):
        resampled(cell, EMBEDDINGS, 0)


def test_a_warning_of_a_strategy_is_a_note_on_the_cell():
    def resample(embeddings, labels, *, seed):
        warnings.warn("k is 2 in place of 5", stacklevel=1)
        return embeddings, labels

    resampled(cell_of(notes := [], resample=resample), EMBEDDINGS, 0)
    assert notes == ["theirs: k is 2 in place of 5."]


@pytest.mark.parametrize("added", [[0.0, 1.0], [0.0, np.inf, 0.0], 0.0])
def test_what_cannot_be_added_to_logits_is_refused(added):
    with pytest.raises(CellError, match="theirs is to add a finite number to the logits of each of 3 classes"):
        adjust(cell_of(adjust=lambda counts: added), nn.Linear(2, 3), lambda: None)
    with pytest.raises(CellError, match="the head of cnn has no bias to add to"):
        adjust(cell_of(adjust=lambda counts: [0, 1, 2]), nn.Linear(2, 3, bias=False), lambda: None)


POISON = 1e9  #: what stands in every embedding of the validation and the test part
TRAIN = np.repeat([0, 1, 2], [40, 15, 12])
OTHERS = np.repeat([0, 1, 2, 3], [5, 5, 5, 5])  # class 3 is in no train part


def spied(strategy, seen):
    """The strategy, with all that its functions are handed kept in `seen`."""

    def spy(function):
        def call(*arguments, **parameters):
            seen.extend(np.array(argument) for argument in arguments)
            return function(*arguments, **parameters)

        return call

    acts = ("loss", "draw_weights", "resample", "head_weights", "adjust")
    return replace(strategy, **{name: spy(function) for name in acts if (function := getattr(strategy, name))})


STRATEGIES = [entry.specification for entry in load_catalog().imbalance.entries.values() if entry.specification.places]


@pytest.mark.parametrize(
    ("name", "probe"),
    [
        *((one.name, "") for one in STRATEGIES),
        *((one.name, "linear") for one in STRATEGIES if {"loss", "sampler"} & {*one.places}),  # act on its head
    ],
)
def test_no_strategy_sees_more_than_the_train_part(name, probe):
    seen = []
    (selection,) = load_catalog().imbalance.select([name])
    order = np.random.default_rng(0).permutation(len(TRAIN) + 2 * len(OTHERS))
    train, validation, test = np.split(order, [len(TRAIN), len(TRAIN) + len(OTHERS)])
    targets = np.empty(len(order), dtype=np.int64)
    targets[train], targets[validation], targets[test] = TRAIN, OTHERS, OTHERS
    embeddings = np.full((len(order), 4), POISON, dtype=np.float32)
    embeddings[train] = np.random.default_rng(1).normal(size=(len(TRAIN), 4)) + TRAIN[:, None] % 2
    training = Training(epochs=1, batch_size=8, learning_rate=1e-3, augment="none")
    spec = SimpleNamespace(
        imbalance=selection, training=training, classes=("a", "b", "c", "d"), probe=probe, is_probe=bool(probe),
        model="toy", seed=0, fold=0,
    )  # fmt: skip
    stage = SimpleNamespace(device=torch.device("cpu"), on_note=lambda note: None)
    strategy = spied(load_catalog().imbalance[name], seen)
    toy = Architecture("toy", lambda num_classes, *, weights: nn.Linear(4, num_classes), "A head.")
    parts = Parts(train, validation, test)
    cell = Cell(spec, toy, strategy, Weights("none"), None, parts, targets, stage, False, (), no_masks, None)
    network = nn.Sequential(nn.Linear(4, 4))
    if not probe:
        make_objective(cell, network)
    finish(cell, network, embeddings)
    assert seen
    for handed in seen:
        if handed.ndim == 2:  # embeddings
            assert (handed < POISON).all()
            assert len(handed) == len(TRAIN)
        elif len(handed) == len(spec.classes):  # counts
            assert handed.tolist() == [40, 15, 12, 0]
        else:  # labels; those that resampling made, too
            assert set(handed.tolist()) == {0, 1, 2}
