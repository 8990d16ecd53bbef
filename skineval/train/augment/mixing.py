"""Images made of two, which have the labels of both: mixup and cutmix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import betaincinv
from torch import Tensor

from skineval.train.augment.erasing import Boxes, span

ALPHA = 0.2  #: of mixup; the authors use 0.1 to 0.4 on ImageNet
CUT = 0.5  #: how many images cutmix takes, as the authors have it on CIFAR; mixup takes those that it leaves
_STEPS = 1024


@dataclass(frozen=True)
class Mixture:
    """How much of which other image goes into each image of a batch."""

    partner: Tensor  #: (N,) int64: the position of the other image
    share: Tensor  #: (N,) float32 in [0, 1]: how much of an image is its own
    boxes: Boxes  #: where the other image is pasted
    blended: Tensor  #: (N,) float32: how much of the other image shows everywhere

    def blend(self, images: Tensor, piece: slice) -> Tensor:
        """The mixed images of a piece of the batch `images` (N, 3, H, W)."""
        boxes = Boxes(self.boxes.rows[piece], self.boxes.columns[piece])
        other = boxes.mask() + self.blended[piece].view(-1, 1, 1, 1)
        return torch.lerp(images[piece], images[self.partner[piece]], other)


@dataclass(frozen=True)
class Shares:
    """The own shares of mixup: the inverse of the distribution function of Beta(ALPHA, ALPHA), at equal steps."""

    table: Tensor  #: (_STEPS + 1,)

    @classmethod
    def on(cls, device: torch.device) -> Shares:
        """The table, computed by scipy."""
        values = betaincinv(ALPHA, ALPHA, np.linspace(0, 1, _STEPS + 1))
        return cls(torch.tensor(values, dtype=torch.float32, device=device))

    def __call__(self, draws: Tensor) -> Tensor:
        """Shares (N,) for uniform draws (N,), linear between steps; 1 for a draw of 1."""
        place = draws * _STEPS
        step = place.long().clamp(max=_STEPS - 1)
        return torch.lerp(self.table[step], self.table[step + 1], place - step)


def drawn_boxes(draws: Tensor, height: int, width: int) -> Boxes:
    """The rectangles of cutmix for draws (N, 4): whether, share, down, right; empty where nothing is pasted.

    The own share is uniform, which is Beta(1, 1); a rectangle has the proportions of the image and its centre
    anywhere, so that part of it may lie outside.
    """
    side = torch.where(draws[:, 0] < CUT, torch.sqrt(1 - draws[:, 1]), 0.0)
    return Boxes(
        span((draws[:, 2] - side / 2) * height, side * height, height),
        span((draws[:, 3] - side / 2) * width, side * width, width),
    )


def drawn_mixture(mixup: Tensor, cutmix: Tensor, shares: Shares, height: int, width: int) -> Mixture:
    """Mix each image with the one before it in the batch, the first with the last: the order is drawn already.

    Mixup (Zhang et al. 2018, arXiv 1710.09412) blends the whole of both, by draws (N, 1). Cutmix (Yun et al. 2019,
    arXiv 1905.04899) pastes a rectangle of the partner, by draws (N, 4), and the share is that of the pixels. An image
    is mixed in one way or the other.
    """
    boxes, pasted = drawn_boxes(cutmix, height, width), cutmix[:, 0] < CUT
    blended = torch.where(pasted, 0.0, 1 - shares(mixup[:, 0]))
    return Mixture(
        partner=torch.arange(len(mixup), device=mixup.device).roll(1),
        share=1 - torch.where(pasted, boxes.fraction(), blended),
        boxes=boxes,
        blended=blended,
    )
