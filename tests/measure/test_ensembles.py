"""Ensembles: means of predictions, whatever the order of members, of images and of classes."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skineval.base.errors import DataError
from skineval.catalog.specs import NAME
from skineval.measure.ensembles import mean_of
from skineval.measure.intervals import estimate
from skineval.measure.names import METRICS, ensemble_name, is_ensemble
from skineval.values.predictions import EVERY_FOLD, Predictions
from tests.measure.samples import classifier, difference

BY_NAME = {metric.name: metric for metric in METRICS}


@st.composite
def committees(draw: st.DrawFn) -> list[Predictions]:
    """One to four members with the same images, of up to three folds and seeds."""
    n = draw(st.integers(1, 4))
    return [
        replace(
            classifier(8, seed=draw(st.integers(0, 99)), skill=draw(st.floats(0, 6))),
            fold=draw(st.integers(0, 2)),
            seed=draw(st.integers(0, 2)),
        )
        for _ in range(n)
    ]


def figure(name: str, one: Predictions) -> float:
    return float(BY_NAME[name].compute(one.targets, one.probabilities, np.ones((1, len(one))), one.classes)[0])


@given(committees())
def test_the_mean_is_that_of_a_loop(members: list[Predictions]) -> None:
    found = mean_of(members)
    for row in range(len(found)):
        for column in range(len(found.classes)):
            total = 0.0
            for one in members:
                total += one.probabilities[row, column]
            assert found.probabilities[row, column] == pytest.approx(total / len(members), rel=1e-14)
    assert found.n_cells == len(members)
    assert found.image_ids.tolist() == members[0].image_ids.tolist()
    assert found.normalised


@given(committees())
@settings(deadline=None)
def test_the_order_of_members_does_not_matter_to_the_last_bit(members: list[Predictions]) -> None:
    first = mean_of(members)
    for order in permutations(members):
        found = mean_of(order)
        assert np.array_equal(found.probabilities, first.probabilities)
        assert (found.fold, found.seed, found.n_cells) == (first.fold, first.seed, first.n_cells)


@given(committees())
def test_the_loss_of_the_mean_is_at_most_the_mean_of_the_losses(members: list[Predictions]) -> None:
    mean = mean_of(members)
    assert figure("nll", mean) <= np.mean([figure("nll", one) for one in members]) + 1e-12
    assert figure("brier", mean) <= np.mean([figure("brier", one) for one in members]) + 1e-12


def test_the_mean_of_one_is_itself() -> None:
    one = classifier(fold=3, train_seed=4)
    found = mean_of([one])
    assert np.array_equal(found.probabilities, one.probabilities)
    assert (found.fold, found.seed, found.n_cells) == (3, 4, 1)


def test_members_are_brought_into_the_order_of_the_first() -> None:
    a, b = classifier(seed=1), classifier(seed=2)
    b = replace(b, parts=np.where(np.arange(len(b)) < 40, "validation", "test"))
    a = replace(a, parts=b.parts)
    wanted = mean_of([a, b])
    order = [3, 1, 0, 2, 6, 5, 4]
    moved = replace(
        b,
        classes=tuple(b.classes[c] for c in order),
        targets=np.argsort(order)[b.targets],
        probabilities=b.probabilities[:, order],
    ).take(np.random.default_rng(0).permutation(len(b)))
    assert np.array_equal(mean_of([a, moved]).probabilities, wanted.probabilities)
    other_way = mean_of([moved, a])
    assert other_way.classes == moved.classes
    assert dict(zip(other_way.image_ids, other_way.probabilities[:, 2], strict=True)) == dict(
        zip(wanted.image_ids, wanted.probabilities[:, 0], strict=True)
    )


def test_copies_of_an_image_are_averaged_one_by_one() -> None:
    rows = np.array([0, 0, 1, 2, 2, 2])
    a, b = (classifier(5, seed=seed).take(rows) for seed in (1, 2))
    shaken = np.array([3, 5, 4, 2, 1, 0])
    # Copies are told apart by their order: here each has a figure of its own.
    a, b = (replace(one, probabilities=np.eye(7)[(np.arange(6) + k) % 7]) for k, one in enumerate((a, b)))
    found = mean_of([a, b.take(shaken)])
    firsts = {0: [4, 5], 1: [3], 2: [0, 1, 2]}  # places of each image in the shaken one
    for row, image in enumerate(rows.tolist()):
        copy = rows[:row].tolist().count(image)
        expected = (a.probabilities[row] + b.take(shaken).probabilities[firsts[image][copy]]) / 2
        assert found.probabilities[row].tolist() == expected.tolist()


def test_members_that_do_not_belong_together_are_refused() -> None:
    a, b = classifier(seed=1), classifier(seed=2)
    with pytest.raises(DataError, match="no predictions to average"):
        mean_of([])
    with pytest.raises(DataError, match="cannot be averaged with"):
        mean_of([a, classifier(classes=("nv", "mel"))])
    with pytest.raises(DataError, match=f"1 row is not in every member, such as that of {a.image_ids[0]} in the test"):
        mean_of([a, b.take(np.arange(1, len(b)))])
    with pytest.raises(DataError, match=r"rows are not in every member, such as that of .* in the test part"):
        mean_of([a, replace(b, parts=np.full(len(b), "validation"))])
    twice = b.take(np.array([0, *range(len(b))]))
    with pytest.raises(DataError, match="1 row is not in every member"):
        mean_of([a, twice])
    targets = b.targets.copy()
    targets[4] = (targets[4] + 1) % 7
    with pytest.raises(DataError, match=f"{a.image_ids[4]} is .* in one member and .* in another"):
        mean_of([a, replace(b, targets=targets)])


def test_an_estimate_counts_the_members() -> None:
    folds = [
        mean_of([classifier(20, seed=10 * fold + seed, fold=fold, train_seed=seed) for seed in range(3)])
        for fold in range(2)
    ]
    assert [one.fold for one in folds] == [0, 1]
    (found,) = estimate(folds, [METRICS[0]], replicates=10)
    assert found.n_cells == 6
    assert found.value == pytest.approx(np.mean([figure("balanced_accuracy", one) for one in folds]))
    (single,) = estimate([classifier(20)], [METRICS[0]], replicates=10)
    assert single.n_cells == 1


def test_the_mean_over_folds_pairs_with_each_fold() -> None:
    """On an external test, where all folds predict the same images."""
    cells = [replace(classifier(seed=fold, skill=1), fold=fold) for fold in range(3)]
    mean = mean_of(cells)
    assert mean.fold == EVERY_FOLD
    found = difference([mean], cells, BY_NAME["accuracy"], replicates=50)
    wanted = figure("accuracy", mean) - np.mean([figure("accuracy", one) for one in cells])
    assert found.value == pytest.approx(wanted)
    back = difference(cells, [mean], BY_NAME["accuracy"], replicates=50)
    assert (back.value, back.p) == pytest.approx((-found.value, found.p))
    itself = difference([mean], [mean], BY_NAME["accuracy"], replicates=50)
    assert (itself.value, itself.p) == (0, 1)


def test_no_architecture_is_called_like_an_ensemble() -> None:
    name = ensemble_name(["resnet18", "cnn:width=4", "cnn+densenet121"])
    assert name == "ensemble(resnet18,cnn:width=4,cnn+densenet121)"
    assert is_ensemble(name)
    assert not is_ensemble("resnet18")
    assert NAME.fullmatch(name) is None
    over_folds = ensemble_name(["resnet18", "cnn"], over_folds=True)
    assert over_folds == "ensemble(resnet18,cnn;folds)"
    assert is_ensemble(over_folds)
