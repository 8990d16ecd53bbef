"""The keys of a recipe, each said once: what `--help`, the flags and the schema of recipes know of it.

Types and bounds are in `skineval.values.recipe`, whose import takes longer than all of `--help`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

REQUIRED: Any = ...  #: instead of a default, of what has none

# Panels of help, in the order in which they are shown.
COMPARED = "What is compared"
DATA = "Data"
PARTS = "Task and parts"
IMAGES = "Images and networks"
TRAINING = "Training"
RUN = "How it is run"


@dataclass(frozen=True)
class Key:
    """One key of a recipe."""

    help: str
    panel: str
    metavar: str = ""  #: what its flag is followed by; empty for a flag by itself
    default: Any = REQUIRED
    repeated: bool = False  #: its flag may be given more than once


KEYS: Mapping[str, Key] = {
    "models": Key(
        "Architectures, comma-separated; globs work, parameters follow the name: resnet*,cnn:width=32.",
        COMPARED,
        "NAMES",
    ),
    "imbalance": Key(
        "Imbalance strategies, comma-separated: none,class-weights,smote:k=3.", COMPARED, "NAMES", ("none",)
    ),
    "explainers": Key("Explainers, comma-separated; empty for none.", COMPARED, "NAMES", ("gradcam",)),
    "seeds": Key("Seeds of training, comma-separated; every one repeats the grid.", COMPARED, "N,N", (0,)),
    "ensemble": Key(
        "Further rows of every table: the mean of the probabilities over seeds, models (all of the bench), or folds "
        "(on external tests only); comma-separated, several are averaged together.",
        COMPARED,
        "NAMES",
        (),
    ),
    "replicates": Key("Bootstrap replicates behind every interval, at least 1000.", COMPARED, "N", 2000),
    "data": Key("A folder with images and metadata, or the name of a data set.", DATA, "FOLDER|NAME"),
    "external": Key(
        "Further data sets, folders or names, which every cell predicts, as external tests.",
        DATA,
        "FOLDER|NAME",
        (),
        repeated=True,
    ),
    "groups": Key(
        "A CSV file of confirmed pairs (image_a, image_b) that show one lesion: they are never parted.",
        DATA,
        "FILE",
        None,
    ),
    "quarantine": Key(
        "A CSV file of images to leave out (image_id, reason), as `skineval data check --quarantine` writes.",
        DATA,
        "FILE",
        None,
    ),
    "limit": Key(
        "Use about so many images, whole lesions, stratified; every output then says NOT COMPARABLE.",
        DATA,
        "IMAGES",
        None,
    ),
    "task": Key(
        "dx7: the seven diagnoses; malignant: melanoma, basal cell carcinoma, actinic keratosis against the rest.",
        PARTS,
        "NAME",
        "dx7",
    ),
    "protocol": Key(
        "How parts are made: lesion keeps the images of a lesion together; image does not (LEAKY); oversample-first "
        "copies images until all classes are as large as the largest, and then does not (LEAKY).",
        PARTS,
        "NAME",
        "lesion",
    ),
    "split": Key(
        "A split made elsewhere: a CSV file (image_id, part, perhaps fold), or official for the data set's own.",
        PARTS,
        "FILE|official",
        None,
    ),
    "folds": Key("1: one hold-out of train, validation and test; N: N-fold cross-validation.", PARTS, "N", 1),
    "repeats": Key("How often the folds are dealt out anew.", PARTS, "N", 1),
    "split_seed": Key(
        "Seed of the split; it has its own so that training seeds do not move images between parts.", PARTS, "N", 0
    ),
    "image_size": Key("Pixels a side of what the network sees.", IMAGES, "PIXELS", 224),
    "fit": Key(
        "How an image becomes a square: squash the whole, crop its centre, or pad the whole with black.",
        IMAGES,
        "NAME",
        "squash",
    ),
    "augment": Key(
        "Augmentation of train images: none, basic, strong, or any of their components: flip,rotate,mixup.",
        IMAGES,
        "NAMES",
        "basic",
    ),
    "tta": Key(
        "Test-time augmentation: none, or d4, the mean over the eight turns and mirrorings.", IMAGES, "NAME", "none"
    ),
    "weights": Key(
        "Initial weights: imagenet (where a network has any), none, or a file (.safetensors, .pt, .pth, .ckpt, .bin).",
        IMAGES,
        "NAME|FILE",
        "imagenet",
    ),
    "precision": Key(
        "fp32, bf16, or auto, which goes by the architecture and the device and says why; it is part of what "
        "identifies a cell.",
        IMAGES,
        "NAME",
        "auto",
    ),
    "epochs": Key("Passes over the train part at most.", TRAINING, "N", 30),
    "batch_size": Key("Images a step; auto: as many as memory allows, up to 256.", TRAINING, "N|auto", 64),
    "learning_rate": Key(
        "Peak learning rate, or auto: 1e-3 from scratch, 3e-4 from pretrained weights.", TRAINING, "RATE|auto", "auto"
    ),
    "weight_decay": Key(
        "Weight decay, decoupled in adamw, L2 in adam and sgd; biases and normalisation layers are exempt.",
        TRAINING,
        "NUMBER",
        0.05,
    ),
    "optimizer": Key("adamw, adam, or sgd (Nesterov momentum 0.9).", TRAINING, "NAME", "adamw"),
    "schedule": Key(
        "The rate over time: cosine, one-cycle, plateau (lower when the validation loss stalls), constant.",
        TRAINING,
        "NAME",
        "cosine",
    ),
    "warmup": Key("Epochs of linear warm-up, a fraction allowed; one-cycle has its own.", TRAINING, "EPOCHS", 1.0),
    "plateau_factor": Key("What the plateau schedule multiplies the rate by.", TRAINING, "NUMBER", 0.5),
    "plateau_patience": Key(
        "Epochs without a lower validation loss that the plateau schedule accepts.", TRAINING, "EPOCHS", 3
    ),
    "patience": Key("Stop after so many epochs without a better validation balanced accuracy.", TRAINING, "EPOCHS", 10),
    "label_smoothing": Key("Share of a target that is spread evenly over all classes.", TRAINING, "NUMBER", 0.0),
    "gradient_clip": Key("Largest norm of the gradient; 0 for any.", TRAINING, "NORM", 0.0),
    "ema": Key(
        "Decay of a running average of the weights, which is then what is kept, such as 0.999; 0 for none.",
        TRAINING,
        "DECAY",
        0.0,
    ),
    "freeze": Key(
        "none, or backbone: train only the head in the first epochs; needs initial weights.", TRAINING, "NAME", "none"
    ),
    "freeze_epochs": Key("For how many epochs the backbone is frozen.", TRAINING, "N", 1),
    "backbone_rate": Key("Learning rate of the backbone as a fraction of the head's.", TRAINING, "FRACTION", 1.0),
    "device": Key("auto, cpu, cuda, cuda:N or mps.", RUN, "DEVICE", "auto"),
    "deterministic": Key(
        "Deterministic algorithms on GPUs, which are slower by what the cell then notes; CPUs always are.",
        RUN,
        "",
        False,
    ),
    "jobs": Key("Cells trained at the same time, each in its own process.", RUN, "N", 1),
}
HELP: Mapping[str, str] = {name: key.help for name, key in KEYS.items()}


def shipped_recipes() -> dict[str, Traversable]:
    """The recipes that come with skineval, by name."""
    folder = resources.files("skineval").joinpath("recipes")
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return {file.name.removesuffix(".toml"): file for file in files if file.name.endswith(".toml")}


def recipe_summary(file: Traversable) -> str:
    """The first comment line of a shipped recipe."""
    return file.read_text(encoding="utf-8").splitlines()[0].removeprefix("#").strip()


def defaults(names: Iterable[str]) -> dict[str, str]:
    """What each of these keys is where nobody says: its default, and the recipes that come with skineval and differ.

    Empty for a key that is not there by default.
    """
    recipes = {name: tomllib.loads(file.read_text(encoding="utf-8")) for name, file in shipped_recipes().items()}
    return {name: "; ".join(_given(name, KEYS[name].default, recipes)) for name in names}


def _given(name: str, default: object, recipes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    is_there = default is not REQUIRED and default is not None and default is not False and default != ()
    said = [f"default: {_written(default)}"] if is_there else []
    given = {recipe: _written(values[name]) for recipe, values in recipes.items() if name in values}
    return said + [f"{recipe}: {value}" for recipe, value in given.items() if value != _written(default)]


def _written(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
