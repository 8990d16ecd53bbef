"""From logits to what is minimised: the loss of a strategy, smoothed, and shared between two labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from skineval.base.errors import CellError

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]  #: logits (N, C) float32, targets (N,) int64 -> losses (N,)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of strategies that do not change it: (N, C), (N,) -> (N,)."""
    return F.cross_entropy(logits, targets, reduction="none")


def per_image(loss: object) -> Loss:
    """What a plugin gives for a loss; raises CellError where that is not called, or not one number an image."""
    if not callable(loss):
        raise CellError(f"loss returned {type(loss).__name__}, not a function of logits and targets.")

    def losses(logits: Tensor, targets: Tensor) -> Tensor:
        found: object = loss(logits, targets)
        if not isinstance(found, Tensor) or found.shape != targets.shape:
            what = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise CellError(f"The loss of {len(targets)} images is of {what}, not one number each.")
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
