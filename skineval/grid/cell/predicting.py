"""What a trained network of a cell says of images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from skineval.grid.cell.cell import Cell
from skineval.grid.cell.embeddings import head_probabilities
from skineval.grid.cell.workspace import ExternalImages, LabelledImages
from skineval.train.predict import predict_probabilities, put_on_device
from skineval.train.prior import with_estimated_prior
from skineval.values.predictions import Predictions
from skineval.values.task import OUTSIDE

EXTERNAL, OF_NO_CLASS = "external", "outside"  #: the parts of the images of external tests


def predict(cell: Cell, network: nn.Module, images: LabelledImages) -> Predictions:
    """Predictions for the validation and the test part; `images` are those of the stage."""
    parts = cell.parts
    names = np.repeat(["validation", "test"], [len(parts.validation), len(parts.test)])
    return _predicted(cell, network, images, np.concatenate([parts.validation, parts.test]), names)


def predict_external(cell: Cell, network: nn.Module, external: ExternalImages) -> Predictions:
    """Predictions for an external test, or for its images of no class."""
    staged = replace(cell.stage, images=put_on_device(external.images.store, cell.stage.device))
    names = np.where(external.images.targets[external.rows] == OUTSIDE, OF_NO_CLASS, EXTERNAL)
    return _predicted(replace(cell, stage=staged), network, external.images, external.rows, names)


def _predicted(
    cell: Cell, network: nn.Module, images: LabelledImages, rows: NDArray[np.int64], parts: NDArray[np.str_]
) -> Predictions:
    probabilities = np.empty((0, len(cell.spec.classes)))  # of no image: not every network takes a batch of none
    if len(rows):
        copied, distinct = pd.factorize(rows)  # an image is looked at once, however many copies were dealt out
        if cell.on_embeddings:
            probabilities = head_probabilities(cell, network, images, distinct)[copied]
        else:
            probabilities = predict_probabilities(network, cell.stage, distinct, cell.spec.tta)[copied]
    if cell.strategy.estimates_prior:
        prior = cell.train_counts / cell.train_counts.sum()
        for part in dict.fromkeys(parts.tolist()):
            found = with_estimated_prior(probabilities[parts == part], prior)
            probabilities[parts == part] = found.probabilities
            if doubt := found.doubt(cell.spec.classes):
                cell.stage.on_note(f"{cell.spec.imbalance}: the shares estimated in {part} images {doubt}.")
    return Predictions(
        classes=cell.spec.classes,
        image_ids=images.image_ids[rows],
        lesion_ids=images.lesion_ids[rows],
        groups=images.lesion_ids[rows],
        parts=parts,
        targets=images.targets[rows],
        probabilities=probabilities,
        fold=cell.spec.fold,
        seed=cell.spec.seed,
    )
