"""One cell, from its specification to predictions, model and explanations on disk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pandas as pd
from torch import nn

from skineval.base.codec import write_json
from skineval.base.files import atomic_link
from skineval.base.terms import DONE
from skineval.catalog.networks import find_head
from skineval.explain.panels import Explaining
from skineval.grid.cell.additions import complete
from skineval.grid.cell.cell import Cell, Ground, Observe, Phase
from skineval.grid.cell.embedding_space import embedding_space
from skineval.grid.cell.embeddings import of_images
from skineval.grid.cell.finishing import finish
from skineval.grid.cell.predicting import predict
from skineval.grid.cell.record import CellRecord, sealed, standing
from skineval.grid.cell.training import Trained, missed, train_shared
from skineval.grid.cell.workspace import Workspace
from skineval.grid.folder import CellFolder
from skineval.grid.tables import write_frame
from skineval.train.classifier import InitialWeights, model_card
from skineval.train.deciding import make_room
from skineval.train.fit import HISTORY, history_rows, images_per_second
from skineval.train.weights import read_tensors, sha256_of, write_tensors
from skineval.values.runspec import RunSpec


def run_cell(
    spec: RunSpec, workspace: Workspace, ground: Ground, explainers: Sequence[Explaining], observe: Observe
) -> CellRecord:
    """Do what is left to do of a cell and return its record, which the caller writes last.

    Once it is trained and predicted it is done, and stays so whatever becomes of external tests and explanations: of
    those that fail the record holds the reason.

    Raises CellError, or whatever a plugin raises, when the cell fails; Interrupted when the ground says stop. What
    is on disk then is complete files only, and running the cell again goes on from them.
    """
    started = time.perf_counter()
    notes: list[str] = []
    cell = ground.cell(spec, workspace.parts[spec.fold], notes.append)
    notes += filter(None, [workspace.weights[str(spec.model)].lacking(cell.architecture)])
    trained = train_shared(cell, workspace.folder.network(spec.network_id), observe)
    notes += missed(cell, trained.progress)
    folder = workspace.folder.cell(spec.run_id)
    record = standing(folder)
    if record is not None:
        tensors = read_tensors(folder.weights)
        make_room(trained.network, find_head(trained.network, cell.architecture, len(spec.classes)), tensors)
        trained.network.load_state_dict(tensors)
        keys = {external.key for external in workspace.externals}
        record = replace(record, externals=tuple(key for key in record.externals if key in keys))
    else:
        chosen, space = _finished(cell, trained.network, workspace, observe) if cell.on_embeddings else ("", None)
        observe(Phase("predicting"))
        write_model(folder, cell, trained, chosen, workspace)
        write_frame(folder.history, pd.DataFrame(history_rows(trained.progress), columns=HISTORY))
        write_frame(folder.predictions, predict(cell, trained.network, workspace.images).to_frame())
        record = CellRecord(
            spec,
            DONE,
            " ".join(dict.fromkeys((*trained.progress.notes, *notes))),
            seconds=round(_seconds(trained, started), 3),
            images_per_second=_rounded(images_per_second(trained.progress)),
            device=workspace.device,
            train_counts=tuple(cell.train_counts.tolist()),
            torch=version("torch"),
            threads=workspace.threads,
        )
        record = sealed(record, folder, *folder.essential)
        if space is not None:
            write_frame(folder.embedding_space, space)
            record = sealed(record, folder, folder.embedding_space)
        started = time.perf_counter()
    record = complete(record, cell, trained.network, workspace, explainers, observe)
    return replace(
        record,
        reason=" ".join(filter(None, (record.reason, *(note for note in notes if note not in record.reason)))),
        seconds=round(record.seconds + time.perf_counter() - started, 3),
    )


def _finished(
    cell: Cell, network: nn.Module, workspace: Workspace, observe: Observe
) -> tuple[str, pd.DataFrame | None]:
    """What was chosen of the head, in words, and the picture of the embedding space where there is one."""
    embedded = of_images(cell, network, workspace.images, tell=lambda text: observe(Phase(text)))
    observe(Phase("fitting the head"))
    finished = finish(cell, network, embedded)
    space = embedding_space(cell, embedded, finished.taught) if finished.taught else None
    return finished.words, space


def write_model(folder: CellFolder, cell: Cell, trained: Trained, chosen: str, workspace: Workspace) -> None:
    """model.safetensors and model.json; the weights are linked to the shared network where they are the same.

    `chosen` is what was of its head, as `ModelCard.head`.
    """
    spec = cell.spec
    lacking = workspace.weights[str(spec.model)].lacking(cell.architecture)
    initial = InitialWeights(spec.weights, trained.loaded, lacking)
    if cell.on_embeddings or not atomic_link(workspace.folder.network(spec.network_id).weights, folder.weights):
        write_tensors(folder.weights, trained.network.state_dict())
    card = model_card(spec, cell.architecture, initial, trained.progress, cell.stamps, chosen)
    write_json(folder.model, replace(card, sha256=sha256_of(folder.weights)))


def _seconds(trained: Trained, started: float) -> float:
    """What the cell costs: its own work now, and the epochs trained before an interruption, or for another cell."""
    now = time.perf_counter() - started
    epochs = sum(record.seconds for record in trained.progress.history)
    return now - trained.seconds + max(trained.seconds, epochs)


def _rounded(value: float) -> float | None:
    return round(value, 2) if np.isfinite(value) else None
