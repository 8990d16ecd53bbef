"""Predictions of any origin, scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from skineval.base.errors import DataError, UsageError, first_few, hint_for
from skineval.base.terms import LEAKY, LESION, OVERSAMPLE_FIRST, PROTOCOLS, SYNTHETIC, UNSCORED, Unit
from skineval.catalog.catalog import Catalog
from skineval.data.groups import make_groups
from skineval.data.layouts.known_pairs import KNOWN_DUPLICATES
from skineval.data.spellings import part_name
from skineval.data.tables import GivenTable, read_file
from skineval.grid.external import SUFFIX
from skineval.grid.folder import BenchFolder, read_environment, read_external
from skineval.grid.tables import read_groups
from skineval.measure.intervals import estimate
from skineval.measure.metrics import predicted
from skineval.measure.predictions import read_predictions
from skineval.measure.submissions import Submission, read_reference, read_submission, refer, task_of
from skineval.values.measures import RESULT_COLUMNS, Score, as_frame
from skineval.values.predictions import SUM_TOLERANCE, Predictions
from skineval.values.task import Task, unknown_of


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores, and what has to be said of them."""

    scores: tuple[Score, ...] = field(repr=False)
    unit: Unit  #: what was resampled
    stamps: tuple[str, ...]  #: LEAKY, and those of the bench in whose folder the predictions lie
    remarks: tuple[str, ...] = ()  #: what was read otherwise than a reader might think

    @cached_property
    def results(self) -> pd.DataFrame:
        """One row a figure, in the columns of results.csv."""
        return as_frame(self.scores, RESULT_COLUMNS)


@dataclass(frozen=True)
class Origin:
    """What the folder of a bench says of predictions that lie in it; nothing of those that lie elsewhere."""

    stamps: tuple[str, ...] = ()
    unit: Unit = "lesion"
    groups: Mapping[str, str] | None = None  #: lesion id -> its group; None: only what is known of image ids
    task: Task | None = None


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
            return Origin(tuple(dict.fromkeys(stamps)), unit, groups, environment.task)
    return Origin()


def evaluate(
    predictions: str | Path | pd.DataFrame,
    truth: str | Path | pd.DataFrame | None,
    catalog: Catalog,
    *,
    part: str,
    classes: str | Sequence[str],
    protocol: str,
    replicates: int,
) -> Evaluation:
    """Every figure of the predictions of one part, which have their truth from `truth` or hold it, with its interval.

    See `skineval.evaluate`; a file that lies in the folder of a bench has the stamps of that. All protocols but
    `lesion` leak, and are stamped. Raises DataError naming file and row of what is wrong, or where there are no rows of
    that part, and UsageError for an unknown protocol.
    """
    if protocol not in ("", *PROTOCOLS):
        raise UsageError(f"There is no protocol {protocol!r}.", hint_for(protocol, PROTOCOLS))
    around = origin(Path(predictions)) if isinstance(predictions, str | Path) else Origin()
    texts = classes.split(",") if isinstance(classes, str) else classes
    names = tuple(name.strip() for name in texts if name.strip())
    submission = read_submission(_given(predictions), names).select(part_name(part))
    if truth is not None:
        submission = refer(submission, read_reference(_given(truth), names))
    table = submission.table
    cells = read_predictions(
        table,
        classes=submission.classes,
        groups=around.groups or _groups(table.frame),
        copies=protocol == OVERSAMPLE_FIRST,
        scores=truth is not None,
    )
    if not cells:
        raise DataError(f"{table.name} holds no image to score.", f"{UNSCORED} is left out, as in ISIC 2018.")
    task = around.task if around.task and set(around.task.classes) == set(submission.classes) else task_of(submission)
    remarks = tuple(_remarks(submission, cells, task))
    cells = [replace(cell, malignant=task.malignant) for cell in cells]
    metrics = [metric for metric in catalog.metrics if metric.suits(task)]
    scores = estimate(cells, metrics, replicates=replicates)
    return Evaluation(
        tuple(replace(one, model=Path(table.name).stem, task=task.name, protocol=protocol) for one in scores),
        around.unit if "lesion_id" in table.frame else "image",
        tuple(dict.fromkeys([*around.stamps, *([] if protocol in ("", LESION) else [LEAKY])])),
        remarks,
    )


def _given(source: str | Path | pd.DataFrame) -> GivenTable:
    """A table of predictions or of the truth, read where it is a file."""
    if isinstance(source, str | Path):
        return replace(read_file(Path(source).expanduser()), name=str(source))
    index = source.index.name
    return GivenTable(source.reset_index(drop=index is None or index in source), "the data frame")


def _groups(frame: pd.DataFrame) -> Mapping[str, str] | None:
    """The lesion of each lesion id, several of which are known to be of one."""
    if "lesion_id" not in frame or frame["lesion_id"].isna().any():
        return None
    ids, lesion_ids = (frame[column].tolist() for column in ("image_id", "lesion_id"))
    return dict(zip(lesion_ids, make_groups(ids, lesion_ids, KNOWN_DUPLICATES), strict=True))


def _remarks(submission: Submission, cells: Sequence[Predictions], task: Task) -> Iterator[str]:
    """What was read otherwise than a reader might think."""
    foreign, classes = submission.foreign, submission.classes
    total = sum(map(len, cells))
    if foreign:
        places = [classes.index(name) for name in foreign]
        answers = sum(int(np.isin(predicted(cell.probabilities), places).sum()) for cell in cells)
        yield (
            f"{', '.join(foreign)}: not among the classes of the reference standard, so that answers of it are wrong: "
            f"{answers} of {total} images have their largest score there."
        )
        benign = [name for name in foreign if name not in (task.malignant or (*foreign,))]
        if benign:
            yield f"Malignancy AUC takes {', '.join(benign)} for benign."
    yield from submission.remarks
    off = np.concatenate([np.abs(cell.probabilities.sum(axis=1) - 1) for cell in cells])
    if not all(cell.normalised for cell in cells):
        yield (
            f"Scores of {(off > SUM_TOLERANCE).sum()} of {total} images do not sum to 1: NLL, Brier score, ECE and "
            "net benefit need probabilities and are left out."
        )
    elif off.max() > SUM_TOLERANCE:
        yield (
            f"Probabilities are rounded, so that those of an image sum to 1 within {off.max():.2g} only; of all "
            "figures NLL depends most on what is gone."
        )
    if task.malignant is None:
        unknown = unknown_of(classes)
        why = f"whether {first_few(unknown)} are malignant is not known" if unknown else "no class is malignant"
        yield f"No malignancy AUC: {why}."
