"""Strategies that change training: all of them in one bench, and what is refused before it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import skineval
from skineval.base.errors import UsageError
from skineval.catalog.catalog import load_catalog
from skineval.catalog.shelf import select
from skineval.catalog.strategy import ImbalanceStrategy
from skineval.grid.folder import BenchFolder
from skineval.grid.prepare import prepare
from skineval.grid.strategies import _told
from skineval.train.classifier import load_classifier
from skineval.values.recipe import make_recipe
from skineval.values.task import DIAGNOSES

KEYS = {
    "data": "synthetic:images=140", "models": "cnn:width=4", "image_size": 32, "weights": "none", "explainers": "",
    "epochs": 3, "precision": "fp32", "replicates": 1000,
}  # fmt: skip
CATALOG = load_catalog()
TRAINING = [one.name for one in CATALOG.imbalance if one.changes_training]
#: In so few images no class is so rare that the default of this one changes anything.
BENCHED = ",".join((*TRAINING, "ldam+crt", "class-weights+temperature")).replace("-augment", "-augment:below=0.9")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("strategies")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKINEVAL_CACHE", str(folder / "cache"))
        skineval.bench(**KEYS, imbalance=BENCHED, out=folder / "out")
    return BenchFolder(folder / "out")


def test_every_strategy_trains_a_network_of_its_own_and_combinations_those_of_their_parts(bench):
    cells = pd.read_csv(bench.cells)
    assert set(cells["status"]) == {"done"}, cells["reason"].tolist()
    assert len(list((bench.path / "networks").iterdir())) == len(TRAINING) == len(cells) - 2
    losses: dict[tuple[float, ...], list[str]] = {}
    for cell, strategy in zip(cells["run_id"], cells["imbalance"], strict=True):
        losses.setdefault(tuple(pd.read_csv(bench.cell(cell).history)["train_loss"]), []).append(strategy)
    assert sorted(names for names in losses.values() if len(names) > 1) == [
        ["balanced-softmax", "logit-adjusted-loss"],  # with tau 1, their formulas differ by a constant
        ["class-weights", "class-weights+temperature"],
        ["ldam", "ldam+crt"],
    ]


@pytest.mark.parametrize("strategy", ["ldam", "ldam+crt"])
def test_a_model_with_cosines_is_loaded_as_it_predicted(bench, strategy):
    cells = pd.read_csv(bench.cells).set_index("imbalance")["run_id"]
    cell = bench.cell(cells[strategy])
    frame = pd.read_csv(cell.predictions)
    table = prepare(make_recipe({**KEYS, "imbalance": "none"}), CATALOG).table
    pixels = table.images.pixels(table.rows_of(frame["image_id"].tolist()), KEYS["image_size"])
    expected = frame[list(DIAGNOSES)].to_numpy()
    np.testing.assert_allclose(load_classifier(cell.path).predict_proba(list(pixels)), expected, atol=2e-4)
    weights = np.abs(expected).max()
    assert weights < 1  # a head of cosines is never certain


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"imbalance": "cmo", "augment": "flip,mixup"}, "cmo mixes images, and so does mixup of --augment"),
        ({"imbalance": "remix", "freeze": "all"}, "remix changes images while a network is trained"),
        ({"imbalance": "ldam", "freeze": "all"}, "ldam trains a head of cosines with its network"),
        (
            {"imbalance": "focal", "freeze": "all", "probe": "mean"},
            "focal acts on a loss, and the head that --probe mean names has none",
        ),
        (
            {"imbalance": "tau-norm", "freeze": "all", "probe": "linear,neighbours"},
            "tau-norm changes a linear head, and --probe neighbours has none",
        ),
        (
            {"imbalance": "prior-em", "external": "synthetic", "reject": True},
            "prior-em takes all images of a set for images of the classes, and --reject adds images of none",
        ),
        ({"imbalance": "class-weights+focal"}, "class-weights and focal both act on the loss"),
        ({"imbalance": "oversample+undersample"}, "oversample and undersample both act on how images are drawn"),
        ({"imbalance": "smote+crt"}, "smote and crt both act on the head"),
        ({"imbalance": "thresholds+logit-adjustment"}, "both act on the logits"),
        ({"imbalance": "nearest-mean+temperature"}, "both act on the temperature of the logits"),
        (
            {"imbalance": "prior-em+square-root"},
            "are those of the train part no more once square-root has acted on how images are drawn",
        ),
        ({"imbalance": "ldam+tau-norm"}, "tau-norm changes a linear head, and that of ldam is of cosines"),
        ({"imbalance": "none+crt"}, "none changes nothing"),
        ({"imbalance": "crt+crt"}, "crt is in it 2 times"),
        ({"imbalance": "crt+"}, "A part is empty"),
        ({"imbalance": "cr*+temperature"}, "'cr\\*' may stand for more than one imbalance strategy"),
        ({"imbalance": "crt+temprature"}, "There is no imbalance strategy 'temprature'"),
        ({"imbalance": "class-weights:power=2+temperature"}, "class-weights:power is 2"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        prepare(make_recipe({**KEYS, **changes}), CATALOG)


def test_a_combination_is_one_in_whatever_order_it_is_written():
    texts = ["temperature+class-weights:power=0.5", "class-weights:power=0.5+temperature"]
    (selection,) = CATALOG.imbalance.select(texts)
    assert str(selection) == "class-weights:power=0.5+temperature"
    assert selection.parameters == {"class-weights.power": 0.5}
    assert str(CATALOG.imbalance.trained(selection)) == "class-weights:power=0.5"
    assert str(CATALOG.imbalance.trained(CATALOG.imbalance.select(["crt+temperature"])[0])) == "none"


@pytest.mark.parametrize(
    ("strategy", "overdone"),
    [
        ("class-weights+logit-adjustment", True),
        ("oversample+class-weights", True),
        ("crt+logit-adjustment", True),
        ("class-weights+crt", False),  # whose head is fitted anew
        ("ldam+logit-adjustment", False),
        ("ldam:after=0.8+logit-adjustment", True),
        ("square-root+logit-adjustment", True),
        ("class-weights:power=0+logit-adjustment", False),  # which changes nothing
        ("class-weights+logit-adjustment:tau=validation", False),  # where the rest is chosen
        ("class-weights+thresholds", False),
        ("class-weights+nearest-mean", False),  # whose means know nothing of the head before
        ("lws+logit-adjustment", True),
        ("crt+temperature", False),
        ("class-weights+crt --freeze all", True),  # of which there is one head, fitted once
        ("logit-adjustment --freeze all --probe mean", True),  # of which no class is more frequent to begin with
        ("logit-adjustment --freeze all", False),
    ],
)
def test_what_may_overdo_it_is_told(strategy, overdone):
    strategy, *flags = strategy.split(" --")
    keys = {**KEYS, "imbalance": strategy, **dict(flag.split() for flag in flags)}
    remarks = " ".join(prepare(make_recipe(keys), CATALOG).remarks)
    assert ("together they may overdo it" in remarks or "together they do it twice" in remarks) == overdone


@pytest.mark.parametrize("returned", [np.arange(3), None])
def test_what_tells_no_words_is_told(returned, capsys):
    def tells(counts, classes):
        print("chatty")
        return returned

    strategy = ImbalanceStrategy("chatty", "S.", tells=tells)
    (remark,) = _told(select(strategy), strategy, np.array([3, 1]), ("nv", "mel"))
    assert remark.endswith(
        f"could not be had: TypeError: tells returned {type(returned).__name__} where str is expected."
    )
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("counts", "k", "told"),
    [
        ([100, 1, 0], 5, "it will fail, for mel has a single train image, which has no neighbours in its class"),
        ([100, 5, 0], 5, "k will be 4 in place of 5, for mel has 5 train images"),
        ([100, 6, 0], 5, ""),
    ],
)
def test_neighbours_that_are_not_there_are_told_before_anything_is_trained(counts, k, told):
    assert CATALOG.imbalance["adasyn"].tells(np.array(counts), ("nv", "mel", "df"), k=k) == told


def test_how_much_shorter_an_epoch_is_is_told():
    tells = CATALOG.imbalance["undersample"].tells
    assert tells(np.array([10, 100, 0]), ("df", "nv", "mel")).startswith(
        "an epoch goes over 20 images in place of 110,"
    )


def test_nothing_is_told_of_weights_that_never_come():
    strategy, counts = CATALOG.imbalance["drw"], np.array([10, 100])
    assert strategy.tells(counts, ("df", "nv"), after=0.8, beta=0.9999).startswith(
        "from 80% of the epochs on, an image"
    )
    assert strategy.tells(counts, ("df", "nv"), after=1.0, beta=0.9999) == ""


def test_what_a_plugin_has_to_tell_fails_by_itself_and_changes_nothing_of_what_others_tell():
    def told(counts, classes):
        counts[:] = 1
        raise ZeroDivisionError("division by zero")

    shelf = CATALOG.imbalance
    theirs = replace(shelf.entries["none"], specification=replace(shelf["none"], name="theirs", tells=told))
    entries = {"theirs": theirs, **shelf.entries}
    catalog = replace(CATALOG, imbalance=replace(shelf, entries=entries))
    remarks = prepare(make_recipe({**KEYS, "imbalance": "theirs,class-weights"}), catalog).remarks
    assert any("theirs: what it has to tell could not be had: ZeroDivisionError" in remark for remark in remarks)
    assert remarks[-1] == prepare(make_recipe({**KEYS, "imbalance": "class-weights"}), CATALOG).remarks[-1]


def test_the_ratio_of_weights_is_told():
    """Of HAM10000's 6,705 and 115 images: Cui et al. 2019, eq. 2."""
    strategy = CATALOG.imbalance["effective-number"]
    counts = np.array([115, 6705])
    assert "times as much" in strategy.tells(counts, ("df", "nv"), beta=0.99)
    told = {beta: float(strategy.tells(counts, ("df", "nv"), beta=beta).split()[5]) for beta in (0.9999, 0.999, 0.99)}
    assert told == {beta: pytest.approx((1 - beta**6705) / (1 - beta**115), rel=0.01) for beta in (0.9999, 0.999, 0.99)}
