"""The experiment on leakage: a bench under each of several protocols, on the same test images, and what leaks add.

Every bench lies in a folder of its own, called as its protocol, and is one like any other: its recipe says
`split = "shared"`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from skineval.base.errors import UsageError
from skineval.base.files import atomic_write
from skineval.base.terms import LEAKY, LESION
from skineval.catalog.catalog import Catalog
from skineval.grid.conclude import conclude
from skineval.grid.destination import find_folder, open_folder
from skineval.grid.events import Noted, PhaseBegan, Report
from skineval.grid.folder import ExperimentFolder
from skineval.grid.inflation import inflations
from skineval.grid.prepare import Prepared, prepare
from skineval.grid.run import Preview, preview, run
from skineval.grid.sources import SHARED
from skineval.grid.tables import read_frame, write_frame
from skineval.values.lesion_table import LesionTable
from skineval.values.measures import LEAKAGE_COLUMNS, Inflation, as_frame, rows
from skineval.values.recipe import Recipe, make_recipe, read_recipe
from skineval.values.result import BenchResult


@dataclass(frozen=True, eq=False)
class Leakage:
    """What an experiment left on disk: its benches by protocol, `lesion` first, and by how much leaks raise figures.

    A protocol that was not begun has no bench; `lesion` has.
    """

    folder: Path
    recipe: Recipe = field(repr=False)
    benches: Mapping[str, BenchResult] = field(repr=False)
    inflations: tuple[Inflation, ...] = field(repr=False)

    @property
    def stamps(self) -> tuple[str, ...]:
        """What every table says of it: what is said of any of its benches."""
        return tuple(dict.fromkeys(stamp for bench in self.benches.values() for stamp in bench.warnings))

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The protocols of which not every cell is done."""
        return tuple(
            protocol
            for protocol in self.recipe.protocols
            if protocol not in self.benches or self.benches[protocol].unfinished
        )

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The differences as leakage.csv."""
        return as_frame(self.inflations, LEAKAGE_COLUMNS)


def refuse_several(recipe: Recipe) -> None:
    """Raise UsageError where a recipe names several protocols, and what is asked for takes one."""
    if len(recipe.protocols) > 1:
        raise UsageError(
            f"--protocol is {recipe.protocol}, and one alone is meant here.",
            "Name one of them: `skineval bench`, in Python skineval.leakage, compares several.",
        )


def is_experiment(path: Path) -> bool:
    """Whether the folder is that of an experiment."""
    file = ExperimentFolder(path).recipe
    return file.is_file() and len(_read(file).protocols) > 1


def run_experiment(
    recipe: Recipe,
    catalog: Catalog,
    report: Report,
    *,
    out: Path | None = None,
    fresh: bool = False,
    fail_fast: bool = False,
) -> Leakage:
    """Train what is missing under each protocol that the recipe names, then measure by how much leaks raise figures.

    Raises what `prepare` and `run` raise, and Interrupted with everything finished on disk; `fail_fast` ends with the
    first protocol under which a cell fails.
    """
    arms = prepare_arms(recipe, catalog)
    folder = ExperimentFolder(open_folder(_whole(arms), out, fresh).path)
    benches: dict[str, BenchResult] = {}
    for protocol, arm in arms.items():
        report(Noted(_announced(protocol, arm)))
        benches[protocol] = run(arm, report, out=folder.bench(protocol).path, fail_fast=fail_fast)
        if fail_fast and benches[protocol].unfinished:
            break
    return _standing(folder, benches) or _conclude(folder, benches, catalog, report)


def prepare_arms(recipe: Recipe, catalog: Catalog) -> dict[str, Prepared]:
    """Each protocol with its bench, ready to run; raises what `prepare` raises.

    UsageError where a split is named, or a protocol alone.
    """
    if len(recipe.protocols) < 2:
        raise UsageError(
            f"--protocol is {recipe.protocol}, and nothing is there to compare it with.", "Name lesion and another one."
        )
    if recipe.split is not None:
        raise UsageError(
            f"--split is {recipe.split}, and --protocol {recipe.protocol}: several share test images of their own.",
            "Leave --split out.",
        )
    return {
        protocol: prepare(recipe.model_copy(update={"protocol": protocol, "split": SHARED}), catalog)
        for protocol in recipe.protocols
    }


def preview_arms(
    arms: Mapping[str, Prepared], report: Report, *, out: Path | None = None, fresh: bool = False
) -> dict[str, Preview]:
    """Of each protocol what `preview` finds; raises what `run_experiment` would raise before it trains."""
    folder = ExperimentFolder(find_folder(_whole(arms), out, fresh).path)
    found = {}
    for protocol, arm in arms.items():
        seen = preview(arm, report, out=folder.bench(protocol).path, fresh=fresh)
        found[protocol] = replace(seen, notes=(_announced(protocol, arm), *seen.notes))
    return found


def rebuild_experiment(path: Path, catalog: Catalog, report: Report, table: LesionTable | None) -> Leakage:
    """Measure each bench in the folder of an experiment again, then what leaks add; `table` is the data, if at hand."""
    folder = ExperimentFolder(path)
    _, *leaky = _read(folder.recipe).protocols
    begun = [one for one in leaky if folder.bench(one).environment.is_file()]
    benches = {one: conclude(folder.bench(one), catalog, report, table) for one in (LESION, *begun)}
    return _conclude(folder, benches, catalog, report)


def _conclude(
    folder: ExperimentFolder, benches: Mapping[str, BenchResult], catalog: Catalog, report: Report
) -> Leakage:
    """By how much leaks raise figures, measured and written."""
    report(PhaseBegan("measuring what leaks add"))
    leaky = [bench for protocol, bench in benches.items() if protocol != LESION]
    found = inflations(benches[LESION], leaky, catalog.metrics)
    made = Leakage(folder.path, _read(folder.recipe), benches, found)
    write_frame(folder.leakage, made.frame)
    atomic_write(folder.receipt, _receipt(folder, benches))
    return made


def _standing(folder: ExperimentFolder, benches: Mapping[str, BenchResult]) -> Leakage | None:
    """The same as it lies there, where it is of these benches as they are now."""
    if not folder.receipt.is_file() or folder.receipt.read_text(encoding="utf-8") != _receipt(folder, benches):
        return None
    found = rows(Inflation, read_frame(folder.leakage, ("system", "a", "b", "metric", "images")))
    return Leakage(folder.path, _read(folder.recipe), benches, found)


def _receipt(folder: ExperimentFolder, benches: Mapping[str, BenchResult]) -> str:
    """A hash of what each bench was measured from, and of what came of it."""
    digest = hashlib.sha256(folder.recipe.read_bytes())
    for file in (*(folder.bench(protocol).receipt for protocol in benches), folder.leakage):
        digest.update(file.read_bytes() if file.is_file() else b"")
    return digest.hexdigest() + "\n"


def _whole(arms: Mapping[str, Prepared]) -> Prepared:
    """All cells as those of one bench, whose recipe names all protocols: what has a folder."""
    first = arms[LESION]
    recipe = first.recipe.model_copy(update={"protocol": ",".join(arms), "split": None})
    return replace(first, recipe=recipe, cells=tuple(cell for arm in arms.values() for cell in arm.cells))


def _announced(protocol: str, arm: Prepared) -> str:
    """A protocol with the images of its parts."""
    parts = arm.parts[0]
    images, leaky = len(np.unique(parts.train)), f" ({LEAKY})" if arm.split.leaky else ""
    rows = f" in {len(parts.train):,} rows" if len(parts.train) > images else ""
    fold = " of fold 0" if len(arm.parts) > 1 else ""
    return f"protocol {protocol}{leaky}: {images:,} train images{rows}, {len(parts.test):,} test images{fold}"


def _read(file: Path) -> Recipe:
    return make_recipe(read_recipe(str(file)), str(file))
