"""A trained network together with all that is needed to use it: on disk as model.safetensors and model.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import nn

from skineval.base.errors import DataError, ModelFileError, UsageError
from skineval.base.terms import Fit
from skineval.catalog.catalog import Catalog, load_catalog
from skineval.catalog.specs import Architecture
from skineval.data.pixels.decoding import decode, fit_array
from skineval.data.pixels.torch_decoding import accelerated
from skineval.train.augment import normaliser
from skineval.train.device import choose_device
from skineval.train.predict import VIEWS, Stage, predict_probabilities
from skineval.train.weights import read_tensors
from skineval.values.runspec import Selection

WEIGHTS, ABOUT = "model.safetensors", "model.json"

_FITTED: dict[Fit, str] = {
    "squash": "the whole image, its sides scaled differently",
    "crop": "the largest square at the centre",
    "pad": "the whole image, centred on a black square",
}


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained model: images in, class probabilities out."""

    network: nn.Module
    architecture: Architecture
    classes: tuple[str, ...]  #: in the order of the columns of `predict_proba`
    image_size: int
    fit: Fit  #: how images are made squares of that size
    mean: tuple[float, ...]
    std: tuple[float, ...]
    tta: str  #: test-time augmentation, as the model's own predictions were made
    about: dict[str, Any]  #: model.json

    def __repr__(self) -> str:
        marks = f" [{'; '.join(self.stamps)}]" if self.stamps else ""
        made = f"{self.architecture.name}{marks}: {len(self.classes)} classes ({', '.join(self.classes)})"
        return f"<Classifier {made}, {self.image_size} pixels>"

    @property
    def stamps(self) -> tuple[str, ...]:
        """What was said of the bench that trained it: SYNTHETIC, LEAKY, NOT COMPARABLE; older models say nothing."""
        return tuple(self.about.get("stamps", ()))

    def predict_proba(
        self, images: NDArray[np.uint8] | Sequence[str | Path | Image.Image | NDArray[np.uint8]], batch_size: int = 64
    ) -> NDArray[np.float64]:
        """Class probabilities (N, C) float64, rows sum to 1.

        `images` are file paths, Pillow images or RGB arrays (H, W, 3) uint8 of any size, or one array (N, H, W, 3);
        each is made a square as the training images were, upright as its EXIF orientation says, and predicted as the
        test images were. Raises DataError naming a file that cannot be decoded, or for an array of another dtype or
        shape, and UsageError for a single image that is not in a list.
        """
        if isinstance(images, str | Path | Image.Image):
            raise UsageError(f"predict_proba was given {images!r}, which is one image.", "Give it in a list: [image].")
        with accelerated():
            prepared = np.stack([self._prepare(image) for image in images]) if len(images) else self._nothing()
        device = next(self.network.parameters()).device
        stage = Stage(torch.from_numpy(prepared).to(device), device, "fp32", normaliser(self.mean, self.std, device))
        rows = np.arange(len(prepared))
        if not len(rows):
            return np.zeros((0, len(self.classes)))
        return predict_probabilities(self.network, stage, rows, self.tta, batch_size)

    def _nothing(self) -> NDArray[np.uint8]:
        return np.zeros((0, self.image_size, self.image_size, 3), dtype=np.uint8)

    def _prepare(self, image: str | Path | Image.Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
        if isinstance(image, str | Path):
            return decode(Path(image), self.image_size, self.fit)
        if isinstance(image, Image.Image):
            image = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise DataError(
                f"predict_proba was given an array of {image.dtype} and shape {image.shape}.",
                "Give RGB images as uint8 of shape (H, W, 3), with values from 0 to 255.",
            )
        return fit_array(image, self.image_size, self.fit)


def describe(
    architecture: Architecture,
    selection: Selection,
    classes: Iterable[str],
    task: str,
    image_size: int,
    fit: Fit,
    **more: object,
) -> dict[str, Any]:
    """model.json: everything needed to use the weights, and where they come from."""
    from importlib.metadata import version

    return {
        "architecture": architecture.name,
        "parameters": dict(selection.parameters),
        "classes": list(classes),
        "task": task,
        "image_size": image_size,
        "fit": fit,
        "normalisation": {"mean": list(architecture.mean), "std": list(architecture.std)},
        "preprocessing": f"RGB, {_FITTED[fit]}, antialiased bilinear, image_size x image_size, scaled to 0..1",
        "skineval": version("skineval"),
        **more,
    }


def load_classifier(path: str | Path, *, device: str = "auto", catalog: Catalog | None = None) -> Classifier:
    """Load a trained model from a cell's folder, or from its model.safetensors.

    Raises ModelFileError for files that are missing, damaged or do not belong together, and UsageError for an
    architecture that no loaded plugin provides.
    """
    folder = Path(path)
    folder = folder.parent if folder.is_file() else folder
    about = _read_about(folder / ABOUT)
    selection = Selection(about["architecture"], about["parameters"])
    architecture = (catalog or load_catalog()).architecture(selection)
    network = architecture.build(len(about["classes"]), weights=None, **about["parameters"])
    tensors = read_tensors(folder / WEIGHTS)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelFileError(
            f"{folder / WEIGHTS} does not fit {architecture.name}: {error}.", "Is model.json of the same model?"
        ) from error
    network = network.to(choose_device(device).torch).eval()
    return Classifier(
        network,
        architecture,
        tuple(about["classes"]),
        about["image_size"],
        about["fit"],
        tuple(about["normalisation"]["mean"]),
        tuple(about["normalisation"]["std"]),
        about["tta"],
        about,
    )


def _read_about(path: Path) -> dict[str, Any]:
    required = {"architecture", "parameters", "classes", "image_size", "normalisation"}
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        missing = sorted(required - set(about))
    except (OSError, ValueError, TypeError) as error:
        raise ModelFileError(
            f"{path} cannot be read: {error}.", "Give the folder of a trained cell: runs/<bench>/cells/<run_id>."
        ) from error
    if missing:
        raise ModelFileError(f"{path} lacks {', '.join(missing)}.", "It is not the model.json of a trained cell.")
    # Models that were trained before there was a choice do not name theirs.
    for key, default, allowed in (("fit", "squash", tuple(_FITTED)), ("tta", "none", tuple(VIEWS))):
        if about.setdefault(key, default) not in allowed:
            raise ModelFileError(f"{path} has the {key} {about[key]!r}.", f"It is one of: {', '.join(allowed)}.")
    return dict(about)
