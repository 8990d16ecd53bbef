"""Shuffled differences: the short way gives what any metric is computed for, shuffle by shuffle."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from skineval.measure.exchange import _NAMED, _by_weights, exchanged, shuffled_gaps
from skineval.measure.names import METRICS
from skineval.measure.resampling import UnitCounts
from skineval.values.predictions import Predictions, concatenated
from skineval.values.task import DIAGNOSES
from tests.measure.samples import classifier, tied_cells

CLASSES = ("benign", "malignant")
MACRO_AUC, MALIGNANCY_AUC = (
    next(metric for metric in METRICS if metric.name == name) for name in ("macro_auc", "malignancy_auc")
)
SHORT = [metric for metric in METRICS if metric.name in _NAMED]


def coins(cell, n=16, seed=0):
    units = np.unique(cell.groups)
    counts = np.random.default_rng(seed).integers(2, size=(n, len(units)), dtype=np.int32)
    counts[0], counts[1] = 0, 1
    return UnitCounts(units, counts, np.zeros(len(units), dtype=np.int64))


def of_two_classes(logits, malignant, lesions):
    share = 1 / (1 + np.exp(-logits))
    names = np.array([f"L{lesion:02d}" for lesion in lesions])
    images, parts = np.arange(len(lesions)).astype(str), np.full(len(lesions), "test")
    both = np.stack([1 - share, share], axis=1)
    return Predictions(CLASSES, images, names, names, parts, malignant.astype(np.int64), both, malignant=CLASSES[1:])


def rounded(cell, decimals):
    """Probabilities with ties, within an image and between images; they sum to 1 as far as rounding lets them."""
    return replace(cell, probabilities=np.round(cell.probabilities, decimals))


@pytest.mark.parametrize("metric", SHORT, ids=lambda metric: metric.name)
@settings(max_examples=25, deadline=None)
@given(
    lesions=st.integers(1, 30),
    seed=st.integers(0, 1000),
    classes=st.sampled_from([DIAGNOSES, ("benign", "malignant")]),
    decimals=st.sampled_from([2, 16]),
)
def test_gaps_are_those_of_the_shuffled_figures(metric, lesions, seed, classes, decimals):
    one, other = (
        rounded(classifier(lesions, seed=seed + k, truth_seed=seed, classes=classes), decimals) for k in (0, 1)
    )
    wanted = _by_weights(exchanged(one, metric), exchanged(other, metric), metric, coins(one))
    np.testing.assert_allclose(shuffled_gaps(one, other, metric, coins(one)), wanted, atol=1e-12)


@given(cell=tied_cells())
def test_ranks_are_mid_ranks_where_lesions_have_one_image_and_those_of_a_lesion_together_count_as_one(cell):
    cell = replace(cell[0], groups=np.arange(len(cell[0])).astype(str))
    ranks = exchanged(cell, MACRO_AUC).probabilities
    np.testing.assert_allclose(ranks, rankdata(cell.probabilities, axis=0) - 0.5)
    thrice = concatenated([cell, cell, cell])
    np.testing.assert_allclose(exchanged(thrice, MACRO_AUC).probabilities, np.vstack([ranks] * 3))


def test_equal_systems_are_told_apart_no_more_often_where_one_lesion_has_most_images():
    sizes, malignant = np.array([40, *[1] * 74]), np.arange(75) < 15
    lesions = np.repeat(np.arange(75), sizes)
    rng = np.random.default_rng(0)
    told = []
    for _ in range(300):
        common, own, of_image = (rng.normal(size=shape) for shape in ((75, 1), (75, 2), (len(lesions), 2)))
        logits = (malignant[:, None] + common + own)[lesions] + of_image / 2
        one, other = (of_two_classes(logit, malignant[lesions], lesions) for logit in logits.T)
        gaps = shuffled_gaps(one, other, MALIGNANCY_AUC, coins(one, n=200))[:, 0]
        told.append((np.abs(gaps[1:]) >= abs(gaps[0])).mean() <= 0.05)
    assert np.mean(told) < 0.08  # .05 is asked for; ranks in which images count alike told .3 apart


def test_a_metric_by_another_name_takes_the_short_way_and_one_of_the_same_name_does_not():
    one, other = (classifier(10, seed=seed) for seed in (1, 2))
    (accuracy,) = (metric for metric in METRICS if metric.name == "accuracy")
    renamed = replace(accuracy, name="recall_mel")
    np.testing.assert_array_equal(*(shuffled_gaps(one, other, metric, coins(one)) for metric in (accuracy, renamed)))
    ours = replace(accuracy, compute=lambda targets, probabilities, weights, classes: weights.sum(axis=1))
    assert (shuffled_gaps(one, other, ours, coins(one))[0] == 0).all()
