"""What maps are of: an answer, what would be right, a class, or one against another."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from skineval.base.errors import UsageError
from skineval.explain.target import Target
from tests.measure.samples import classifier

CLASSES = ("a", "a-b", "b", "nv", "mel")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("predicted", Target("predicted")),
        ("nv", Target("nv")),
        ("nv-mel", Target("nv", "mel")),
        ("a-b", Target("a-b")),  # a class of that name comes first
        ("a-a-b", Target("a", "a-b")),
        ("a-b-a", Target("a-b", "a")),
    ],
)
def test_it_is_a_word_a_class_or_two(text, expected):
    assert Target.of(text, CLASSES) == expected


@pytest.mark.parametrize("text", ["", "NV", "nv-nv", "nv-", "nv-mel-b", "best"])
def test_what_is_no_class_is_told_with_those_that_there_are(text):
    with pytest.raises(UsageError, match="which is no class") as caught:
        Target.of(text, CLASSES)
    assert "a, a-b, b, nv, mel" in caught.value.hint


def test_a_class_in_other_letters_is_guessed():
    with pytest.raises(UsageError) as caught:
        Target.of("NV", CLASSES)
    assert caught.value.hint.startswith("Did you mean nv? ")


def test_of_images_it_is_an_index_each():
    test = classifier(20)
    assert np.array_equal(Target("predicted").of_images(test), test.probabilities.argmax(axis=1))
    assert np.array_equal(Target("reference").of_images(test), test.targets)
    assert set(Target("mel").of_images(test)) == {test.classes.index("mel")}
    with pytest.raises(UsageError, match="nobody knows"):
        Target("reference").of_answers(test.probabilities, test.classes)
    assert Target("predicted").words == "the predicted class"
    assert Target("nv", "mel").words == Target("nv", "mel").named("nv") == "nv against mel"


def test_a_class_is_as_probable_as_among_all_or_as_one_of_two():
    logits = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = np.array([3, 0, 3])
    assert Target("predicted").probability(logits, targets, CLASSES) == pytest.approx(shares[range(3), targets])
    of_two = shares[:, 3] / (shares[:, 3] + shares[:, 4])
    assert Target("nv", "mel").probability(logits, np.full(3, 3), CLASSES) == pytest.approx(of_two)


def test_against_another_class_logits_are_what_they_are_above_its():
    network = nn.Linear(3, 5)
    rows = torch.rand(2, 3)
    plain = network(rows)
    with Target("nv", "mel").asked_of(network, CLASSES):
        torch.testing.assert_close(network(rows), plain - plain[:, 4:])
    torch.testing.assert_close(network(rows), plain)
    with Target("nv").asked_of(network, CLASSES):
        torch.testing.assert_close(network(rows), plain)
