"""Heatmaps as pictures: for each class a gallery of original, heatmap and overlay."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

from skineval.errors import CellError
from skineval.files import atomic_write
from skineval.measure.predictions import Predictions
from skineval.train.predict import Stage

SIDE = 192  #: pixels of one panel
GAP, TITLE, HEADER = 8, 34, 26
RIGHT, WRONG = "#00694e", "#a63c00"  # the words of the caption say it too
WARNING = "#a8231b"  # of the stamps, as in all figures

#: (model, images, targets) -> maps (N, H, W) >= 0
Attribute = Callable[[nn.Module, Tensor, Tensor], Tensor]


def explain(
    folder: Path,
    attribute: Attribute,
    model: nn.Module,
    stage: Stage,
    test: Predictions,
    rows: NDArray[np.int64],
    stamps: Sequence[str] = (),
) -> None:
    """Write one gallery a class, `<class>.jpg`, of test images with the map of the class that was predicted.

    `rows` are the rows of the store of the images of `test`; `stamps` stand above each gallery. Raises CellError where
    the explainer returns maps of the wrong shape, negative or not finite.
    """
    for index, name in enumerate(test.classes):
        chosen = examples(test, index)
        if not len(chosen):
            continue
        shown = stage.take(torch.from_numpy(rows[chosen]).to(stage.images.device))
        predicted = test.probabilities[chosen].argmax(axis=1)
        maps = checked_maps(attribute, model, stage.normalise(shown), torch.from_numpy(predicted).to(stage.device))
        captions = [
            _caption(test, position, test.classes[label]) for position, label in zip(chosen, predicted, strict=True)
        ]
        picture = gallery(shown.permute(0, 2, 3, 1).cpu().numpy(), maps, captions, stamps)
        buffer = io.BytesIO()
        picture.save(buffer, format="JPEG", quality=90, subsampling=0)  # as PNG, reports would be huge
        atomic_write(folder / f"{name}.jpg", buffer.getvalue())


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


def gallery(
    images: NDArray[np.uint8],
    maps: NDArray[np.float32],
    captions: Sequence[tuple[str, bool]],
    stamps: Sequence[str] = (),
) -> Image.Image:
    """One row an image: original, heatmap, overlay. `captions` hold a text and whether the prediction is right.

    `stamps` stand above, in red: a gallery says them wherever it is copied to.
    """
    width, head = 3 * SIDE + 4 * GAP, HEADER * (2 if stamps else 1)
    sheet = Image.new("RGB", (width, head + len(images) * (SIDE + TITLE)), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=14)
    draw.text((GAP, HEADER / 2), " ".join(f"[{stamp}]" for stamp in stamps), WARNING, font, anchor="lm")
    for column, title in enumerate(("original", "heatmap", "overlay")):
        draw.text((GAP + column * (SIDE + GAP) + SIDE / 2, head - HEADER / 2), title, "#444444", font, anchor="mm")
    for row, (image, values, (caption, right)) in enumerate(zip(images, maps, captions, strict=True)):
        top = head + row * (SIDE + TITLE)
        for column, panel in enumerate(panels(image, values)):
            sheet.paste(panel, (GAP + column * (SIDE + GAP), top))
        draw.text((GAP, top + SIDE + TITLE / 2 - 3), caption, RIGHT if right else WRONG, font, anchor="lm")
    return sheet


def panels(image: NDArray[np.uint8], values: NDArray[np.float32]) -> tuple[Image.Image, Image.Image, Image.Image]:
    """Original, heatmap and overlay, SIDE pixels each; the map is scaled to its own maximum."""
    peak = float(values.max())
    strength = values / peak if peak > 0 else np.zeros_like(values)
    heat = colours()[(strength * 255).astype(np.uint8)]
    # Where there is no relevance the photograph shows through.
    opacity = 0.65 * strength[..., None]
    blended = (1 - opacity) * image / 255 + opacity * heat
    original, heatmap, overlay = (_enlarged(picture) for picture in (image / 255, heat, blended))
    return original, heatmap, overlay


@cache
def colours() -> NDArray[np.float64]:
    """Viridis (256, 3), 0..1: even in lightness, safe for the colour-blind."""
    from matplotlib import colormaps  # a second to import, and cells without explainers need none

    table: NDArray[np.float64] = colormaps["viridis"](np.linspace(0, 1, 256))[:, :3]
    return table


def _enlarged(picture: NDArray[np.float64]) -> Image.Image:
    pixels = (picture * 255).round().astype(np.uint8)
    return Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def _caption(test: Predictions, position: int, predicted: str) -> tuple[str, bool]:
    reference = test.classes[test.targets[position]]
    right = predicted == reference
    probability = test.probabilities[position].max()
    verdict = "right" if right else "wrong"
    text = f"{test.image_ids[position]}: reference {reference}, predicted {predicted} ({probability:.2f}), {verdict}"
    return text, right
