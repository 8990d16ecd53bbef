"""The audit of a data set or of a bench: of the split that it really used, held against what it says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from skineval.base.errors import UsageError
from skineval.base.places import cache_folder
from skineval.base.terms import IMAGE, OVERSAMPLE_FIRST, Progress
from skineval.catalog.catalog import Catalog
from skineval.data.groups import read_pairs, regroup
from skineval.data.quality.audit import OFFICIAL, Audit, Settings, audit
from skineval.data.quality.crossings import Claims
from skineval.data.splits.given import read_split
from skineval.data.splits.split import Split
from skineval.grid.folder import BenchFolder, read_environment
from skineval.grid.sources import read_data
from skineval.values.lesion_table import LesionTable
from skineval.values.recipe import make_recipe, read_recipe
from skineval.values.task import LABELS


@dataclass(frozen=True, eq=False)
class Subject:
    """What is audited."""

    table: LesionTable
    split: Split | None = (
        None  #: that of a bench, read as if every split were allowed: whether it leaks is the question
    )
    claims: Claims = OFFICIAL
    stamps: tuple[str, ...] = ()  #: those of the bench
    folder: Path | None = None  #: of the bench


@dataclass(frozen=True, eq=False)
class Audited:
    """An audit with what it is of."""

    subject: Subject
    audit: Audit


def run_audit(
    data: str | Path | Sequence[str | Path],
    catalog: Catalog,
    settings: Settings,
    keys: Mapping[str, object],
    *,
    progress: Progress | None = None,
) -> Audited:
    """Audit the data set called `data` or lying there, or the bench in the folder `data`.

    `keys` are those of a recipe that say how data is read. A bench has its own and takes none but `groups`, which joins
    lesions that its split knew nothing of. `progress(done, total)` is called with steps of
    work. Raises DataError for data or a bench that is damaged, UsageError for settings that cannot be.
    """
    folder = BenchFolder(Path(data).expanduser()) if isinstance(data, str | Path) else None
    if folder is not None and folder.recipe.is_file() and folder.split.is_file():
        others = [key for key in keys if key != "groups"]
        if others:
            raise UsageError(
                f"--{others[0]} is {keys[others[0]]}, and {data} is a bench.",
                f"Leave it out: the bench names its own {others[0]}.",
            )
        subject = read_benched(folder, catalog, keys.get("groups"))
    else:
        # A recipe is one of models; no image depends on which.
        recipe = make_recipe({"task": LABELS, **keys, "models": "*", "data": data})
        subject = Subject(read_data(recipe, catalog).table)
    found = audit(
        subject.table,
        settings,
        cache=cache_folder(),
        actual=subject.split,
        claims=subject.claims,
        progress=progress,
    )
    return Audited(subject, found)


def read_benched(folder: BenchFolder, catalog: Catalog, groups: object = None) -> Subject:
    """The data and the split of a bench; `groups` names a file of confirmed pairs that are joined after it was made.

    Raises DataError where its files are damaged, or where its split is not one of its data.
    """
    recipe = make_recipe(read_recipe(str(folder.recipe)), str(folder.recipe))
    environment = read_environment(folder)
    table = read_data(recipe, catalog).table
    # Copies are not asked to keep lesions together, and no other split may hold any.
    read_as = recipe.protocol if recipe.protocol == OVERSAMPLE_FIRST else IMAGE
    split = read_split(folder.split, table, protocol=read_as, repeats=recipe.repeats)
    claims = Claims(
        f"the split of {folder.path.resolve().name}",
        environment.split.protocol,
        fingerprint=environment.split.fingerprint,
        data=environment.data.fingerprint,
        data_now=table.fingerprint,
    )
    if groups is not None:
        table = regroup(table, read_pairs(Path(str(groups)).expanduser()))
    return Subject(table, split, claims, environment.stamps, folder.path)
