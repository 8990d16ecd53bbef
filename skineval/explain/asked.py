"""A trained network with its test images, as whoever scores maps asks it: for maps, and how probable a class is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skineval.explain.panels import Explaining, Seen
from skineval.explain.target import Target
from skineval.train.predict import full_float32
from skineval.values.predictions import Predictions


@dataclass(frozen=True, eq=False)
class Batch:
    """Images that are asked about together."""

    places: NDArray[np.int64]  #: (n,): which of the test images they are
    pixels: Tensor  #: (n, 3, S, S) float32, 0..255, on the device of the network
    targets: Tensor  #: (n,) int64, on the same device: the class that is asked about


@dataclass(frozen=True, eq=False)
class Asked:
    """Who is asked, and of what. `pixels` are always (n, 3, S, S) float32, 0..255."""

    seen: Seen
    target: Target

    @property
    def side(self) -> int:
        """Of the images, in pixels."""
        return int(self.seen.stage.images.shape[1])

    @cached_property
    def masks(self) -> NDArray[np.bool_] | None:
        """(N, S, S): where the lesion is in each test image; None where no image has a mask."""
        found = self.seen.masks(self.seen.test.image_ids.tolist(), self.side)
        return found if found is not None and found.any() else None

    def batches(self, first: int = 0) -> Iterator[Batch]:
        """All test images in their order, from the `first` on. Raises Interrupted if the user asked to stop."""
        stage, targets = self.seen.stage, self.target.of_images(self.seen.test)
        for begin in range(first, len(targets), stage.batch_size):
            stage.stop_if_asked()
            places = np.arange(begin, min(begin + stage.batch_size, len(targets)))
            yield Batch(places, self.shown(places).float(), torch.from_numpy(targets[places]).to(stage.device))

    def shown(self, places: NDArray[np.int64]) -> Tensor:
        """The test images at `places` (n,): (n, 3, S, S) uint8."""
        stage = self.seen.stage
        return stage.take(torch.from_numpy(self.seen.rows[places]).to(stage.images.device))

    def maps(self, explaining: Explaining, network: nn.Module, pixels: Tensor, targets: Tensor) -> NDArray[np.float32]:
        """Maps (n, S, S) of what in these pixels speaks to `network` for the classes `targets` (n,).

        Raises Interrupted if the user asked to stop, in the middle of an explainer that asks it hundreds of times, too.
        """
        with self._stoppable(network), self.target.asked_of(network, self.seen.test.classes):
            return explaining.maps(replace(self.seen, model=network), self._given(pixels), targets)

    @torch.no_grad()
    @full_float32()
    def probability(self, pixels: Tensor, targets: Tensor) -> NDArray[np.float64]:
        """How probable the trained network says that each target is, (n,), 0..1: see `Target.probability`."""
        self.seen.stage.stop_if_asked()
        logits = self.seen.model.eval()(self._given(pixels)).float().cpu().numpy()
        return self.target.probability(logits, targets.cpu().numpy(), self.seen.test.classes)

    @contextmanager
    def _stoppable(self, network: nn.Module) -> Iterator[None]:
        handle = network.register_forward_pre_hook(lambda *_: self.seen.stage.stop_if_asked())
        try:
            yield
        finally:
            handle.remove()

    def _given(self, pixels: Tensor) -> Tensor:
        """As the network is given images."""
        return self.seen.stage.normalise(pixels).contiguous(memory_format=torch.channels_last)


def places_of_few(test: Predictions, limit: int | None, seed: str) -> NDArray[np.int64]:
    """The places of so many images, each image once, and of each class its share, by chance that `seed` decides."""
    _, once = np.unique(test.image_ids, return_index=True)
    places: NDArray[np.int64] = np.sort(once)
    if limit is None or limit >= len(places):
        return places
    order = np.random.default_rng([*seed.encode()]).permutation(len(places))
    ranks = np.empty(len(places))
    for label in range(len(test.classes)):
        members = order[test.targets[places[order]] == label]
        ranks[members] = (np.arange(len(members)) + 0.5) / max(len(members), 1)
    return places[np.sort(np.argsort(ranks, kind="stable")[:limit])]


def gaussian_noise(places: NDArray[np.int64], side: int, seed: int) -> NDArray[np.float32]:
    """Noise (n, 3, side, side), of standard deviation 1, for the images at `places`: by place and seed alone."""
    return np.stack(
        [np.random.default_rng([seed, place]).standard_normal((3, side, side), np.float32) for place in places]
    )
