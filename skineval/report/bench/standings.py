"""The tables of a bench, computed from its frames."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from skineval.report.bench import notes, rows
from skineval.report.bench.rows import ALL_RANKED, PRIMARY, UNDECIDED, Gap, GridCell, Score, Unranked
from skineval.report.document import formatting
from skineval.report.document.tables import Cell, Column, Row, Shared, Table

if TYPE_CHECKING:
    import pandas as pd

    from skineval.values.result import EnsembleResult


@dataclass(frozen=True)
class _Figure:
    """A metric, perhaps of one class, as the column it is shown in."""

    metric: str
    label: str
    column: Column


def _figure(metric: str, name: str, note: str = "", priority: int = 0, label: str = "") -> _Figure:
    return _Figure(metric, label, Column(f"{metric}_{label}" if label else metric, name, "score", note, priority))


_COMPARED = (
    _figure(PRIMARY, "Balanced accuracy", "mean of the recalls of all classes; the primary metric, ranks the table"),
    _figure("nll", "NLL", "negative log-likelihood, lower is better; what raises balanced accuracy often harms it", 5),
    _figure("macro_auc", "Macro AUC", "mean over classes of the one-against-rest area under the ROC curve", 3),
    _figure("recall", "Melanoma recall", "share of the melanomas that are called melanoma", 4, "mel"),
    _figure("recall", "Malignant recall", "share of the malignant lesions that are called malignant", 4, "malignant"),
    _figure("malignancy_auc", "Malignancy AUC", "area under the ROC curve of malignant against benign", 6),
    _figure("accuracy", "Accuracy", "share of images called right; the frequent class dominates it, it never ranks", 9),
)
_CALIBRATION = (
    _figure("nll", "NLL", "negative log-likelihood, lower is better"),
    _figure("brier", "Brier score", "squared error of the probabilities summed over classes, lower is better", 1),
    _figure("ece", "ECE", "expected calibration error, lower is better; its interval is pivotal", 2),
)
_FURTHER = (
    _figure("macro_f1", "Macro F1", "mean F1 over classes"),
    _figure("weighted_f1", "Weighted F1", "mean F1 over classes, weighted by images", 1),
    _figure("mcc", "MCC", "Matthews' correlation coefficient over all classes", 2),
    _figure("kappa", "Cohen's kappa", "agreement beyond chance", 3),
)
_PER_CLASS = (
    _figure("recall", "Recall", "share of the class that is found (sensitivity)"),
    _figure("precision", "Precision", "share of the class's predictions that are right", 1),
    _figure("f1", "F1", "harmonic mean of recall and precision", 2),
    _figure("specificity", "Specificity", "share of the other classes that is not taken for the class", 3),
    _figure("auc", "AUC", "area under the ROC curve, the class against the rest", 1),
)
_PLACED = {UNDECIDED, *(figure.metric for figure in (*_COMPARED, *_CALIBRATION, *_FURTHER, *_PER_CLASS))}

#: What readers know the figures of the comparisons by.
NAMES = {figure.column.key: figure.column.name for figure in (*_COMPARED, *_FURTHER)}

_SYSTEM = Column("system", "System", note="model/imbalance strategy")
_BEHIND = Column(
    "behind_best", "Behind the best", "score", "balanced accuracy of the best system minus that of this one", 1
)
_P_HOLM = Column("p_holm", "Holm p", "p", "of that difference, corrected for the number of comparisons", 2, _BEHIND.key)
_SPEED = Column("images_per_second", "Images/s", "rate", "while training, median over cells", 11)
_TIME = Column("seconds", "Time", "seconds", "to train, sum over cells", 12)
_SHARED = "* with the training of a network that other strategies have, too, and that was trained once"


def comparison(
    results: pd.DataFrame,
    comparisons: pd.DataFrame,
    cells: pd.DataFrame,
    stamps: Sequence[str] = (),
    replicates: int | None = None,
    external: str = "",
    averaged: Sequence[EnsembleResult] = (),
    lesions_known: bool = True,
    unranked: Unranked = ALL_RANKED,
    sharing: Collection[str] = (),
) -> Table:
    """The main table: systems ranked by balanced accuracy, then what did not finish, then the trivial baselines.

    `external` is the name of the external test that the results are of, `averaged` are the ensembles among them,
    `unranked` those of the systems that stand below the others without a rank. `lesions_known` is False where nobody
    says which images show one lesion; as in all tables here, notes then say so. `sharing` are the run ids of the
    cells whose time holds the training of a network that others have, too.
    """
    found, grid = rows.scores(results), rows.grid(cells)
    systems = rows.ranking(found, unranked)
    best = next((system for system in systems if system not in unranked), "")
    behind = rows.behind(rows.gaps(comparisons), best)
    speed, time = _throughput(grid, averaged, sharing)
    primary, *others = [(figure.column, _everyone(found, figure)) for figure in _COMPARED]
    columns: list[tuple[Column, Mapping[str, Cell]]] = [
        primary,
        (_BEHIND, {system: gap.estimate for system, gap in behind.items()}),
        (_P_HOLM, {system: gap.p_holm for system, gap in behind.items()}),
        *others,
        (_SPEED, speed),
        (_marked(_TIME, time.values()), time),
    ]
    unfinished = [
        Row((f"{cell.system}, fold {cell.fold}, seed {cell.seed}",), cell.status, cell.reason)
        for cell in grid
        if not cell.done
    ]
    unfinished += [
        Row((one.system,), "not made", f"Of its {one.n_wanted} cells, no two that go together have finished.")
        for one in averaged
        if not one.predictions
    ]
    footnotes = (
        "Ranked by balanced accuracy, the primary metric; accuracy never ranks.",
        *notes.of_results(results, replicates, external, lesions_known=lesions_known),
        *([notes.of_test(lesions_known)] if behind else []),
        *([notes.ON_FEWER_FOLDS] if unranked.keys() & behind.keys() else []),
        *notes.of_ensembles(averaged, timed=bool(grid)),
        *notes.of_seeds(grid),
    )
    title = f"External test: {formatting.plain(external)}" if external else "Comparison"
    return _by_system(
        title,
        stamps,
        columns,
        systems,
        _baseline_names(found),
        unranked,
        best=best if len(systems) > 1 else "",
        unfinished=unfinished,
        footnotes=footnotes,
    )


def calibration(
    results: pd.DataFrame, stamps: Sequence[str] = (), lesions_known: bool = True, unranked: Unranked = ALL_RANKED
) -> Table:
    """How far the probabilities can be taken at their word, the best-ranked system first."""
    return _of_figures("Calibration", results, _CALIBRATION, stamps, lesions_known, unranked)


def further(
    results: pd.DataFrame, stamps: Sequence[str] = (), lesions_known: bool = True, unranked: Unranked = ALL_RANKED
) -> Table | None:
    """The overall metrics that have no place in another table, plugins' included; None where there are none."""
    metrics = dict.fromkeys(one.metric for one in rows.scores(results) if not one.label)
    others = [_figure(metric, metric, priority=4) for metric in metrics if metric not in _PLACED]
    figures = [*(figure for figure in _FURTHER if figure.metric in metrics), *others]
    return _of_figures("Further metrics", results, figures, stamps, lesions_known, unranked) if figures else None


def per_class(
    results: pd.DataFrame, system: str, classes: Sequence[str], stamps: Sequence[str] = (), lesions_known: bool = True
) -> Table:
    """Recall, precision, F1 and AUC of each class, for one system or baseline."""
    found = {(one.metric, one.label): one for one in rows.scores(results) if one.system == system}
    extra = dict.fromkeys(metric for metric, label in found if label and metric not in _PLACED)
    figures = [*_PER_CLASS, *(_figure(metric, metric, priority=4) for metric in extra)]
    present = [figure for figure in figures if any((figure.metric, label) in found for label in classes)]
    columns = (
        Column("class", "Class"),
        *(figure.column for figure in present),
        Column("n_images", "Images", "count", priority=3),
        Column("n_lesions", "Lesions", "count", priority=3),
    )

    def row(label: str) -> Row:
        mine = [found.get((figure.metric, label)) for figure in present]
        sizes = next((_sizes(one, lesions_known) for one in mine if one), (None, None))
        return Row((label, *(one.estimate if one else None for one in mine), *sizes))

    title = formatting.stamped(f"Per class: {formatting.plain(system)}", stamps)
    return Table(title, columns, tuple(row(label) for label in classes), (notes.of_interval(lesions_known),))


def scores(
    results: pd.DataFrame,
    stamps: Sequence[str] = (),
    replicates: int | None = None,
    lesions_known: bool = True,
    remarks: Sequence[str] = (),
) -> Table:
    """Every figure there is, one a row; nothing is taken for granted of the images that were scored.

    `remarks` are on what was scored.
    """
    columns = (
        _SYSTEM,
        Column("metric", "Metric"),
        Column("class", "Class"),
        Column("value", "Value", "score"),
        Column("n_images", "Images", "count", priority=1),
        Column("n_lesions", "Lesions", "count", priority=1),
    )
    found = tuple(
        Row(
            (one.system, one.metric, one.label, one.estimate, *_sizes(one, lesions_known)),
            "baseline" if one.baseline else "plain",
        )
        for one in rows.scores(results)
    )
    below = notes.of_results(results, replicates, test="Scored", lesions_known=lesions_known)
    return Table(formatting.stamped("Scores", stamps), columns, found, (*map(formatting.plain, remarks), *below))


def differences(comparisons: pd.DataFrame, stamps: Sequence[str] = (), lesions_known: bool = True) -> Table:
    """Every paired comparison: A minus B with its interval and test."""
    columns = (
        Column("a", "A"),
        Column("b", "B"),
        Column("metric", "Metric", priority=2),
        Column("difference", "A − B", "score"),
        Column("p", "p", "p", priority=3),
        Column("p_holm", "Holm p", "p", priority=1),
        Column("n_images", "Images", "count", priority=4),
        Column("n_lesions", "Lesions", "count", priority=5),
    )
    found = tuple(
        Row((gap.a, gap.b, gap.metric, gap.estimate, gap.p, gap.p_holm, *_sizes(gap, lesions_known)))
        for gap in rows.gaps(comparisons)
    )
    below = (notes.of_interval(lesions_known), notes.of_test(lesions_known))
    return Table(formatting.stamped("Paired differences", stamps), columns, found, below)


def cell_list(cells: pd.DataFrame, stamps: Sequence[str] = (), sharing: Collection[str] = ()) -> Table:
    """Every cell of the grid with what became of it; `sharing` as for `comparison`."""
    grid = rows.grid(cells)
    time = [_seconds([cell], sharing) for cell in grid]
    columns = (
        Column("run_id", "Cell", priority=4),
        Column("model", "Model"),
        Column("imbalance", "Imbalance"),
        Column("fold", "Fold", "count", priority=1),
        Column("seed", "Seed", "count", priority=1),
        Column("status", "Status"),
        _marked(Column("seconds", "Time", "seconds", priority=2), time),
        Column("images_per_second", "Images/s", "rate", "while training", 3),
        Column("device", "Device", priority=5),
    )

    def row(cell: GridCell, seconds: Cell) -> Row:
        names = (cell.run_id, cell.model, cell.imbalance, cell.fold, cell.seed, cell.status)
        figures = (seconds, cell.images_per_second, cell.device)
        return Row((*names, *figures), "plain" if cell.done else cell.status, cell.reason)

    return Table(formatting.stamped("Cells", stamps), columns, tuple(map(row, grid, time)))


def ensembles(averaged: Sequence[EnsembleResult], stamps: Sequence[str] = ()) -> Table:
    """What each ensemble is the mean of."""
    columns = (
        Column("system", "Ensemble"),
        Column("over", "Mean over"),
        Column("cells", "Cells", "count"),
        Column("wanted", "Of", "count", "cells that it would be made of, had all of them finished"),
    )
    over = [notes.averaged_over(one) + rows.each_of(one) for one in averaged]
    body = (Row((one.system, mean, len(one.members), one.n_wanted)) for one, mean in zip(averaged, over, strict=True))
    return Table(formatting.stamped("Ensembles", stamps), columns, tuple(body))


def _sizes(one: Score | Gap, lesions_known: bool) -> tuple[int, int | None]:
    """Images and lesions behind a figure."""
    return one.n_images, one.n_lesions if lesions_known else None


def _of_figures(
    name: str,
    results: pd.DataFrame,
    figures: Sequence[_Figure],
    stamps: Sequence[str],
    lesions_known: bool,
    unranked: Unranked,
) -> Table:
    found = rows.scores(results)
    columns = [(figure.column, _everyone(found, figure)) for figure in figures]
    systems, below = rows.ranking(found, unranked), notes.of_results(results, lesions_known=lesions_known)
    return _by_system(name, stamps, columns, systems, _baseline_names(found), unranked, footnotes=below)


def _by_system(
    name: str,
    stamps: Sequence[str],
    columns: Sequence[tuple[Column, Mapping[str, Cell]]],
    systems: Sequence[str],
    baselines: Sequence[str],
    unranked: Unranked,
    *,
    best: str = "",
    unfinished: Sequence[Row] = (),
    footnotes: Sequence[str] = (),
) -> Table:
    """A table of one row a system, baselines last; columns without any figure are left out."""
    filled = [(column, values) for column, values in columns if values]
    heads = (_SYSTEM, *(column for column, _ in filled))
    n_ranked = sum(system not in unranked for system in systems)

    def figures(system: str) -> tuple[Cell, ...]:
        return tuple(values.get(system) for _, values in filled)

    body = (
        *(Row((system, *figures(system)), "best" if system == best else "plain") for system in systems[:n_ranked]),
        *(
            Row((system, *figures(system)), "unranked", notes.why_unranked(unranked[system]))
            for system in systems[n_ranked:]
        ),
        *(replace(row, cells=(*row.cells, *[None] * len(filled))) for row in unfinished),
        *(Row((f"{baseline} (baseline)", *figures(baseline)), "baseline") for baseline in baselines),
    )
    return Table(formatting.stamped(name, stamps), heads, body, tuple(footnotes))


def _everyone(found: Iterable[Score], figure: _Figure) -> dict[str, Cell]:
    return {one.system: one.estimate for one in found if (one.metric, one.label) == (figure.metric, figure.label)}


def _baseline_names(found: Iterable[Score]) -> list[str]:
    return list(dict.fromkeys(one.system for one in found if one.baseline))


def _throughput(
    grid: Sequence[GridCell], averaged: Sequence[EnsembleResult], sharing: Collection[str]
) -> tuple[dict[str, Cell], dict[str, Cell]]:
    """Median images per second of each system's finished cells; their summed seconds, also of ensembles' members."""
    done: dict[str, list[GridCell]] = {}
    for cell in grid:
        if cell.done:
            done.setdefault(cell.system, []).append(cell)
    speed: dict[str, Cell] = {
        system: statistics.median(cell.images_per_second for cell in mine) for system, mine in done.items()
    }
    time: dict[str, Cell] = {system: _seconds(mine, sharing) for system, mine in done.items()}
    by_id = {cell.run_id: cell for cell in grid if cell.done}
    for one in averaged:
        if one.members and set(one.members) <= set(by_id):
            time[one.system] = _seconds([by_id[run_id] for run_id in one.members], sharing)
    return speed, time


def _seconds(cells: Sequence[GridCell], sharing: Collection[str]) -> Cell:
    """What cells took in sum, marked where it holds what others took as well."""
    total = sum(cell.seconds for cell in cells)
    return Shared(total) if any(cell.run_id in sharing for cell in cells) else total


def _marked(column: Column, cells: Iterable[Cell]) -> Column:
    """The column with a note on the mark of `Shared`, where there are such cells."""
    if not any(isinstance(cell, Shared) for cell in cells):
        return column
    return replace(column, note=", ".join(filter(None, (column.note, _SHARED))))
