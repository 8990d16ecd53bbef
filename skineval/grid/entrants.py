"""Systems whose predictions are scored, wherever these come from: benches, cells, files, frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from skineval.base.errors import DataError, UsageError, first_few
from skineval.base.terms import OVERSAMPLE_FIRST, SYNTHETIC, UNSCORED, Unit
from skineval.data.groups import make_groups
from skineval.data.layouts.known_pairs import KNOWN_DUPLICATES
from skineval.data.tables import GivenTable, read_file
from skineval.grid.cell.record import read_cell
from skineval.grid.external import SUFFIX
from skineval.grid.folder import BenchFolder, CellFolder, read_environment, read_external
from skineval.grid.measuring import systems
from skineval.grid.reading import read_bench
from skineval.grid.tables import read_groups
from skineval.measure.class_columns import Reading
from skineval.measure.metrics import predicted
from skineval.measure.predictions import read_predictions
from skineval.measure.references import Reference, refer
from skineval.measure.submissions import Submission, read_submission, task_of
from skineval.values.measures import system_name
from skineval.values.predictions import SUM_TOLERANCE, Predictions
from skineval.values.task import Task, malignant_of, unknown_of


@dataclass(frozen=True, eq=False)
class Entrant:
    """One system."""

    model: str
    cells: Sequence[Predictions] = field(repr=False)  #: each of a single part
    task: Task
    unit: Unit = "image"  #: what is resampled
    imbalance: str = ""
    stamps: tuple[str, ...] = ()  #: those of the bench that made it
    remarks: tuple[str, ...] = ()  #: what was read otherwise than a reader might think
    answers_only: bool = False  #: whether there are answers without scores
    foldless: bool = False  #: whether nothing says of which fold an image is

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return system_name(self.model, self.imbalance)


@dataclass(frozen=True)
class Terms:
    """How what is handed in is read, and what is scored of it."""

    part: str
    reading: Reading
    protocol: str = ""
    reference: Reference | None = None  #: None: each says itself what its images are
    allow_missing: bool = False


def entrants(source: Path, terms: Terms) -> Iterator[Entrant]:
    """The systems of a bench, the one of a cell, or that of a file of predictions.

    Raises DataError naming file and row of what is wrong.
    """
    path = source.expanduser()
    if (path / BenchFolder.recipe.name).is_file():
        yield from _of_bench(BenchFolder(path), terms)
    elif path.is_dir() and CellFolder(path).predictions.is_file():
        yield _of_file(CellFolder(path).predictions, terms)
    elif path.is_dir():
        raise DataError(
            f"{source} is a folder, and neither that of a bench nor that of a trained cell.",
            "Name the files of predictions in it.",
        )
    else:
        yield _of_file(path, terms)


def of_frame(frame: pd.DataFrame, terms: Terms) -> Entrant:
    """The system whose predictions are in a frame; raises DataError naming the row of what is wrong."""
    return _entrant(table_of(frame), Origin(), terms)


def table_of(source: str | Path | pd.DataFrame) -> GivenTable:
    """A table of predictions or of the truth, read where it is a file."""
    if not isinstance(source, pd.DataFrame):
        return replace(read_file(Path(source).expanduser()), name=str(source))
    index = source.index.name
    return GivenTable(source.reset_index(drop=index is None or index in source), "the data frame")


@dataclass(frozen=True)
class Origin:
    """What the folder of a bench says of predictions that lie in it; nothing of those that lie elsewhere."""

    stamps: tuple[str, ...] = ()
    unit: Unit = "lesion"
    groups: Mapping[str, str] | None = None  #: lesion id -> its group; None: only what is known of image ids
    task: Task | None = None
    names: tuple[str, str] | None = None  #: of the model and the strategy of the cell


def origin(predictions: Path) -> Origin:
    """Where predictions come from: `cells/<run_id>/predictions.csv` of a bench, or `external/<name>.csv` beside it.

    Raises DataError where what the bench says of itself is damaged.
    """
    file = predictions.resolve()
    for cell, external in ((file.parent, ""), (file.parent.parent, file.stem)):
        bench = BenchFolder(cell.parent.parent)
        if cell.parent.name == "cells" and bench.environment.is_file():
            environment = read_environment(bench)
            stamps, unit, images = environment.stamps, environment.data.unit, bench.split
            if external:
                test = bench.external(external.removesuffix(SUFFIX))
                about, images = read_external(test), test.images
                stamps, unit = (*stamps, *[SYNTHETIC] * about.synthetic), about.unit
            groups = read_groups(images) if images.is_file() else None
            record = read_cell(CellFolder(cell))
            names = None if record is None else (str(record.spec.model), str(record.spec.imbalance))
            return Origin(tuple(dict.fromkeys(stamps)), unit, groups, environment.task, names)
    return Origin()


def _of_bench(folder: BenchFolder, terms: Terms) -> Iterator[Entrant]:
    if terms.part != "test":
        raise UsageError(f"--part is {terms.part}, and a bench is scored on its test part.", "Name files of its cells.")
    bench = read_bench(folder)
    found = systems(bench)
    if not found:
        raise DataError(f"{folder.path} has no finished cell.", "Run the bench again to go on with it.")
    for (model, imbalance), cells in found.items():
        merged = [cell.merged(terms.reading.merges) for cell in cells]
        if terms.reference is not None:
            _refuse_other_truth(folder, merged, terms.reference)
        classes, malignant = merged[0].classes, merged[0].malignant
        sought = bench.task.sought if bench.task.sought in classes else ""
        task = replace(bench.task, classes=classes, malignant=malignant, sought=sought)
        yield Entrant(model, merged, task, bench.unit, imbalance, bench.warnings)


def _refuse_other_truth(folder: BenchFolder, cells: Sequence[Predictions], reference: Reference) -> None:
    """Raise DataError naming an image of a bench that a reference standard lacks, or knows as of another class."""
    for cell in cells:
        known = reference.frame["target"].reindex(cell.image_ids.tolist()).to_numpy()
        own = np.array(cell.classes)[cell.targets]
        for row in np.flatnonzero(known != own)[:1]:
            says = "lacks it" if known[row] != known[row] else f"says {known[row]}"
            raise DataError(
                f"{cell.image_ids[row]} is {own[row]} in the bench {folder.path}, and {reference.source} {says}.",
                "Name the data of the bench, or leave --data and --truth out.",
            )


def _of_file(path: Path, terms: Terms) -> Entrant:
    return _entrant(table_of(path), origin(path), terms)


def _entrant(given: GivenTable, around: Origin, terms: Terms) -> Entrant:
    reading, reference = terms.reading, terms.reference
    submission = read_submission(given, reading).select(terms.part)
    if reference is not None:
        submission = refer(submission, reference, allow_missing=terms.allow_missing)
    table = submission.table
    groups = around.groups or (None if reference is None else reference.groups)
    cells = read_predictions(
        table,
        classes=submission.classes,
        groups=groups or _groups(table.frame),
        copies=terms.protocol == OVERSAMPLE_FIRST,
        scores=reference is not None,
    )
    if not cells:
        raise DataError(f"{table.name} holds no image to score.", f"{UNSCORED} is left out, as in ISIC 2018.")
    own = around.task
    task = own if own and set(own.classes) == set(submission.classes) else task_of(submission, reading)
    cells = [replace(cell, malignant=task.malignant) for cell in cells]
    model, imbalance = around.names or (Path(table.name).stem, "")
    return Entrant(
        model,
        cells,
        task,
        around.unit if "lesion_id" in table.frame else "image",
        imbalance,
        around.stamps,
        tuple(_remarks(submission, cells, task, reading)),
        submission.answers_only,
        foldless="fold" not in table.frame,
    )


def _groups(frame: pd.DataFrame) -> Mapping[str, str] | None:
    """The lesion of each lesion id, several of which are known to be of one."""
    if "lesion_id" not in frame or frame["lesion_id"].isna().any():
        return None
    ids, lesion_ids = (frame[column].tolist() for column in ("image_id", "lesion_id"))
    return dict(zip(lesion_ids, make_groups(ids, lesion_ids, KNOWN_DUPLICATES), strict=True))


def _remarks(submission: Submission, cells: Sequence[Predictions], task: Task, reading: Reading) -> Iterator[str]:
    """What was read otherwise than a reader might think."""
    foreign, classes = submission.foreign, submission.classes
    total = sum(map(len, cells))
    if foreign:
        places = [classes.index(name) for name in foreign]
        answers = sum(int(np.isin(predicted(cell.probabilities), places).sum()) for cell in cells)
        yield (
            f"{first_few(foreign)}: not among the classes of the reference standard, so that answers of it are wrong: "
            f"{answers} of {total} images have their largest score there."
        )
        benign = [name for name in foreign if name not in (task.malignant or (*foreign,))]
        if benign:
            yield f"Malignancy AUC takes {first_few(benign)} for benign."
    yield from submission.remarks
    off = np.concatenate([np.abs(cell.probabilities.sum(axis=1) - 1) for cell in cells])
    if not all(cell.normalised for cell in cells):
        yield (
            f"Scores of {(off > SUM_TOLERANCE).sum()} of {total} images do not sum to 1: NLL, Brier score, ECE and "
            "net benefit need probabilities and are left out."
        )
    elif off.max() > SUM_TOLERANCE:
        sums = task.malignant is None or all(cell.malignancy.normalised for cell in cells)
        yield (
            f"Probabilities are rounded, so that those of an image sum to 1 within {off.max():.2g} only; of all "
            f"figures NLL depends most on what is gone{'' if sums else ', and net benefit is left out'}."
        )
    if task.malignant is None:
        parts = {name: reading.merges.get(name, (name,)) for name in classes}
        unknown = [name for name, of in parts.items() if unknown_of(of)]
        mixed = [name for name, of in parts.items() if 0 < len(malignant_of(of)) < len(of)]
        why = f"whether {first_few(unknown)} are malignant is not known" if unknown else "no class is malignant"
        yield f"No malignancy AUC: {f'{first_few(mixed)} have malignant and benign diagnoses' if mixed else why}."
