"""What came of a bench: read from its folder, measured, reported. Trains nothing and needs no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skineval.base.errors import DataError, SkinevalError
from skineval.base.files import atomic_write
from skineval.base.terms import BINARY, DONE, OVERSAMPLE_FIRST
from skineval.catalog.catalog import Catalog
from skineval.catalog.specs import Metric
from skineval.grid.cell.record import CellRecord, read_cell
from skineval.grid.ensembles import FOLDS, ensembles
from skineval.grid.events import PhaseBegan, Report, Warned
from skineval.grid.folder import BenchFolder, read_environment, read_external
from skineval.grid.sources import load_table
from skineval.grid.tables import read_frame, write_frame
from skineval.measure.baselines import baselines
from skineval.measure.comparisons import against, against_best
from skineval.measure.intervals import estimate
from skineval.measure.predictions import from_frame
from skineval.values.lesion_table import LesionTable
from skineval.values.predictions import Predictions
from skineval.values.recipe import Recipe, make_recipe, read_recipe
from skineval.values.result import BenchResult, CellResult, EnsembleResult, ExternalTest

Tested: TypeAlias = Mapping[str, Predictions]  #: run id -> the predictions that are measured

RULES = "4"  #: of measuring and reporting; with other ones finished benches are measured again
RESULT_COLUMNS = (
    "model",
    "imbalance",
    "task",
    "protocol",
    "metric",
    "class",
    "value",
    "low",
    "high",
    "n_images",
    "n_lesions",
    "n_cells",
)
COMPARISON_COLUMNS = ("a", "b", "metric", "difference", "low", "high", "p", "p_holm", "n_images", "n_lesions")
PREDICTION_TEXT = ("image_id", "lesion_id", "part", "target")
COMPARED = ("balanced_accuracy", "macro_auc", "malignancy_auc", "macro_f1", "accuracy", "nll")
FOUND = {"dx7": "mel", "malignant": BINARY[1]}  #: the class of each task whose recall is compared, as `recall_<class>`


def conclude(folder: BenchFolder, catalog: Catalog, report: Report, table: LesionTable | None = None) -> BenchResult:
    """Measure every finished cell, write results.csv and comparisons.csv, and let every reporter write its report."""
    report(PhaseBegan("measuring"))
    result = _measured(read_bench(folder, table), catalog)
    write_frame(folder.results, result.results)
    write_frame(folder.comparisons, result.comparisons)
    for external in result.externals:
        write_frame(folder.external(external.name).results, external.results)
        write_frame(folder.external(external.name).comparisons, external.comparisons)
    for reporter in catalog.reporters:
        report(PhaseBegan(f"writing the {reporter.name} report"))
        try:
            list(reporter.write(result))
        except SkinevalError:
            raise
        except Exception as error:
            provider = catalog.reporters.entries[reporter.name].provider
            problem = catalog.plugins.problem(provider, f"reporter {reporter.name}", error)
            report(Warned(str(problem)))
    atomic_write(folder.receipt, receipt(folder, result.recipe, catalog))
    return result


def conclusion_stands(folder: BenchFolder, recipe: Recipe, catalog: Catalog) -> bool:
    """Whether results and reports are as they were made from the cells, recipe and plugins that are there now."""
    if not folder.receipt.is_file() or not all(file.is_file() for file in _products(folder)):
        return False
    return folder.receipt.read_text(encoding="utf-8") == receipt(folder, recipe, catalog)


def receipt(folder: BenchFolder, recipe: Recipe, catalog: Catalog) -> str:
    """A hash of all that results and reports are made from, and of what was made."""
    digest = hashlib.sha256()
    for text in (RULES, recipe.to_toml(), folder.cells.read_text(encoding="utf-8"), *catalog.metrics.entries):
        digest.update(text.encode())
    for shelf in (catalog.metrics, catalog.reporters):
        digest.update(repr([entry.provider.package for entry in shelf.entries.values()]).encode())
    names = _external_names(folder)
    for row in _cells(folder)["run_id"]:
        cell = folder.cell(str(row))
        for predictions in (cell.predictions, *map(cell.external, names)):
            if predictions.is_file():
                digest.update(predictions.read_bytes())
    for product in _products(folder):
        if product.is_file():
            digest.update(product.read_bytes())
    return digest.hexdigest() + "\n"


def open_bench(folder: BenchFolder, catalog: Catalog) -> BenchResult:
    """A bench, finished or not, with the measures of every finished cell; writes nothing.

    Its measures are those on disk where these stand, or else are made now; its data is looked for when pictures are
    asked for. Raises DataError naming a file that is missing or damaged.
    """
    stands = conclusion_stands(folder, read_own_recipe(folder), catalog)
    result = load_bench(folder) if stands else _measured(read_bench(folder), catalog)
    found = cache(lambda: pictures(load_table(result.recipe.data, catalog)[0]))
    return replace(result, pixels=lambda image_ids: found()(image_ids))


def load_bench(folder: BenchFolder, table: LesionTable | None = None) -> BenchResult:
    """A bench with its measures, as they lie on disk; raises DataError naming a file that is missing or damaged."""
    result = read_bench(folder, table)

    def measured(external: ExternalTest) -> ExternalTest:
        files = folder.external(external.name)
        return replace(external, results=_read_results(files.results), comparisons=_read_comparisons(files.comparisons))

    return replace(
        result,
        results=_read_results(folder.results),
        comparisons=_read_comparisons(folder.comparisons),
        externals=[measured(external) for external in result.externals],
    )


def read_bench(folder: BenchFolder, table: LesionTable | None = None) -> BenchResult:
    """Everything of a bench but its measures."""
    recipe = read_own_recipe(folder)
    environment = read_environment(folder)
    split = read_frame(folder.split, ("image_id", "lesion_id", "group", "part"))
    cells = _cells(folder)
    groups = dict(zip(split["lesion_id"], split["group"], strict=True))
    classes = environment.classes
    done = [record for record in _records(folder, cells) if record.status == DONE]
    copies = recipe.protocol == OVERSAMPLE_FIRST
    finished = [_cell_result(folder, record, classes, groups, copies) for record in done]
    predictions = {cell.run_id: cell.predictions for cell in finished}
    externals = [_external(folder, name, done, classes) for name in _external_names(folder)]
    return BenchResult(
        folder=folder.path,
        recipe=recipe,
        environment=environment,
        classes=classes,
        warnings=environment.stamps,
        split=split,
        cells=cells,
        results=pd.DataFrame(columns=list(RESULT_COLUMNS)),
        comparisons=pd.DataFrame(columns=list(COMPARISON_COLUMNS)),
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
    if not folder.recipe.is_file():
        raise DataError(f"{folder.path} holds no bench: recipe.toml is missing.", "Give the folder `bench` wrote to.")
    return make_recipe(read_recipe(str(folder.recipe)), str(folder.recipe))


def measure(
    result: BenchResult, tested: Tested, averaged: Sequence[EnsembleResult], metrics: Sequence[Metric]
) -> pd.DataFrame:
    """results.csv: every metric of every system and of the trivial baselines on what was tested."""
    rows: list[tuple[object, ...]] = []
    for (model, imbalance), predictions in {**systems(result, tested, averaged), **trivial(result, tested)}.items():
        for one in estimate(predictions, metrics, replicates=result.recipe.replicates, seed=result.recipe.split_seed):
            figures = (one.value, one.low, one.high, one.n_images, one.n_lesions, one.n_cells)
            named = (model, imbalance, result.recipe.task, result.recipe.protocol, one.metric, one.class_)
            rows.append((*named, *figures))
    return pd.DataFrame(rows, columns=list(RESULT_COLUMNS))


def compare(
    result: BenchResult, tested: Tested, averaged: Sequence[EnsembleResult], metrics: Sequence[Metric]
) -> pd.DataFrame:
    """comparisons.csv: the best system against every other one, paired on the same images."""
    named = {f"{model}/{imbalance}": found for (model, imbalance), found in systems(result, tested, averaged).items()}
    compared = [metric for metric in metrics if metric.name in COMPARED]
    replicates, seed = result.recipe.replicates, result.recipe.split_seed
    rows = against_best(named, compared, replicates=replicates, seed=seed) if len(named) > 1 else []
    label = FOUND[result.recipe.task]
    of_class = {name: images for name, found in named.items() if (images := _images_of(label, found))}
    if rows and rows[0].a in of_class:
        # Of the images of one class, the share that is called right is the recall of the class.
        recall = [replace(metric, name=f"recall_{label}") for metric in metrics if metric.name == "accuracy"]
        rows += against(rows[0].a, of_class, recall, replicates=replicates, seed=seed)
    return pd.DataFrame(
        [(r.a, r.b, r.metric, r.difference, r.low, r.high, r.p, r.p_holm, r.n_images, r.n_lesions) for r in rows],
        columns=list(COMPARISON_COLUMNS),
    )


def _images_of(label: str, cells: Sequence[Predictions]) -> list[Predictions]:
    """The predictions of the images of one class, of the cells that have any."""
    found = [cell.take(cell.targets == cell.classes.index(label)) for cell in cells]
    return [cell for cell in found if len(cell)]


def systems(
    result: BenchResult, tested: Tested, averaged: Sequence[EnsembleResult]
) -> dict[tuple[str, str], list[Predictions]]:
    """The tested predictions of every cell, by model and imbalance strategy, and those of the ensembles."""
    found: dict[tuple[str, str], list[Predictions]] = {}
    for cell in result.finished:
        if cell.run_id in tested:
            found.setdefault((cell.model, cell.imbalance), []).append(tested[cell.run_id])
    return found | {(one.model, one.imbalance): list(one.predictions) for one in averaged if one.predictions}


def trivial(result: BenchResult, tested: Tested) -> dict[tuple[str, str], list[Predictions]]:
    """What predicting the majority class, or the class frequencies, of the train part would have given."""
    found: dict[tuple[str, str], list[Predictions]] = {}
    folds: set[int] = set()
    for cell in result.finished:
        if cell.fold in folds or cell.run_id not in tested:
            continue
        folds.add(cell.fold)
        for name, predictions in baselines(np.array(cell.train_counts), tested[cell.run_id]).items():
            found.setdefault((name, ""), []).append(predictions)
    return found


def _products(folder: BenchFolder) -> list[Path]:
    """What `conclude` writes, beside its receipt."""
    files = [folder.results, folder.comparisons, folder.path / "report.md", folder.path / "report.html"]
    for name in _external_names(folder):
        files += [folder.external(name).results, folder.external(name).comparisons]
    return [*files, *sorted((folder.path / "figures").glob("*"))]


def _measured(result: BenchResult, catalog: Catalog) -> BenchResult:
    """The bench with the measures of its finished cells, on the internal test and on every external one."""
    metrics = [metric for metric in catalog.metrics if result.recipe.task in metric.tasks]
    tested = {cell.run_id: cell.predictions.select("test") for cell in result.finished}
    averaged = [_selected(ensemble, "test") for ensemble in result.ensembles]
    return replace(
        result,
        results=measure(result, tested, averaged, metrics),
        comparisons=compare(result, tested, averaged, metrics),
        externals=[
            replace(
                external,
                results=measure(result, external.predictions, external.ensembles, metrics),
                comparisons=compare(result, external.predictions, external.ensembles, metrics),
            )
            for external in result.externals
        ],
    )


def _selected(ensemble: EnsembleResult, part: str) -> EnsembleResult:
    return replace(ensemble, predictions=tuple(one.select(part) for one in ensemble.predictions))


def _external_names(folder: BenchFolder) -> tuple[str, ...]:
    """The external tests of a bench, in the order of its recipe."""
    return read_environment(folder).external if folder.environment.is_file() else ()


def _external(folder: BenchFolder, name: str, done: Sequence[CellRecord], classes: tuple[str, ...]) -> ExternalTest:
    """An external test without its measures: what the finished cells that know this very data set have predicted."""
    files = folder.external(name)
    facts = read_external(files)
    images = read_frame(files.images, ("image_id", "lesion_id", "group", "excluded"))
    groups = dict(zip(images["lesion_id"], images["group"], strict=True))
    predictions = {}
    for record in done:
        if facts.key in record.externals:
            file = folder.cell(record.spec.run_id).external(name)
            frame = read_frame(file, PREDICTION_TEXT)
            predictions[record.spec.run_id] = from_frame(frame, source=str(file), classes=classes, groups=groups)
    empty = pd.DataFrame(columns=list(RESULT_COLUMNS)), pd.DataFrame(columns=list(COMPARISON_COLUMNS))
    return ExternalTest(name, facts, *empty, predictions)


def _read_results(path: Path) -> pd.DataFrame:
    return read_frame(path, ("model", "imbalance", "task", "protocol", "metric", "class"))


def _read_comparisons(path: Path) -> pd.DataFrame:
    return read_frame(path, ("a", "b", "metric"))


def _cells(folder: BenchFolder) -> pd.DataFrame:
    return read_frame(folder.cells, ("run_id", "model", "imbalance", "status", "reason", "device"))


def _records(folder: BenchFolder, cells: pd.DataFrame) -> list[CellRecord]:
    found = [read_cell(folder.cell(str(run_id))) for run_id in cells["run_id"]]
    return [record for record in found if record is not None]


def _cell_result(
    folder: BenchFolder, record: CellRecord, classes: tuple[str, ...], groups: Mapping[str, str], copies: bool
) -> CellResult:
    cell = folder.cell(record.spec.run_id)
    frame = read_frame(cell.predictions, PREDICTION_TEXT)
    return CellResult(
        run_id=record.spec.run_id,
        model=str(record.spec.model),
        imbalance=str(record.spec.imbalance),
        fold=record.spec.fold,
        seed=record.spec.seed,
        predictions=from_frame(frame, source=str(cell.predictions), classes=classes, groups=groups, copies=copies),
        history=read_frame(cell.history),
        train_counts=record.train_counts,
        explanations={name: cell.explanation(name) for name in record.explainers if cell.explanation(name).is_dir()},
        lacking=record.lacking,
        network=record.spec.network_id if record.spec.on_embeddings else "",
    )


def pictures(table: LesionTable, size: int = 160) -> Callable[[Sequence[str]], NDArray[np.uint8]]:
    """Pictures of images for the reports, from the data set itself: larger than what the networks see."""
    rows = dict(zip(table.frame["image_id"], range(len(table)), strict=True))

    def pixels(image_ids: Sequence[str]) -> NDArray[np.uint8]:
        return table.images.pixels([rows[image_id] for image_id in image_ids], size)

    return pixels
