"""Remedies that act on how often something counts: an image is drawn, or its embedding weighs in the head."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def balanced_draws(labels: NDArray[np.int64], *, power: float) -> NDArray[np.float64]:
    """Weight 1 / count ** power of its class for each image: with power 1 all classes are equally frequent."""
    import numpy as np

    counts = np.bincount(labels).astype(np.float64)
    return np.power(counts[labels], -power)
