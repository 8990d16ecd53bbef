from __future__ import annotations

import math
from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.over_sampling import RandomOverSampler
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from skineval.base.errors import UsageError
from skineval.data.quality.leakage import ALL, MINORITY, Leak, expected_mates, leaks
from skineval.values.lesion_table import LesionTable
from skineval.values.task import DIAGNOSES

#: What 50 draws gave (published), and the standard deviation of a draw as measured here.
PUBLISHED = {"mel": 68.3, "df": 57.2, "bcc": 56.9, "bkl": 51.0, "vasc": 49.9, "akiec": 46.2, "nv": 29.4}


def by_label(found: tuple[Leak, ...]) -> dict[str, Leak]:
    return {one.label: one for one in found}


def data(seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Classes and units of some hundred images of three classes; a few units lie in two classes."""
    random = np.random.default_rng(seed)
    classes = np.repeat([1, 4, 5], [40, 90, 230])
    units = np.concatenate([random.integers(0, 25, 40), random.integers(22, 80, 90), random.integers(80, 260, 230)])
    return classes, units


def mates_in_train(test: NDArray[np.int64], train: NDArray[np.int64], units: NDArray[np.int64]) -> NDArray[np.bool_]:
    known = set(units[train].tolist())
    return np.array([unit in known for unit in units[test].tolist()])


def close(simulated: list[float], expected: float) -> bool:
    """Within four standard errors of the mean."""
    error = np.std(simulated, ddof=1) / math.sqrt(len(simulated))
    return abs(float(np.mean(simulated)) - expected) < 4 * error + 1e-12


def test_expectation_is_that_of_scikit_learn_s_splits() -> None:
    classes, units = data(0)
    shares: dict[str, list[float]] = {ALL: [], "bcc": [], "mel": [], "nv": []}
    for seed in range(300):
        train, test = train_test_split(np.arange(len(classes)), test_size=0.2, stratify=classes, random_state=seed)
        mates = mates_in_train(test, train, units)
        shares[ALL].append(mates.mean())
        for code in (1, 4, 5):
            shares[DIAGNOSES[code]].append(mates[classes[test] == code].mean())
    found = by_label(leaks(classes, DIAGNOSES, units, draws=1))
    assert set(found) == set(shares)
    for label, simulated in shares.items():
        assert close(simulated, found[label].expected), label
    assert {label: one.n_test for label, one in found.items()} == {ALL: 72, "bcc": 8, "mel": 18, "nv": 46}


def test_expectation_is_that_of_imbalanced_learn_s_oversampling_before_the_split() -> None:
    classes, units = data(1)
    shares: dict[str, list[float]] = {ALL: [], MINORITY: [], "mel": [], "nv": []}
    for seed in range(150):
        chosen = np.arange(len(classes))[:, None]
        rows, labels = RandomOverSampler(random_state=seed).fit_resample(chosen, classes)
        train, test = train_test_split(np.arange(len(rows)), test_size=0.2, stratify=labels, random_state=10_000 + seed)
        mates = mates_in_train(test, train, units[rows[:, 0]])
        shares[ALL].append(mates.mean())
        shares[MINORITY].append(mates[labels[test] != 5].mean())
        for code in (4, 5):
            shares[DIAGNOSES[code]].append(mates[labels[test] == code].mean())
    found = by_label(leaks(classes, DIAGNOSES, units, draws=1, oversample=True))
    for label, simulated in shares.items():
        assert close(simulated, found[label].expected), label
    assert found[ALL].n_test == 138  # 20 % of three times 230
    assert found["mel"].n_images == 90


def exhaustive(counts: list[list[int]], rows: list[int], tested: list[int]) -> list[float]:
    """The expected number of test rows with a mate in train, by trying every oversampling and every split."""
    n_classes = len(rows)
    images = [[unit for unit, row in enumerate(counts) for _ in range(row[code])] for code in range(n_classes)]
    outcomes = []  # of each class: probability, tested units, trained units
    for code in range(n_classes):
        of_class = []
        for extra in product(range(len(images[code])), repeat=rows[code] - len(images[code])):
            every = images[code] + [images[code][place] for place in extra]
            splits = list(combinations(range(len(every)), tested[code]))
            weight = 1 / (len(images[code]) ** len(extra) * len(splits))
            for test in splits:
                trained = {every[place] for place in range(len(every)) if place not in test}
                of_class.append((weight, [every[place] for place in test], trained))
        outcomes.append(of_class)
    total = [0.0] * n_classes
    for combined in product(*outcomes):
        weight = math.prod(one[0] for one in combined)
        trained = set().union(*(one[2] for one in combined))
        for code, (_, test, _) in enumerate(combined):
            total[code] += weight * sum(unit in trained for unit in test)
    return total


@pytest.mark.parametrize(
    ("counts", "rows", "tested"),
    [
        ([[2], [1], [1]], [4], [2]),
        ([[3], [1]], [4], [1]),
        ([[2, 1], [1, 2], [1, 0]], [4, 3], [2, 1]),
        ([[1], [1], [1]], [5], [2]),
        ([[2, 1], [0, 1], [1, 1]], [4, 4], [2, 2]),
        ([[2, 1], [1, 1]], [3, 2], [0, 2]),
    ],
)
def test_expectation_is_the_mean_over_every_outcome(
    counts: list[list[int]], rows: list[int], tested: list[int]
) -> None:
    found = expected_mates(np.array(counts), np.array(rows), np.array(tested))
    assert found == pytest.approx(exhaustive(counts, rows, tested), abs=1e-12)


@given(st.integers(2, 60), st.integers(1, 59), st.integers(1, 8))
def test_one_class_has_the_textbook_formula(n: int, tested: int, m: int) -> None:
    m, tested = min(m, n), min(tested, n - 1)
    found = leaks(np.full(n, 4), DIAGNOSES, [min(k, n - m) for k in range(n)], test=tested / n, draws=1)
    alone = math.comb(n - m, tested - m) / math.comb(n - 1, tested - 1) if tested >= m else 0.0
    assert found[1].n_test == tested
    assert found[1].expected == pytest.approx(m / n * (1 - alone))


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), min_size=2, max_size=60), st.booleans())
@settings(max_examples=50, deadline=None)
def test_shares_are_shares_and_joining_units_never_lowers_them(rows: list[tuple[int, int]], oversample: bool) -> None:
    classes, units = np.array(rows).T
    found = leaks(classes, DIAGNOSES, units, draws=2, oversample=oversample)
    joined = leaks(classes, DIAGNOSES, units // 2, draws=2, oversample=oversample)
    for one, other in zip(found, joined, strict=True):
        assert one.label == other.label
        if one.n_test:
            assert -1e-12 <= one.expected <= other.expected + 1e-12
            assert 0 <= one.drawn <= other.drawn <= 1
        else:
            assert math.isnan(one.expected)
    counts = Counter(classes.tolist())
    assert found[0].n_images == len(rows)
    assert {one.label: one.n_images for one in found if one.label in DIAGNOSES} == {
        DIAGNOSES[code]: count for code, count in counts.items()
    }


def test_draws_are_those_of_their_seed_and_scatter_about_the_expectation() -> None:
    classes, units = data(2)
    found, again, other = (leaks(classes, DIAGNOSES, units, draws=200, seed=seed)[0] for seed in (0, 0, 1))
    assert found == again
    assert found.drawn != other.drawn
    assert abs(found.mean - found.expected) < 4 * found.deviation / math.sqrt(200)
    fewer = leaks(classes, DIAGNOSES, units, draws=1, seed=0)[0]
    assert fewer.drawn == fewer.mean == found.drawn
    assert math.isnan(fewer.deviation)


def test_nothing_leaks_from_single_images_and_everything_from_one_lesion() -> None:
    classes, _ = data(3)
    assert leaks(classes, DIAGNOSES, np.arange(len(classes)))[0].expected == pytest.approx(0, abs=1e-12)
    assert leaks(classes, DIAGNOSES, np.zeros(len(classes)))[0].expected == pytest.approx(1)


@pytest.mark.parametrize(("test", "draws"), [(0.0, 5), (1.0, 5), (math.nan, 5), (0.2, 0)])
def test_settings_out_of_range_are_refused(test: float, draws: int) -> None:
    with pytest.raises(UsageError):
        leaks(np.array([1, 1, 2]), DIAGNOSES, [1, 2, 3], test=test, draws=draws)


def test_ham10000_leaks_as_published(real_table: LesionTable) -> None:
    codes = real_table.codes
    found = by_label(leaks(codes, DIAGNOSES, real_table.frame["lesion_id"].tolist()))
    assert 100 * found[ALL].expected == pytest.approx(38.6, abs=0.5)
    assert 100 * found["mel"].expected == pytest.approx(68.3, abs=0.5)
    for label, published in PUBLISHED.items():
        # The published figures are means of 50 draws, those of the small classes vary by a point.
        error = 100 * found[label].deviation / math.sqrt(50)
        assert abs(100 * found[label].expected - published) < max(0.5, 3 * error), label
        assert abs(found[label].mean - found[label].expected) < 4 * found[label].deviation / math.sqrt(50)


def test_ham10000_oversampled_first_is_as_published(real_table: LesionTable) -> None:
    images = real_table.images.files  # type: ignore[attr-defined]
    contents = [f"{file.crc}-{file.size}" for file in images]
    found = by_label(leaks(real_table.codes, DIAGNOSES, contents, oversample=True))
    assert 100 * found[ALL].expected == pytest.approx(85.6, abs=0.05)
    assert 100 * found[MINORITY].expected == pytest.approx(99.8, abs=0.05)
    assert found[ALL].n_test == 9387
