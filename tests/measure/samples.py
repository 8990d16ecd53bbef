"""Made-up predictions with lesions of several images."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skineval.measure.comparisons import differences
from skineval.measure.replicates import viewed
from skineval.values.predictions import Predictions
from skineval.values.task import DIAGNOSES, malignant_of

#: Images of each class in HAM10000, in the order of DIAGNOSES (Tschandl et al. 2018).
HAM10000_COUNTS = (327, 514, 1099, 115, 1113, 6705, 142)


def classifier(
    lesions=60, *, seed=0, skill=1.5, images_per_lesion=3, classes=DIAGNOSES, fold=0, train_seed=0, truth_seed=0
):
    """A classifier that errs on whole lesions more than on single images; `truth_seed` sets what the lesions are."""
    truth = np.random.default_rng(truth_seed)
    of_lesion = truth.integers(len(classes), size=lesions)
    unit = np.repeat(np.arange(lesions), truth.integers(1, images_per_lesion + 1, size=lesions))
    rng = np.random.default_rng([seed, 7])
    logits = rng.normal(size=(lesions, len(classes)))[unit] + 0.5 * rng.normal(size=(len(unit), len(classes)))
    logits[np.arange(len(unit)), of_lesion[unit]] += skill
    return Predictions(
        tuple(classes),
        np.array([f"ISIC_{fold}{k:06d}" for k in range(len(unit))]),
        lesion_ids := np.array([f"HAM_{fold}{k:06d}" for k in unit]),
        lesion_ids,
        np.full(len(unit), "test"),
        of_lesion[unit].astype(np.int64),
        softmax(logits),
        fold,
        train_seed,
        malignant=malignant_of(classes),
    )


def compute(metric, cell, weights):
    """What a metric returns for `weights` (B, N) of the images of a cell: (B,), or (B, C) where it is per class."""
    seen = viewed(metric, cell)
    return metric.compute(seen.targets, seen.probabilities, weights, seen.classes)


def difference(a, b, metric, **keys):
    """That of a single metric."""
    return differences(a, b, [metric], **keys)[0]


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


@st.composite
def tied_cells(draw):
    """Predictions with many ties, and whole weights, of three classes of which one is malignant."""
    n = draw(st.integers(1, 12))
    targets = draw(hnp.arrays(np.int64, n, elements=st.integers(0, 2)))
    scores = draw(hnp.arrays(np.int64, (n, 3), elements=st.integers(0, 4)))
    weights = draw(hnp.arrays(np.int64, (2, n), elements=st.integers(0, 3)))
    names = np.array([f"I{k}" for k in range(n)])
    parts, probabilities = np.full(n, "test"), softmax(scores.astype(float))
    found = Predictions(("mel", "nv", "df"), names, names, names, parts, targets, probabilities, malignant=("mel",))
    return found, weights.astype(float)
