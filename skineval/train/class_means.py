"""The nearest class mean as the head of a frozen network.

Mensink et al., "Distance-Based Image Classification: Generalizing to New Classes at Near-Zero Cost", IEEE Transactions
on Pattern Analysis and Machine Intelligence 35(11), 2013; for long tails Kang et al., "Decoupling Representation and
Classifier for Long-Tailed Recognition", ICLR 2020, section 4. No class has a prior, so a frequent one wins no image by
being frequent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skineval.base.terms import STILL
from skineval.measure.scaling import choose_temperature
from skineval.train.embeddings import Head, Score, units
from skineval.train.predict import softmax
from skineval.train.regression import NEVER

#: How far the temperature may be from the spread of the class means, as a factor. The mean of an embedding's logits,
#: each weighed as its class, is minus half the spread over the temperature, so one logit is always far above `NEVER`.
_FAR = 1e4
_ALIKE = 1e-6  #: spread of class means that do not differ


def class_means(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    num_classes: int,
    shares: NDArray[np.float64] | None = None,
) -> Head:
    """Logits -|x - m|^2 / (2 T) of standardised embeddings x (n, d) and their class means m, as a linear head.

    What they lack, -|x|^2 / (2 T), is the same for all classes. The temperature T is the mean of |m|^2 over the
    embeddings, until one is chosen; there is no score. `shares` (n,) are how much each embedding counts, in the means
    as in what standardises: 2 is a row given twice. Classes without a train label, or whose shares are 0, get a bias
    that never wins.
    """
    shares = np.ones(len(labels)) if shares is None else shares
    totals = np.bincount(labels, shares, num_classes)
    present = np.flatnonzero(totals)
    mean = shares @ embeddings / shares.sum()
    centred = embeddings - mean
    scale = np.sqrt(np.einsum("n,nd,nd->d", shares, centred, centred) / shares.sum())
    scale[scale <= STILL * units(embeddings)] = np.inf
    members = (labels == present[:, None]) * shares / totals[present, None]
    means = members @ centred / scale
    squares = np.square(means).sum(axis=1)
    spread = max(float(totals[present] @ squares) / shares.sum(), _ALIKE)

    weight, bias = np.zeros((num_classes, len(mean))), np.full(num_classes, NEVER)
    weight[present] = means / scale / spread
    bias[present] = -squares / 2 / spread - weight[present] @ mean
    return Head(weight, bias, spread, np.nan)


def fit_class_means(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    validation: tuple[NDArray[np.float32], NDArray[np.int64]],
    num_classes: int,
    score: Score,
    shares: NDArray[np.float64] | None = None,
) -> Head:
    """The head of `class_means`, its logits divided by a temperature that is chosen on the validation part."""
    means = class_means(embeddings, labels, num_classes, shares)
    present = np.flatnonzero(means.bias != NEVER)
    known = np.isin(validation[1], present)
    logits = validation[0][known] @ means.weight[present].T + means.bias[present]
    factor = choose_temperature(logits, np.searchsorted(present, validation[1][known]), far=_FAR)
    weight, bias = means.weight / factor, np.where(means.bias != NEVER, means.bias / factor, NEVER)
    probabilities = softmax(validation[0] @ weight.T + bias)
    return Head(weight, bias, means.setting * factor, score(validation[1], probabilities))
