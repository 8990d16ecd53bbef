"""One cell as training and predicting see it: what its specification names, looked up once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skineval.base.errors import CellError
from skineval.catalog.catalog import Catalog
from skineval.catalog.specs import Architecture, EpochEnded
from skineval.catalog.strategy import ImbalanceStrategy
from skineval.data.splits.split import Parts
from skineval.explain.panels import Masks
from skineval.grid.cell.workspace import Workspace
from skineval.grid.events import PhaseBegan, StepDone
from skineval.grid.folder import BenchFolder
from skineval.measure.metrics import balanced_accuracy
from skineval.train.augment import normaliser
from skineval.train.checkpoint import EpochRecord
from skineval.train.fit import Step
from skineval.train.predict import Stage, ignore_note, put_on_device
from skineval.train.rows import FileRows
from skineval.train.weights import Weights
from skineval.values.embeddings import Embeddings
from skineval.values.runspec import RunSpec


@dataclass(frozen=True)
class Phase:
    """A part of a cell begins that has no steps to count, or training does."""

    name: str


#: Where a cell stands: before a step, after an epoch, where another phase begins.
Moment: TypeAlias = Phase | Step | EpochRecord
Observe: TypeAlias = Callable[[Moment], None]


def no_masks(image_ids: Sequence[str], side: int) -> None:
    """Of data without masks."""


def as_event(spec: RunSpec, moment: Moment) -> PhaseBegan | StepDone | EpochEnded:
    """What is told of a cell that stands there."""
    if isinstance(moment, Phase):
        return PhaseBegan(moment.name, spec.run_id)
    if isinstance(moment, Step):
        return StepDone(spec.run_id, moment.done, moment.loss, moment.images_per_second)
    return EpochEnded(
        spec.run_id,
        moment.epoch,
        spec.training.epochs,
        moment.train_loss,
        moment.val_loss,
        moment.val_balanced_accuracy,
        moment.images / moment.train_seconds,
    )


@dataclass(frozen=True, eq=False)
class Cell:
    """One cell, ready to be trained."""

    spec: RunSpec
    architecture: Architecture
    strategy: ImbalanceStrategy
    weights: Weights  #: that its network begins with
    embedded: Embeddings | None  #: of all images, where it has no network to make them
    parts: Parts  #: rows of the images of `stage`
    targets: NDArray[np.int64]  #: of each of these images, indices into the classes of `spec`
    stage: Stage
    deterministic: bool  #: also on a GPU
    stamps: tuple[str, ...]  #: what every file of it says that can say it
    masks: Masks
    kept: Path | None  #: where the embeddings of its trained network are; None of a probe, whose are beside the pixels

    @property
    def on_embeddings(self) -> bool:
        """Whether something is done to embeddings or their logits, so that these are at hand."""
        return self.spec.is_probe or self.strategy.changes_trained

    @property
    def train_labels(self) -> NDArray[np.int64]:
        """Targets of the train part, (n,): the labels that a strategy is handed, and no others."""
        return self.targets[self.parts.train]

    @property
    def train_counts(self) -> NDArray[np.int64]:
        """Images of the train part per class, (C,)."""
        return np.bincount(self.train_labels, minlength=len(self.spec.classes))

    def score(self, targets: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
        """The balanced accuracy by which epochs and heads are chosen, on validation images."""
        return float(balanced_accuracy(targets, probabilities, np.ones((1, len(targets))), self.spec.classes)[0])


@dataclass(frozen=True, eq=False)
class Ground:
    """What cells stand on."""

    images: Tensor | FileRows  #: as in `Stage`
    targets: NDArray[np.int64]  #: of each image
    device: torch.device
    weights: Mapping[str, Weights]  #: as asked for, by model
    catalog: Catalog
    should_stop: Callable[[], bool]
    deterministic: bool = False
    stamps: tuple[str, ...] = ()
    masks: Masks = no_masks
    folder: BenchFolder | None = None  #: of the bench

    @classmethod
    def of(cls, workspace: Workspace, catalog: Catalog, should_stop: Callable[[], bool], masks: Masks) -> Ground:
        """What the cells of a bench stand on: with all images on the device."""
        device = torch.device(workspace.device)
        return cls(
            put_on_device(workspace.images.store, device),
            workspace.images.targets,
            device,
            workspace.weights,
            catalog,
            should_stop,
            workspace.deterministic,
            workspace.stamps,
            masks,
            workspace.folder,
        )

    def cell(self, spec: RunSpec, parts: Parts, on_note: Callable[[str], None] = ignore_note) -> Cell:
        """The cell of a specification; `parts` are rows of the images.

        Raises CellError where a file of embeddings is not the one that was asked for.
        """
        architecture = self.catalog.architecture(spec.model)
        weights = Weights(spec.weights, self.weights[str(spec.model)].path)
        normalise = normaliser(architecture.mean, architecture.std, self.device)
        return Cell(
            spec,
            architecture,
            self.catalog.imbalance[spec.imbalance.name],
            weights,
            _embedded(architecture, weights),
            parts,
            self.targets,
            Stage(self.images, self.device, spec.precision, normalise, self.should_stop, on_note),
            self.deterministic,
            self.stamps,
            self.masks,
            self.folder.network(spec.network_id).path if self.folder and not spec.is_probe else None,
        )


def _embedded(architecture: Architecture, weights: Weights) -> Embeddings | None:
    """What was embedded elsewhere; None of a network."""
    if architecture.embeddings is None or weights.path is None:
        return None
    found = architecture.embeddings(weights.path)
    if found.fingerprint != weights.identity:
        raise CellError(f"{weights.path} has changed since the bench began.")
    return found
