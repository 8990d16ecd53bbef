"""The shares of the classes in a set of images, estimated from what a network says of them, without their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: What is said of the head of a network where that is done, and of predictions of one where it is not.
ESTIMATED = "shares of the classes estimated in each set that is predicted"
NOT_ESTIMATED = (
    "The shares of the classes are not estimated here, as they were in the bench for each of its parts as a whole: "
    "each image is predicted by itself."
)
_ROUNDS, _ENOUGH = 1000, 1e-7
_ALL = 0.99  # the share of a class from which on the others are as good as gone


@dataclass(frozen=True, eq=False)
class Adapted:
    """What a network says of a set of images, adapted to the shares of the classes that were estimated there."""

    probabilities: NDArray[np.float64]  #: (n, C)
    shares: NDArray[np.float64]  #: (C,)
    change: float  #: of a share in the last round, at most

    def doubt(self, classes: Sequence[str]) -> str:
        """What speaks against the estimate, as the end of a sentence, with the shares; empty where nothing does.

        With networks that are too sure, or that tell classes badly apart, it may end with one class for all images.
        """
        largest = int(self.shares.argmax())
        reasons = [f"went nearly all to {classes[largest]}"] * bool(self.shares[largest] > _ALL)
        reasons += [f"had not settled after {_ROUNDS:,} rounds"] * bool(self.change >= _ENOUGH)
        found = ", ".join(f"{name} {100 * share:.0f} %" for name, share in zip(classes, self.shares, strict=True))
        return f"{' and '.join(reasons)}: {found}" if reasons else ""


def with_estimated_prior(probabilities: NDArray[np.float64], prior: NDArray[np.float64]) -> Adapted:
    """Probabilities (n, C) for a set of images with shares of its own in place of the `prior` (C,) of training.

    By expectation and maximisation: the shares are the mean of the probabilities, which follow from the shares, until
    neither changes (Saerens et al., "Adjusting the Outputs of a Classifier to New a Priori Probabilities", Neural
    Computation 14, 2002, eq. 9). What is returned is as good as the probabilities were: those of a network that takes
    all classes for equally frequent are not what this begins with.
    """
    shares, change = prior, 0.0
    for _ in range(_ROUNDS if len(probabilities) else 0):
        found = _adjusted(probabilities, shares, prior).mean(axis=0)
        shares, change = found, float(np.abs(found - shares).max())
        if change < _ENOUGH:
            break
    return Adapted(_adjusted(probabilities, shares, prior), shares, change)


def _adjusted(
    probabilities: NDArray[np.float64], shares: NDArray[np.float64], prior: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Probabilities (n, C) with other shares (C,); a class without a prior is never meant."""
    weighed = probabilities * np.divide(shares, prior, out=np.zeros_like(shares), where=prior > 0)
    total = weighed.sum(axis=1, keepdims=True)
    # Where nothing is left that could be, an image is what it was.
    adjusted: NDArray[np.float64] = np.where(total > 0, weighed / np.where(total > 0, total, 1.0), probabilities)
    return adjusted
