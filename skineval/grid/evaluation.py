"""Predictions of any origin, scored."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from skineval.catalog import Catalog
from skineval.data.splits import LESION, OVERSAMPLE_FIRST
from skineval.errors import DataError
from skineval.grid.outcome import RESULT_COLUMNS
from skineval.grid.store import BenchFolder, read_json
from skineval.measure.intervals import estimate
from skineval.measure.predictions import from_submission, several


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores, and what has to be said of them."""

    results: pd.DataFrame = field(repr=False)  #: one row a figure, in the columns of results.csv
    lesions_known: bool  #: False where nobody said which images show one lesion, so that images were resampled
    stamps: tuple[str, ...]  #: LEAKY, and those of the bench in whose folder the predictions lie


@dataclass(frozen=True)
class Origin:
    """What the folder of a bench says of predictions that lie in it; nothing of those that lie elsewhere."""

    stamps: tuple[str, ...] = ()
    lesions_known: bool = True


def origin(predictions: Path) -> Origin:
    """Where predictions come from: `cells/<run_id>/predictions.csv` of a bench, or `external/<name>.csv` beside it.

    Raises DataError where what the bench says of itself is damaged.
    """
    file = predictions.resolve()
    for cell, external in ((file.parent, ""), (file.parent.parent, file.stem)):
        bench = BenchFolder(cell.parent.parent)
        if cell.parent.name == "cells" and bench.environment.is_file():
            environment = read_json(bench.environment)
            stamps, known = environment["stamps"], environment["data"].get("lesions_known", True)
            if external:
                about = read_json(bench.external(external).about)
                stamps, known = [*stamps, *["SYNTHETIC"] * about["synthetic"]], about["lesions_known"]
            return Origin(tuple(dict.fromkeys(stamps)), known)
    return Origin()


def score(
    predictions: tuple[pd.DataFrame, str],
    truth: tuple[pd.DataFrame, str] | None,
    catalog: Catalog,
    *,
    part: str,
    protocol: str,
    replicates: int,
    origin: Origin,
) -> Evaluation:
    """Score the rows of one part; `predictions` and `truth` are a table each, and what to call it in errors.

    `protocol` is "" where it is not known; all others but `lesion` leak, and are stamped. Raises DataError naming file
    and row of what is wrong, or where there are no rows of that part.
    """
    frame, source = predictions
    if truth is None:
        read = several(frame, source=source, copies=protocol == OVERSAMPLE_FIRST)
        cells = [one.select(part) for one in read]
    else:
        reference, reference_source = truth
        cells = [from_submission(frame, reference, source=source, truth_source=reference_source)]
    cells = [cell for cell in cells if len(cell)]
    if not cells:
        raise DataError(f"{source} holds no rows of part {part!r}.", "Name another part with --part.")
    task = "malignant" if "malignant" in cells[0].classes else "dx7"
    metrics = [metric for metric in catalog.metrics if task in metric.tasks]
    named = (Path(source).stem, "", task, protocol)
    rows = [
        (*named, one.metric, one.class_, one.value, one.low, one.high, one.n_images, one.n_lesions, one.n_cells)
        for one in estimate(cells, metrics, replicates=replicates)
    ]
    of_lesions = frame if truth is None else truth[0]
    return Evaluation(
        pd.DataFrame(rows, columns=list(RESULT_COLUMNS)),
        "lesion_id" in of_lesions and origin.lesions_known,
        tuple(dict.fromkeys([*origin.stamps, *([] if protocol in ("", LESION) else ["LEAKY"])])),
    )
