"""Which images a gallery shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skineval.explain.panels import examples
from tests.measure.samples import classifier


def test_examples_go_from_the_surest_to_the_most_mistaken():
    test = classifier(80, images_per_lesion=1)
    for label in range(7):
        chosen = examples(test, label)
        members = np.flatnonzero(test.targets == label)
        of_class = test.probabilities[chosen, label]
        assert set(chosen.tolist()) <= set(members.tolist())
        assert len(chosen) == min(4, len(members))
        assert (np.diff(of_class) <= 0).all()
        assert (of_class[0], of_class[-1]) == (
            test.probabilities[members, label].max(),
            test.probabilities[members, label].min(),
        )


def test_copies_of_an_image_are_shown_once():
    once = classifier(12, images_per_lesion=1)
    copied = once.take(np.repeat(np.arange(len(once)), 5))
    for label in range(7):
        shown = copied.image_ids[examples(copied, label)].tolist()
        assert len(shown) == len(set(shown))
        assert shown == once.image_ids[examples(once, label)].tolist()


def test_a_class_without_images_has_no_example():
    test = replace(classifier(5), targets=np.zeros(len(classifier(5)), dtype=np.int64))
    assert len(examples(test, 3)) == 0
