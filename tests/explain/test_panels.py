"""Which images a gallery shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skineval.explain.panels import HEADER, WARNING, examples, gallery
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


def test_stamps_stand_above_a_gallery_in_red():
    images, maps = np.zeros((1, 32, 32, 3), dtype=np.uint8), np.ones((1, 32, 32), dtype=np.float32)
    plain, stamped = (gallery(images, maps, [("x", True)], stamps) for stamps in ((), ("SYNTHETIC", "LEAKY")))
    red = tuple(int(WARNING[place : place + 2], 16) for place in (1, 3, 5))

    def letters(sheet):
        return (np.asarray(sheet)[:HEADER] == red).all(axis=2).sum()

    assert stamped.height == plain.height + HEADER
    assert letters(plain) == 0
    assert letters(stamped) > 50
    assert np.array_equal(np.asarray(stamped)[HEADER:], plain)


def test_a_class_without_images_has_no_example():
    test = replace(classifier(5), targets=np.zeros(len(classifier(5)), dtype=np.int64))
    assert len(examples(test, 3)) == 0
