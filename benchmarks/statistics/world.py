"""A world in which the true figures are known: lesions of each class, their images, and systems that look at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skineval.catalog.specs import Metric
from skineval.measure.intervals import by_metric, figures
from skineval.values.predictions import Predictions
from skineval.values.task import DIAGNOSES, malignant_of

Floats = NDArray[np.float64]

#: Share of lesions with 1, 2, 3, ... images (Tschandl, Rosendahl and Kittler 2018, the whole of HAM10000).
IMAGES = np.array([5514, 1423, 490, 34, 5, 4]) / 7470
#: How much of a system's error is the same for all lesions of a patient, for all images of a lesion, and for none.
OF_PATIENT, OF_LESION, OF_IMAGE = 1.0, 1.0, 0.7


@dataclass(frozen=True)
class Size:
    """Of a simulation: samples of a world, replicates of each, and lesions of a class of which the truth is taken."""

    samples: int
    replicates: int
    per_class: int


@dataclass(frozen=True)
class World:
    """Classes, and how many lesions of each a sample has."""

    name: str
    classes: tuple[str, ...]
    lesions: tuple[int, ...]  #: of each class
    images: tuple[float, ...] = tuple(IMAGES)  #: shares of lesions with 1, 2, ... images
    folds: int = 1  #: over which the lesions of each class are dealt out, one by one
    lesions_each: int = 1  #: of a patient, of any classes; patients are what is resampled where they have several

    def sample(self, rng: np.random.Generator, lesions: Sequence[int] | None = None) -> tuple[NDArray, NDArray]:
        """The class of each lesion (G,) and the lesion of each image (N,)."""
        of_class = np.repeat(np.arange(len(self.classes)), self.lesions if lesions is None else lesions)
        n_images = rng.choice(len(self.images), size=len(of_class), p=self.images) + 1
        return of_class, np.repeat(np.arange(len(of_class)), n_images)

    def dealt(self, cell: Predictions) -> list[Predictions]:
        """The answers, a cell for each fold."""
        lesions, first = np.unique(cell.groups, return_index=True)
        place = np.zeros(len(lesions), dtype=np.int64)
        for class_ in np.unique(cell.targets):
            members = cell.targets[first] == class_
            place[members] = np.arange(members.sum()) % self.folds
        fold_of = place[np.searchsorted(lesions, cell.groups)]
        return [replace(cell.take(fold_of == fold), fold=fold) for fold in range(self.folds)]


@dataclass(frozen=True)
class System:
    """How well a system tells each class, how it leans to each, and the scale and shift of what it says."""

    skill: tuple[float, ...]
    leaning: tuple[float, ...]
    scale: float = 1.0
    shift: float = 0.0  #: of the last class


#: The test part of a lesion-grouped hold-out of HAM10000: a fifth of the lesions; then with few dermatofibromas.
HOLD_OUT = World("test part, 23 df", DIAGNOSES, (46, 65, 145, 23, 123, 1081, 20))
FEW = World("test part, 3 df", DIAGNOSES, (46, 65, 145, 3, 123, 1081, 20))
FOLDS = World("5 folds, 7 df of 3 images each", DIAGNOSES, (46, 65, 145, 7, 123, 540, 20), (0.0, 0.0, 1.0), folds=5)
SMALL = World("300 lesions, 3 df", DIAGNOSES, (9, 13, 29, 3, 25, 217, 4))
PATIENTS = World("patients of 8 lesions, 23 df", DIAGNOSES, (46, 65, 145, 23, 123, 1081, 20), lesions_each=8)
CLUSTERED = World("lesions of 4 images, 23 df", DIAGNOSES, (46, 65, 145, 23, 123, 1081, 20), (0.0, 0.0, 0.0, 1.0))
PLAIN = System((1.8, 2.2, 1.9, 1.6, 1.9, 2.6, 3.0), (-1.2, -1.0, -0.7, -1.6, -0.8, -0.1, -1.5))
WEIGHED = System((2.2, 2.5, 2.1, 2.2, 2.3, 2.1, 3.2), (-0.6, -0.5, -0.35, -0.8, -0.4, -0.05, -0.75))


def answers(
    world: World,
    drawn: tuple[NDArray, NDArray],
    systems: Sequence[System],
    rng: np.random.Generator,
    common: float = 0.7,
) -> list[Predictions]:
    """What each system says of the same images; `common` is the correlation of their errors."""
    of_class, unit = drawn
    n_classes = len(world.classes)
    several = world.lesions_each > 1
    patient = rng.permutation(len(of_class)) // world.lesions_each if several else np.arange(len(of_class))

    def noise() -> Floats:
        found = OF_LESION * rng.normal(size=(len(of_class), n_classes))[unit]
        found += OF_IMAGE * rng.normal(size=(len(unit), n_classes))
        if several:
            found += OF_PATIENT * rng.normal(size=(patient.max() + 1, n_classes))[patient][unit]
        return found

    shared, targets = noise(), of_class[unit]
    images = np.array([f"I{k:07d}" for k in range(len(unit))])
    lesions = np.array([f"L{k:07d}" for k in unit])
    groups = np.array([f"G{k:07d}" for k in patient[unit]]) if several else lesions
    found = []
    for system in systems:
        logits = np.sqrt(common) * shared + np.sqrt(1 - common) * noise() + np.array(system.leaning)
        logits[np.arange(len(unit)), targets] += np.array(system.skill)[targets]
        logits *= system.scale
        logits[:, -1] += system.shift
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        parts = np.full(len(unit), "test")
        shares /= shares.sum(axis=1, keepdims=True)
        found.append(
            Predictions(
                world.classes,
                images,
                lesions,
                groups,
                parts,
                targets,
                shares,
                malignant=malignant_of(world.classes),
            )
        )
    return found


def truth(
    world: World, systems: Sequence[System], metrics: Sequence[Metric], per_class: int
) -> list[dict[str, Floats]]:
    """The figures of each system on `per_class` lesions of each class, weighted to the mix of the world's samples."""
    rng = np.random.default_rng(99)
    drawn = world.sample(rng, [per_class] * len(world.classes))
    of_image = drawn[0][drawn[1]]
    weights = (np.array(world.lesions) / np.bincount(of_image))[of_image][None]
    said = answers(world, drawn, systems, rng)
    values = [by_metric(metrics, world.classes, figures(of, metrics, weights)) for of in said]
    return [{name: found[0] for name, found in of_system.items()} for of_system in values]
