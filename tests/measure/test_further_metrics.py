"""Ranking, decisions and calibration in bins: by definition, under ties, one class, a class absent, and few images.

`test_metrics` holds every metric to its oracle on ordinary predictions, and to weights that are repetitions.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from skineval.measure.intervals import estimate
from skineval.measure.names import METRICS
from skineval.measure.replicates import figures
from skineval.values.predictions import Predictions
from tests.measure.oracles import FURTHER, weighted
from tests.measure.samples import classifier, compute, tied_cells

BY_NAME = {metric.name: metric for metric in METRICS}
BY_ORDER = [
    metric for metric in METRICS if metric.name in FURTHER and (metric.exchange == "ranks" or metric.name == "aurc")
]
AT = [name for name in FURTHER if "_at_" in name]


def of_malignancy(malignant, scores):
    """Predictions of two classes."""
    malignant, scores = np.asarray(malignant), np.asarray(scores, dtype=float)
    names = np.array([f"I{k}" for k in range(len(scores))])
    probabilities, parts = np.stack([1 - scores, scores], axis=1), np.full(len(scores), "test")
    classes = ("benign", "malignant")
    return Predictions(
        classes, names, names, names, parts, malignant.astype(np.int64), probabilities, malignant=classes[1:]
    )


def figure(name, cell):
    return compute(BY_NAME[name], cell, np.ones((1, len(cell))))[0]


@given(tied_cells())
@settings(max_examples=80, deadline=None)
def test_agree_with_their_definition_where_much_is_tied_or_missing(sample):
    cell, weights = sample
    rows = weights[0].astype(int)
    for name, oracle in FURTHER.items() if rows.any() else ():
        found = compute(BY_NAME[name], cell, weights)[0]
        with warnings.catch_warnings(action="ignore"):
            wanted = weighted(oracle, [0])(cell.targets, cell.probabilities, weights[0])
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9, err_msg=name)


@given(tied_cells())
@settings(max_examples=40, deadline=None)
def test_figures_of_order_do_not_change_with_the_scale(sample):
    cell, weights = sample
    scaled = replace(cell, probabilities=cell.probabilities**3)
    alone = replace(cell, malignant=("mel",))  # a single column: a sum of several has no scale of its own
    for metric in BY_ORDER:
        np.testing.assert_array_equal(
            compute(metric, replace(scaled, malignant=("mel",)), weights), compute(metric, alone, weights), metric.name
        )


@given(tied_cells())
@settings(max_examples=40, deadline=None)
def test_the_parts_of_the_brier_score_add_up_to_it(sample):
    cell, weights = sample
    brier, reliability, resolution, uncertainty = (
        compute(BY_NAME[name], cell, weights)
        for name in ("brier", "brier_reliability", "brier_resolution", "brier_uncertainty")
    )
    np.testing.assert_allclose(reliability - resolution + uncertainty, brier, rtol=0, atol=1e-12)


def test_top2_is_that_of_scikit_learn_where_nothing_is_tied():
    cell = classifier(50, skill=0.5)
    wanted = sk.top_k_accuracy_score(cell.targets, cell.probabilities, k=2, labels=range(7))
    assert figure("top2_accuracy", cell) == pytest.approx(wanted)
    assert 0.2 < wanted < 0.9
    assert np.isnan(figure("top2_accuracy", of_malignancy([0, 1], [0.2, 0.4])))


def test_two_that_share_the_first_place_are_the_top_two_and_three_are_not():
    three = classifier(3, images_per_lesion=1, classes=("mel", "nv", "df"))
    targets = np.zeros(3, dtype=np.int64)
    probabilities = np.array([[0.4, 0.4, 0.2], [1 / 3, 1 / 3, 1 / 3], [0.2, 0.6, 0.2]])
    assert figure("top2_accuracy", replace(three, targets=targets, probabilities=probabilities)) == 1 / 3


@pytest.mark.parametrize(("scores", "wanted"), [("none", 0.02), ("all", 0.2), ("turned", 0)])
def test_the_area_above_a_sensitivity_has_the_ends_that_the_challenge_names(scores, wanted):
    malignant = np.arange(20) < 5
    given_scores = {"none": np.full(20, 0.3), "all": malignant * 0.9, "turned": 0.9 - 0.9 * malignant}
    assert figure("malignancy_pauc", of_malignancy(malignant, given_scores[scores])) == pytest.approx(wanted)


@given(st.lists(st.integers(1, 9), min_size=2, max_size=40), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_sensitivity_and_specificity_mirror_each_other(levels, random):
    malignant = np.array([random.random() < 0.5 for _ in levels])
    cell = of_malignancy(malignant, np.array(levels) / 10)
    turned = of_malignancy(~malignant, 1 - np.array(levels) / 10)
    for share in (90, 95):
        found = figure(f"sensitivity_at_{share}_specificity", cell)
        np.testing.assert_allclose(found, figure(f"specificity_at_{share}_sensitivity", turned))
    # A stricter demand leaves no more of the other side.
    for name in ("sensitivity_at_{}_specificity", "specificity_at_{}_sensitivity"):
        loose, strict = (figure(name.format(share), cell) for share in (90, 95))
        assert np.isnan(loose) or strict <= loose


def test_exactly_nine_of_ten_are_ninety_percent_and_nothing_is_interpolated():
    benign, malignant = np.arange(10) / 10, np.array([0.75, 0.8, 0.85, 0.9, 0.95])
    cell = of_malignancy(np.arange(15) >= 10, np.concatenate([benign, malignant]))
    # Above .8 lie one of ten benign images, and three of five malignant ones; the one at .8 ties with a benign one.
    assert figure("sensitivity_at_90_specificity", cell) == 0.6
    # Of ten, 95 % are all: above .9 lies one malignant image.
    assert figure("sensitivity_at_95_specificity", cell) == 0.2
    # Of five, 90 % are all, too: below .75 lie .0 to .7.
    assert figure("specificity_at_90_sensitivity", cell) == figure("specificity_at_95_sensitivity", cell) == 0.8


@pytest.mark.parametrize("name", AT)
def test_where_all_scores_tie_nothing_is_found_or_spared(name):
    assert figure(name, of_malignancy([0, 1, 1], np.full(3, 0.4))) == 0
    assert np.isnan(figure(name, of_malignancy([1, 1], [0.4, 0.6])))
    assert np.isnan(figure(name, of_malignancy([0, 0], [0.4, 0.6])))


def test_many_levels_are_looked_at_only_as_far_as_needed_and_none_is_missed():
    """All the weight on the highest scores, so that the lowest levels hold nothing."""
    rng = np.random.default_rng(1)
    malignant, scores = rng.random(400) < 0.5, rng.permutation(400) / 400
    weights = np.vstack([np.ones(400), np.where(scores > 0.8, 9, 0), np.where(scores > 0.97, 1, 0)])
    cell = of_malignancy(malignant, scores)
    for name in (*AT, "malignancy_pauc"):
        found = compute(BY_NAME[name], cell, weights)
        wanted = [weighted(FURTHER[name], [1])(cell.targets, cell.probabilities, row) for row in weights]
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9, err_msg=name)


def test_ten_in_a_hundred_are_worth_nine_false_alarms():
    malignant = np.arange(100) < 10
    assert figure("net_benefit", of_malignancy(malignant, np.full(100, 0.1))) == pytest.approx(0)
    assert figure("net_benefit", of_malignancy(malignant, np.full(100, 0.0999))) == 0
    assert figure("net_benefit", of_malignancy(malignant, malignant * 1.0)) == pytest.approx(0.1)
    assert figure("number_needed_to_biopsy", of_malignancy(malignant, np.full(100, 0.6))) == pytest.approx(10)
    assert np.isnan(figure("number_needed_to_biopsy", of_malignancy(malignant, np.where(malignant, 0.1, 0.9))))
    # A probability of 10 % that is a sum of two is 10 % all the same.
    three = classifier(2, images_per_lesion=1, classes=("mel", "bcc", "nv"))
    tenth = replace(three, targets=np.array([0, 2]), probabilities=np.array([[0.03, 0.07, 0.9]] * 2))
    assert figure("net_benefit", tenth) == pytest.approx(0.5 - 0.5 / 9)


def test_scores_that_are_no_probabilities_have_no_calibration_and_no_net_benefit():
    cell = classifier(20)
    halved = replace(cell, probabilities=cell.probabilities / 2)
    of_probabilities = {name for name in FURTHER if np.isnan(figure(name, halved)).all()}
    assert of_probabilities == {
        "net_benefit", "brier_reliability", "brier_resolution", "brier_uncertainty", "classwise_ece", "adaptive_ece",
    }  # fmt: skip


def test_a_mean_is_made_of_its_classes_however_it_is_asked_for():
    cell, weights = classifier(40), np.random.default_rng(0).integers(0, 3, size=(5, 1)) * np.ones((5, 1))
    weights = np.random.default_rng(0).integers(0, 3, size=(5, len(cell))).astype(float)
    pairs = [metric for metric in METRICS if metric.mean_of]
    assert {metric.name for metric in pairs} >= {"balanced_accuracy", "macro_auc", "macro_f1", "macro_ap"}
    for metric in pairs:
        alone, beside = (figures(cell, asked, weights)[:, 0] for asked in ([metric], [metric, metric.mean_of]))
        np.testing.assert_array_equal(alone, beside)


def test_the_average_precision_of_two_classes_differs_and_their_mean_has_both():
    rng = np.random.default_rng(4)
    malignant = np.arange(80) < 16
    cell = of_malignancy(malignant, np.clip(0.3 + 0.3 * malignant + rng.normal(size=80) / 5, 0, 1))
    found = {(row.metric, row.class_): row for row in estimate([cell], METRICS, replicates=200)}
    macro, own = found["macro_ap", ""], [found["ap", name] for name in cell.classes]
    assert macro.value == pytest.approx(np.mean([one.value for one in own]))
    assert own[0].value != pytest.approx(own[1].value)
    widths = [one.high - one.low for one in own]
    assert min(widths) < macro.high - macro.low < max(widths)
