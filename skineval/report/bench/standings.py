"""The tables of a bench: what its leaderboards hold, as readers see it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from skineval.base.terms import PRIMARY, UNDECIDED
from skineval.report.bench import notes
from skineval.report.bench.leaderboard import GridCell, Leaderboard
from skineval.report.document import formatting
from skineval.report.document.tables import Cell, Column, Row, Shared, Table
from skineval.values.measures import Difference, Score


@dataclass(frozen=True)
class _Metric:
    """A metric, perhaps of one class, as the column it is shown in."""

    name: str
    class_: str
    column: Column


def _metric(name: str, title: str, note: str = "", priority: int = 0, class_: str = "") -> _Metric:
    return _Metric(name, class_, Column(f"{name}_{class_}" if class_ else name, title, "score", note, priority))


_COMPARED = (
    _metric(PRIMARY, "Balanced accuracy", "mean of the recalls of all classes; the primary metric, ranks the table"),
    _metric("nll", "NLL", "negative log-likelihood, lower is better; what raises balanced accuracy often harms it", 5),
    _metric("macro_auc", "Macro AUC", "mean over classes of the one-against-rest area under the ROC curve", 3),
    _metric("recall", "Melanoma recall", "share of the melanomas that are called melanoma", 4, "mel"),
    _metric("recall", "Malignant recall", "share of the malignant lesions that are called malignant", 4, "malignant"),
    _metric("malignancy_auc", "Malignancy AUC", "area under the ROC curve of malignant against benign", 6),
    _metric("accuracy", "Accuracy", "share of images called right; the frequent class dominates it, it never ranks", 9),
)
_CALIBRATION = (
    _metric("nll", "NLL", "negative log-likelihood, lower is better"),
    _metric("brier", "Brier score", "squared error of the probabilities summed over classes, lower is better", 1),
    _metric("ece", "ECE", "expected calibration error, lower is better; its interval is pivotal", 2),
)
_FURTHER = (
    _metric("macro_f1", "Macro F1", "mean F1 over classes"),
    _metric("weighted_f1", "Weighted F1", "mean F1 over classes, weighted by images", 1),
    _metric("mcc", "MCC", "Matthews' correlation coefficient over all classes", 2),
    _metric("kappa", "Cohen's kappa", "agreement beyond chance", 3),
)
_PER_CLASS = (
    _metric("recall", "Recall", "share of the class that is found (sensitivity)"),
    _metric("precision", "Precision", "share of the class's predictions that are right", 1),
    _metric("f1", "F1", "harmonic mean of recall and precision", 2),
    _metric("specificity", "Specificity", "share of the other classes that is not taken for the class", 3),
    _metric("auc", "AUC", "area under the ROC curve, the class against the rest", 1),
)
_PLACED = {UNDECIDED, *(metric.name for metric in (*_COMPARED, *_CALIBRATION, *_FURTHER, *_PER_CLASS))}

#: What readers know the figures of the comparisons by.
NAMES = {metric.column.key: metric.column.name for metric in (*_COMPARED, *_FURTHER)}

_SYSTEM = Column("system", "System", note="model/imbalance strategy")
_BEHIND = Column(
    "behind_best", "Behind the best", "score", "balanced accuracy of the best system minus that of this one", 1
)
_P_HOLM = Column("p_holm", "Holm p", "p", "of that difference, corrected for the number of comparisons", 2, _BEHIND.key)
_SPEED = Column("images_per_second", "Images/s", "rate", "while training, median over cells", 11)
_TIME = Column("seconds", "Time", "seconds", "to train, sum over cells", 12)
_SHARED = "* with the training of a network that other strategies have, too, and that was trained once"


def comparison(board: Leaderboard) -> Table:
    """The main table: systems ranked by balanced accuracy, then what did not finish, then the trivial baselines."""
    behind = board.behind
    speed, time = _throughput(board)
    primary, *others = [(metric.column, board.everyone(metric.name, metric.class_)) for metric in _COMPARED]
    columns: list[tuple[Column, Mapping[str, Cell]]] = [
        primary,
        (_BEHIND, behind),
        (_P_HOLM, {system: one.p_holm for system, one in behind.items()}),
        *others,
        (_SPEED, speed),
        (_marked(_TIME, time.values()), time),
    ]
    unfinished = [
        Row((f"{cell.system}, fold {cell.fold}, seed {cell.seed}",), cell.status, cell.reason)
        for cell in board.cells
        if not cell.done
    ]
    unfinished += [
        Row((one.system,), "not made", f"Of its {one.n_wanted} cells, no two that go together have finished.")
        for one in board.ensembles
        if not one.predictions
    ]
    footnotes = (
        "Ranked by balanced accuracy, the primary metric; accuracy never ranks.",
        *notes.of_results(board, board.replicates),
        *([notes.of_test(board.lesions_known)] if behind else []),
        *([notes.ON_FEWER_FOLDS] if board.unranked.keys() & behind.keys() else []),
        *notes.of_ensembles(board.ensembles, timed=bool(board.cells)),
        *notes.of_seeds(board.cells),
    )
    title = f"External test: {formatting.plain(board.external)}" if board.external else "Comparison"
    best = board.best if len(board.systems) > 1 else ""
    return _by_system(title, board, columns, footnotes, best, unfinished)


def calibration(board: Leaderboard) -> Table:
    """How far the probabilities can be taken at their word, the best-ranked system first."""
    return _of_metrics("Calibration", board, _CALIBRATION)


def further(board: Leaderboard) -> Table | None:
    """The overall metrics that have no place in another table, plugins' included; None where there are none."""
    names = dict.fromkeys(one.metric for one in board.scores if not one.class_)
    others = [_metric(name, name, priority=4) for name in names if name not in _PLACED]
    metrics = [*(metric for metric in _FURTHER if metric.name in names), *others]
    return _of_metrics("Further metrics", board, metrics) if metrics else None


def per_class(board: Leaderboard, system: str) -> Table:
    """Recall, precision, F1 and AUC of each class, for one system or baseline."""
    found = {(one.metric, one.class_): one for one in board.scores if one.system == system}
    extra = dict.fromkeys(name for name, class_ in found if class_ and name not in _PLACED)
    metrics = [*_PER_CLASS, *(_metric(name, name, priority=4) for name in extra)]
    present = [metric for metric in metrics if any((metric.name, class_) in found for class_ in board.classes)]
    columns = (
        Column("class", "Class"),
        *(metric.column for metric in present),
        Column("n_images", "Images", "count", priority=3),
        Column("n_lesions", "Lesions", "count", priority=3),
    )

    def row(class_: str) -> Row:
        mine = [found.get((metric.name, class_)) for metric in present]
        sizes = next((_sizes(one, board) for one in mine if one), (None, None))
        return Row((class_, *mine, *sizes))

    title = formatting.stamped(f"Per class: {formatting.plain(system)}", board.stamps)
    return Table(title, columns, tuple(map(row, board.classes)), (notes.of_interval(board.lesions_known),))


def scores(board: Leaderboard, remarks: Sequence[str] = ()) -> Table:
    """Every figure there is, one a row; `remarks` are on what was scored."""
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
            (one.system, one.metric, one.class_, one, *_sizes(one, board)),
            "baseline" if one.baseline else "plain",
        )
        for one in board.scores
    )
    below = (*map(formatting.plain, remarks), *notes.of_results(board, board.replicates))
    return Table(formatting.stamped("Scores", board.stamps), columns, found, below)


def differences(board: Leaderboard) -> Table:
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
        Row((one.a, one.b, one.metric, one, one.p, one.p_holm, *_sizes(one, board))) for one in board.differences
    )
    below = (notes.of_interval(board.lesions_known), notes.of_test(board.lesions_known))
    return Table(formatting.stamped("Paired differences", board.stamps), columns, found, below)


def cell_list(board: Leaderboard) -> Table:
    """Every cell of the grid with what became of it."""
    time = [_seconds([cell], board) for cell in board.cells]
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

    return Table(formatting.stamped("Cells", board.stamps), columns, tuple(map(row, board.cells, time)))


def ensembles(board: Leaderboard) -> Table:
    """What each ensemble is the mean of."""
    columns = (
        Column("system", "Ensemble"),
        Column("over", "Mean over"),
        Column("cells", "Cells", "count"),
        Column("wanted", "Of", "count", "cells that it would be made of, had all of them finished"),
    )
    body = (
        Row((one.system, notes.averaged_over(one) + notes.each_of(one), len(one.members), one.n_wanted))
        for one in board.ensembles
    )
    return Table(formatting.stamped("Ensembles", board.stamps), columns, tuple(body))


def _sizes(one: Score | Difference, board: Leaderboard) -> tuple[int, int | None]:
    """Images and lesions behind a figure."""
    return one.n_images, one.n_lesions if board.lesions_known else None


def _of_metrics(title: str, board: Leaderboard, metrics: Sequence[_Metric]) -> Table:
    columns = [(metric.column, board.everyone(metric.name, metric.class_)) for metric in metrics]
    return _by_system(title, board, columns, notes.of_results(board))


def _by_system(
    title: str,
    board: Leaderboard,
    columns: Sequence[tuple[Column, Mapping[str, Cell]]],
    footnotes: Sequence[str],
    best: str = "",
    unfinished: Sequence[Row] = (),
) -> Table:
    """A table of one row a system, baselines last; columns without any figure are left out."""
    filled = [(column, values) for column, values in columns if values]
    heads = (_SYSTEM, *(column for column, _ in filled))

    def row(system: str) -> Row:
        cells = (system, *(values.get(system) for _, values in filled))
        if system in board.unranked:
            return Row(cells, "unranked", notes.why_unranked(board.unranked[system]))
        return Row(cells, "best" if system == best else "plain")

    def trivial(baseline: str) -> Row:
        return Row((f"{baseline} (baseline)", *(values.get(baseline) for _, values in filled)), "baseline")

    body = (
        *map(row, board.systems),
        *(replace(row, cells=(*row.cells, *[None] * len(filled))) for row in unfinished),
        *map(trivial, board.baselines),
    )
    return Table(formatting.stamped(title, board.stamps), heads, body, tuple(footnotes))


def _throughput(board: Leaderboard) -> tuple[dict[str, Cell], dict[str, Cell]]:
    """Median images per second of each system's finished cells; their summed seconds, also of ensembles' members."""
    done: dict[str, list[GridCell]] = {}
    for cell in board.cells:
        if cell.done:
            done.setdefault(cell.system, []).append(cell)
    speed: dict[str, Cell] = {
        system: statistics.median(cell.images_per_second for cell in mine) for system, mine in done.items()
    }
    time: dict[str, Cell] = {system: _seconds(mine, board) for system, mine in done.items()}
    by_id = {cell.run_id: cell for cell in board.cells if cell.done}
    for one in board.ensembles:
        if one.members and set(one.members) <= set(by_id):
            time[one.system] = _seconds([by_id[run_id] for run_id in one.members], board)
    return speed, time


def _seconds(cells: Sequence[GridCell], board: Leaderboard) -> Cell:
    """What cells took in sum, marked where it holds what others took as well."""
    total = sum(cell.seconds for cell in cells)
    return Shared(total) if any(cell.run_id in board.sharing for cell in cells) else total


def _marked(column: Column, cells: Iterable[Cell]) -> Column:
    """The column with a note on the mark of `Shared`, where there are such cells."""
    if not any(isinstance(cell, Shared) for cell in cells):
        return column
    return replace(column, note=", ".join(filter(None, (column.note, _SHARED))))
