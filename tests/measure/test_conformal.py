"""Sets hold the right class as often as was promised, and are those that p-values make."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skineval.measure.conformal import SIZES, as_answers, as_sizes, least_probabilities, sets
from skineval.measure.intervals import estimate
from skineval.measure.names import METRICS
from tests.measure.samples import classifier


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.8, 0.9, 0.95]), st.integers(5, 60))
def test_a_set_holds_the_classes_whose_p_value_is_above_what_may_be_missed(seed, coverage, lesions):
    validation, test = classifier(lesions, seed=seed), classifier(20, seed=seed + 1, truth_seed=1)
    held = sets(test, least_probabilities(validation, coverage))
    for k in range(len(test.classes)):
        own = validation.probabilities[validation.targets == k, k]
        p = (1 + (own[:, None] < test.probabilities[:, k]).sum(axis=0)) / (len(own) + 1)
        np.testing.assert_array_equal(held[:, k], p > 1 - coverage + 1e-9)


def test_the_promise_is_kept_for_every_class_however_wrong_the_probabilities_are():
    covered = []
    for seed in range(40):
        validation, test = (
            classifier(300, seed=2 * seed + one, truth_seed=2 * seed + one, images_per_lesion=1, skill=1.0)
            for one in (0, 1)
        )
        held = sets(test, least_probabilities(validation))
        covered.append([held[test.targets == k, k].mean() for k in range(7)])
    np.testing.assert_allclose(np.mean(covered, axis=0), 0.9, atol=0.03)


def test_figures_of_sets_are_those_of_a_count():
    validation, test = classifier(100), classifier(40, seed=3, truth_seed=3)
    held = sets(test, least_probabilities(validation))
    right = held[np.arange(len(test)), test.targets]
    of_answers = {
        (one.metric, one.class_): one.value
        for one in estimate([as_answers(test, held)], [m for m in METRICS if m.name in ("accuracy", "recall")])
    }
    of_sizes = {(one.metric, one.class_): one for one in estimate([as_sizes(test, held)], SIZES)}
    assert of_answers["accuracy", ""] == pytest.approx(right.mean())
    assert of_sizes["set_size", ""].value == pytest.approx(held.sum() / len(test))
    assert of_sizes["single", ""].value == pytest.approx((held.sum(axis=1) == 1).mean())
    for k, name in enumerate(test.classes):
        own = test.targets == k
        assert of_answers["recall", name] == pytest.approx(right[own].mean())
        assert of_sizes["class_set_size", name].value == pytest.approx(held[own].sum(axis=1).mean())
        assert of_sizes["class_set_size", name].n_images == own.sum()
