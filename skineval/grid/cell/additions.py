"""What is added to a finished cell: predictions for external tests, and explanations. Each may fail by itself."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import nn

from skineval.base.errors import DataError, Interrupted, one_line
from skineval.catalog.catalog import Catalog
from skineval.explain.panels import explain
from skineval.grid.cell.record import CellRecord, sealed, write_cell
from skineval.grid.cell.workspace import ExternalImages, Workspace
from skineval.grid.folder import CellFolder
from skineval.grid.tables import read_frame, write_frame
from skineval.measure.predictions import from_frame
from skineval.train.faults import is_poisoned
from skineval.train.predict import Stage, predict_probabilities, put_on_device
from skineval.values.predictions import Predictions
from skineval.values.runspec import RunSpec, Selection

EXTERNAL = "external"  #: the part of the images of external tests


def complete(
    record: CellRecord,
    workspace: Workspace,
    catalog: Catalog,
    explainers: tuple[Selection, ...],
    stage: Stage,
    network: nn.Module,
    on_phase: Callable[[str], None],
) -> CellRecord:
    """The record of a finished cell with all that is missing of `explainers` and external tests.

    One that fails is named in the record with its reason, and the others are made. Raises Interrupted when the stage
    says stop, and whatever leaves the GPU of no use for the others.
    """
    spec, folder = record.spec, workspace.folder.cell(record.spec.run_id)
    record = replace(record, adding="", failure="")

    def external_test(external: ExternalImages, record: CellRecord) -> CellRecord:
        file = folder.external(external.name)
        write_frame(file, predict_external(spec, workspace, external, stage, network).to_frame())
        return replace(sealed(record, folder, file), externals=(*record.externals, external.key))

    def explanation(selection: Selection, record: CellRecord) -> CellRecord:
        explainer = catalog.explainers[selection.name]
        given = {"architecture": catalog.architecture(spec.model), **selection.parameters}
        explain(
            folder.explanation(str(selection)),
            f"{selection} of {spec.model}/{spec.imbalance}, fold {spec.fold}, seed {spec.seed}",
            partial(explainer.attribute, **given),
            partial(explainer.resolution, **given) if explainer.resolution else None,
            network,
            stage,
            read_predictions(folder, workspace.classes).select("test"),
            workspace.parts[spec.fold].test,
            partial(outlines, workspace, stage.on_note),
            workspace.stamps,
        )
        return replace(record, explainers=(*record.explainers, str(selection)))

    for external in workspace.externals:
        if external.key not in record.externals:
            record = _added(folder, record, f"predicting {external.name}", partial(external_test, external), on_phase)
    for selection in explainers:
        if str(selection) not in record.explainers:
            record = _added(folder, record, f"explaining with {selection}", partial(explanation, selection), on_phase)
    return record


def outlines(
    workspace: Workspace, on_note: Callable[[str], None], rows: NDArray[np.int64], side: int
) -> NDArray[np.bool_] | None:
    """The lesion masks of some images; where they cannot be read, none, and a note says so."""
    try:
        return workspace.masks(rows, side)
    except DataError as error:
        on_note(f"Explanations lack the outlines of lesions: {error.message}")
        return None


def _added(
    folder: CellFolder,
    record: CellRecord,
    phase: str,
    add: Callable[[CellRecord], CellRecord],
    on_phase: Callable[[str], None],
) -> CellRecord:
    """The record after one addition, made or failed; on disk it says what is made, which may take the process along."""
    on_phase(phase)
    record = replace(record, adding=phase)
    write_cell(folder, record)
    try:
        return replace(add(record), adding="")
    except (Exception, SystemExit) as error:
        if isinstance(error, Interrupted) or is_poisoned(error):
            raise
        traceback.print_exc()  # into the log of the worker
        return record.without_addition(one_line(error))


def predict_external(
    spec: RunSpec, workspace: Workspace, external: ExternalImages, stage: Stage, network: nn.Module
) -> Predictions:
    """Predictions for an external test."""
    staged = replace(stage, images=put_on_device(external.store, stage.device))
    return Predictions(
        classes=workspace.classes,
        image_ids=external.image_ids,
        lesion_ids=external.lesion_ids,
        groups=external.lesion_ids,
        parts=np.full(len(external.rows), EXTERNAL),
        targets=external.targets,
        probabilities=predict_probabilities(network, staged, external.rows, spec.tta),
        fold=spec.fold,
        seed=spec.seed,
    )


def read_predictions(folder: CellFolder, classes: tuple[str, ...]) -> Predictions:
    """predictions.csv of a cell; raises DataError naming file and row where it is damaged."""
    frame = read_frame(folder.predictions, ("image_id", "lesion_id", "part", "target"))
    return from_frame(frame, source=str(folder.predictions), classes=classes, copies=True)
