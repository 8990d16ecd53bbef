"""The main job: run the cells of a prepared bench that are not done yet, then measure and report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from skineval.base.codec import to_json, write_json
from skineval.base.errors import DataError, first_few, plural
from skineval.base.files import remove_abandoned
from skineval.base.terms import NOT_RUN
from skineval.data.attributes import attributes
from skineval.grid.borrowing import borrow, trained_beside
from skineval.grid.cell.record import (
    CELL_COLUMNS,
    CellRecord,
    failed,
    forget_failure,
    is_complete,
    read_cell,
    write_cell,
)
from skineval.grid.cell.workspace import ExternalImages, LabelledImages, Workspace
from skineval.grid.conclude import conclude, conclusion_stands
from skineval.grid.destination import find_folder, open_folder
from skineval.grid.events import CellFinished, CellsPlanned, Event, Noted, Report
from skineval.grid.external import COLUMNS, External, outside_of
from skineval.grid.folder import BenchFolder, NetworkFolder, read_environment, read_external
from skineval.grid.opening import Tested, made_of, open_images
from skineval.grid.prepare import Prepared, environment
from skineval.grid.reading import load_bench
from skineval.grid.tables import csv_text, read_frame, write_frame
from skineval.grid.workers.engine import LocalEngine
from skineval.values.result import OTHER_CLASS, BenchResult
from skineval.values.runspec import RunSpec

INTERRUPTED, STOPPED = "interrupted, or still running", "stopped by --fail-fast"  #: why a cell was not run


def run(
    prepared: Prepared, report: Report, *, out: Path | None = None, fresh: bool = False, fail_fast: bool = False
) -> BenchResult:
    """Train what is missing in the folder `out`, then measure and report; `fail_fast` ends at a cell that fails.

    Raises what `open_folder` raises, and Interrupted with everything finished on disk.
    """
    folder = open_folder(prepared, out, fresh)
    remove_abandoned(folder.path)
    there = done_already(prepared, folder)
    missing = [cell for cell in prepared.cells if cell not in there]
    if there:
        report(Noted(f"{len(there)} of {len(prepared.cells)} cells are there already"))
    for cell in there:
        forget_failure(folder.cell(cell.run_id))
    bench = Run(prepared, folder, report)
    bench.write_cells_table()
    if missing or not all(map(bench.external_stands, prepared.externals)):
        workspace = bench.open_workspace()
    tests = [read_external(folder.external(external.name)) for external in prepared.externals]
    for note in made_of(tests, prepared.recipe):
        report(Noted(note))
    if missing or not bench.manifest_stands():
        bench.write_manifest()
    if missing:
        if out is None and not fresh:
            tell_borrowed(borrow(folder, _networks(missing)), report)
        report(CellsPlanned(tuple(missing), len(there)))
        bench.run_cells(missing, workspace, fail_fast)
    if missing or not conclusion_stands(folder, prepared.recipe, prepared.catalog):
        return conclude(folder, prepared.catalog, report, prepared.table)
    return load_bench(folder, prepared.table)


def done_already(prepared: Prepared, folder: BenchFolder) -> list[RunSpec]:
    """The cells that have nothing left to do."""
    keys = [key for external in prepared.externals for key in external.keys]
    explainers = prepared.recipe.explainers
    return [cell for cell in prepared.cells if is_complete(folder.cell(cell.run_id), explainers, keys)]


def _networks(cells: Iterable[RunSpec]) -> dict[str, None]:
    """The networks that cells train, or share, by id."""
    return dict.fromkeys(cell.network_id for cell in cells if not cell.is_probe)


def tell_borrowed(networks: Mapping[str, NetworkFolder], report: Report) -> None:
    """Where networks were trained that this bench has not."""
    if networks:
        benches = sorted({str(there.path.parent.parent) for there in networks.values()})
        report(Noted(f"{plural(len(networks), 'network')} taken from {first_few(benches)}, trained there as here"))


@dataclass(frozen=True)
class Preview:
    """What can be known of a bench before it runs."""

    notes: tuple[str, ...]  #: all that it would say of the data
    done: frozenset[str]  #: run ids of the cells that are there already
    networks: frozenset[str]  #: ids of the networks that are trained already


def preview(prepared: Prepared, report: Report, *, out: Path | None = None, fresh: bool = False) -> Preview:
    """What `run` would say and find before it trains; writes nothing but the decoded images of the cache.

    Raises what `run` would raise before it trains.
    """
    folder = find_folder(prepared, out, fresh)
    opened = open_images(prepared, report)
    there = [] if fresh else done_already(prepared, folder)
    networks = {} if fresh else _networks(prepared.cells)
    trained = {network for network in networks if folder.network(network).weights.is_file()}
    beside = trained_beside(folder, networks) if out is None else {}
    return Preview(
        (*opened.notes, *made_of([test.about for test in opened.externals], prepared.recipe)),
        frozenset(cell.run_id for cell in there),
        frozenset({*trained, *beside}),
    )


@dataclass(frozen=True, eq=False)
class Run:
    """A prepared bench on its way through its folder."""

    prepared: Prepared
    folder: BenchFolder
    report: Report

    def open_workspace(self) -> Workspace:
        """What all cells share, images decoded; tells what one should know of the data.

        What external tests are made of is on disk then.
        """
        prepared = self.prepared
        opened = open_images(prepared, self.report)
        for note in opened.notes:
            self.report(Noted(note))
        for test in opened.externals:
            files = self.folder.external(test.external.name)
            write_frame(files.images, test.images)
            write_json(files.about, test.about)
        return Workspace(
            folder=self.folder,
            images=LabelledImages.of(prepared.table, opened.pixels, prepared.targets),
            parts=prepared.parts,
            weights=prepared.weights,
            device=prepared.device.name,
            threads=prepared.threads,
            deterministic=prepared.recipe.deterministic,
            stamps=prepared.stamps,
            externals=tuple(images for test in opened.externals for images in _shown(test)),
        )

    def external_stands(self, external: External) -> bool:
        """Whether about.json and images.csv of an external test are there, and of this very data set."""
        files = self.folder.external(external.name)
        try:
            facts, images = read_external(files), files.images.read_text(encoding="utf-8")
            listed = read_frame(files.images, COLUMNS)
        except (DataError, OSError, ValueError):
            return False
        return facts.key == external.key and len(listed) == len(external.table) and images.endswith("\n")

    def manifest_stands(self) -> bool:
        """Whether environment.json and split.csv are there, and of this task, this split and these external tests."""
        try:
            found = read_environment(self.folder)
            text = self.folder.split.read_text(encoding="utf-8")
        except (DataError, OSError, ValueError):
            return False
        split = self.prepared.split
        return (
            found.task == self.prepared.task
            and found.split.fingerprint == split.fingerprint
            and found.external == tuple(external.name for external in self.prepared.externals)
            and text == csv_text(split.frame)
            and self.folder.attributes.is_file()
        )

    def write_manifest(self) -> None:
        """environment.json, attributes.csv and split.csv."""
        table = self.prepared.table
        ids = table.frame["image_id"]
        write_json(self.folder.environment, environment(self.prepared))
        write_frame(self.folder.attributes, pd.DataFrame({"image_id": ids, **attributes(table, ids.tolist())}))
        write_frame(self.folder.split, self.prepared.split.frame)

    def write_cells_table(self, not_run: str = INTERRUPTED) -> None:
        """cells.csv: one row a cell, in the order of the grid; `not_run` is the reason of those that have not ended."""
        records = [
            read_cell(self.folder.cell(cell.run_id)) or CellRecord(cell, NOT_RUN, not_run)
            for cell in self.prepared.cells
        ]
        content = pd.DataFrame([record.row() for record in records], columns=list(CELL_COLUMNS))
        file = self.folder.cells
        if not file.is_file() or file.read_text(encoding="utf-8") != csv_text(content):
            write_frame(file, content)

    def run_cells(self, cells: Sequence[RunSpec], workspace: Workspace, fail_fast: bool = False) -> None:
        """Run `cells`; whatever happens to one is a row of cells.csv."""
        recipe = self.prepared.recipe
        engine = LocalEngine(to_json(workspace), recipe.explainers, recipe.jobs, self.folder.path, self.lost, fail_fast)
        engine.run(cells, self.tell)
        if fail_fast:
            self.write_cells_table(STOPPED)

    def tell(self, event: Event) -> None:
        """Tell what happened to a cell, once it is in cells.csv."""
        if isinstance(event, CellFinished):
            self.write_cells_table()
        self.report(event)

    def lost(self, spec: RunSpec, reason: str) -> CellFinished:
        """Record a cell over which its worker died, perhaps after it was done."""
        folder = self.folder.cell(spec.run_id)
        record = failed(folder, spec, reason, 0.0, self.prepared.device.name)
        write_cell(folder, record)
        return CellFinished(spec.run_id, record.status, record.remarks, record.lacking)


def _shown(test: Tested) -> Iterator[ExternalImages]:
    """The images of an external test that cells predict: those that are tested, and by themselves those to reject."""
    external = test.external
    labelled = LabelledImages.of(external.table, test.pixels, external.targets)
    names = ((external.name, ""), (outside_of(external.name), OTHER_CLASS))
    for key, (name, reason) in zip(external.keys, names, strict=False):  # there may be a single key
        yield ExternalImages(name, key, labelled, np.flatnonzero(test.images["excluded"] == reason))
