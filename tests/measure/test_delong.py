"""DeLong's test: against its definition, scikit-learn, and a published worked example."""

from __future__ import annotations

import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from skineval.measure.delong import areas, delong

#: 41 patients with a poor outcome after a subarachnoid haemorrhage and 72 with a good one, by how their WFNS grades and
#: their S100B are ranked (Turck et al., Intensive Care Medicine 36:107, 2010; Robin et al., BMC Bioinformatics 12:77,
#: 2011, whose package pROC compares them); a tie has the same letter.
WFNS = (
    "21344441410143314441414134330331144114444000040110110001010023030440013001101011000010100213103004311000201133000"
)
S100B = (
    "85b7pus2j42nlrufuuu2uh04dufu3f856du9uiuup8951qc55131462c268c1b9k4tqb2oq63431859a114143b43j6g25i21em5a39521caqcatr"
)
POOR = np.arange(len(WFNS)) < 41


def ranked(letters):
    return np.array([(string.digits + string.ascii_lowercase).index(letter) for letter in letters], dtype=float)


def by_definition(positive, scores):
    """Areas and covariance from the placement values of DeLong et al. 1988, pair by pair."""
    placed = []
    for one in scores:
        x, y = one[positive], one[~positive]
        wins = (x[:, None] > y) + 0.5 * (x[:, None] == y)
        placed.append((wins.mean(), wins.mean(axis=1), wins.mean(axis=0)))
    found, of_positive, of_negative = zip(*placed, strict=True)
    m, n = positive.sum(), (~positive).sum()
    return np.array(found), np.cov(of_positive) / m + np.cov(of_negative) / n


def test_it_is_the_published_worked_example():
    found = delong(POOR, ranked(WFNS), ranked(S100B))
    values, _ = areas(POOR, np.stack([ranked(WFNS), ranked(S100B)]))
    assert values == pytest.approx([0.823678861788618, 0.731368563685637], abs=1e-12)
    assert (found.z, found.p) == pytest.approx((2.20898359144091, 0.0271757822291882), abs=1e-12)
    assert (found.low, found.high) == pytest.approx((0.0104061769564846, 0.174214419249478), abs=1e-12)


@settings(max_examples=40, deadline=None)  # the first call loads what rankdata needs
@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_ranks_give_what_pairs_give(m, n, levels, seed):
    """With few levels there are ties."""
    rng = np.random.default_rng(seed)
    positive = rng.permutation(np.arange(m + n) < m)
    scores = rng.integers(levels, size=(3, m + n)).astype(float)
    values, covariance = areas(positive, scores)
    expected = by_definition(positive, scores)
    assert values == pytest.approx(expected[0], abs=1e-12)
    assert values == pytest.approx([roc_auc_score(positive, one) for one in scores], abs=1e-12)
    assert covariance == pytest.approx(expected[1], abs=1e-12)


def test_what_orders_images_alike_does_not_differ():
    scores = ranked(S100B)
    found = delong(POOR, scores, np.exp(scores))
    assert (found.value, found.z, found.p) == (0, 0, 1)
    assert np.isnan(found.low)


def test_where_nothing_varies_nothing_is_known():
    positive = np.array([True, True, False, False])
    perfect, reversed_ = np.array([3.0, 4.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0, 4.0])
    found = delong(positive, perfect, reversed_)
    assert found.value == 1
    assert np.isnan([found.p, found.z, found.low, found.high]).all()
    one_sided = delong(np.ones(4, dtype=bool), perfect, reversed_)
    assert np.isnan([one_sided.value, one_sided.p]).all()
