"""Figures of many classes, and of classes with long names."""

from __future__ import annotations

import re
from dataclasses import replace
from math import nan

import numpy as np
import pytest

from skineval.report.bench import standings
from skineval.report.bench.leaderboard import Leaderboard
from skineval.report.bench.systems import System
from skineval.report.document.excerpt import FREQUENT, WORST, Shown
from skineval.report.figures import confusion, forest, roc, style
from skineval.report.figures.scene import Scene
from skineval.values.measures import Score
from skineval.values.predictions import Predictions
from skineval.values.task import Task

CLASSES = tuple(f"a-class-name-that-is-forty-letters-{k:05d}" for k in range(20))
TASK = Task("many", CLASSES, dict(zip(CLASSES, CLASSES, strict=True)))


@pytest.fixture(scope="module")
def scene() -> Scene:
    draws = np.random.default_rng(0)
    targets = np.repeat(np.arange(20), np.arange(3, 23))  # the last class is the most frequent
    logits = draws.normal(size=(len(targets), 20)) + 3 * np.eye(20)[targets]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    ids = np.array([f"image-{k}" for k in range(len(targets))])
    part = np.full(len(targets), "test")
    test = Predictions(CLASSES, ids, ids, ids, part, targets, probabilities, 0, 0)
    recalls = [
        Score(k / 20, nan, nan, model="cnn", imbalance="none", metric="recall", class_=name, **sizes(k))
        for k, name in enumerate(CLASSES)
    ]
    primary = Score(0.5, 0.4, 0.6, model="cnn", imbalance="none", metric="balanced_accuracy", **sizes(200))
    board = Leaderboard("Internal test", [primary, *recalls], classes=CLASSES)
    return Scene(board, [System("cnn/none", (test,), "1 cell")], style.looks(["cnn/none"]), TASK)


def sizes(n: int) -> dict[str, int]:
    return {"n_images": n + 3, "n_lesions": n + 3, "n_cells": 1}


def test_a_confusion_matrix_counts_every_image_and_joins_the_others(scene: Scene) -> None:
    test, shown = scene.systems[0].test, scene.board.shown
    found = confusion._matrix(test, shown)
    calls = test.probabilities.argmax(axis=1)
    assert found.counts.sum() == len(test)
    others = [CLASSES.index(name) for name in shown.others]
    of_others = np.isin(test.targets, others)
    assert found.counts[-1, -2] == np.count_nonzero(of_others & np.isin(calls, others))
    right = np.count_nonzero(of_others & (calls == test.targets))
    assert f"{right} of their {np.count_nonzero(of_others)} images are called right" in found.others
    for row, name in enumerate(shown.classes):
        place = CLASSES.index(name)
        assert found.counts[row, row] == np.count_nonzero((test.targets == place) & (calls == place))
        assert found.counts[row].sum() == np.count_nonzero(test.targets == place)
    whole = confusion._matrix(test, Shown(CLASSES, CLASSES))
    assert (whole.labels, whole.others, whole.counts.shape) == (CLASSES, "", (20, 21))


def test_all_figures_show_the_same_classes_and_say_which(scene: Scene) -> None:
    shown = scene.board.shown
    assert shown.classes == (*CLASSES[: -FREQUENT - 1 : -1], *CLASSES[:WORST])
    for drawn in (forest.recall(scene), roc.draw(scene), confusion.draw(scene.systems[0], scene)):
        named = set(re.findall(r"a-class-name-that-is-forty-letters-\d{5}", drawn.figure.alt))
        assert named == set(shown.classes)
        assert "the other 9 are left out" in drawn.figure.caption
        assert len(drawn.files) == 2


def test_the_macro_curve_is_the_mean_of_all_classes(scene: Scene) -> None:
    test = scene.systems[0].test
    some, everything = roc._curves(test, scene.board.shown.classes), roc._curves(test, CLASSES)
    assert len(some) == FREQUENT + WORST + 1
    assert np.array_equal(some[-1][1], everything[-1][1])


@pytest.mark.parametrize("width", [1.0, 1.8])
def test_the_name_of_a_class_is_broken_where_its_parts_meet(width: float) -> None:
    lines = style.class_lines(CLASSES[0], width, 9.0).split("\n")
    assert "".join(lines) == CLASSES[0]
    assert all(line.endswith("-") for line in lines[:-1])
    assert max(map(len, lines)) <= style.fitting(width, 9.0)


def test_nothing_is_said_of_the_worst_where_no_system_finished(scene: Scene) -> None:
    board = replace(scene.board, scores=())
    assert len(board.shown.classes) == FREQUENT


def test_tables_show_the_classes_that_figures_do_and_hold_all(scene: Scene) -> None:
    board, shown = scene.board, scene.board.shown
    table = standings.per_class(board, "cnn/none", shown)
    assert [row.cells[0] for row in table.rows] == list(shown.classes)
    assert table.whole is not None
    assert [row.cells[0] for row in table.whole.rows] == list(CLASSES)
    assert "results.csv has all." in " ".join(table.footnotes)
    scores = standings.scores(board)
    assert {row.cells[2] for row in scores.rows} == {"", *shown.classes}
    assert scores.whole is not None
    assert len(scores.whole.rows) == len(board.scores)
    # A further test shows the classes of the internal one, whichever are the worst in it.
    other = replace(board, scores=[replace(one, value=1 - one.value) for one in board.scores], external="elsewhere")
    assert other.shown.classes != shown.classes
    assert [row.cells[0] for row in standings.per_class(other, "cnn/none", shown).rows] == list(shown.classes)


@pytest.mark.parametrize(("classes", "malignancy"), [(2, False), (3, True)])
def test_with_two_classes_one_area_says_all_and_is_called_what_it_is_called_everywhere(
    scene: Scene, classes: int, malignancy: bool
) -> None:
    board = replace(scene.board, classes=CLASSES[:classes])
    assert standings.names(board)["macro_auc"] == "Macro AUC"
    assert ("malignancy_auc" in standings.names(board)) == malignancy


def test_a_caption_says_of_a_code_all_that_it_takes() -> None:
    """A class that is called like a diagnosis may take others, too."""
    task = Task("own", ("nv", "wart"), {"nv": "nv", "bkl": "nv", "wart": "wart"})
    assert forest.meanings(task.classes, task) == "nv: melanocytic nevus and benign keratosis."
