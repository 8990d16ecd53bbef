"""Which data set a recipe means, and what is left of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from skineval.base.errors import DataError, UsageError, hint_for
from skineval.base.terms import LESION, OVERSAMPLE_FIRST, GroupBy
from skineval.catalog.catalog import Catalog
from skineval.catalog.specs import DatasetSource
from skineval.data import quarantine
from skineval.data.findings import UNREAD_TABLE
from skineval.data.groups import grouped, known_groups, read_pairs, regroup
from skineval.data.layouts import own_table
from skineval.data.layouts.recognise import by_folder_names, unrecognised
from skineval.data.samples import sample
from skineval.data.spellings import of_their_own, unaccented
from skineval.data.splits.dealing import with_validation
from skineval.data.splits.given import has_split
from skineval.data.tasks import find_task, told_apart
from skineval.data.union import union
from skineval.grid.external import SUFFIX
from skineval.values.lesion_table import LesionTable
from skineval.values.recipe import Recipe, make_recipe
from skineval.values.task import LABELS, Task

#: What a recipe may name in place of a file: the data set's own parts, and those whose test images protocols share.
OFFICIAL, SHARED = "official", "shared"
DEALT_OUT = (None, SHARED)  #: what it says of parts that are made here
NOTHING: Mapping[str, str] = MappingProxyType({})  #: no image is in quarantine


@dataclass(frozen=True, eq=False)
class Data:
    """A data set as it is benched."""

    table: LesionTable
    task: Task  #: what is told apart: each of its classes has images, and each image a class
    sources: tuple[str, ...]  #: the texts that name the whole of it from anywhere
    strange: frozenset[str] = frozenset()  #: ids in quarantine that it does not hold


@dataclass(frozen=True)
class _Own:
    """The data sets of a recipe that are read by its columns."""

    columns: own_table.Columns
    tables: Mapping[str, Path | None]  #: of each, where it is named
    roles: Mapping[str, frozenset[str]]  #: what has a column, in each data set


def read_data(recipe: Recipe, catalog: Catalog, *, parted: bool = False) -> Data:
    """The data set of a recipe; where it is to be `parted`, an error of the task also says what else stands in the way.

    Images in quarantine are left out first; patients are joined, images that the task has no class for are left out,
    confirmed pairs are joined, and a sample is drawn.
    """
    whole = load_data(recipe, catalog)
    # Groups first: what is left out may be what joins others.
    table = grouped(whole.table, recipe.group_by)
    try:
        table, task = told_apart(table, whole.task, strict=recipe.strict_classes)
    except (UsageError, DataError) as error:
        also = lesions_lacking(table, recipe) if parted and not recipe.known_lesions else None
        if also is None:
            raise
        raise type(error)(f"{error.message} {also.message}", f"{error.hint} {also.hint}") from error
    if recipe.known_lesions:
        table = known_groups(table)
    if recipe.groups:
        table = regroup(table, read_pairs(_path(recipe.groups)))
    if recipe.split == OFFICIAL and recipe.protocol != OVERSAMPLE_FIRST:
        table = with_validation(table, protocol=recipe.protocol, seed=recipe.split_seed, task=task)
    if recipe.split in DEALT_OUT and not has_split(table):
        table = replace(table, official=None)  # what cannot be used is not offered
    if recipe.limit is not None:
        table = sample(table, recipe.limit, recipe.split_seed)
    return Data(table, task, whole.sources, whole.strange)


def as_labelled(data: object, keys: Mapping[str, object]) -> Recipe:
    """The recipe by which `data` is read; `keys` are those that say how, by default as it is labelled."""
    # A recipe is one of models; no image depends on which.
    return make_recipe({"models": "*", "task": LABELS, **keys, "data": data})


def lesions_lacking(table: LesionTable, recipe: Recipe) -> DataError | None:
    """The error of a table of which no parts of whole lesions can be made, where a recipe wants these."""
    if recipe.protocol != LESION or table.unit != "image":
        return None
    own = "with --split official for the parts that the data set makes itself, " if has_split(table) else ""
    rest = "" if table.loose.all() else "; or leave out the images of which it is not known: --known-lesions"
    return DataError(
        f"{table.name} does not say of every image which lesion it shows, so no parts of whole lesions can be made of "
        f"it.{''.join(f' {one[0].upper()}{one[1:]}.' for one in table.notes if UNREAD_TABLE.says in one)}",
        f"Use --protocol image, {own}and all results say LEAKY{rest}.",
    )


def load_data(recipe: Recipe, catalog: Catalog, besides: Mapping[str, str] = NOTHING) -> Data:
    """All images of the data sets of a recipe, as one, without those in quarantine; the task is as it was asked for.

    The images `besides`, with the reason for each, are in quarantine, too. Ids that it does not hold may be those of
    external data, where there is any; DataError where not.
    """
    left_out = {**_quarantined(recipe), **besides}
    own = _own(recipe, catalog)
    loaded = [_load(place, own, recipe, catalog, left_out) for place in recipe.data]
    tables, sources = [table for table, _, _ in loaded], tuple(source for _, source, _ in loaded)
    strange = frozenset(left_out).intersection(*(ids for _, _, ids in loaded))
    if not recipe.external:
        quarantine.require_known(strange, (), " nor in ".join(table.name for table in tables))
    names = unique_names(sources, "--data")
    task = find_task(recipe.task, *tables)
    return Data(union(tables, names, task), task, sources, strange)


def places(recipe: Recipe) -> dict[str, Path]:
    """Where the data sets of a recipe lie, by the name of each."""
    paths = [_path(place) for place in recipe.data]
    return dict(zip(unique_names([str(path.resolve()) for path in paths], "--data"), paths, strict=True))


def loader(recipe: Recipe, catalog: Catalog) -> Callable[[Path, Collection[str]], LesionTable]:
    """What reads one of the data sets of a recipe by itself, from where it lies, without the images that it is told."""
    own = _own(recipe, catalog)
    at = {_path(place): place for place in recipe.data}
    return lambda path, left_out: _load(at[path], own, recipe, catalog, dict.fromkeys(left_out, ""))[0]


def read_by_columns(recipe: Recipe, catalog: Catalog) -> frozenset[Path]:
    """Where those data sets of a recipe lie that are read by its columns, whatever else their tables look like."""
    return frozenset(map(_path, _own(recipe, catalog).tables))


def load_external(recipe: Recipe, catalog: Catalog, strange: frozenset[str]) -> list[tuple[str, LesionTable, str]]:
    """The external data sets of a recipe: a name for each, its table, and the text that names it from anywhere.

    They lack what is in quarantine; raises DataError for those of `strange`, ids that are not in the data itself, that
    none of them holds either.
    """
    own, left_out = _own(recipe, catalog), _quarantined(recipe)
    loaded = [_load(place, own, recipe, catalog, left_out, "--external") for place in recipe.external]
    if loaded:
        nowhere = strange.intersection(*(ids for _, _, ids in loaded))
        quarantine.require_known(nowhere, (), " nor in ".join([*recipe.data, *recipe.external]))
    names = unique_names([source for _, source, _ in loaded], "--external")
    by: GroupBy = "lesion" if recipe.group_by == "lesion" else "auto"  # patients may be known here and not there
    return [(name, grouped(table, by), source) for name, (table, source, _) in zip(names, loaded, strict=True)]


def _quarantined(recipe: Recipe) -> Mapping[str, str]:
    """The images that a recipe leaves out, with the reason for each."""
    return quarantine.read(_path(recipe.quarantine)) if recipe.quarantine else NOTHING


def _load(
    place: str,
    own: _Own,
    recipe: Recipe,
    catalog: Catalog,
    left_out: Mapping[str, str] = NOTHING,
    key: str = "--data",
) -> tuple[LesionTable, str, frozenset[str]]:
    """One data set of a recipe, with the text that names it from anywhere and the ids in quarantine that it lacks.

    Where there are external ones, too, errors begin with the `key` that names it.
    """
    load = partial(_load_own if place in own.tables else _load_otherwise, own=own, catalog=catalog)
    try:
        try:
            return *_told(*load(place, left_out=left_out)), frozenset()
        except quarantine.QuarantineError as error:
            if len(recipe.data) + len(recipe.external) == 1:
                raise
            rest = {id_: reason for id_, reason in left_out.items() if id_ not in error.ids}
            return *_told(*load(place, left_out=rest)), error.ids
    except (UsageError, DataError) as error:
        if recipe.external:
            error.message = f"{key} {place}: {error.message}"
        raise


def _told(table: LesionTable, source: str) -> tuple[LesionTable, str]:
    return replace(table, notes=(*table.notes, *of_their_own(table.frame["dx"]))), source


def _own(recipe: Recipe, catalog: Catalog) -> _Own:
    """Which data sets of a recipe are read by its columns: those of a named table, or in which a table has them.

    One in which only some optional columns are missing is, too, unless it says itself what its own columns hold; so is
    one that nobody recognises, which says what it lacks. Where no table fits, whoever reads the first says so.
    """
    if not recipe.columns:
        return _Own({}, {}, {})
    columns = own_table.parse_columns(recipe.columns)
    named = _named_tables(recipe)
    places = (*recipe.data, *recipe.external)
    roles = {place: own_table.known_roles(_path(place), columns, named.get(place)) for place in places}
    own = [place for place in places if place in named or _is_own(_path(place), roles[place], columns, catalog)]
    return _Own(columns, {place: named.get(place) for place in own or recipe.data[:1]}, roles)


def _is_own(path: Path, roles: Collection[str], columns: own_table.Columns, catalog: Catalog) -> bool:
    """Whether the data set at a path, in which these `roles` have a column, is read by `columns`."""
    if not own_table.lacking(roles, columns):
        return True
    if not path.exists():
        return False
    return _source(path, catalog) is None or (bool(roles) and by_folder_names(path))


def _named_tables(recipe: Recipe) -> dict[str, Path]:
    """The tables that a recipe names, by their data sets."""
    places = (*recipe.data, *recipe.external)
    if len(recipe.table) not in (0, len(recipe.data), len(places)):
        raise UsageError(
            f"--table is {', '.join(recipe.table)}, and --data names {len(recipe.data)} data sets.",
            "Name a table for each, in their order, and perhaps for each of --external after them; or put each table "
            "into the folder of its images.",
        )
    return dict(zip(places, map(_path, recipe.table), strict=False))


def _load_otherwise(
    place: str, own: _Own, catalog: Catalog, left_out: Mapping[str, str] = NOTHING
) -> tuple[LesionTable, str]:
    """The data set of a recipe that is not read by its columns, with a note where a table has some of them."""
    table, source = load_table(place, catalog, left_out)
    roles = own.roles.get(place)
    if not roles:
        return table, source
    lacking = ", ".join(own.columns[role][0] for role in own_table.lacking(roles, own.columns))
    note = f"read as what it is, and not by --columns, since it has no column {lacking}"
    return replace(table, notes=(*table.notes, note)), source


def _load_own(
    place: str, own: _Own, catalog: Catalog, left_out: Mapping[str, str] = NOTHING
) -> tuple[LesionTable, str]:
    """The data set in a folder of which a recipe says what the columns of a table hold."""
    path = _path(place)
    if not path.is_dir() and path.suffix.lower() != ".zip":
        raise DataError(
            f"There is no folder {place} ({path.absolute()}).",
            "Give the folder of the images, and to --table their table.",
        )
    elsewhere = frozenset[str]().union(*(own.roles[other] for other in own.tables if other != place))
    load = partial(own_table.load, columns=own.columns, table=own.tables[place], elsewhere=elsewhere)
    return quarantine.load_without(load, path, left_out), str(path.resolve())


def unique_names(sources: Sequence[str], key: str) -> list[str]:
    """A folder name for each source, from the last part of its path. Raises UsageError where a source is repeated."""
    repeated = [source for source, times in Counter(sources).items() if times > 1]
    if repeated:
        raise UsageError(f"{key} names {repeated[0]} twice.", "Name each data set once.")
    names: list[str] = []
    for source in sources:
        base = (
            re.sub(r"[^A-Za-z0-9_.-]+", "-", unaccented(source.rstrip("/").rpartition("/")[2])).strip(".-")[:40]
            or "data"
        )
        further = (f"{base}-{number}" for number in range(2, len(sources) + 2))
        names.append(next(name for name in (base, *further) if name not in names and not name.endswith(SUFFIX)))
    return names


def load_table(data: str, catalog: Catalog, left_out: Mapping[str, str] = NOTHING) -> tuple[LesionTable, str]:
    """The data set called `data`, or in the folder or file `data`; with it the text that names it from anywhere."""
    path = Path(data).expanduser()
    if path.exists():
        source = _source(path, catalog)
        if source is None:
            raise unrecognised(path, {source.name: source.summary for source in catalog.datasets if source.recognise})
        return quarantine.load_without(source.load, path, left_out), str(path.resolve())
    if any(character in data for character in "/\\~") or data in (".", ".."):
        where = "" if data == str(path.absolute()) else f" ({path.absolute()})"
        raise DataError(f"There is no folder or file {data}{where}.", "Check the path.")
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


def _source(path: Path, catalog: Catalog) -> DatasetSource | None:
    """The first data set that takes what lies at `path` for its own."""
    return next((source for source in catalog.datasets if source.recognise and source.recognise(path)), None)
