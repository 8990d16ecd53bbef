"""From the folder of a trained cell to what a page shows of it."""

from __future__ import annotations

from pathlib import Path

from skineval.base.terms import Progress
from skineval.catalog.catalog import Catalog
from skineval.demo.predicting import Demonstration, demonstration
from skineval.demo.samples import Samples, samples_of
from skineval.demo.standing import standing_of
from skineval.grid.trained import open_trained
from skineval.train.predict import ignore_progress


def open_model(
    path: Path, catalog: Catalog, *, device: str = "auto", progress: Progress = ignore_progress
) -> tuple[Demonstration, Samples]:
    """The model of a cell, or of a bench that has only one, and images to try it on.

    `progress` counts explainers that were asked whether they have a map. Raises what `open_trained` does, and
    DataError where the bench around the cell is damaged.
    """
    trained = open_trained(path, catalog, device)
    standing = standing_of(trained)
    return demonstration(trained.classifier, standing, catalog, progress), samples_of(standing, catalog)
