"""Which images are explained: for each class a gallery of original, heatmap and overlay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skineval.base.errors import CellError
from skineval.base.files import atomic_write
from skineval.catalog.specs import Architecture, Explainer, Grid
from skineval.explain.gallery import Example, gallery
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

    def maps(self, seen: Network, images: Tensor, targets: Tensor) -> NDArray[np.float32]:
        """Its maps (N, H, W) float32 for normalised images; raises CellError where they break its contract."""
        seen.model.eval()
        maps: object = self.explainer.attribute(
            seen.model, images, targets, architecture=seen.architecture, **self.selection.parameters
        )
        expected = (len(images), *images.shape[-2:])
        if not isinstance(maps, Tensor) or maps.shape != expected:
            found = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
            raise CellError(f"The explainer returned {found} where maps {expected} are expected.")
        values = maps.detach().float().cpu().numpy()
        if not np.isfinite(values).all() or (values < 0).any():
            raise CellError("The explainer returned maps that are negative or not finite.")
        return values

    def grid(self, seen: Network, images: Tensor) -> Grid | None:
        """The positions of the maps before they were enlarged; None where each pixel has a value of its own."""
        if self.explainer.resolution is None:
            return None
        found = self.explainer.resolution(
            seen.model, images, architecture=seen.architecture, **self.selection.parameters
        )
        return found if isinstance(found, Grid) else Grid(*found)


@dataclass(frozen=True, eq=False)
class Network:
    """A network that maps are asked of."""

    architecture: Architecture
    model: nn.Module


@dataclass(frozen=True, eq=False)
class Seen(Network):
    """A network and the test images that it has predicted."""

    stage: Stage
    test: Predictions
    rows: NDArray[np.int64]  #: of the images of the stage, those of `test`
    masks: Masks


def explain(folder: Path, title: str, explaining: Explaining, seen: Seen, stamps: Sequence[str]) -> None:
    """Write one gallery a class, `<class>.svg`, of test images with the map of the class that was predicted.

    Masks are asked for of the images that are shown. `title` and `stamps` stand above each gallery. Raises CellError
    where the explainer returns maps of the wrong shape, negative or not finite.
    """
    test, rows, stage = seen.test, seen.rows, seen.stage
    chosen = {name: examples(test, index) for index, name in enumerate(test.classes)}
    chosen = {name: places for name, places in chosen.items() if len(places)}
    everything = np.concatenate(list(chosen.values()))
    outlines = seen.masks(test.image_ids[everything].tolist(), MASK_SIDE)
    outline_of = {} if outlines is None else dict(zip(everything.tolist(), outlines, strict=True))
    for name, places in chosen.items():
        shown = stage.take(torch.from_numpy(rows[places]).to(stage.images.device))
        images = stage.normalise(shown)
        predicted = test.probabilities[places].argmax(axis=1)
        maps = explaining.maps(seen, images, torch.from_numpy(predicted).to(stage.device))
        found = [
            Example(
                str(test.image_ids[place]),
                name,
                float(test.probabilities[place, test.targets[place]]),
                test.classes[label],
                float(test.probabilities[place, label]),
                picture,
                values,
                mask if (mask := outline_of.get(place)) is not None and mask.any() else None,
            )
            for place, label, picture, values in zip(
                places.tolist(), predicted, shown.permute(0, 2, 3, 1).cpu().numpy(), maps, strict=True
            )
        ]
        drawn = gallery(
            f"{name}: {title}", found, explaining.grid(seen, images), stamps, blind=explaining.explainer.class_blind
        )
        atomic_write(folder / f"{name}.svg", drawn)


def examples(test: Predictions, label: int, most: int = 4) -> NDArray[np.int64]:
    """Which images of class `label` are shown, from the surest to the worst: evenly spaced ranks of its probability.

    Chosen by rank, not by eye: the first is the surest, the last the most mistaken. No image is shown twice.
    """
    _, once = np.unique(test.image_ids, return_index=True)
    members = np.sort(once[test.targets[once] == label])
    order = members[np.argsort(-test.probabilities[members, label], kind="stable")]
    chosen: NDArray[np.int64] = order[
        np.unique(np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(int))
    ]
    return chosen
