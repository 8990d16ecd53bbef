"""The images of an epoch in their order, and the batches that are made of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skineval.base.errors import CellError
from skineval.catalog.strategy import DRAWS
from skineval.train.augment import Batch, Transform, epoch_draws
from skineval.train.losses import Labels
from skineval.train.objective import Objective
from skineval.train.predict import Stage
from skineval.train.remedy import Remedy
from skineval.values.runspec import derive_seed

ROUNDING = 1e-6  #: by which a share that is computed in float32 may miss 0 or 1


@dataclass(frozen=True, eq=False)
class Images:
    """Train images in the order of an epoch, (m,) each, with the numbers that change them."""

    rows: Tensor  #: of the store, on its device
    targets: Tensor
    draws: Tensor  #: (m, k) of the transform

    @classmethod
    def at(cls, rows: NDArray[np.int64], task: Objective, seed: int, epoch: int, stage: Stage) -> Images:
        """Those of some rows of the store."""
        draws = epoch_draws(seed, epoch, len(rows), task.transform.draws)
        return cls(
            torch.from_numpy(rows).to(stage.images.device),
            torch.from_numpy(task.targets[rows]).to(stage.device),
            torch.from_numpy(draws).to(stage.device),
        )

    def __len__(self) -> int:
        return len(self.rows)

    def taken(self, part: slice, stage: Stage, transform: Transform) -> Batch:
        """A part of them, changed and normalised."""
        return transform(stage.take(self.rows[part]), self.draws[part])


@dataclass(frozen=True, eq=False)
class Course:
    """One epoch of training: what is gone over, and what the strategy does to it.

    All that is drawn is a function of the seed, the epoch and the place in it.
    """

    images: Images
    partners: Images | None  #: that are mixed into those; None where none are
    numbers: Tensor | None  #: (m, 2, DRAWS) for what augments and for what mixes; None where nothing does
    remedy: Remedy
    transform: Transform
    stage: Stage
    reach: Tensor  #: (2,) from what to what the shares of mixed images have been so far; NaN where one was

    @classmethod
    def drawn(cls, task: Objective, remedy: Remedy, seed: int, epoch: int, stage: Stage) -> Course:
        """The course of an epoch."""
        generator = np.random.Generator(np.random.Philox(key=[seed, 0]))
        order = task.train[remedy.order(len(task.train), generator, derive_seed("draw", seed))]
        images = Images.at(order, task, seed, epoch, stage)
        reach = torch.tensor([math.inf, -math.inf], device=stage.device)
        if remedy.augment is None and remedy.mix is None:
            return cls(images, None, None, remedy, task.transform, stage, reach)
        own = derive_seed("remedy", seed)
        numbers = epoch_draws(own, epoch, len(order), 2 * DRAWS).reshape(len(order), 2, DRAWS)
        partners = None
        if remedy.mix is not None:
            chosen = remedy.partners(len(task.train), len(order), np.random.Generator(np.random.Philox(key=[own, 0])))
            partners = Images.at(task.train[chosen], task, own, 2**32 + epoch, stage)
        return cls(images, partners, torch.from_numpy(numbers).to(stage.device), remedy, task.transform, stage, reach)

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, part: slice) -> tuple[Tensor, Labels]:
        """Images (N, 3, H, W) as the network is given them, and what is to be learnt of them."""
        batch, targets = self.images.taken(part, self.stage, self.transform), self.images.targets[part]
        second = None if batch.partner is None else targets[batch.partner]
        images, labels = batch.images, Labels(targets, second, batch.share)
        if self.numbers is None:
            return images, labels
        numbers = self.numbers[part]
        images = self.remedy.augmented(images, targets, numbers[:, 0])
        if self.partners is None:
            return images, labels
        others, theirs = self.partners.taken(part, self.stage, self.transform).images, self.partners.targets[part]
        images, share = self.remedy.mixed(images, targets, others, theirs, numbers[:, 1])
        self.reach[0] = torch.minimum(self.reach[0], share.min())
        self.reach[1] = torch.maximum(self.reach[1], share.max())
        return images, Labels(targets, theirs, share)

    def check(self) -> None:
        """Raise CellError where a share of a mixed image was none so far; a GPU is waited for, so not in every step."""
        lowest, highest = self.reach.tolist() if self.partners is not None else (0.0, 0.0)
        if not (lowest >= -ROUNDING and highest <= 1 + ROUNDING):  # NaN is neither
            raise CellError(
                f"{self.remedy.strategy}: mix returned shares from {lowest:g} to {highest:g}; how much of the label of "
                "a mixed image is its own, from 0 to 1, is expected."
            )
