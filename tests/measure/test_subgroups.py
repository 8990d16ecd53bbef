"""Figures of parts of the images, and how far they are from those of all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import recall_score, roc_auc_score

from skineval.measure.subgroups import LEAST, subgroups
from skineval.values.predictions import Predictions
from tests.measure.samples import classifier

TEST = classifier(200, skill=1.2)
HALVES = np.where(np.arange(len(TEST)) % 2, "left", "right")


def by_value(values, test=TEST):
    return {one.value: one for one in subgroups("x", test, {"half": values}, replicates=500)}


def test_a_part_has_the_figures_of_its_images_and_the_gap_to_all_of_the_same_classes():
    for value, part in by_value(HALVES).items():
        mask = value == HALVES
        classes = [k for k in range(7) if len(set(TEST.groups[mask & (TEST.targets == k)])) >= LEAST]
        assert part.n_classes == len(classes)
        answers, spoken = TEST.probabilities.argmax(axis=1), np.isin(TEST.targets, classes)
        few, every = (
            recall_score(TEST.targets[one], answers[one], labels=classes, average="macro")
            for one in (mask & spoken, spoken)
        )
        assert part.balanced_accuracy == pytest.approx(few)
        assert part.gap == pytest.approx(few - every)
        assert part.gap_low < part.gap < part.gap_high
        is_malignant = np.isin(np.array(TEST.classes)[TEST.targets], TEST.malignant)
        score = TEST.probabilities[:, np.isin(TEST.classes, TEST.malignant)].sum(axis=1)
        area = roc_auc_score(is_malignant[mask], score[mask])
        assert part.malignancy_auc == pytest.approx(area)
        assert part.malignancy_gap == pytest.approx(area - roc_auc_score(is_malignant, score))
        assert (part.n_images, part.n_lesions) == (mask.sum(), len(set(TEST.groups[mask])))


def test_all_images_are_no_part_that_differs():
    (part,) = by_value(np.full(len(TEST), "all")).values()
    assert part.gap == 0
    assert (part.gap_low, part.gap_high) == pytest.approx((0, 0), abs=0.02)


def test_too_few_lesions_do_not_speak():
    few = np.where(np.arange(len(TEST)) < 20, "few", "many")
    found = by_value(few)
    assert np.isnan([found["few"].balanced_accuracy, found["few"].gap, found["few"].malignancy_auc]).all()
    assert found["few"].n_images == 20
    assert found["many"].balanced_accuracy > 0
    assert np.isnan(by_value(HALVES, replace(TEST, malignant=None))["left"].malignancy_auc)


def test_intervals_of_gaps_of_parts_that_do_not_differ_hold_zero():
    held = []
    for seed in range(30):
        test = classifier(150, seed=seed, truth_seed=seed)
        half = np.where(np.isin(test.groups, np.unique(test.groups)[::2]), "a", "b")
        held += [one.gap_low <= 0 <= one.gap_high for one in subgroups("x", test, {"half": half}, replicates=300)]
    assert np.mean(held) > 0.88  # of 60 parts, two by two of one sample


def test_gaps_of_parts_that_do_not_differ_are_no_more_often_below_zero_than_above():
    """Where nearly all is right a share has far to fall: the interval of a part is long below, that of all is not."""
    beside = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        targets = np.repeat([1, 0], [60, 400])
        score = 1 / (1 + np.exp(-rng.normal(np.where(targets, 1.8, -1.8))))
        ids = np.char.add("i", np.arange(len(targets)).astype(str))
        parts, probabilities = np.full(len(targets), "test"), np.stack([1 - score, score], axis=1)
        test = Predictions(("benign", "malignant"), ids, ids, ids, parts, targets, probabilities)
        part = np.where(rng.random(len(targets)) < 0.3, "part", "rest")
        (one, _) = subgroups("x", test, {"drawn": part}, replicates=100)
        beside.append((one.gap_high < 0, one.gap_low > 0))
    below, above = np.sum(beside, axis=0)
    assert below <= 9, "5 are due, and of parts set against all there were 15"
    assert above <= 9
