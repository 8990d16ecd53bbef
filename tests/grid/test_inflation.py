"""What leaks add to figures, beside scikit-learn's figures of the same images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, recall_score, roc_auc_score

from skineval.grid.inflation import ALL, WITH, WITHOUT, inflations, seen, told_apart
from skineval.measure.names import METRICS
from skineval.values.task import DIAGNOSES
from tests.report.leaked import known_groups, leaked


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return leaked(tmp_path_factory.mktemp("leaked"))


def mean_of(bench, system, figure):
    """The mean over seeds of a figure of targets, probabilities and groups of the test images."""
    tests = [cell.predictions.select("test") for cell in bench.finished if cell.system == system]
    return np.mean([figure(one.targets, one.probabilities, one.groups) for one in tests])


def plain(row, groups, spoken):
    """The figure that a row is a difference of, by scikit-learn."""
    places = [DIAGNOSES.index(name) for name in spoken]

    def figure(targets, probabilities, of):
        answers = probabilities.argmax(axis=1)
        if row.images != ALL:
            some = (np.isin(of, groups) == (row.images == WITH)) & np.isin(targets, places)
            return recall_score(targets[some], answers[some], labels=places, average="macro")
        if row.metric.startswith("recall_"):
            label = DIAGNOSES.index(row.metric.removeprefix("recall_"))
            return recall_score(targets, answers, labels=[label], average="macro")
        if row.metric == "macro_auc":
            return roc_auc_score(targets, probabilities, multi_class="ovr")
        return (
            balanced_accuracy_score(targets, answers)
            if row.metric == "balanced_accuracy"
            else np.mean(targets == answers)
        )

    return figure


def test_every_difference_is_that_of_the_plain_figures(found):
    clean, leaky = found.benches.values()
    spoken, groups = told_apart(leaky), known_groups(clean)
    assert 2 <= len(spoken) < 7
    for row in found.inflations:
        figure = plain(row, groups, spoken)
        wanted = mean_of(leaky, row.system, figure) - mean_of(clean, row.system, figure)
        assert row.value == pytest.approx(wanted), row
        assert (row.a, row.b) == ("image", "lesion")
        assert row.low <= row.value <= row.high
    of_each = 3 + 7 + 2
    assert len(found.inflations) == 2 * of_each


def test_what_has_nothing_in_train_is_no_better_and_what_has_is(found):
    rows = {(row.system, row.images): row for row in found.inflations if row.metric == "balanced_accuracy"}
    assert len(rows) == 6
    for (_, images), row in rows.items():
        if images == WITHOUT:
            assert (row.value, row.low, row.high, row.p) == (0, 0, 0, 1)
        else:
            assert row.is_certain
            assert row.low > 0
    of_both = rows["cnn/none", WITH], rows["cnn/none", WITHOUT]
    assert sum(row.n_images for row in of_both) < rows["cnn/none", ALL].n_images == 400
    assert of_both[0].value > rows["cnn/none", ALL].value


def test_images_with_something_in_train_are_counted(found):
    clean, leaky = found.benches.values()
    test = clean.split[clean.split["part"] == "test"]
    assert seen(leaky, 0) == (test["group"].isin(known_groups(clean)).sum(), 400)
    assert seen(clean, 0) == (0, 400)


def test_holm_is_over_systems_and_protocols_and_over_recalls_of_all_classes_together(found):
    clean, leaky = found.benches.values()
    other = replace(leaky, recipe=leaky.recipe.model_copy(update={"protocol": "oversample-first"}))
    families = {}
    for row in inflations(clean, [leaky, other], METRICS):
        families.setdefault((row.metric.partition("_")[0], row.images), []).append(row)
    assert {key: len(rows) for key, rows in families.items()} == {
        ("balanced", ALL): 4,
        ("accuracy", ALL): 4,
        ("macro", ALL): 4,
        ("recall", ALL): 28,
        ("balanced", WITH): 4,
        ("balanced", WITHOUT): 4,
    }
    for rows in families.values():
        ranked = sorted(rows, key=lambda row: row.p)
        steps = [min(1, (len(ranked) - place) * row.p) for place, row in enumerate(ranked)]
        assert [row.p_holm for row in ranked] == pytest.approx(np.maximum.accumulate(steps))


def test_what_one_side_lacks_is_not_compared(found):
    clean, leaky = found.benches.values()
    fewer = replace(leaky, finished=[cell for cell in leaky.finished if cell.system != "cnn/none"])
    assert {row.system for row in inflations(clean, [fewer], METRICS)} == {"resnet34/none"}
    assert inflations(clean, [replace(leaky, finished=[])], METRICS) == ()
