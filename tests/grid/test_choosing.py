"""What is chosen on validation images depends on nothing else, and its figures are those of a count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, log_loss

from skineval.grid.choosing import AT_COVERAGE, AT_KEPT, AT_SENSITIVITY, TEMPERATURE, VECTORS, choices
from skineval.measure.operating import choose_threshold
from skineval.measure.scaling import choose_temperature, logits_of, scaled
from skineval.values.measures import Choice
from skineval.values.predictions import Predictions
from skineval.values.result import BenchResult
from tests.report.conftest import make_bench

SYSTEM = (("resnet34", "none", 1.5),)


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> BenchResult:
    made = make_bench(tmp_path_factory.mktemp("chosen"), SYSTEM, failed=None)
    return replace(made, recipe=made.recipe.model_copy(update={"replicates": 1000}))


@pytest.fixture(scope="module")
def found(bench) -> Sequence[Choice]:
    return tuple(choices(bench))


def figure(found, chosen, metric, class_=""):
    (one,) = (one for one in found if (one.chosen, one.metric, one.class_) == (chosen, metric, class_))
    return one


def test_every_figure_is_the_mean_over_cells_of_what_each_of_them_chose(bench, found):
    losses, rates, thresholds = [], [], []
    for cell in bench.finished:
        validation, test = (cell.predictions.select(part) for part in ("validation", "test"))
        temperature = choose_temperature(logits_of(validation), validation.targets)
        losses.append(log_loss(test.targets, scaled(test, 1 / temperature).probabilities, labels=range(7)))
        thresholds.append(choose_threshold(validation))
        seen = test.malignancy
        (tn, fp), (fn, tp) = confusion_matrix(seen.targets, seen.probabilities[:, 1] >= thresholds[-1])
        rates.append((tp / (tp + fn), tn / (tn + fp), tp / (tp + fp), tn / (tn + fn)))
    assert figure(found, TEMPERATURE, "nll").value == pytest.approx(np.mean(losses))
    assert figure(found, AT_SENSITIVITY, "threshold").value == pytest.approx(np.mean(thresholds))
    for name, value in zip(("sensitivity", "specificity", "ppv", "npv"), np.mean(rates, axis=0), strict=True):
        one = figure(found, AT_SENSITIVITY, name)
        assert one.value == pytest.approx(value)
        assert one.low < value < one.high
        assert one.n_cells == 2
    assert figure(found, VECTORS, "nll").value < figure(found, TEMPERATURE, "nll").value + 0.05
    assert figure(found, AT_COVERAGE, "set_coverage").value > 0.8
    assert 1 < figure(found, AT_COVERAGE, "set_size", "mel").value <= 7
    assert figure(found, AT_KEPT, "accuracy").value > figure(found, VECTORS, "balanced_accuracy").value


def test_a_mean_over_classes_of_what_is_kept_is_of_all_that_are_tested(bench, found):
    assert figure(found, AT_KEPT, "balanced_accuracy").value > 0
    unsure = [replace(cell, predictions=without_confidence(cell.predictions, "df")) for cell in bench.finished]
    again = tuple(choices(replace(bench, finished=unsure)))
    assert figure(again, AT_KEPT, "accuracy").value > 0
    assert not [one for one in again if (one.chosen, one.metric) == (AT_KEPT, "balanced_accuracy")]


def without_confidence(predictions: Predictions, name: str) -> Predictions:
    """Nobody is sure of the images of a class."""
    probabilities = predictions.probabilities.copy()
    probabilities[predictions.targets == predictions.classes.index(name)] = 1 / len(predictions.classes)
    return replace(predictions, probabilities=probabilities)


def shuffled(predictions: Predictions, part: str) -> Predictions:
    rows = predictions.parts == part
    targets = predictions.targets.copy()
    targets[rows] = np.random.default_rng(0).permutation(targets[rows])
    return replace(predictions, targets=targets)


@pytest.mark.parametrize(("part", "alike"), [("test", True), ("validation", False)])
def test_labels_of_test_images_change_nothing_that_is_chosen(bench, found, part, alike):
    others = [replace(cell, predictions=shuffled(cell.predictions, part)) for cell in bench.finished]
    again = tuple(choices(replace(bench, finished=others)))
    for chosen, metric in ((TEMPERATURE, "temperature"), (AT_SENSITIVITY, "threshold"), (AT_COVERAGE, "set_size")):
        before, after = (figure(one, chosen, metric).value for one in (found, again))
        assert (before == after) == alike


def test_where_nothing_can_be_chosen_nothing_is_said(bench):
    scores = [replace(cell, predictions=replace(cell.predictions, malignant=None)) for cell in bench.finished]
    assert {one.chosen for one in choices(replace(bench, finished=scores))} == {
        TEMPERATURE, VECTORS, AT_COVERAGE, AT_KEPT,
    }  # fmt: skip
    tests = [replace(cell, predictions=cell.predictions.select("test")) for cell in bench.finished]
    assert not list(choices(replace(bench, finished=tests)))
