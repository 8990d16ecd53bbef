"""From the folder of a trained cell to what a page shows of it."""

from __future__ import annotations

from pathlib import Path

from skineval.base.terms import Progress
from skineval.catalog.catalog import Catalog
from skineval.demo.predicting import Demonstration, demonstration
from skineval.demo.samples import Samples, samples_of
from skineval.demo.standing import standing_of
from skineval.grid.folder import trained_cell
from skineval.train.classifier import load_classifier
from skineval.train.predict import ignore_progress


def open_model(
    path: Path, catalog: Catalog, *, device: str = "auto", progress: Progress = ignore_progress
) -> tuple[Demonstration, Samples]:
    """The model of a cell, or of a bench that has only one, and images to try it on.

    `progress` counts explainers that were asked whether they have a map. Raises what `load_classifier` does, and
    DataError where the bench around the cell is damaged.
    """
    cell = trained_cell(path)
    classifier = load_classifier(cell, device=device, catalog=catalog)
    standing = standing_of(cell.parent if cell.is_file() else cell)
    return demonstration(classifier, standing, catalog, progress), samples_of(standing, catalog)
