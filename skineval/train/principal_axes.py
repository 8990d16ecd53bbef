"""The plane in which embeddings spread the most: for a picture of them, no part of any classifier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skineval.train.embeddings import standardised


@dataclass(frozen=True, eq=False)
class Plane:
    """Two axes through the mean of embeddings."""

    mean: NDArray[np.float64]  #: (d,)
    axes: NDArray[np.float64]  #: (2, d), of embeddings that are not standardised yet
    shares: tuple[float, float]  #: what part of the variance each axis holds

    def project(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n, 2) of embeddings (n, d)."""
        return (embeddings - self.mean) @ self.axes.T


def principal_plane(embeddings: NDArray[np.float32]) -> Plane | None:
    """The first two principal axes of standardised embeddings (n, d); None where fewer than two dimensions differ.

    The largest number of each axis is positive, or the same axis could point either way.
    """
    from scipy.linalg import eigh  # which few cells need

    given, mean, scale = standardised(embeddings)
    n, d = given.shape
    moving = np.count_nonzero(np.isfinite(scale))  # each of which has a variance of 1
    if moving < 2:
        return None
    # numpy works out one half of a matrix times itself, torch both.
    values, vectors = eigh(given.T @ given / n, subset_by_index=(d - 2, d - 1))
    axes = vectors.T[::-1].astype(np.float64)
    axes *= np.sign(axes[[0, 1], np.abs(axes).argmax(axis=1)])[:, None]
    second, first = np.clip(values / moving, 0, 1).tolist()
    return Plane(mean, axes / scale, (first, second))
