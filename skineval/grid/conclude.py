"""What came of a bench, measured, written and reported, unless that stands already. Trains nothing; needs no torch."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path

from skineval.base.codec import to_json
from skineval.base.errors import SkinevalError
from skineval.base.files import atomic_write
from skineval.catalog.catalog import Catalog
from skineval.grid.events import PhaseBegan, Report, Warned
from skineval.grid.external import outside_of
from skineval.grid.folder import BenchFolder, ExternalFolder, read_environment
from skineval.grid.looks import frame, looks
from skineval.grid.measuring import measured
from skineval.grid.reading import external_names, load_bench, pictures, read_bench, read_cells_table, read_own_recipe
from skineval.grid.sources import read_data
from skineval.grid.tables import write_frame
from skineval.values.lesion_table import LesionTable
from skineval.values.measures import CHOICE_COLUMNS, COMPARISON_COLUMNS, SUBGROUP_COLUMNS, as_frame
from skineval.values.recipe import Recipe
from skineval.values.result import BenchResult, Measured

RULES = "10"  #: of measuring and reporting; with other ones finished benches are measured again


def conclude(folder: BenchFolder, catalog: Catalog, report: Report, table: LesionTable | None = None) -> BenchResult:
    """Measure every finished cell, write the CSV files of measures, and let every reporter write its report."""
    report(PhaseBegan("measuring"))
    result = measured(read_bench(folder, table), catalog.metrics)
    _write_measures(folder, result)
    write_frame(folder.ladders, as_frame(result.ladders, COMPARISON_COLUMNS))
    write_frame(folder.subgroups, as_frame(result.subgroups, SUBGROUP_COLUMNS))
    write_frame(folder.choices, as_frame(result.choices, CHOICE_COLUMNS))
    write_frame(folder.looks, frame(looks(result)))
    for external in result.externals:
        _write_measures(folder.external(external.name), external)
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
    if folder.attributes.is_file():
        digest.update(folder.attributes.read_bytes())
    if folder.environment.is_file():
        digest.update(to_json(read_environment(folder).task).encode())
    names = external_names(folder)
    for row in read_cells_table(folder)["run_id"]:
        cell = folder.cell(str(row))
        for predictions in (cell.predictions, *map(cell.external, (*names, *map(outside_of, names)))):
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
    recipe = read_own_recipe(folder)
    stands = conclusion_stands(folder, recipe, catalog)
    result = load_bench(folder) if stands else measured(read_bench(folder), catalog.metrics)
    found = cache(lambda: pictures(read_data(recipe, catalog).table))
    return replace(result, pixels=lambda image_ids: found()(image_ids))


def _write_measures(files: BenchFolder | ExternalFolder, test: Measured) -> None:
    write_frame(files.results, test.results)
    write_frame(files.comparisons, test.comparisons)


def _products(folder: BenchFolder) -> list[Path]:
    """What `conclude` writes, beside its receipt."""
    tables = [folder.results, folder.comparisons, folder.ladders, folder.subgroups, folder.choices, folder.looks]
    files = [*tables, folder.markdown, folder.html]
    for external in map(folder.external, external_names(folder)):
        files += [external.results, external.comparisons]
    return [*files, *sorted(folder.figures.glob("*"))]
