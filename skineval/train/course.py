"""The images of an epoch in their order, and the batches that are made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skineval.catalog.strategy import DRAWS
from skineval.train.augment import Batch, Transform, epoch_draws
from skineval.train.losses import Labels
from skineval.train.objective import Objective
from skineval.train.predict import Stage
from skineval.train.remedy import Remedy
from skineval.values.runspec import derive_seed


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

    @classmethod
    def drawn(cls, task: Objective, remedy: Remedy, seed: int, epoch: int, stage: Stage) -> Course:
        """The course of an epoch."""
        generator = np.random.Generator(np.random.Philox(key=[seed, 0]))
        order = task.train[remedy.order(len(task.train), generator, derive_seed("draw", seed))]
        images = Images.at(order, task, seed, epoch, stage)
        if remedy.augment is None and remedy.mix is None:
            return cls(images, None, None, remedy, task.transform, stage)
        own = derive_seed("remedy", seed)
        numbers = epoch_draws(own, epoch, len(order), 2 * DRAWS).reshape(len(order), 2, DRAWS)
        partners = None
        if remedy.mix is not None:
            chosen = remedy.partners(len(task.train), len(order), np.random.Generator(np.random.Philox(key=[own, 0])))
            partners = Images.at(task.train[chosen], task, own, 2**32 + epoch, stage)
        return cls(images, partners, torch.from_numpy(numbers).to(stage.device), remedy, task.transform, stage)

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
        return images, Labels(targets, theirs, share)
