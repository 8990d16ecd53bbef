"""A trained network together with all that is needed to use it: on disk as model.safetensors and model.json."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import nn

from skineval.base.codec import read_json
from skineval.base.errors import DataError, ModelFileError, UsageError, first_few
from skineval.base.terms import Fit, Tta, Value
from skineval.catalog.catalog import Catalog, load_catalog
from skineval.catalog.networks import find_head
from skineval.catalog.shelf import select, written
from skineval.catalog.specs import Architecture
from skineval.data.pixels.decoding import decode
from skineval.data.pixels.resizing import accelerated, fit_array
from skineval.train.augment import normaliser
from skineval.train.checkpoint import Progress
from skineval.train.deciding import make_room
from skineval.train.device import choose_device
from skineval.train.predict import Stage, fastest_batch, ignore_note, predict_probabilities
from skineval.train.prior import ESTIMATED, NOT_ESTIMATED
from skineval.train.weights import Loaded, read_tensors, sha256_of
from skineval.values.runspec import RunSpec, Selection

WEIGHTS, ABOUT = "model.safetensors", "model.json"
_LARGEST = 8192  #: pixels a side of a square that anybody makes of an image
_RESTORE = "Copy the folder again from where it was trained, or run the bench again to restore it."
_WHICH = "Give the folder of a trained cell: runs/<bench>/cells/<run_id>."

_FITTED: dict[Fit, str] = {
    "squash": "the whole image, its sides scaled differently",
    "crop": "the largest square at the centre",
    "pad": "the whole image, centred on a black square",
}


@dataclass(frozen=True)
class Normalisation:
    """What is taken off pixels of 0 to 1, and what they are divided by; of each channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class InitialWeights:
    """What a network began with."""

    source: str  #: as `RunSpec.weights`
    files: tuple[Loaded, ...]
    lacking: str  #: a sentence on what of it began with random values all the same


@dataclass(frozen=True)
class ModelCard:
    """model.json, in its order: everything needed to use the weights, and where they come from."""

    architecture: str
    parameters: Mapping[str, Value]
    classes: tuple[str, ...]
    task: str
    image_size: int
    fit: Fit
    normalisation: Normalisation
    preprocessing: str  #: in words
    skineval: str  #: the version that trained it
    imbalance: str
    initial_weights: InitialWeights
    best_epoch: int
    notes: tuple[str, ...]
    precision: str
    tta: Tta
    run_id: str
    stamps: tuple[str, ...]
    probe: str = ""  #: as `RunSpec.probe`
    head: str = ""  #: what was chosen on the validation part of one that was fitted on embeddings, in words
    package: str = ""  #: as `RunSpec.model_package`
    sha256: str = ""  #: of model.safetensors; "" where it is not known, as in versions before


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained model: images in, class probabilities out."""

    network: nn.Module
    architecture: Architecture
    about: ModelCard  #: model.json

    def __repr__(self) -> str:
        marks = f" [{'; '.join(self.stamps)}]" if self.stamps else ""
        made = f"{self.architecture.name}{marks}: {len(self.classes)} classes ({', '.join(self.classes)})"
        return f"<Classifier {made}, {self.image_size} pixels>"

    @property
    def classes(self) -> tuple[str, ...]:
        """In the order of the columns of `predict_proba`."""
        return self.about.classes

    @property
    def image_size(self) -> int:
        """The side, in pixels, of what images are made into."""
        return self.about.image_size

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.network.parameters()).device

    @property
    def batch_size(self) -> int:
        """How many images at a time are predicted the fastest, or next to it."""
        return fastest_batch(self.image_size, self.device)

    @property
    def normalise(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """What makes images (N, 3, H, W) uint8 into what the network is given."""
        return normaliser(self.about.normalisation.mean, self.about.normalisation.std, self.device)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What whoever reads its predictions has to know of them."""
        return (NOT_ESTIMATED,) if ESTIMATED in self.about.head else ()

    @property
    def stamps(self) -> tuple[str, ...]:
        """What was said of the bench that trained it: SYNTHETIC, LEAKY, NOT COMPARABLE."""
        return self.about.stamps

    def predict_proba(
        self,
        images: NDArray[np.uint8] | Sequence[str | Path | Image.Image | NDArray[np.uint8]],
        batch_size: int | None = None,
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
            squares = [self._prepare(image) for image in images]
        if not squares:
            return np.zeros((0, len(self.classes)))
        return self.predict_squares(np.stack(squares), batch_size)

    def predict_squares(
        self,
        squares: NDArray[np.uint8],
        batch_size: int | None = None,
        on_note: Callable[[str], None] = ignore_note,
    ) -> NDArray[np.float64]:
        """As `predict_proba`, of images (N, image_size, image_size, 3) that are squares already; one at least.

        `on_note` is told what went wrong and was mended. Raises CellError where the network returns what is not finite,
        or memory does not hold a single image.
        """
        images = torch.from_numpy(squares).to(self.device)
        stage = Stage(images, self.device, "fp32", self.normalise, on_note=on_note)
        return predict_probabilities(self.network, stage, np.arange(len(squares)), self.about.tta, batch_size)

    def _prepare(self, image: str | Path | Image.Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
        if isinstance(image, str | Path):
            return decode(Path(image), self.image_size, self.about.fit)
        if isinstance(image, Image.Image):
            image = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise DataError(
                f"predict_proba was given an array of {image.dtype} and shape {image.shape}.",
                "Give RGB images as uint8 of shape (H, W, 3), with values from 0 to 255.",
            )
        return fit_array(image, self.image_size, self.about.fit)


def model_card(
    spec: RunSpec,
    architecture: Architecture,
    initial: InitialWeights,
    progress: Progress,
    stamps: tuple[str, ...],
    head: str = "",
) -> ModelCard:
    """What model.json says of the network of a cell; `head` as there."""
    from importlib.metadata import version

    return ModelCard(
        architecture=architecture.name,
        parameters=spec.model.parameters,
        classes=spec.classes,
        task=spec.task,
        image_size=spec.image_size,
        fit=spec.fit,
        normalisation=Normalisation(tuple(architecture.mean), tuple(architecture.std)),
        preprocessing=f"RGB, {_FITTED[spec.fit]}, antialiased bilinear, image_size x image_size, scaled to 0..1",
        skineval=version("skineval"),
        imbalance=str(spec.imbalance),
        initial_weights=initial,
        best_epoch=progress.best_epoch,
        notes=progress.notes,
        precision=spec.precision,
        tta=spec.tta,
        run_id=spec.run_id,
        stamps=stamps,
        probe=spec.probe,
        head=head,
        package=spec.model_package,
    )


def load_classifier(path: str | Path, *, device: str = "auto", catalog: Catalog | None = None) -> Classifier:
    """Load a trained model from a cell's folder, or from its model.safetensors.

    Raises ModelFileError for files that are missing, damaged or do not belong together, and for an architecture that no
    loaded plugin provides; UsageError for one that looks at no images.
    """
    folder = Path(path)
    folder = folder.parent if folder.is_file() else folder
    # Of a model of another version, what is told beside the keys that are used here is left alone.
    about = read_json(ModelCard, folder / ABOUT, _WHICH, extra="ignore", error=ModelFileError)
    about, architecture = _resolved(about, folder, catalog or load_catalog())
    weights = folder / WEIGHTS
    tensors = read_tensors(weights)
    if about.sha256 not in ("", sha256_of(weights)):
        raise ModelFileError(f"{weights} is not what was trained: it has another checksum than {ABOUT} says.", _RESTORE)
    if strange := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise ModelFileError(f"{weights} holds numbers that are not finite: in {first_few(strange)}.", _RESTORE)
    try:
        network = architecture.build(len(about.classes), weights=None, **about.parameters)
        make_room(network, find_head(network, architecture, len(about.classes)), tensors)
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelFileError(
            f"{weights} does not fit {architecture.name}: {error}.", "Is model.json of the same model?"
        ) from error
    network = network.to(choose_device(device).torch).to(memory_format=torch.channels_last).eval()
    return Classifier(network, architecture, about)


def _resolved(about: ModelCard, folder: Path, catalog: Catalog) -> tuple[ModelCard, Architecture]:
    """The model with all parameters, and its architecture.

    Raises ModelFileError where nobody provides that, or the model cannot be of it.
    """
    by = f" It came with {about.package}, which is to be installed." if about.package else ""
    try:
        given = catalog.architectures[about.architecture]
        if given.embeddings is None:
            chosen = select(given, [f"{key}={written(value)}" for key, value in about.parameters.items()])
            about = replace(about, parameters=chosen.parameters)
        architecture = catalog.architecture(Selection(about.architecture, about.parameters))
    except UsageError as error:
        raise ModelFileError(f"{folder} cannot be loaded: {error.message}{by}", error.hint) from error
    if architecture.embeddings:
        raise UsageError(
            f"{folder} is a head on embeddings that were made elsewhere: it cannot look at images.",
            "Its weights are in model.safetensors: head.weight (C, d) and head.bias (C,).",
        )
    normalisation = (*about.normalisation.mean, *about.normalisation.std)
    sound = {
        "classes": len(set(about.classes)) == len(about.classes) > 1,
        "image_size": 0 < about.image_size <= _LARGEST and not architecture.refuses(about.image_size),
        "normalisation": len(about.normalisation.mean) == len(about.normalisation.std) == 3
        and all(map(math.isfinite, normalisation))
        and min(about.normalisation.std) > 0,
    }
    for key in (key for key, is_sound in sound.items() if not is_sound):
        raise ModelFileError(f"{folder / ABOUT}: {key} is {getattr(about, key)!r}, which cannot be.", _RESTORE)
    return about, architecture
