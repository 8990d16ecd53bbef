"""The nearest class mean as the head of a frozen network.

Mensink et al., "Distance-Based Image Classification: Generalizing to New Classes at Near-Zero Cost", IEEE Transactions
on Pattern Analysis and Machine Intelligence 35(11), 2013; for long tails Kang et al., "Decoupling Representation and
Classifier for Long-Tailed Recognition", ICLR 2020, section 4. No class has a prior, so a frequent one wins no image by
being frequent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skineval.train.embeddings import NEVER, STILL, Head, Score, units
from skineval.train.predict import softmax

#: How far the temperature may be from the spread of the class means, as a factor. The mean of an embedding's logits,
#: each weighed as its class, is minus half the spread over the temperature, so one logit is always far above `NEVER`.
_FAR = 1e4
_ALIKE = 1e-6  #: spread of class means that do not differ


def fit_class_means(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    validation: tuple[NDArray[np.float32], NDArray[np.int64]],
    num_classes: int,
    score: Score,
    shares: NDArray[np.float64] | None = None,
) -> Head:
    """Logits -|x - m|^2 / (2 T) of standardised embeddings x (n, d) and their class means m, as a linear head.

    What they lack, -|x|^2 / (2 T), is the same for all classes. The temperature T is chosen on the validation part.
    `shares` (n,) are how much each embedding counts, in the means as in what standardises: 2 is a row given twice.
    Classes without a train label, or whose shares are 0, get a bias that never wins.
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
    halves = np.square(means).sum(axis=1) / 2

    weight, bias = np.zeros((num_classes, len(mean))), np.full(num_classes, NEVER)
    weight[present] = means / scale
    bias[present] = -halves - weight[present] @ mean
    known = np.isin(validation[1], present)
    logits = validation[0][known] @ weight[present].T + bias[present]
    spread = 2 * float(totals[present] @ halves) / shares.sum()
    temperature = choose_temperature(logits, np.searchsorted(present, validation[1][known]), max(spread, _ALIKE))
    weight /= temperature
    bias[present] /= temperature
    return Head(weight, bias, temperature, score(validation[1], softmax(validation[0] @ weight.T + bias)))


def choose_temperature(logits: NDArray[np.float64], codes: NDArray[np.int64], near: float) -> float:
    """The temperature of `logits` (n, P), of which `codes` (n,) are right, by their negative log-likelihood.

    Between `near` / _FAR and `near` * _FAR. The likelihood is convex in the inverse, so there is one minimum. It counts
    one embedding more, that is of all classes alike: without that, temperatures of logits that are always right would
    go to zero, and the first wrong one would cost without bound. (Platt, "Probabilistic Outputs for Support Vector
    Machines", 1999, adds one to the counts for this.)
    """
    from scipy.optimize import minimize_scalar

    n, classes = logits.shape
    meant = (codes[:, None] == np.arange(classes)) + 1 / max(n * classes, 1)

    def loss(exponent: float) -> float:
        cooled = logits / np.exp(exponent)
        return float((meant * (np.logaddexp.reduce(cooled, axis=1, keepdims=True) - cooled)).sum())

    limits = np.log(near / _FAR), np.log(near * _FAR)
    return float(np.exp(minimize_scalar(loss, bounds=limits, method="bounded", options={"xatol": 1e-5}).x))
