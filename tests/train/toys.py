"""Tiny networks, images and specifications for the tests of training."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import nn

from skineval.catalog.specs import Architecture
from skineval.measure.metrics import balanced_accuracy
from skineval.train.augment import make_transform, normaliser
from skineval.train.objective import Objective
from skineval.train.predict import Stage
from skineval.train.remedy import Remedy
from skineval.values.runspec import RunSpec, Selection, Training

CLASSES = ("red", "green", "blue")
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def build(num_classes: int, *, weights: str | None) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(8, num_classes),
    )


TOY = Architecture("toy", build, "A toy.", image_size=16, min_image_size=8, mean=MEAN, std=STD)

SPEC = RunSpec(
    model=Selection("toy", {}, "toy"),
    imbalance=Selection("none", {}, "none"),
    fold=0,
    seed=0,
    task="toy",
    classes=CLASSES,
    data="d",
    split="s",
    image_size=16,
    training=Training(epochs=3, batch_size=16, learning_rate=1e-2),
    weights="none",
    precision="fp32",
)


def spec(**changes: object) -> RunSpec:
    """`SPEC` with other fields, those of its training among them."""
    names = {field.name for field in dataclasses.fields(Training)}
    training = dataclasses.replace(SPEC.training, **{k: v for k, v in changes.items() if k in names})  # type: ignore[arg-type]
    return dataclasses.replace(SPEC, training=training, **{k: v for k, v in changes.items() if k not in names})  # type: ignore[arg-type]


def images(n: int = 90, size: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Noise in which one colour is a little brighter: (n, size, size, 3) uint8 and labels (n,)."""
    generator = np.random.default_rng(0)
    labels = np.arange(n) % 3
    pictures = generator.integers(0, 160, (n, size, size, 3))
    pictures[np.arange(n), :, :, labels] += 60
    return pictures.astype(np.uint8), labels.astype(np.int64)


def blobs(n: int = 300, d: int = 6, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (n, d) float32 of classes that overlap, and labels (n,); the centres are of no seed."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    centres = np.random.default_rng(99).normal(size=(classes, d))
    scale = np.logspace(-2, 2, d)  # badly scaled on purpose
    return ((centres[labels] + generator.normal(size=(n, d))) * scale).astype(np.float32), labels


def stage(store: np.ndarray, **changes: object) -> Stage:
    device = torch.device("cpu")
    made = Stage(torch.from_numpy(store), device, "fp32", normaliser(MEAN, STD, device))
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def score(targets: np.ndarray, probabilities: np.ndarray) -> float:
    return float(balanced_accuracy(targets, probabilities, np.ones((1, len(targets))), CLASSES)[0])


def task(labels: np.ndarray, remedy: Remedy | None = None, **changes: object) -> Objective:
    rows = np.arange(len(labels))
    made = Objective(
        train=rows[: 2 * len(rows) // 3],
        validation=rows[2 * len(rows) // 3 :],
        targets=labels,
        remedy=lambda epoch: remedy or Remedy(),
        transform=make_transform("basic", MEAN, STD, torch.device("cpu")),
        score=score,
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]
