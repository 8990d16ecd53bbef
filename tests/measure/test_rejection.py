"""Rejection of images of no class, against scikit-learn and against their definition, image by image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skineval.base.errors import DataError
from skineval.grid.tables import read_cell_predictions, write_frame
from skineval.measure.baselines import baselines
from skineval.measure.ensembles import mean_of
from skineval.measure.intervals import estimate
from skineval.measure.names import OF_REJECTION
from skineval.measure.rejection import SIDES, rejection
from skineval.values.predictions import concatenated
from skineval.values.task import OUTSIDE
from tests.measure.samples import classifier, compute, difference

AUROC, FPR95 = OF_REJECTION


def slow_fpr95(inside, confidence, weights):
    """The share of outside at the first threshold, from above, that keeps 95 % of inside; an image is a unit."""
    inside, outside = (np.repeat(confidence[side], weights[side]) for side in (inside, ~inside))
    for threshold in sorted(set(inside), reverse=True):
        if 20 * sum(inside >= threshold) >= 19 * len(inside):
            return np.mean(outside >= threshold)
    raise AssertionError("the lowest threshold keeps all")


def from_roc_curve(inside, confidence, weights):
    false_positive, true_positive, _ = sk.roc_curve(inside, confidence, sample_weight=weights, drop_intermediate=False)
    return false_positive[np.argmax(true_positive >= 0.95)]


def given_answers(lesions=60, seed=0):
    """Answers to images of the classes and, less sure, to images of none."""
    outside = classifier(lesions // 2, seed=seed + 50, skill=0, fold=0)
    outside = replace(
        outside,
        image_ids=np.char.add("X", outside.image_ids),
        lesion_ids=np.char.add("X", outside.lesion_ids),
        groups=np.char.add("X", outside.groups),
        targets=np.full(len(outside), OUTSIDE),
        parts=np.full(len(outside), "outside"),
    )
    return concatenated([classifier(lesions, seed=seed, skill=4), outside])


def two_sided(inside, confidence):
    names = np.array([f"I{k}" for k in range(len(inside))])
    one = classifier(1).take(np.zeros(len(inside), dtype=np.int64))
    scores = np.stack([1 - confidence, confidence], axis=1)
    return replace(
        one, classes=SIDES, image_ids=names, groups=names, targets=inside.astype(np.int64), probabilities=scores
    )


@pytest.mark.parametrize("decimals", [1, 2, 12])
def test_agree_with_scikit_learn_under_weights_and_ties(decimals):
    cell = rejection(given_answers())
    cell = replace(cell, probabilities=np.round(cell.probabilities, decimals))
    inside, confidence = cell.targets == 1, cell.probabilities[:, 1]
    weights = np.random.default_rng(3).integers(0, 4, size=(8, len(cell)))
    areas = [sk.roc_auc_score(inside, confidence, sample_weight=row) for row in weights]
    np.testing.assert_allclose(compute(AUROC, cell, weights.astype(float)), areas, rtol=1e-12)
    rates = compute(FPR95, cell, weights.astype(float))
    np.testing.assert_allclose(rates, [from_roc_curve(inside, confidence, row) for row in weights], rtol=1e-12)
    np.testing.assert_allclose(rates, [slow_fpr95(inside, confidence, row) for row in weights], rtol=1e-12)
    assert len(set(rates)) > 1


def test_confidence_is_the_largest_probability_and_images_of_no_class_are_outside():
    answers = given_answers()
    seen = rejection(answers)
    assert (seen.classes, set(seen.parts)) == (("outside", "inside"), {"rejection"})
    np.testing.assert_array_equal(seen.targets == 0, np.char.startswith(answers.image_ids, "X"))
    np.testing.assert_array_equal(seen.probabilities[:, 1], answers.probabilities.max(axis=1))


def test_exactly_95_of_100_are_enough_and_ties_are_kept_on_either_side():
    confidence = np.r_[np.arange(100) / 100, 0.05, 0.04, 0.95]
    inside = np.arange(103) < 100
    once = np.ones((1, 103))
    # The threshold is .05: 95 images inside have it, or more, and so have two of the three outside.
    assert compute(FPR95, two_sided(inside, confidence), once).tolist() == [2 / 3]
    confidence[4] = 0.06  # another image reaches .06: 95 have that
    assert compute(FPR95, two_sided(inside, confidence), once).tolist() == [1 / 3]


@pytest.mark.parametrize("metric", OF_REJECTION, ids=lambda metric: metric.name)
@pytest.mark.parametrize("side", [True, False])
def test_one_side_alone_is_undefined(metric, side):
    cell = two_sided(np.full(4, side), np.arange(4) / 4)
    assert np.isnan(compute(metric, cell, np.ones((2, 4)))).all()
    both = two_sided(np.arange(4) < 2, np.arange(4) / 4)
    only = ((both.targets == 1) == side).astype(float)[None]
    assert np.isnan(compute(metric, both, only)).all()


def test_baselines_tell_nothing_apart_and_that_is_known():
    for rule in baselines([3] * 7, given_answers()).values():
        area, rate = estimate([rejection(rule)], OF_REJECTION, replicates=20)
        assert (area.value, area.low, area.high) == (0.5, 0.5, 0.5)
        assert (rate.value, rate.low, rate.high) == (1, 1, 1)


def test_intervals_hold_their_figures_and_count_both_sides():
    cell = given_answers()
    for row in estimate([rejection(cell)], OF_REJECTION, replicates=200):
        assert 0 <= row.low < row.value < row.high <= 1
        assert (row.n_images, row.n_lesions) == (len(cell), len(set(cell.groups)))
        assert row.class_ == ""


def test_a_system_that_doubts_whatever_is_foreign_is_better_than_one_that_does_not():
    cell = given_answers()
    sure = replace(
        cell, probabilities=given_answers(seed=9).probabilities[np.random.default_rng(0).permutation(len(cell))]
    )
    found = difference([rejection(cell)], [rejection(sure)], AUROC, replicates=199)
    assert found.value == pytest.approx(
        np.diff([sk.roc_auc_score(one.targets >= 0, one.probabilities.max(axis=1)) for one in (sure, cell)])[0]
    )
    assert found.low > 0
    assert found.p == 1 / 200


def test_a_difference_in_scale_is_none_in_quality():
    cell = rejection(given_answers())
    scaled = replace(cell, probabilities=cell.probabilities**3)
    found = difference([cell], [scaled], AUROC, replicates=50)
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_images_of_no_class_stay_so_in_means_in_other_orders_and_in_files(tmp_path):
    cell = given_answers()
    turned = cell.with_classes(cell.classes[::-1])
    np.testing.assert_array_equal(turned.targets == OUTSIDE, cell.targets == OUTSIDE)
    mean = mean_of([cell, turned])
    np.testing.assert_array_equal(mean.targets, cell.targets)
    np.testing.assert_allclose(mean.probabilities, cell.probabilities)
    outside, file = cell.select("outside"), tmp_path / "outside.csv"
    write_frame(file, outside.to_frame())
    read = read_cell_predictions(file, cell.classes, outside=True)
    np.testing.assert_array_equal(read.targets, outside.targets)
    np.testing.assert_array_equal(read.probabilities, outside.probabilities)
    with pytest.raises(DataError, match="row 2: '' is not a class"):
        read_cell_predictions(file, cell.classes)
    write_frame(file, cell.select("test").to_frame())
    with pytest.raises(DataError, match="is not a class"):
        read_cell_predictions(file, cell.classes, outside=True)


@st.composite
def tied_answers(draw):
    """Sides and confidences with many ties, and whole weights that leave something on either side."""
    n = draw(st.integers(2, 30))
    inside = draw(hnp.arrays(np.bool_, n))
    inside[:2] = True, False
    levels = draw(hnp.arrays(np.int64, n, elements=st.integers(0, 8)))
    weights = draw(hnp.arrays(np.int64, n, elements=st.integers(0, 9)))
    weights[:2] += 1
    return inside, levels / 8, weights


@given(tied_answers())
@settings(max_examples=100, deadline=None)
def test_figures_depend_on_order_alone_and_swapped_sides_mirror_the_area(sample):
    inside, confidence, weights = sample
    plain = two_sided(inside, confidence)
    once = weights.astype(float)[None]
    for metric in OF_REJECTION:
        monotone = two_sided(inside, confidence**3 / 2)
        np.testing.assert_array_equal(compute(metric, monotone, once), compute(metric, plain, once))
        rows = np.repeat(np.arange(len(inside)), weights)
        repeated = compute(metric, plain.take(rows), np.ones((1, len(rows))))
        np.testing.assert_allclose(repeated, compute(metric, plain, once), rtol=1e-12)
    swapped = compute(AUROC, two_sided(~inside, confidence), once)
    np.testing.assert_allclose(swapped, 1 - compute(AUROC, plain, once), atol=1e-12)
    assert compute(FPR95, plain, once)[0] == pytest.approx(slow_fpr95(inside, confidence, weights))
    # Who is sure of less outside keeps no more of it.
    lower = two_sided(inside, np.where(inside, confidence, confidence / 2))
    assert compute(FPR95, lower, once)[0] <= compute(FPR95, plain, once)[0]
