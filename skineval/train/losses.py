"""From logits to what is minimised: the loss of a strategy, smoothed, and shared between two labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from skineval.train.returned import form, refusal

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]  #: logits (N, C) float32, targets (N,) int64 -> losses (N,)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of strategies that do not change it: (N, C), (N,) -> (N,)."""
    return F.cross_entropy(logits, targets, reduction="none")


def per_image(loss: Loss, whose: str) -> Loss:
    """A loss that raises CellError, naming `whose` it is, where it is not one number an image that can be learnt from.

    torch would spread, or sum up, whatever else it is.
    """

    def losses(logits: Tensor, targets: Tensor) -> Tensor:
        found: object = loss(logits, targets)
        if not isinstance(found, Tensor) or found.shape != targets.shape or not found.is_floating_point():
            raise refusal(whose, found, f"a loss for each image, {form(targets.float())},")
        if logits.requires_grad and not found.requires_grad:
            raise refusal(whose, found, "something that depends on the logits, so that it has a gradient,")
        return found

    return losses


def smoothed(loss: Loss, share: float) -> Loss:
    """Label smoothing (Szegedy et al., arXiv 1512.00567, section 7) of any loss.

    `share` of each target is spread evenly over all classes. For cross-entropy, weighted or not, this is what torch's
    `label_smoothing` does.
    """
    if not share:
        return loss

    def smooth(logits: Tensor, targets: Tensor) -> Tensor:
        n, classes = logits.shape
        each = torch.arange(classes, device=logits.device).repeat(n)
        spread = loss(logits.repeat_interleave(classes, dim=0), each).view(n, classes).mean(dim=1)
        return (1 - share) * loss(logits, targets) + share * spread

    return smooth


@dataclass(frozen=True, eq=False)
class Labels:
    """What is to be learnt of the images of a batch, (N,) each; of mixed ones two things."""

    own: Tensor
    other: Tensor | None = None
    share: Tensor | None = None  #: of its own, in [0, 1]


def of_labels(loss: Loss, logits: Tensor, labels: Labels) -> Tensor:
    """The losses (N,) of a batch; mixed images have those of both labels, each with its share (mixup, cutmix)."""
    own = loss(logits, labels.own)
    if labels.other is None or labels.share is None:
        return own
    return labels.share * own + (1 - labels.share) * loss(logits, labels.other)
