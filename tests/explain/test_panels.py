"""Which images a gallery shows, and what of an explainer's maps is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from skineval.base.errors import CellError
from skineval.catalog.specs import Explainer
from skineval.explain.panels import Explaining, Network, choices
from skineval.values.predictions import Predictions
from skineval.values.runspec import Selection
from tests.measure.samples import classifier
from tests.train.toys import TOY


def test_choices_are_right_and_wrong_ones_from_the_surest_to_the_most_mistaken():
    test = classifier(80, images_per_lesion=1)
    answers = test.probabilities.argmax(axis=1)
    for label in range(7):
        for one in choices(test, label, 3):
            members = np.flatnonzero((test.targets == label) & ((answers == label) == one.right))
            of_class = test.probabilities[one.places, label]
            assert set(one.places.tolist()) <= set(members.tolist())
            assert (len(one.places), one.of) == (min(3, len(members)), len(members))
            assert (np.diff(of_class) <= 0).all()
            extremes = test.probabilities[members, label].max(), test.probabilities[members, label].min()
            assert (of_class[0], of_class[-1]) == extremes


def test_copies_of_an_image_are_shown_once():
    once = classifier(12, images_per_lesion=1)
    copied = once.take(np.repeat(np.arange(len(once)), 5))
    for label in range(7):
        for one, other in zip(choices(copied, label), choices(once, label), strict=True):
            shown = copied.image_ids[one.places].tolist()
            assert shown == once.image_ids[other.places].tolist()
            assert one.words == other.words


def test_a_class_without_images_has_no_choice():
    test = replace(classifier(5), targets=np.zeros(len(classifier(5)), dtype=np.int64))
    assert choices(test, 3) == []


@pytest.mark.parametrize(
    "maps",
    [torch.zeros(2, 8, 7), torch.full((2, 8, 8), float("nan")), torch.full((2, 8, 8), -1.0), None],
    ids=["shape", "nan", "negative", "none"],
)
def test_an_explainer_that_breaks_its_contract_fails_the_cell(maps):
    explainer = Explainer("own", lambda model, images, targets, *, architecture: maps, "Breaks its contract.")
    explaining = Explaining(Selection("own"), explainer)
    with pytest.raises(CellError, match="explainer returned"):
        explaining.maps(Network(TOY, nn.Identity()), torch.zeros(2, 3, 8, 8), torch.zeros(2))


def test_choices_are_evenly_spaced_by_rank():
    n = 50
    sure = np.linspace(0.99, 0.01, n)
    names = np.array([f"i{i}" for i in range(n)])
    test = Predictions(
        classes=("a", "b"),
        image_ids=names,
        lesion_ids=names,
        groups=names,
        parts=np.full(n, "test"),
        targets=np.zeros(n, dtype=np.int64),
        probabilities=np.stack([sure, 1 - sure], axis=1),
    )
    right, wrong = choices(test, 0, 4)
    assert list(right.places) == [0, 8, 16, 24]
    assert list(wrong.places) == [25, 33, 41, 49]
    assert wrong.words == "Predicted wrongly: 4 of 25 images, evenly spaced by rank"
