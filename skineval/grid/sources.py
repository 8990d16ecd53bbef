"""Which data set a recipe means, and what is left of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from skineval.base.errors import DataError, UsageError, hint_for
from skineval.catalog.catalog import Catalog
from skineval.data import quarantine
from skineval.data.groups import read_pairs, regroup
from skineval.data.layouts.recognise import unrecognised
from skineval.data.samples import sample
from skineval.values.lesion_table import LesionTable
from skineval.values.recipe import Recipe

NOTHING: Mapping[str, str] = MappingProxyType({})  #: no image is in quarantine


def read_data(recipe: Recipe, catalog: Catalog) -> tuple[LesionTable, str]:
    """The data set of a recipe as it is benched; with it the text that names the whole of it from anywhere.

    Images in quarantine are left out first, confirmed pairs are joined, and then a sample is drawn.
    """
    left_out = quarantine.read(_path(recipe.quarantine)) if recipe.quarantine else NOTHING
    table, data = load_table(recipe.data, catalog, left_out)
    if recipe.groups:
        table = regroup(table, read_pairs(_path(recipe.groups)))
    if recipe.limit is not None:
        table = sample(table, recipe.limit, recipe.split_seed)
    return table, data


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
