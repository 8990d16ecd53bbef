"""Which data set a recipe means, and what is left of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from skineval.base.errors import DataError, UsageError, hint_for
from skineval.catalog.catalog import Catalog
from skineval.data import quarantine
from skineval.data.groups import grouped, read_pairs, regroup
from skineval.data.layouts import own_table
from skineval.data.layouts.recognise import unrecognised
from skineval.data.samples import sample
from skineval.data.tasks import find_task, told_apart
from skineval.values.lesion_table import LesionTable
from skineval.values.recipe import Recipe
from skineval.values.task import Task

NOTHING: Mapping[str, str] = MappingProxyType({})  #: no image is in quarantine


@dataclass(frozen=True, eq=False)
class Data:
    """A data set as it is benched."""

    table: LesionTable
    task: Task  #: what is told apart: each of its classes has images, and each image a class
    source: str  #: the text that names the whole of it from anywhere


def read_data(recipe: Recipe, catalog: Catalog) -> Data:
    """The data set of a recipe.

    Images in quarantine are left out first, then those that the task has no class for; patients and confirmed pairs are
    joined, and a sample is drawn.
    """
    left_out = quarantine.read(_path(recipe.quarantine)) if recipe.quarantine else NOTHING
    if recipe.columns:
        table, source = _load_own(recipe, left_out)
    else:
        table, source = load_table(recipe.data, catalog, left_out)
    table, task = told_apart(table, find_task(recipe.task, table), strict=recipe.strict_classes)
    table = grouped(table, recipe.group_by)
    if recipe.groups:
        table = regroup(table, read_pairs(_path(recipe.groups)))
    if recipe.limit is not None:
        table = sample(table, recipe.limit, recipe.split_seed)
    return Data(table, task, source)


def _load_own(recipe: Recipe, left_out: Mapping[str, str]) -> tuple[LesionTable, str]:
    """The data set in the folder of a recipe that says what the columns of a table hold."""
    path = _path(recipe.data)
    if not path.is_dir() and path.suffix.lower() != ".zip":
        raise DataError(f"There is no folder {recipe.data} ({path.absolute()}).", "Give the folder of the images.")
    table = _path(recipe.table) if recipe.table else None
    load = partial(own_table.load, columns=own_table.parse_columns(recipe.columns), table=table)
    return quarantine.load_without(load, path, left_out), str(path.resolve())


def load_table(data: str, catalog: Catalog, left_out: Mapping[str, str] = NOTHING) -> tuple[LesionTable, str]:
    """The data set called `data`, or in the folder or file `data`; with it the text that names it from anywhere."""
    path = Path(data).expanduser()
    if path.exists():
        return quarantine.load_without(_reader(path, catalog), path, left_out), str(path.resolve())
    if any(character in data for character in "/\\~") or data in (".", ".."):
        raise DataError(f"There is no folder or file {data} ({path.absolute()}).", "Check the path.")
    name = data.partition(":")[0]
    if name not in catalog.datasets.entries:
        known = [source.name for source in catalog.datasets if source.recognise is None]
        hint = hint_for(name, known, "All others lie in a folder: `skineval data fetch` gets some, and says where.")
        raise UsageError(f"There is no folder or file {data}, nor a data set of that name.", hint)
    (selection,) = catalog.datasets.select([data])
    source = catalog.datasets[selection.name]
    if source.recognise is not None:
        raise UsageError(
            f"{data!r} is a data set that has to lie in a folder.", "Give the folder in place of its name."
        )
    load = partial(source.load, **selection.parameters)
    return quarantine.load_without(load, None, left_out), str(selection)


def absolute(path: str | None) -> str | None:
    """The file of a recipe key, as a bench elsewhere would name it."""
    return str(_path(path).resolve()) if path else None


def _path(path: str) -> Path:
    return Path(path).expanduser()


def _reader(path: Path, catalog: Catalog) -> Callable[..., LesionTable]:
    """The loader of the first data set that takes what lies at `path` for its own."""
    for source in catalog.datasets:
        if source.recognise is not None and source.recognise(path):
            return source.load
    raise unrecognised(path, {source.name: source.summary for source in catalog.datasets if source.recognise})
