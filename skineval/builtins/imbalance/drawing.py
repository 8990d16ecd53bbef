"""Remedies that act on how often something counts: an image is drawn, or its embedding weighs in the head."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


def balanced_draws(labels: NDArray[np.int64], *, power: float) -> NDArray[np.float64]:
    """Weight 1 / count ** power of its class for each image: with power 1 all classes are equally frequent."""
    import numpy as np

    counts = np.bincount(labels).astype(np.float64)
    return np.power(counts[labels], -power)


def square_root_draws(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Classes as frequent as the square roots of their counts (Mahajan et al. 2018, section 2.2)."""
    return balanced_draws(labels, power=0.5)


def progressive_draws(labels: NDArray[np.int64], *, epoch: int, epochs: int) -> NDArray[np.float64]:
    """From the natural distribution to the balanced one, which the last epoch has (Kang et al. 2020, section 3).

    Classes are drawn with (1 - t) count / n + t / classes, where t is the share of the epochs that this one completes.
    """
    import numpy as np

    counts = np.bincount(labels).astype(np.float64)
    progress = epoch / epochs
    of_class = (1 - progress) * counts / len(labels) + progress / np.count_nonzero(counts)
    drawn: NDArray[np.float64] = (of_class / counts.clip(1))[labels]
    return drawn


def undersampled(labels: NDArray[np.int64], *, seed: int) -> NDArray[np.int64]:
    """Positions of as many images of each class as the smallest has, drawn without replacement."""
    import numpy as np

    generator = np.random.default_rng(seed)
    places = [np.flatnonzero(labels == code) for code in np.unique(labels)]
    smallest = min(map(len, places))
    return np.concatenate([generator.choice(one, smallest, replace=False) for one in places])


def length_of_undersampled(counts: NDArray[np.int64], classes: Sequence[str]) -> str:
    """How much shorter an epoch is: the same number of epochs is less training."""
    import numpy as np

    drawn = int(counts[counts > 0].min(initial=counts.max()) * np.count_nonzero(counts))
    return f"an epoch goes over {drawn:,} images in place of {counts.sum():,}, in as much fewer steps"
