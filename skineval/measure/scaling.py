"""Probabilities that are to be taken at their word: what scales their logits, fitted on validation images.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2. The temperature divides all logits by
one number, which changes no answer; vector scaling multiplies those of each class by a number of its own and adds
another one, which does. Both have the least negative log-likelihood of the validation images.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skineval.measure.metrics import SMALLEST_PROBABILITY, Floats
from skineval.values.predictions import Predictions

_STEPS = 500  #: of the search for vectors, at most; tens are enough as a rule


def choose_temperature(logits: Floats, codes: NDArray[np.int64], near: float = 1.0, far: float = 100.0) -> float:
    """The temperature of `logits` (n, P), of which `codes` (n,) are right, by their negative log-likelihood.

    Between `near` / `far` and `near` * `far`. The likelihood is convex in the inverse, so there is one minimum (Guo et
    al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2). It counts one embedding more, that is of
    all classes alike: without that, temperatures of logits that are always right would go to zero, and the first wrong
    one would cost without bound. (Platt, "Probabilistic Outputs for Support Vector Machines", 1999, adds one to the
    counts for this.)
    """
    from scipy.optimize import minimize_scalar

    n, classes = logits.shape
    meant = (codes[:, None] == np.arange(classes)) + 1 / max(n * classes, 1)

    def loss(exponent: float) -> float:
        cooled = logits / np.exp(exponent)
        return float((meant * (np.logaddexp.reduce(cooled, axis=1, keepdims=True) - cooled)).sum())

    limits = np.log(near / far), np.log(near * far)
    return float(np.exp(minimize_scalar(loss, bounds=limits, method="bounded", options={"xatol": 1e-5}).x))


def choose_vectors(logits: Floats, codes: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """(C,), (C,): what multiplies the `logits` (n, C) of each class, and what is then added, by vector scaling.

    `codes` (n,) are right. The likelihood is concave in both; it counts one image more, as `choose_temperature` does.
    The sum of what is added is 0.
    """
    from scipy.optimize import minimize

    n, classes = logits.shape
    meant = (codes[:, None] == np.arange(classes)) + 1 / max(n * classes, 1)
    total = meant.sum()

    def loss(both: Floats) -> tuple[float, Floats]:
        scaled = logits * both[:classes] + both[classes:]
        normal = np.logaddexp.reduce(scaled, axis=1, keepdims=True)
        slope = np.exp(scaled - normal) * meant.sum(axis=1, keepdims=True) - meant
        value = float((meant * (normal - scaled)).sum()) / total
        return value, np.concatenate([(slope * logits).sum(axis=0), slope.sum(axis=0)]) / total

    start = np.concatenate([np.ones(classes), np.zeros(classes)])
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS, "gtol": 1e-5, "ftol": 1e-9}
    ).x
    return found[:classes], found[classes:] - found[classes:].mean()


def logits_of(predictions: Predictions) -> Floats:
    """(N, C): the logarithms of the probabilities, which are the logits less a number of each image's own."""
    found: Floats = np.log(np.maximum(predictions.probabilities, SMALLEST_PROBABILITY))
    return found


def scaled(predictions: Predictions, factors: float | Floats, offsets: float | Floats = 0.0) -> Predictions:
    """The same answers, with the logits of each class times `factors` plus `offsets`, each one number or (C,)."""
    logits = logits_of(predictions) * factors + offsets
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return replace(predictions, probabilities=raised / raised.sum(axis=1, keepdims=True))
