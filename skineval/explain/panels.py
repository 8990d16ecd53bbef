"""Which images are explained: for each class a gallery of original, heatmap and overlay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skineval.base.errors import CellError, plural
from skineval.base.files import atomic_write
from skineval.catalog.specs import Architecture, Explainer, Grid
from skineval.explain.gallery import Example, gallery
from skineval.explain.target import PREDICTED, Target
from skineval.explain.untouched import untouched
from skineval.train.predict import Stage
from skineval.values.predictions import Predictions
from skineval.values.runspec import Selection

MASK_SIDE = 128  #: pixels of the masks that outlines are drawn from

#: (image ids, side) -> (n, side, side), all False where an image has no mask; None where no image has one
Masks: TypeAlias = Callable[[Sequence[str], int], NDArray[np.bool_] | None]


@dataclass(frozen=True)
class Explaining:
    """An explainer as it was asked for."""

    selection: Selection
    explainer: Explainer

    def maps(self, network: Network, images: Tensor, targets: Tensor) -> NDArray[np.float32]:
        """Its maps (N, H, W) float32 for normalised images and targets (N,), or (N, T, H, W) for targets (N, T).

        Raises CellError where they break its contract.
        """
        if targets.dim() == 2 and not self.explainer.several:
            return np.stack([self.maps(network, images, one) for one in targets.unbind(1)], axis=1)
        network.model.eval()
        with untouched(network.model):
            maps: object = self.explainer.attribute(
                network.model, images, targets, architecture=network.architecture, **self.selection.parameters
            )
        expected = (*targets.shape, *images.shape[-2:])
        if not isinstance(maps, Tensor) or maps.shape != expected:
            found = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
            raise CellError(f"The explainer returned {found} where maps {expected} are expected.")
        values = maps.detach().float().cpu().numpy()
        if not np.isfinite(values).all() or (values < 0).any():
            raise CellError("The explainer returned maps that are negative or not finite.")
        return values

    def grid(self, network: Network, images: Tensor) -> Grid | None:
        """The positions of the maps before they were enlarged; None where each pixel has a value of its own."""
        if self.explainer.resolution is None:
            return None
        found = self.explainer.resolution(
            network.model, images, architecture=network.architecture, **self.selection.parameters
        )
        return found if isinstance(found, Grid) else Grid(*found)

    def speaks(self, target: Target) -> str:
        """Of what its maps are, as in "for the predicted class"."""
        return "whatever the class" if self.explainer.class_blind else f"for {target.words}"


@dataclass(frozen=True, eq=False)
class Network:
    """What is explained."""

    architecture: Architecture
    model: nn.Module


@dataclass(frozen=True, eq=False)
class Seen(Network):
    """A network and the test images that it has predicted."""

    stage: Stage
    test: Predictions
    rows: NDArray[np.int64]  #: of the images of the stage, those of `test`
    masks: Masks


@dataclass(frozen=True, eq=False)
class Choice:
    """Test images of one class that are shown, of those of it that were predicted rightly or wrongly."""

    right: bool
    places: NDArray[np.int64]  #: from the surest of the class to the least sure
    of: int  #: so many there are

    @property
    def words(self) -> str:
        """What stands above them."""
        said = "rightly" if self.right else "wrongly"
        return f"Predicted {said}: {len(self.places)} of {plural(self.of, 'image')}, evenly spaced by rank"


def explain(
    folder: Path,
    title: str,
    explaining: Explaining,
    seen: Seen,
    stamps: Sequence[str],
    *,
    target: Target = Target(PREDICTED),  # noqa: B008 - frozen
    most: int = 2,
) -> list[Path]:
    """Write one gallery a class, `<class>.svg`, of test images with their maps, right and wrong ones apart.

    Of either, `most` are shown, and masks are asked for of those that are. `title` and `stamps` stand above each
    gallery. Raises CellError where the explainer returns maps of the wrong shape, negative or not finite.
    """
    written: list[Path] = []
    test, rows, stage = seen.test, seen.rows, seen.stage
    chosen = {name: choices(test, index, most) for index, name in enumerate(test.classes)}
    everything = np.concatenate([one.places for some in chosen.values() for one in some])
    outlines = seen.masks(test.image_ids[everything].tolist(), MASK_SIDE)
    outline_of = {} if outlines is None else dict(zip(everything.tolist(), outlines, strict=True))
    targets = target.of_images(test)

    def example(place: int, picture: NDArray[np.uint8], values: NDArray[np.float32]) -> Example:
        label, mask = int(test.probabilities[place].argmax()), outline_of.get(place)
        return Example(
            str(test.image_ids[place]),
            test.classes[label],
            float(test.probabilities[place, label]),
            picture,
            values,
            target.named(test.classes[targets[place]]),
            test.classes[test.targets[place]],
            float(test.probabilities[place, test.targets[place]]),
            mask if mask is not None and mask.any() else None,
        )

    for name, some in chosen.items():
        if not some:
            continue
        places = np.concatenate([one.places for one in some])
        shown = stage.take(torch.from_numpy(rows[places]).to(stage.images.device))
        images = stage.normalise(shown)
        with target.asked_of(seen.model, test.classes):
            maps = explaining.maps(seen, images, torch.from_numpy(targets[places]).to(stage.device))
        found = map(example, places.tolist(), shown.permute(0, 2, 3, 1).cpu().numpy(), maps)
        groups = {one.words: list(islice(found, len(one.places))) for one in some}
        grid = explaining.grid(seen, images)
        drawn = gallery(f"{name}: {title}", groups, grid, stamps, of=explaining.speaks(target))
        written.append(folder / f"{name}.svg")
        atomic_write(written[-1], drawn)
    return written


def choices(test: Predictions, label: int, most: int = 2) -> list[Choice]:
    """Which images of class `label` are shown: of right ones and of wrong ones `most`, at evenly spaced ranks.

    Ranks are those of the probability of the class: chosen by rank, not by eye, the first right one is the surest and
    the last wrong one the most mistaken. No image is shown twice; what is not there has no choice.
    """
    _, once = np.unique(test.image_ids, return_index=True)
    members = np.sort(once[test.targets[once] == label])
    order = members[np.argsort(-test.probabilities[members, label], kind="stable")]
    is_right = test.probabilities[order].argmax(axis=1) == label
    found = [(right, order[is_right == right]) for right in (True, False)]
    return [Choice(right, places[_spread(len(places), most)], len(places)) for right, places in found if len(places)]


def _spread(n: int, most: int) -> NDArray[np.int64]:
    """At most so many of `n` places, evenly spaced, the first and the last among them."""
    places: NDArray[np.int64] = np.unique(np.linspace(0, n - 1, min(most, n)).round().astype(np.int64))
    return places
