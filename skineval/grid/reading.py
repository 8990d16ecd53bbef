"""A bench, read from its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skineval.base.codec import RESTORE
from skineval.base.errors import DataError
from skineval.base.terms import DONE, NOT_RUN, OVERSAMPLE_FIRST
from skineval.data.attributes import ATTRIBUTES
from skineval.data.splits.split import fingerprint
from skineval.grid.cell.record import CellRecord, read_cell, stands
from skineval.grid.ensembles import FOLDS, ensembles
from skineval.grid.external import key_of, outside_of
from skineval.grid.folder import OF_A_SEARCH, BenchFolder, ExternalFolder, read_environment, read_external
from skineval.grid.tables import read_cell_predictions, read_frame
from skineval.values.lesion_table import SOURCE, LesionTable
from skineval.values.measures import (
    CHOICE_COLUMNS,
    COMPARISON_COLUMNS,
    RESULT_COLUMNS,
    SUBGROUP_COLUMNS,
    Choice,
    Difference,
    Score,
    Subgroup,
    rows,
)
from skineval.values.predictions import Predictions
from skineval.values.recipe import Recipe, make_recipe, read_recipe
from skineval.values.result import BenchResult, CellResult, ExternalTest, Measured
from skineval.values.task import Task, shipped_task

M = TypeVar("M", bound=Measured)

GONE = "it was done, and its folder is gone"


def load_bench(folder: BenchFolder, table: LesionTable | None = None) -> BenchResult:
    """A bench with its measures, as they lie on disk; raises DataError naming a file that is missing or damaged."""
    result = read_bench(folder, table)
    externals = [_with_measures(one, folder.external(one.name)) for one in result.externals]
    ladders = _differences(folder.ladders)
    subgroups = rows(Subgroup, _read(folder.subgroups, SUBGROUP_COLUMNS, ("system", "attribute", "value")))
    choices = rows(Choice, _read(folder.choices, CHOICE_COLUMNS, ("model", "imbalance", "chosen", "metric", "class")))
    found = replace(result, externals=externals, ladders=ladders, subgroups=subgroups, choices=choices)
    return _with_measures(found, folder)


def read_bench(folder: BenchFolder, table: LesionTable | None = None) -> BenchResult:
    """Everything of a bench but its measures."""
    recipe = read_own_recipe(folder)
    environment = read_environment(folder)
    split = read_frame(folder.split, ("image_id", "lesion_id", "group", "part"), perhaps=(SOURCE,))
    if fingerprint(split, environment.split.protocol) != environment.split.fingerprint:
        raise DataError(f"{folder.split} is not as the bench wrote it.", RESTORE)
    cells = read_cells_table(folder)
    groups = dict(zip(split["lesion_id"], split["group"], strict=True))
    task = environment.task or shipped_task(recipe.task)
    records = {run_id: read_cell(folder.cell(run_id)) for run_id in cells["run_id"]}
    done = [record for record in records.values() if record is not None and record.status == DONE]
    gone = cells["status"].eq(DONE) & ~cells["run_id"].isin([record.spec.run_id for record in done])
    cells.loc[gone, ["status", "reason"]] = NOT_RUN, GONE
    copies = recipe.protocol == OVERSAMPLE_FIRST
    finished = [_cell_result(folder, record, task, groups, copies) for record in done]
    predictions = {cell.run_id: cell.predictions for cell in finished}
    externals = [_external(folder, name, done, task, recipe.reject) for name in external_names(folder)]
    return BenchResult(
        folder=folder.path,
        recipe=recipe,
        environment=environment,
        task=task,
        warnings=environment.stamps,
        split=split,
        attributes=_attributes(folder),
        cells=cells,
        finished=finished,
        ensembles=ensembles(recipe, finished, predictions, set(recipe.ensemble) - {FOLDS}),
        externals=[
            replace(one, ensembles=ensembles(recipe, finished, one.predictions, set(recipe.ensemble)))
            for one in externals
        ],
        pixels=pictures(table) if table is not None else None,
    )


def read_own_recipe(folder: BenchFolder) -> Recipe:
    """The recipe of a bench; raises DataError where there is no bench."""
    if not folder.path.is_dir():
        raise DataError(f"There is no folder {folder.path}.", "Give the folder `bench` wrote to; it says which.")
    if (folder.path / OF_A_SEARCH).is_file():
        raise DataError(f"{folder.path} holds a search for settings.", f"Bench what it found: {folder.recipe}.")
    if not folder.recipe.is_file():
        raise DataError(f"{folder.path} holds no bench: recipe.toml is missing.", "Give the folder `bench` wrote to.")
    recipe = make_recipe(read_recipe(str(folder.recipe)), str(folder.recipe))
    if len(recipe.protocols) > 1:
        named = ", ".join(str(folder.path / protocol) for protocol in recipe.protocols)
        raise DataError(f"{folder.path} holds the benches of several protocols.", f"Name one of them: {named}.")
    return recipe


def external_names(folder: BenchFolder) -> tuple[str, ...]:
    """The external tests of a bench, in the order of its recipe."""
    return read_environment(folder).external if folder.environment.is_file() else ()


def read_cells_table(folder: BenchFolder) -> pd.DataFrame:
    """cells.csv."""
    return read_frame(folder.cells, ("run_id", "model", "imbalance", "status", "reason", "device"))


def pictures(table: LesionTable, size: int = 160) -> Callable[[Sequence[str]], NDArray[np.uint8]]:
    """Pictures of images for the reports, from the data set itself: larger than what the networks see."""
    return lambda image_ids: table.images.pixels(table.rows_of(image_ids), size)


def _external(folder: BenchFolder, name: str, done: Sequence[CellRecord], task: Task, reject: bool) -> ExternalTest:
    """An external test without its measures: what the finished cells that know this very data set have predicted."""
    files = folder.external(name)
    about = read_external(files)
    images = read_frame(files.images, ("image_id", "lesion_id", "group", "excluded"))
    groups = dict(zip(images["lesion_id"], images["group"], strict=True))

    def predicted(name: str, *, outside: bool = False) -> dict[str, Predictions]:
        known = [record for record in done if key_of(name, about.fingerprint) in record.externals]
        files = {record.spec.run_id: folder.cell(record.spec.run_id).external(name) for record in known}
        return {
            record.spec.run_id: _predictions(record, folder, files[record.spec.run_id], task, groups, outside=outside)
            for record in known
        }

    outside = predicted(outside_of(name), outside=True) if reject and about.outside_images else None
    return ExternalTest(name=name, about=about, predictions=predicted(name), outside=outside)


def _cell_result(
    folder: BenchFolder, record: CellRecord, task: Task, groups: Mapping[str, str], copies: bool
) -> CellResult:
    cell = folder.cell(record.spec.run_id)
    return CellResult(
        run_id=record.spec.run_id,
        model=str(record.spec.model),
        imbalance=str(record.spec.imbalance),
        fold=record.spec.fold,
        seed=record.spec.seed,
        predictions=_predictions(record, folder, cell.predictions, task, groups, copies=copies),
        history=read_frame(cell.history),
        train_counts=record.train_counts,
        explanations={name: cell.explanation(name) for name in record.explainers if cell.explanation(name).is_dir()},
        map_scores={
            name: read_frame(file, ("image_id",))
            for name in record.explainers
            if stands(record, cell, file := cell.map_scores(name))
        },
        lacking=record.lacking,
        mapless=record.mapless,
        network=record.spec.network_id if record.spec.on_embeddings else "",
        threads=record.threads,
        reason=record.reason,
        embedding_space=cell.embedding_space if stands(record, cell, cell.embedding_space) else None,
    )


def _predictions(
    record: CellRecord,
    folder: BenchFolder,
    file: Path,
    task: Task,
    groups: Mapping[str, str],
    *,
    copies: bool = False,
    outside: bool = False,
) -> Predictions:
    """Predictions of a cell for the internal or an external test; raises DataError where they are others by now."""
    if not stands(record, folder.cell(record.spec.run_id), file):
        raise DataError(f"{file} is not as the bench wrote it.", RESTORE)
    found = read_cell_predictions(file, task.classes, groups, copies=copies, outside=outside)
    return replace(found, malignant=task.malignant)


def _attributes(folder: BenchFolder) -> pd.DataFrame | None:
    return read_frame(folder.attributes, ("image_id",), perhaps=ATTRIBUTES) if folder.attributes.is_file() else None


def _with_measures(test: M, files: BenchFolder | ExternalFolder) -> M:
    scores = _read(files.results, RESULT_COLUMNS, ("model", "imbalance", "task", "protocol", "metric", "class"))
    return replace(test, scores=rows(Score, scores), differences=_differences(files.comparisons))


def _differences(path: Path) -> tuple[Difference, ...]:
    return rows(Difference, _read(path, COMPARISON_COLUMNS, ("a", "b", "metric")))


def _read(path: Path, columns: Sequence[str], text: Sequence[str]) -> pd.DataFrame:
    frame = read_frame(path, text)
    found = [str(column) for column in frame.columns]
    if found != list(columns):
        raise DataError(
            f"{path} has the columns {', '.join(found)}, not {', '.join(columns)}.",
            "Run `skineval report` on the bench to write it again.",
        )
    return frame
