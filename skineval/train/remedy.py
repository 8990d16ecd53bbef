"""What a strategy does to one epoch of training: to the loss, to what is drawn, and to the images of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skineval.base.errors import CellError
from skineval.base.terms import UNCHANGED
from skineval.train.losses import Loss, cross_entropy


@dataclass(frozen=True, eq=False)
class Remedy:
    """What differs from training on the classes as frequent as they are; by default nothing."""

    strategy: str = UNCHANGED  #: as messages call it
    loss: Loss = cross_entropy  #: logits (N, C) float32, targets (N,) -> losses (N,)
    draw_weights: NDArray[np.float64] | None = None  #: (n,) of the train images, or None for each once an epoch
    draw: Callable[[int], NDArray[np.int64]] | None = None  #: seed -> positions (m,) among the train images
    #: images (N, 3, H, W), targets (N,), uniform numbers (N, DRAWS) -> images
    augment: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
    #: the same, and others with theirs -> images, and how much of each one's target is its own (N,)
    mix: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]] | None = None
    partner_weights: NDArray[np.float64] | None = None  #: (n,) of the train images, for `mix`; None: all alike

    def order(self, n: int, generator: np.random.Generator, seed: int) -> NDArray[np.int64]:
        """Which of n train images an epoch goes over, in its order (m,): as drawn, or each once.

        Raises CellError where that is not what can be gone over.
        """
        if self.draw is not None:
            drawn = np.asarray(self.draw(seed))
            if drawn.ndim != 1 or drawn.dtype.kind not in "iu" or len(drawn) < 2:
                raise CellError(f"draw returned {drawn.dtype} {drawn.shape}, not the positions of two or more images.")
            if strange := drawn[(drawn < 0) | (drawn >= n)].tolist():
                raise CellError(f"draw returned positions that none of {n} train images has: {strange[:5]}.")
            return generator.permutation(drawn)
        if self.draw_weights is None:
            return generator.permutation(n)
        return generator.choice(n, size=n, p=shares(self.draw_weights, n, "draw_weights"))

    def partners(self, n: int, size: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Which of n train images are mixed into those of an epoch (size,); raises CellError as `order`."""
        weights = None if self.partner_weights is None else shares(self.partner_weights, n, "partner_weights")
        return generator.choice(n, size=size, p=weights)

    def mixed(
        self, images: Tensor, targets: Tensor, others: Tensor, other_targets: Tensor, draws: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What `mix` makes of a batch; raises CellError where that is no batch of the same shape, or no share."""
        assert self.mix is not None
        made, share = self.mix(images, targets, others, other_targets, draws)
        if made.shape != images.shape or share.shape != targets.shape:
            raise CellError(f"mix returned images {tuple(made.shape)} and shares {tuple(share.shape)}.")
        return _kept(made), share.float()

    def augmented(self, images: Tensor, targets: Tensor, draws: Tensor) -> Tensor:
        """What `augment` makes of a batch; raises CellError where that is no batch of the same shape."""
        if self.augment is None:
            return images
        made = self.augment(images, targets, draws)
        if made.shape != images.shape:
            raise CellError(f"augment returned images {tuple(made.shape)} for {tuple(images.shape)}.")
        return _kept(made)


def shares(weights: object, n: int, whose: str) -> NDArray[np.float64]:
    """Weights (n,) of any sum as shares of 1; raises CellError, naming `whose` they are, where they are none."""
    given = np.asarray(weights)
    real = given.shape == (n,) and given.dtype.kind in "iuf"
    if not real or not np.isfinite(given).all() or given.min() < 0 or not given.max():
        raise CellError(f"{whose} is to be a finite number >= 0 for each of {n} train images, and some above 0.")
    scaled = given.astype(np.float64) / given.max()  # so that their sum is finite
    found: NDArray[np.float64] = scaled / scaled.sum()
    return found


def _kept(images: Tensor) -> Tensor:
    """In the memory format that is trained fastest."""
    return images.contiguous(memory_format=torch.channels_last)
