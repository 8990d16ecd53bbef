"""Which images are explained: for each class a gallery of original, heatmap and overlay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skineval.base.errors import CellError
from skineval.base.files import atomic_write
from skineval.explain.gallery import Example, gallery
from skineval.train.predict import Stage
from skineval.values.predictions import Predictions

MASK_SIDE = 128  #: pixels of the masks that outlines are drawn from

#: (model, images, targets) -> maps (N, H, W) >= 0
Attribute = Callable[[nn.Module, Tensor, Tensor], Tensor]
#: (model, images) -> rows and columns of the maps before they were enlarged
Resolution = Callable[[nn.Module, Tensor], tuple[int, int]]
#: (rows of the store, side) -> (n, side, side), all False where an image has no mask; None where no image has one
Masks = Callable[[NDArray[np.int64], int], NDArray[np.bool_] | None]


def explain(
    folder: Path,
    title: str,
    attribute: Attribute,
    resolution: Resolution | None,
    model: nn.Module,
    stage: Stage,
    test: Predictions,
    rows: NDArray[np.int64],
    masks: Masks,
    stamps: Sequence[str] = (),
) -> None:
    """Write one gallery a class, `<class>.svg`, of test images with the map of the class that was predicted.

    `rows` are the rows of the store of the images of `test`; of those that are shown `masks` are asked for. `title` and
    `stamps` stand above each gallery. Raises CellError where the explainer returns maps of the wrong shape, negative or
    not finite.
    """
    chosen = {name: examples(test, index) for index, name in enumerate(test.classes)}
    chosen = {name: places for name, places in chosen.items() if len(places)}
    everything = np.concatenate(list(chosen.values()))
    outlines = masks(rows[everything], MASK_SIDE)
    outline_of = {} if outlines is None else dict(zip(everything.tolist(), outlines, strict=True))
    for name, places in chosen.items():
        shown = stage.take(torch.from_numpy(rows[places]).to(stage.images.device))
        images = stage.normalise(shown)
        predicted = test.probabilities[places].argmax(axis=1)
        maps = checked_maps(attribute, model, images, torch.from_numpy(predicted).to(stage.device))
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
        size = resolution(model, images) if resolution else None
        atomic_write(folder / f"{name}.svg", gallery(f"{name}: {title}", found, size, stamps))


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


def checked_maps(attribute: Attribute, model: nn.Module, images: Tensor, targets: Tensor) -> NDArray[np.float32]:
    """The explainer's maps (N, H, W) float32; raises CellError where they break its contract."""
    model.eval()
    maps: object = attribute(model, images, targets)
    expected = (len(images), *images.shape[-2:])
    if not isinstance(maps, Tensor) or maps.shape != expected:
        found = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise CellError(f"The explainer returned {found} where maps {expected} are expected.")
    values = maps.detach().float().cpu().numpy()
    if not np.isfinite(values).all() or (values < 0).any():
        raise CellError("The explainer returned maps that are negative or not finite.")
    return values
