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
from skineval.base.errors import CellError, one_line
from skineval.builtins.imbalance import STRATEGIES, logit_adjustment
from skineval.catalog.calls import CALLS
from skineval.catalog.catalog import load_catalog
from skineval.catalog.shelf import select
from skineval.catalog.specs import Architecture
from skineval.catalog.strategy import ImbalanceStrategy
from skineval.data.splits.split import Parts
from skineval.grid.cell.cell import Cell, no_masks
from skineval.grid.cell.finishing import choose, finish, lesson, resampled, settle
from skineval.grid.cell.training import make_objective, remedies
from skineval.grid.folder import BenchFolder
from skineval.grid.prepare import prepare
from skineval.measure.metrics import balanced_accuracy
from skineval.measure.scaling import choose_temperature
from skineval.train.checkpoint import Progress
from skineval.train.classifier import load_classifier
from skineval.train.cosine import CosineHead
from skineval.train.fit import run_epoch
from skineval.train.learner import make_learner
from skineval.train.predict import decide
from skineval.train.prior import with_estimated_prior
from skineval.train.weights import Weights
from skineval.values.recipe import make_recipe
from skineval.values.runspec import Selection, Training
from skineval.values.task import DIAGNOSES
from tests.train.toys import stage

CHOSEN = ("thresholds", "tau-norm:tau=validation", "nearest-mean", "lws", "prior-em", "temperature")
REFITTED = ("crt", "random-over", "adasyn", "smote", "crt+temperature", "smote+temperature")
AFTER = ",".join(("logit-adjustment", "logit-adjustment:tau=validation", *REFITTED, *CHOSEN))
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


def parts(cell):
    frame, probabilities = predictions(cell)
    targets = pd.Categorical(frame["target"], list(DIAGNOSES)).codes.astype(np.int64)
    return {
        part: (targets[of], probabilities[of]) for part in ("validation", "test") if (of := frame["part"] == part).any()
    }


def recalls(targets, probabilities):
    return balanced_accuracy(targets, probabilities, np.ones((1, len(targets))), DIAGNOSES)[0]


def surprise(targets, probabilities):
    return -np.log(probabilities[np.arange(len(targets)), targets]).mean()


def test_what_is_chosen_on_the_validation_part_is_better_there(benches):
    plain = parts(benches["cnn:width=4", "none"])
    thresholds = parts(benches["cnn:width=4", "thresholds"])
    assert recalls(*thresholds["validation"]) > recalls(*plain["validation"])
    for name in ("crt", "smote"):
        refitted, cooled = (parts(benches["cnn:width=4", strategy]) for strategy in (name, f"{name}+temperature"))
        assert surprise(*cooled["validation"]) <= surprise(*refitted["validation"])
        for part, (_, probabilities) in refitted.items():
            np.testing.assert_array_equal(cooled[part][1].argmax(axis=1), probabilities.argmax(axis=1))


def test_the_shares_of_each_part_are_estimated_by_themselves(benches):
    plain, found = (parts(benches["cnn:width=4", name]) for name in ("none", "prior-em"))
    counts = np.array(json.loads(benches["cnn:width=4", "none"].cell.read_text())["train_counts"])
    for part, (_, probabilities) in plain.items():
        expected = with_estimated_prior(probabilities, counts / counts.sum()).probabilities
        np.testing.assert_allclose(found[part][1], expected, atol=1e-4)
    assert "estimated" in json.loads(benches["cnn:width=4", "prior-em"].model.read_text())["head"]


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
        spec=SimpleNamespace(imbalance=Selection("theirs"), classes=("red", "green", "blue")),
        architecture=SimpleNamespace(name="cnn"),
        train_labels=LABELS,
        train_counts=np.bincount(LABELS, minlength=3),
        stage=SimpleNamespace(on_note=[].append if notes is None else notes.append),
    )


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "None"),
        (EMBEDDINGS, r"float32 \(9, 2\) from .*"),
        ((EMBEDDINGS, None), r"\(float32 \(9, 2\) from \S+ to \S+, None\)"),
        ((EMBEDDINGS, np.eye(3)[LABELS]), r"\(float32 .*, float64 \(9, 3\) from 0 to 1\)"),
        ((EMBEDDINGS, [[0], [0, 1]]), r"\(float32 .*, \(\(int\), \(int, int\)\)\)"),
        ((EMBEDDINGS.astype(str), LABELS), r"\(<U32 \(9, 2\), int64 .*"),
        ((EMBEDDINGS[:5], LABELS), r"\(float32 \(5, 2\) .*"),
        ((EMBEDDINGS[:, :1], LABELS), r"\(float32 \(9, 1\) .*"),
        ((EMBEDDINGS[:0], LABELS[:0]), r"\(float32 \(0, 2\), int64 \(0,\)\)"),
        ((EMBEDDINGS, LABELS + 1), r"\(float32 .*, int64 \(9,\) from 1 to 2\)"),
        ((EMBEDDINGS * np.nan, LABELS), r"\(float32 \(9, 2\) from nan to nan, .*"),
    ],
)
def test_what_resampling_must_not_return_is_refused(returned, message):
    cell = cell_of(resample=lambda embeddings, labels, *, seed: returned)
    expected = (
        r"finite embeddings \(m, 2\) and of as many labels \(m,\), the numbers of classes .* are 0, 1, is expected"
    )
    with pytest.raises(CellError, match=f"^theirs: resample returned {message}; a pair of {expected}"):
        resampled(cell, (EMBEDDINGS, LABELS), 0)


def test_a_warning_of_a_strategy_is_a_note_on_the_cell():
    def resample(embeddings, labels, *, seed):
        warnings.warn("k is 2 in place of 5", stacklevel=1)
        return embeddings, labels

    resampled(cell_of(notes := [], resample=resample), (EMBEDDINGS, LABELS), 0)
    assert notes == ["theirs: k is 2 in place of 5."]


#: near-miss looks for those of images of other classes.
NEIGHBOURLY = [one for one in STRATEGIES if one.resample and "k" in one.parameters and one.name != "near-miss"]


@pytest.mark.parametrize("strategy", NEIGHBOURLY, ids=lambda one: one.name)
def test_a_class_with_a_single_image_is_named_where_neighbours_are_sought(strategy):
    labels = np.array([0] * 7 + [1, 2])
    cell = cell_of(resample=strategy.resample)
    cell.train_counts = np.bincount(labels)
    cell.spec.imbalance = select(strategy)
    with pytest.raises(CellError) as refused:
        resampled(cell, (EMBEDDINGS, labels), 0)
    reason = one_line(refused.value)
    assert reason.startswith(
        f"{strategy.name}: It looks for neighbours of an image in its own class, so that every class"
    )
    assert "needs two train images or more. The fewest train images are of green, blue: 1 each. Bench without" in reason


def test_what_resamples_in_place_harms_nobody_else_and_is_told_what_classes_are_called():
    labels, embeddings = LABELS.copy(), EMBEDDINGS.copy()

    def in_place(given, its, *, seed):
        given[:], its[:] = 0, 77
        return given, its

    def fails(given, its, *, seed):
        raise CellError("No clusters of class 1, nor of class 9.")

    with pytest.raises(CellError, match="numbers of classes of the train part, which are 0, 1, is expected"):
        resampled(cell_of(resample=in_place), (embeddings, labels), 0)
    np.testing.assert_array_equal(labels, LABELS)
    np.testing.assert_array_equal(embeddings, EMBEDDINGS)
    with pytest.raises(CellError, match=r"^theirs: No clusters of class green, nor of class 9\. The fewest"):
        resampled(cell_of(resample=fails), (embeddings, labels), 0)


def settled(head, **acts):
    return settle(cell_of(**acts), head, (EMBEDDINGS, LABELS), (EMBEDDINGS, LABELS))


@pytest.mark.parametrize("added", [[0.0, 1.0], [0.0, np.inf, 0.0], 0.0, None, "one"])
def test_what_cannot_be_added_to_logits_is_refused(added):
    with pytest.raises(CellError, match=r"^theirs: adjust returned .*; a finite number for each of 3 classes"):
        settled(nn.Linear(2, 3), adjust=lambda counts: added)
    with pytest.raises(CellError, match="The head has no bias"):
        settled(nn.Linear(2, 3, bias=False), adjust=lambda counts: [0, 1, 2])


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "None"),
        (np.zeros((3, 2)), r"float64 \(3, 2\) .*"),
        ((np.zeros((3, 2)), None), r"\(float64 \(3, 2\) .*, None\)"),
        ((np.zeros((2, 2)), np.zeros(3)), r"\(float64 \(2, 2\) from 0 to 0, float64 \(3,\) .*"),
        ((np.full((3, 2), np.nan), np.zeros(3)), r"\(float64 \(3, 2\) from nan to nan, .*"),
    ],
)
def test_what_is_no_head_is_refused(returned, message):
    with pytest.raises(
        CellError, match=rf"^theirs: refit returned {message}; a pair of finite weights \(3, 2\) and biases \(3,\)"
    ):
        settled(nn.Linear(2, 3), refit=lambda weight, bias, embeddings, labels: returned)


@pytest.mark.parametrize("function", ["loss", "augment", "mix"])
def test_what_is_to_make_a_function_and_makes_none_is_refused(function):
    """Nothing would be augmented or mixed, and nobody would know."""
    with pytest.raises(CellError, match=f"^theirs: {function} returned None; a function of .* is expected"):
        remedies(cell_of(**{function: lambda counts: None}), epochs=1)


def test_a_head_of_cosines_is_not_refitted():
    with pytest.raises(CellError, match="theirs changes a linear head, and this network has none"):
        settled(CosineHead(2, 3, 30.0), refit=lambda weight, bias, embeddings, labels: (weight, bias))


def test_a_probe_counts_embeddings_by_all_that_weighs_them():
    """Those of `oversample+crt` twice, as it is told."""
    cell = cell_of(
        draw_weights=lambda labels: 1 / np.bincount(labels)[labels], head_weights=lambda labels: labels + 1.0
    )
    cell.spec.is_probe = True
    expected = np.repeat([1 / 6, 2 / 3], [6, 3])
    np.testing.assert_allclose(_as_shares(lesson(cell, (EMBEDDINGS, LABELS)).shares), _as_shares(expected))
    cell.spec.is_probe = False
    np.testing.assert_allclose(_as_shares(lesson(cell, (EMBEDDINGS, LABELS)).shares), _as_shares(LABELS + 1.0))


def _as_shares(weights):
    return weights / weights.sum()


def test_weights_of_the_head_that_are_none_are_refused():
    cell = cell_of(head_weights=lambda labels: None)
    cell.spec.is_probe = False
    with pytest.raises(
        CellError, match=r"^theirs: head_weights returned None; an array \(9,\), for each train image a finite"
    ):
        lesson(cell, (EMBEDDINGS, LABELS))


def test_a_class_without_train_images_has_no_say_in_the_temperature():
    head = nn.Linear(2, 3)
    with torch.no_grad():
        head.bias[2] = -1e4  # as in a head that was fitted
    without = nn.Linear(2, 2)
    without.load_state_dict({name: tensor[:2] for name, tensor in head.state_dict().items()})
    expected = choose_temperature(decide(without, EMBEDDINGS).astype(np.float64), LABELS)
    cell = cell_of(chooses_temperature=True)
    assert list(choose(cell, head, (EMBEDDINGS, LABELS))) == [f"temperature {expected:.4g}"]


POISON = 1e9  #: what stands in every embedding of the validation and the test part
BRIGHT = 255  #: the pixels of their images; normalised, they are above 2, and those of the train part below
TRAIN = np.repeat([0, 1, 2], [40, 15, 12])
OTHERS = np.repeat([0, 1, 2, 3], [5, 5, 5, 5])  # class 3 is in no train part


def spied(strategy, seen):
    """The strategy, with all that its functions, and those that they return, are handed kept in `seen`."""

    def spy(function, given=slice(None)):
        def call(*arguments, **parameters):
            seen.extend(torch.as_tensor(argument).detach().numpy() for argument in arguments[given])
            returned = function(*arguments, **parameters)
            return spy(returned, slice(2)) if callable(returned) else returned

        return call

    acts = [name for name in CALLS[ImbalanceStrategy] if getattr(strategy, name) and name != "tells"]
    # Of what `refit` is given, the head comes from training.
    return replace(strategy, **{name: spy(getattr(strategy, name), slice(-2, None)) for name in acts})


CATALOG = load_catalog()
STRATEGIES = [one for one in CATALOG.imbalance if any(getattr(one, name) for name in CALLS[ImbalanceStrategy])]


@pytest.mark.parametrize(
    ("name", "probe"),
    [
        *((one.name, "") for one in STRATEGIES),
        *((one.name, "linear") for one in STRATEGIES if {"loss", "draws"} & {*one.slots}),  # act on its head
    ],
)
def test_no_strategy_sees_more_than_the_train_part(name, probe):
    seen = []
    (selection,) = CATALOG.imbalance.select([name.replace("kmeans-smote", "kmeans-smote:clusters=4")])  # of few rows
    generator = np.random.default_rng(0)
    order = generator.permutation(len(TRAIN) + 2 * len(OTHERS))
    train, validation, test = np.split(order, [len(TRAIN), len(TRAIN) + len(OTHERS)])
    targets = np.empty(len(order), dtype=np.int64)
    targets[train], targets[validation], targets[test] = TRAIN, OTHERS, OTHERS
    embeddings = np.full((len(order), 4), POISON, dtype=np.float32)
    embeddings[train] = np.random.default_rng(1).normal(size=(len(TRAIN), 4)) + TRAIN[:, None] % 2
    store = np.full((len(order), 4, 4, 3), BRIGHT, dtype=np.uint8)
    store[train] = generator.integers(0, 200, (len(TRAIN), 4, 4, 3))
    strategy = spied(CATALOG.imbalance[name], seen)
    spec = SimpleNamespace(
        imbalance=selection, training=Training(epochs=3, batch_size=8, learning_rate=1e-3, augment="none"),
        classes=("a", "b", "c", "d"), probe=probe, is_probe=bool(probe), model="toy", seed=0, fold=0,
    )  # fmt: skip
    toy = Architecture("toy", lambda num_classes, *, weights: nn.Linear(4, num_classes), "A head.")
    parts = Parts(train, validation, test)
    cell = Cell(spec, toy, strategy, Weights("none"), None, parts, targets, stage(store), False, (), no_masks, None)
    network = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(3, 4), nn.Linear(4, 4))
    if not probe:
        learner = make_learner(network, spec.training, cell.stage.device)
        run_epoch(learner, spec, make_objective(cell, network), cell.stage, Progress())
    finish(cell, network, embeddings)
    assert seen
    for handed in seen:
        if handed.ndim == 4:  # images
            assert handed.max() < 2
        elif handed.ndim == 2 and handed.shape[0] == len(TRAIN):  # embeddings
            assert (handed < POISON).all()
        elif handed.ndim == 1 and handed.shape == (len(spec.classes),):  # counts
            assert handed.tolist() == [40, 15, 12, 0]
        elif handed.ndim == 1:  # labels; those that resampling made, too
            assert {*handed.tolist()} <= {0, 1, 2}
        else:  # logits of a batch
            assert handed.shape[1] == len(spec.classes)
