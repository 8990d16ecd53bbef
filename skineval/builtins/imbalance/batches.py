"""Remedies that act on the images of a batch: those of rare classes are varied more, or mixed into others."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from skineval.builtins.imbalance.drawing import balanced_draws

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from skineval.base.terms import Value

Augment: TypeAlias = "Callable[[Tensor, Tensor, Tensor], Tensor]"
Mix: TypeAlias = "Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]"

_FAR, _NEAR = 0.25, 1.5  #: how far `minority_augment` shifts, of a side, and how much it enlarges, at most


def minority_augment(counts: NDArray[np.int64], *, below: float, strength: float) -> Augment:
    """Turn, mirror, zoom and shift images of rare classes once more, on top of what `--augment` does to all.

    Rare are classes with less than `below` times the images of the largest.
    """
    import torch

    from skineval.train.augment.geometry import Pose, warp

    rare_on = cache(torch.from_numpy((counts > 0) & (counts < below * counts.max())).to)

    def augment(images: Tensor, targets: Tensor, draws: Tensor) -> Tensor:
        chosen = rare_on(images.device)[targets]
        signed = 2 * draws - 1
        still = torch.zeros_like(draws[:, 0])
        pose = Pose(
            angle=2 * math.pi * draws[:, 0],
            mirror=torch.where(draws[:, 1] < 0.5, -1.0, 1.0),
            zoom=torch.exp(signed[:, 2] * math.log(_NEAR) * strength),
            right=signed[:, 3] * 2 * _FAR * strength,
            down=signed[:, 4] * 2 * _FAR * strength,
            slant_x=still,
            slant_y=still,
        )
        moved = warp(images.contiguous(), pose.matrices())
        return torch.where(chosen.view(-1, 1, 1, 1), moved, images)

    return augment


def cmo(counts: NDArray[np.int64], *, power: float, off: float, epoch: int, epochs: int) -> Mix:
    """Paste a rectangle of a partner into every second image (Park et al. 2022, algorithm 1).

    The share of the pasted part of the area is uniform, as is its place, and the label is shared as the area is. In the
    first and the last epochs, a share `off` of all at either end, nothing is pasted. Partners are of rare classes:
    `minority_partners` draws them.
    """
    import torch

    idle = math.floor(off * epochs + 0.5)
    active = idle < epoch <= epochs - idle

    def mix(
        images: Tensor, targets: Tensor, others: Tensor, other_targets: Tensor, draws: Tensor
    ) -> tuple[Tensor, Tensor]:
        from skineval.train.augment.mixing import drawn_boxes

        # The first number of a box says whether there is one: that of half of the images is small enough.
        whether = draws[:, :1] if active else torch.ones_like(draws[:, :1])
        boxes = drawn_boxes(torch.cat([whether, draws[:, 1:4]], dim=1), *images.shape[2:])
        mask = boxes.mask()
        return torch.lerp(images, others, mask.to(images.dtype)), 1 - boxes.fraction()

    return mix


def minority_partners(labels: NDArray[np.int64], *, power: float, **others: Value) -> NDArray[np.float64]:
    """Weight 1 / count ** power of its class for each image (Park et al. 2022, eq. 3)."""
    return balanced_draws(labels, power=power)


def remix(counts: NDArray[np.int64], *, kappa: float, tau: float) -> Mix:
    """Blend two images, and give the label to the rarer one where it shows enough (Chou et al. 2020, eq. 5 and 6).

    Of an image with the share s of class i and 1 - s of class j, the label is j alone where i has at least `kappa`
    times the images of j and s is below `tau`, i alone where it is the other way round, and shared like the image
    otherwise. Shares are uniform.
    """
    import torch

    sizes_on = cache(torch.tensor(counts.clip(1), dtype=torch.float32).to)

    def mix(
        images: Tensor, targets: Tensor, others: Tensor, other_targets: Tensor, draws: Tensor
    ) -> tuple[Tensor, Tensor]:
        share, sizes = draws[:, 0], sizes_on(images.device)
        times = sizes[targets] / sizes[other_targets]
        label = torch.where((times >= kappa) & (share < tau), torch.zeros_like(share), share)
        label = torch.where((times <= 1 / kappa) & (1 - share < tau), torch.ones_like(share), label)
        return torch.lerp(others, images, share.view(-1, 1, 1, 1)), label

    return mix
