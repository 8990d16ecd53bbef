"""Remedies that act after training, on the logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def logit_adjustment(counts: NDArray[np.int64], *, tau: float) -> NDArray[np.float64]:
    """-tau log share of each class (C,), to be added to its logit (Menon et al. 2021, eq. 9).

    Nothing is added for a class without a train image: what is known of that is that it is never meant.
    """
    import numpy as np

    return -tau * np.log(np.where(counts > 0, counts / counts.sum(), 1.0))
