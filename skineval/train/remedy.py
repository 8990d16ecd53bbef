"""What a strategy does to one epoch of training: to the loss, to what is drawn, and to the images of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skineval.base.terms import UNCHANGED
from skineval.train.losses import Loss, cross_entropy
from skineval.train.returned import form, numbers, pair, refusal


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
            returned = self.draw(seed)
            drawn = numbers(returned)
            if drawn is None or drawn.ndim != 1 or drawn.dtype.kind not in "iu" or not _are_positions(drawn, n):
                expected = f"an array (m,) of two or more positions from 0 to {n - 1}, as whole numbers,"
                raise refusal(f"{self.strategy}: draw", returned, expected)
            return generator.permutation(drawn)
        if self.draw_weights is None:
            return generator.permutation(n)
        return generator.choice(n, size=n, p=shares(self.draw_weights, n, f"{self.strategy}: draw_weights"))

    def partners(self, n: int, size: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Which of n train images are mixed into those of an epoch (size,); raises CellError as `order`."""
        if self.partner_weights is None:
            return generator.choice(n, size=size)
        weights = shares(self.partner_weights, n, f"{self.strategy}: partner_weights")
        return generator.choice(n, size=size, p=weights)

    def mixed(
        self, images: Tensor, targets: Tensor, others: Tensor, other_targets: Tensor, draws: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What `mix` makes of a batch; raises CellError where that is no batch like it with a number for each image."""
        assert self.mix is not None
        returned = self.mix(images, targets.clone(), others, other_targets.clone(), draws)
        made, share = pair(returned)
        if not (_is_like(made, images) and _is_like(share, draws[:, 0])):
            expected = f"a pair of {form(images)} and, from 0 to 1, {form(draws[:, 0])}"
            raise refusal(f"{self.strategy}: mix", returned, expected)
        return _kept(made, images), share.float()

    def augmented(self, images: Tensor, targets: Tensor, draws: Tensor) -> Tensor:
        """What `augment` makes of a batch; raises CellError where that is no batch like it."""
        if self.augment is None:
            return images
        made: object = self.augment(images, targets.clone(), draws)
        if not _is_like(made, images):
            raise refusal(f"{self.strategy}: augment", made, form(images))
        return _kept(made, images)


def shares(weights: object, n: int, whose: str) -> NDArray[np.float64]:
    """Weights (n,) of any sum as shares of 1; raises CellError, naming `whose` they are, where they are none."""
    given = numbers(weights)
    if given is None or given.shape != (n,) or not np.isfinite(given).all() or given.min() < 0 or not given.max():
        expected = f"an array ({n},), for each train image a finite number >= 0 and for some one above 0,"
        raise refusal(whose, weights, expected)
    scaled = given.astype(np.float64) / given.max()  # so that their sum is finite
    found: NDArray[np.float64] = scaled / scaled.sum()
    return found


def made_function(function: object, whose: str, given: str) -> Any:
    """What one gives for a function of `given`; raises CellError, naming `whose` it is, where it is not called."""
    if not callable(function):
        raise refusal(whose, function, f"a function of {given}")
    return function


def _are_positions(drawn: NDArray[np.int64], n: int) -> bool:
    return len(drawn) >= 2 and int(drawn.min()) >= 0 and int(drawn.max()) < n


def _is_like(made: object, given: Tensor) -> TypeGuard[Tensor]:
    """Whether it is a tensor of real numbers, of that shape and in that place."""
    if not isinstance(made, Tensor) or not made.is_floating_point():
        return False
    return (made.shape, made.device) == (given.shape, given.device)


def _kept(made: Tensor, images: Tensor) -> Tensor:
    """In the dtype of the images that it was made of, and in the memory format that is trained fastest."""
    return made.to(images.dtype).contiguous(memory_format=torch.channels_last)
