"""What is added to a finished cell: predictions for external tests, and explanations. Each may fail by itself."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from skineval.base.errors import Interrupted, NoMapError, SkinevalError, one_line
from skineval.explain.asked import Asked, places_of_few
from skineval.explain.panels import Explaining, Seen, explain
from skineval.explain.rating import rate_outlines
from skineval.explain.scores import CENTRE, PRIMARY
from skineval.explain.target import PREDICTED, Target
from skineval.grid.cell.cell import Cell, Observe, Phase
from skineval.grid.cell.predicting import predict_external
from skineval.grid.cell.record import CellRecord, sealed, write_cell
from skineval.grid.cell.workspace import ExternalImages, Workspace
from skineval.grid.folder import CellFolder
from skineval.grid.tables import read_cell_predictions, write_frame
from skineval.train.faults import is_poisoned
from skineval.train.predict import ignore_progress

MAPS = 200  #: test images of a cell of which maps are scored


def complete(
    record: CellRecord,
    cell: Cell,
    network: nn.Module,
    workspace: Workspace,
    explainers: Sequence[Explaining],
    observe: Observe,
) -> CellRecord:
    """The record of a finished cell with all that is missing of `explainers` and external tests.

    One that fails is named in the record with its reason, and the others are made. Raises Interrupted when the stage
    says stop, and whatever leaves the GPU of no use for the others.
    """
    folder = workspace.folder.cell(record.spec.run_id)
    record = replace(record, adding="", failure="")

    def external_test(external: ExternalImages, record: CellRecord) -> CellRecord:
        file = folder.external(external.name)
        write_frame(file, predict_external(cell, network, external).to_frame())
        return replace(sealed(record, folder, file), externals=(*record.externals, external.key))

    def explanation(asked: Explaining, record: CellRecord) -> CellRecord:
        spec, name = cell.spec, str(asked.selection)
        seen = Seen(
            cell.architecture,
            network,
            cell.stage,
            read_cell_predictions(folder.predictions, spec.classes, copies=True).select("test"),
            cell.parts.test,
            partial(outlines, cell),
        )
        title = f"{name} of {spec.model}/{spec.imbalance}, fold {spec.fold}, seed {spec.seed}"
        try:
            if not spec.image_size:
                raise NoMapError("its embeddings were made elsewhere, of images that it does not see")
            explain(folder.explanation(name), title, asked, seen, cell.stamps)
            scores = _scores(seen, asked, spec.split)
        except NoMapError as error:
            return replace(record, mapless={**record.mapless, name: error.message})
        if scores is not None:
            file = folder.map_scores(name)
            write_frame(file, scores)
            record = sealed(record, folder, file)
        return replace(record, explainers=(*record.explainers, name))

    for external in workspace.externals:
        if external.key not in record.externals:
            record = _added(folder, record, f"predicting {external.name}", partial(external_test, external), observe)
    for asked in explainers:
        if str(asked.selection) not in (*record.explainers, *record.mapless):
            phase = f"explaining with {asked.selection}"
            record = _added(folder, record, phase, partial(explanation, asked), observe)
    return record


def _scores(seen: Seen, explaining: Explaining, split: str) -> pd.DataFrame | None:
    """Scores of maps of some test images, those of other cells of this part; None where nobody has drawn lesions."""
    places = places_of_few(seen.test, MAPS, split)
    some = replace(seen, test=seen.test.take(places), rows=seen.rows[places])
    found = rate_outlines(Asked(some, Target(PREDICTED)), explaining, ignore_progress)
    if found is None:
        return None
    own, centre = found
    return pd.DataFrame({"image_id": some.test.image_ids, **own.scores, CENTRE: centre.scores[PRIMARY]})


def outlines(cell: Cell, image_ids: Sequence[str], side: int) -> NDArray[np.bool_] | None:
    """The lesion masks of some images; where they cannot be read, none, and a note says so."""
    try:
        return cell.masks(image_ids, side)
    except Exception as error:  # of a plugin's data set, too
        reason = error.message if isinstance(error, SkinevalError) else one_line(error)
        cell.stage.on_note(f"Explanations lack the outlines of lesions: {reason}")
        return None


def _added(
    folder: CellFolder,
    record: CellRecord,
    phase: str,
    add: Callable[[CellRecord], CellRecord],
    observe: Observe,
) -> CellRecord:
    """The record after one addition, made or failed; on disk it says what is made, which may take the process along."""
    observe(Phase(phase))
    record = replace(record, adding=phase)
    write_cell(folder, record)
    try:
        return replace(add(record), adding="")
    except (Exception, SystemExit) as error:
        if isinstance(error, Interrupted) or is_poisoned(error):
            raise
        traceback.print_exc()  # into the log of the worker
        return record.without_addition(one_line(error))
