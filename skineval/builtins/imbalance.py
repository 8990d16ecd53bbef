"""The remedies for class imbalance that come with skineval."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from skineval.catalog.specs import ImbalanceStrategy, Parameter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


def class_weights(counts: NDArray[np.int64], *, power: float) -> Callable[[Tensor, Tensor], Tensor]:
    """Cross-entropy with weights proportional to 1 / count ** power, scaled to a mean of 1 over the train part.

    With power 1 this is scikit-learn's class_weight="balanced" (King, Zeng, "Logistic Regression in Rare Events
    Data", 2001). Classes without a train image get no weight, having no image to weigh.
    """
    import numpy as np
    import torch
    import torch.nn.functional as F

    raw = np.where(counts > 0, np.maximum(counts, 1) ** -float(power), 0.0)
    weights = torch.tensor(raw * counts.sum() / (raw * counts).sum(), dtype=torch.float32)
    weights_on = cache(weights.to)  # copied to a GPU once: every copy waits for it

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(logits, targets, weight=weights_on(logits.device), reduction="none")

    return loss


def balanced_draws(labels: NDArray[np.int64], *, power: float) -> NDArray[np.float64]:
    """Draw each image with weight 1 / count ** power of its class: with power 1 all classes are equally frequent."""
    import numpy as np

    counts = np.bincount(labels).astype(np.float64)
    return np.power(counts[labels], -power)


def smote(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], *, seed: int, k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """SMOTE (Chawla et al., JAIR 16, 2002): points between minority neighbours until all classes are equally frequent.

    `k` is lowered where a class has fewer than k + 1 images; raises CellError where one has a single image.
    """
    import numpy as np
    from imblearn.over_sampling import SMOTE

    from skineval.base.errors import CellError

    counts = np.bincount(labels)
    smallest = int(counts[counts > 0].min())
    if smallest < 2:
        raise CellError("smote needs two train images of every class; one class has a single one.")
    sampler = SMOTE(k_neighbors=min(k, smallest - 1), random_state=seed % 2**32)
    resampled: tuple[Any, Any] = sampler.fit_resample(embeddings, labels)
    return resampled


_POWER = Parameter(1.0, "0 is the natural distribution, 1 the balanced one.", minimum=0.0, maximum=1.0)

STRATEGIES = (
    ImbalanceStrategy("none", "Train on the classes as frequent as they are."),
    ImbalanceStrategy(
        "class-weights",
        "Weigh the loss by the inverse class frequency.",
        loss=class_weights,
        parameters={"power": _POWER},
    ),
    ImbalanceStrategy(
        "oversample",
        "Draw train images so that all classes are equally frequent in every epoch.",
        draw_weights=balanced_draws,
        parameters={"power": _POWER},
    ),
    ImbalanceStrategy(
        "smote",
        "Interpolate minority embeddings of the trained network and refit its head on them.",
        resample=smote,
        parameters={"k": Parameter(5, "Neighbours to interpolate between.", minimum=1, maximum=100)},
    ),
)
