"""Remedies that change the linear head of a trained network, without another pass over images."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Linear: TypeAlias = "tuple[NDArray[np.float64], NDArray[np.float64]]"


def tau_normalised(
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    tau: float,
) -> Linear:
    """The logit of each class over the length of its weights to the power tau (Kang et al. 2020, eq. 3).

    With tau 1 logits are distances from the planes where they are 0. The authors leave the bias away, which is next to
    nothing in a network trained as a whole; in a head that was fitted by itself it is not, and is divided, too. A
    class whose weights are all 0 stays as it is.
    """
    import numpy as np

    lengths = np.linalg.norm(weight, axis=1)
    divisor = np.where(lengths > 0, lengths, 1.0) ** tau
    return weight / divisor[:, None], bias / divisor


def nearest_means(
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
) -> Linear:
    """The nearest class mean of standardised embeddings (Kang et al. 2020, section 4, nearest class mean)."""
    from skineval.train.class_means import class_means

    means = class_means(embeddings, labels, len(bias))
    return means.weight, means.bias


def rescaled(
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
) -> Linear:
    """Each logit times a factor, learnt with all classes alike (Kang et al. 2020, section 4, LWS).

    The weights stay as they are, so there are as many factors as classes. The cross-entropy, a mean over the classes of
    means over their images, is convex in them; factors are within 0 and 100, since logits without a mistake have no
    largest one.
    """
    import numpy as np
    from scipy.optimize import minimize

    logits = embeddings.astype(np.float64) @ weight.T + bias
    counts = np.bincount(labels, minlength=len(bias))
    shares = 1 / counts[labels] / np.count_nonzero(counts)
    meant = np.arange(len(bias)) == labels[:, None]

    def loss(factors: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scaled = logits * factors
        total = np.logaddexp.reduce(scaled, axis=1, keepdims=True)
        wrong = (np.exp(scaled - total) - meant) * shares[:, None]
        return float(shares @ (total[:, 0] - scaled[meant])), (wrong * logits).sum(axis=0)

    found = minimize(loss, np.ones(len(bias)), jac=True, method="L-BFGS-B", bounds=[(0.0, 100.0)] * len(bias))
    return weight * found.x[:, None], bias * found.x
