"""The shares of the classes in a set of images, estimated from what a network says of them, without their labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: What is said of the head of a network where that is done, and of predictions of one where it is not.
ESTIMATED = "shares of the classes estimated in each set that is predicted"
NOT_ESTIMATED = (
    "The shares of the classes are not estimated here, as they were in the bench for each of its parts as a whole: "
    "each image is predicted by itself."
)
_ROUNDS, _ENOUGH = 1000, 1e-7


def with_estimated_prior(probabilities: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities (n, C) for a set of images with shares of its own in place of the `prior` (C,) of training.

    By expectation and maximisation: the shares are the mean of the probabilities, which follow from the shares, until
    neither changes (Saerens et al., "Adjusting the Outputs of a Classifier to New a Priori Probabilities", Neural
    Computation 14, 2002, eq. 9). What is returned is as good as the probabilities were: those of a network that takes
    all classes for equally frequent are not what this begins with.
    """
    shares = prior
    for _ in range(_ROUNDS if len(probabilities) else 0):
        found = _adjusted(probabilities, shares, prior).mean(axis=0)
        done = np.abs(found - shares).max() < _ENOUGH
        shares = found
        if done:
            break
    return _adjusted(probabilities, shares, prior)


def _adjusted(
    probabilities: NDArray[np.float64], shares: NDArray[np.float64], prior: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Probabilities (n, C) with other shares (C,); a class without a prior is never meant."""
    weighed = probabilities * np.divide(shares, prior, out=np.zeros_like(shares), where=prior > 0)
    total = weighed.sum(axis=1, keepdims=True)
    # Where nothing is left that could be, an image is what it was.
    adjusted: NDArray[np.float64] = np.where(total > 0, weighed / np.where(total > 0, total, 1.0), probabilities)
    return adjusted
