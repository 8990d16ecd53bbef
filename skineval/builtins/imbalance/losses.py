"""Remedies that act on the loss: each makes one of the class counts of the train part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from skineval.base.terms import Value

LDAM_SCALE = 30.0  #: of the cosines, that of the authors' code

Loss: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"


def class_weights(counts: NDArray[np.int64], *, power: float) -> Loss:
    """Cross-entropy with weights proportional to 1 / count ** power, scaled to a mean of 1 over the train part.

    With power 1 this is scikit-learn's class_weight="balanced" (King, Zeng, "Logistic Regression in Rare Events
    Data", 2001). Classes without a train image get no weight, having no image to weigh.
    """
    return _weighted(_cross_entropy, counts, counts.clip(1) ** -float(power))


def effective_number(counts: NDArray[np.int64], *, beta: float) -> Loss:
    """Cross-entropy with weights proportional to (1 - beta) / (1 - beta ** count) (Cui et al. 2019, eq. 2 and 4)."""
    return _weighted(_cross_entropy, counts, _rarity(counts, beta))


def focal(counts: NDArray[np.int64], *, gamma: float) -> Loss:
    """-(1 - p) ** gamma log p of the probability p of the target (Lin et al. 2017, eq. 4)."""
    import torch

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        losses = _cross_entropy(logits, targets)
        # By expm1, which has all digits of 1 - p where p is next to 1; below the bound a power has no finite gradient.
        return losses * (-torch.expm1(-losses)).clamp(min=torch.finfo(torch.float32).tiny) ** gamma

    return loss


def class_balanced_focal(counts: NDArray[np.int64], *, beta: float, gamma: float) -> Loss:
    """The focal loss with the weights of effective numbers (Cui et al. 2019, section 4.3)."""
    return _weighted(focal(counts, gamma=gamma), counts, _rarity(counts, beta))


def balanced_softmax(counts: NDArray[np.int64]) -> Loss:
    """Cross-entropy of logits + log count (Ren et al. 2020, eq. 4)."""
    return logit_adjusted(counts, tau=1.0)


def logit_adjusted(counts: NDArray[np.int64], *, tau: float) -> Loss:
    """Cross-entropy of logits + tau log share (Menon et al. 2021, eq. 10)."""
    return vector_scaling(counts, gamma=0.0, tau=tau)


def vector_scaling(counts: NDArray[np.int64], *, gamma: float, tau: float) -> Loss:
    """Cross-entropy of (count / largest count) ** gamma x logits + tau log share (Kini et al. 2021, eq. 2).

    A class without a train image is taken for one of a single image.
    """
    import numpy as np
    import torch

    present = counts.clip(1)
    shift_on = cache(torch.tensor(tau * np.log(present / present.sum()), dtype=torch.float32).to)
    scale_on = cache(torch.tensor((present / present.max()) ** gamma, dtype=torch.float32).to)

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        return _cross_entropy(logits * scale_on(logits.device) + shift_on(logits.device), targets)

    return loss


def deferred(counts: NDArray[np.int64], *, after: float, beta: float, epoch: int, epochs: int) -> Loss:
    """Cross-entropy, from a share `after` of the epochs on with the weights of effective numbers.

    Deferred re-weighting (Cao et al. 2019, algorithm 1); the weights are those of the authors' code.
    """
    return _deferred(_cross_entropy, counts, after, beta, epoch, epochs)


def ldam(counts: NDArray[np.int64], *, margin: float, after: float, beta: float, epoch: int, epochs: int) -> Loss:
    """Cross-entropy of scaled cosines, that of the target less its margin; then deferred re-weighting as above.

    The margin is proportional to 1 / count ** (1/4), and `margin` for the rarest class (Cao et al. 2019, eq. 11 to 13,
    and section 3.2 for the normalised head).
    """
    import numpy as np
    import torch
    from torch.nn.functional import one_hot

    rarity = counts.clip(1) ** -0.25
    margins = LDAM_SCALE * margin * np.where(counts > 0, rarity / rarity[counts > 0].max(), 0.0)
    margins_on = cache(torch.tensor(margins, dtype=torch.float32).to)

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        less = one_hot(targets, logits.shape[1]) * margins_on(logits.device)
        return _cross_entropy(logits - less, targets)

    return _deferred(loss, counts, after, beta, epoch, epochs)


def label_aware_smoothing(counts: NDArray[np.int64], *, head: float, tail: float) -> Loss:
    """Cross-entropy with labels that are the smoother, the more frequent their class (Zhong et al. 2021, eq. 3 and 4).

    A share e of the target is spread over the other classes with train images: `head` for the largest, `tail` for the
    smallest, and between them tail + (head - tail) sin(pi/2 (count - smallest) / (largest - smallest)), their concave
    form.
    """
    import numpy as np
    import torch

    smallest, largest = counts[counts > 0].min(), counts.max()
    place = (counts - smallest).clip(0) / max(largest - smallest, 1)
    smooth_on = cache(torch.tensor(tail + (head - tail) * np.sin(np.pi / 2 * place), dtype=torch.float32).to)
    there_on = cache(torch.from_numpy(np.flatnonzero(counts)).to)
    others = max(int(np.count_nonzero(counts)) - 1, 1)

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        share = smooth_on(logits.device)[targets]
        own = _cross_entropy(logits, targets)
        every = -logits.log_softmax(dim=1)[:, there_on(logits.device)].sum(dim=1)
        return (1 - share) * own + share * (every - own) / others

    return loss


def ratio_of_class_weights(counts: NDArray[np.int64], classes: Sequence[str], *, power: float) -> str:
    """How many times as much the rarest class weighs as the largest."""
    return _ratio(counts, classes, counts.clip(1) ** -float(power))


def ratio_of_effective_numbers(
    counts: NDArray[np.int64], classes: Sequence[str], *, beta: float, **others: Value
) -> str:
    """How many times as much the rarest class weighs as the largest."""
    return _ratio(counts, classes, _rarity(counts, beta))


def ratio_of_deferred(counts: NDArray[np.int64], classes: Sequence[str], *, after: float, beta: float) -> str:
    """The same of the last epochs; nothing where there are none."""
    told = ratio_of_effective_numbers(counts, classes, beta=beta)
    return f"from {after:.0%} of the epochs on, {told}" if told and after < 1 else ""


def _ratio(counts: NDArray[np.int64], classes: Sequence[str], weights: NDArray[np.float64]) -> str:
    import numpy as np

    rarest, largest = int(np.where(counts > 0, counts, counts.max() + 1).argmin()), int(counts.argmax())
    times = weights[rarest] / weights[largest]
    if np.isclose(times, 1):
        return ""
    return f"an image of {classes[rarest]} weighs {times:.3g} times as much as one of {classes[largest]}"


def _deferred(plain: Loss, counts: NDArray[np.int64], after: float, beta: float, epoch: int, epochs: int) -> Loss:
    """`plain`, weighed in the epochs that end after a share `after` of all of them."""
    return _weighted(plain, counts, _rarity(counts, beta)) if epoch > round(after * epochs, 9) else plain


def _rarity(counts: NDArray[np.int64], beta: float) -> NDArray[np.float64]:
    """1 over the effective number of each class (C,); with beta 0 that is 1, towards 1 the count."""
    import numpy as np

    weights: NDArray[np.float64] = (
        (1 - beta) / -np.expm1(counts.clip(1) * np.log(beta)) if beta else np.ones(len(counts))
    )
    return weights


def _weighted(plain: Loss, counts: NDArray[np.int64], weights: NDArray[np.float64]) -> Loss:
    """`plain` with each class weighed, scaled to a mean of 1 over the train part."""
    import numpy as np
    import torch

    raw = np.where(counts > 0, weights, 0.0)
    # Copied to a GPU once: every copy waits for it.
    weights_on = cache(torch.tensor(raw * counts.sum() / (raw * counts).sum(), dtype=torch.float32).to)

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        return plain(logits, targets) * weights_on(logits.device)[targets]

    return loss


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    from torch.nn.functional import cross_entropy

    return cross_entropy(logits, targets, reduction="none")
