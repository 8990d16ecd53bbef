"""Which images a gallery shows, and what of an explainer's maps is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from skineval.base.errors import CellError
from skineval.catalog.specs import Explainer
from skineval.explain.panels import Explaining, Seen, examples
from skineval.grid.cell.cell import no_masks
from skineval.train.bare_step import empty_stage
from skineval.train.network import Blueprint
from skineval.values.predictions import Predictions
from skineval.values.runspec import Selection
from tests.measure.samples import classifier
from tests.train.toys import TOY


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


@pytest.mark.parametrize(
    "maps",
    [torch.zeros(2, 8, 7), torch.full((2, 8, 8), float("nan")), torch.full((2, 8, 8), -1.0), None],
    ids=["shape", "nan", "negative", "none"],
)
def test_an_explainer_that_breaks_its_contract_fails_the_cell(maps):
    explainer = Explainer("own", lambda model, images, targets, *, architecture: maps, "Breaks its contract.")
    explaining = Explaining(Selection("own"), explainer)
    stage = empty_stage(Blueprint(TOY, {}, 3, 8), 2, torch.device("cpu"), "fp32")
    seen = Seen(TOY, nn.Identity(), stage, classifier(2), np.arange(2), no_masks)
    with pytest.raises(CellError, match="explainer returned"):
        explaining.maps(seen, torch.zeros(2, 3, 8, 8), torch.zeros(2))


def test_examples_are_evenly_spaced_by_rank():
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
    assert list(examples(test, 0)) == [0, 16, 33, 49]
