"""The tables of a bench: what its leaderboards hold, as readers see it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from skineval.base.terms import PRIMARY, UNDECIDED
from skineval.grid.cell.record import GridCell
from skineval.measure.names import DETAILS
from skineval.measure.ranks import LAG_P, RANK_KEPT
from skineval.measure.rarity import HEAD_RECALL, TAIL_RECALL
from skineval.report.bench import notes
from skineval.report.bench.differences import NOISE, noise, of_lesions
from skineval.report.bench.leaderboard import Leaderboard
from skineval.report.document import formatting
from skineval.report.document.excerpt import Shown, excerpt
from skineval.report.document.tables import Cell, Column, Row, Shows, Starred, Table, tabulate
from skineval.values.measures import Score
from skineval.values.result import EnsembleResult
from skineval.values.task import BINARY, CLASS_NAMES


@dataclass(frozen=True)
class _Metric:
    """A metric, perhaps of one class, and how it is shown."""

    name: str
    title: str
    note: str = ""
    priority: int = 0
    class_: str = ""

    @property
    def column(self) -> Column:
        key = f"{self.name}_{self.class_}" if self.class_ else self.name
        return Column(key, self.title, "score", self.note, self.priority)


_COMPARED = (
    _Metric(PRIMARY, "Balanced accuracy", "mean of the recalls of all classes; the primary metric, ranks the table"),
    _Metric("nll", "NLL", "negative log-likelihood, lower is better; what raises balanced accuracy often harms it", 5),
    _Metric("macro_auc", "Macro AUC", "mean over classes of the one-against-rest area under the ROC curve", 3),
    _Metric("malignancy_auc", "Malignancy AUC", "area under the ROC curve of malignant against benign", 6),
    _Metric("accuracy", "Accuracy", "share of images called right; the frequent class dominates it, it never ranks", 9),
)
#: With two classes one area says it all: either class against the other, malignant or not.
_BINARY = tuple(
    replace(metric, note="area under the ROC curve, the same for both classes")
    if metric.name == "macro_auc"
    else metric
    for metric in _COMPARED
    if metric.name != "malignancy_auc"
)
_CALIBRATION = (
    _Metric("nll", "NLL", "negative log-likelihood, lower is better"),
    _Metric("brier", "Brier score", "squared error of the probabilities summed over classes, lower is better", 1),
    _Metric("ece", "ECE", "expected calibration error, lower is better; its interval is pivotal", 2),
)
_FURTHER = (
    _Metric("macro_f1", "Macro F1", "mean F1 over classes"),
    _Metric("weighted_f1", "Weighted F1", "mean F1 over classes, weighted by images", 1),
    _Metric("mcc", "MCC", "Matthews' correlation coefficient over all classes", 2),
    _Metric("kappa", "Cohen's kappa", "agreement beyond chance", 3),
    _Metric("worst_recall", "Worst recall", "recall of the class that is found least", 2),
    _Metric("macro_ap", "Macro AP", "mean over classes of the average precision of each against the rest", 3),
    _Metric(
        "malignancy_pauc",
        "Malignancy pAUC",
        "area under the ROC curve of malignant against benign above a sensitivity of 0.80, 0.2 at most; the metric of "
        "ISIC 2024",
        4,
    ),
)
_PER_CLASS = (
    _Metric("recall", "Recall", "share of the class that is found (sensitivity)"),
    _Metric("precision", "Precision", "share of the class's predictions that are right", 1),
    _Metric("f1", "F1", "harmonic mean of recall and precision", 2),
    _Metric("specificity", "Specificity", "share of the other classes that is not taken for the class", 3),
    _Metric("auc", "AUC", "area under the ROC curve, the class against the rest", 1),
)
_REJECTION = (
    _Metric("reject_auroc", "AUROC", "share of pairs of an image of the classes and one of none where it is the surer"),
    _Metric(
        "reject_fpr95",
        "FPR at 95 % TPR",
        "share of the images of no class that is kept where 95 % of those of the classes are, lower is better",
        1,
    ),
)
_PLACED = {UNDECIDED, *(metric.name for metric in (*_COMPARED, *_CALIBRATION, *_FURTHER, *_PER_CLASS, *_REJECTION))}
_PLACED |= {HEAD_RECALL, TAIL_RECALL}  # which stand beside the strategies of each model
_PLACED |= {RANK_KEPT, LAG_P}  # of which words stand beside the comparisons
_PLACED |= DETAILS
_OF_DETAILS = "results.csv of the bench has more; skineval list metrics says what each figure is."


_BEHIND = Column(
    "behind_best", "Behind the best", "score", "balanced accuracy of the best system minus that of this one", 1
)
_P_HOLM = Column("p_holm", "Holm p", "p", "of that difference, corrected for the number of comparisons", 2, _BEHIND.key)
_SPEED = Column("images_per_second", "Images/s", "rate", "while training, median over cells", 11)
_TIME = Column("seconds", "Time", "seconds", "to train, sum over cells", 12)
_SHARED = "* with what other systems share and was done once: training a network, or embedding images"


def compared(board: Leaderboard) -> tuple[_Metric, ...]:
    """The metrics of the main table, with the recall of the class that is sought."""
    always = _COMPARED if len(board.classes) != 2 else _BINARY
    if not board.sought:
        return always
    name = CLASS_NAMES.get(board.sought, board.sought)
    title = f"{name[:1].upper()}{name[1:]} recall"
    those = f"{name} images" if name in BINARY else f"images of {name}"
    recall = _Metric("recall", title, f"share of the {those} that are called so", 4, board.sought)
    return (*always[:3], recall, *always[3:])


def shown(board: Leaderboard) -> dict[str, tuple[Column, Mapping[str, Cell]]]:
    """The figures of the main table and of calibration, each with its column, by the key of that."""
    metrics = (*_CALIBRATION, *compared(board))
    return {metric.column.key: (metric.column, board.everyone(metric.name, metric.class_)) for metric in metrics}


def names(board: Leaderboard) -> dict[str, str]:
    """What readers know the figures of the comparisons by."""
    return {metric.column.key: metric.column.name for metric in (*compared(board), *_FURTHER)}


def comparison(board: Leaderboard) -> Table:
    """The main table: systems ranked by balanced accuracy, then what did not finish, then the trivial baselines."""
    behind = board.behind
    speed, time = _throughput(board)
    primary, *others = [(metric.column, board.everyone(metric.name, metric.class_)) for metric in compared(board)]
    columns: list[tuple[Column, Mapping[str, Cell]]] = [
        primary,
        (_BEHIND, behind),
        (_P_HOLM, {system: one.p_holm for system, one in behind.items()}),
        (NOISE, {system: known for system, one in behind.items() if (known := noise(board, one)) is not None}),
        *others,
        (_SPEED, speed),
        (_marked(_TIME, time.values()), time),
    ]
    unfinished = {
        f"{cell.system}, fold {cell.fold}, seed {cell.seed}": (cell.status, cell.reason)
        for cell in board.cells
        if not cell.done
    }
    unfinished |= {
        one.system: ("not made", f"Of its {one.n_wanted} cells, no two that go together have finished.")
        for one in board.ensembles
        if not one.predictions
    }
    footnotes = (
        "Ranked by balanced accuracy, the primary metric; accuracy never ranks.",
        *notes.of_results(board, board.replicates),
        *([notes.OF_RULES] if board.baselines else []),
        *([notes.of_test(board.unit)] if behind else []),
        *notes.of_few_replicates(len(behind), board.replicates),
        *notes.of_resolution(board),
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
    others = [_Metric(name, name, priority=4) for name in names if name not in _PLACED]
    metrics = [*(metric for metric in _FURTHER if metric.name in names), *others]
    if not metrics:
        return None
    table = _of_metrics("Further metrics", board, metrics)
    return replace(table, footnotes=(*table.footnotes, _OF_DETAILS)) if DETAILS & names.keys() else table


def rejection(board: Leaderboard) -> Table | None:
    """How well low confidence tells images of no class of the task from others; None where that was not measured."""
    there = {one.metric for one in board.scores}
    if not there & {metric.name for metric in _REJECTION}:
        return None
    columns = [(metric.column, board.everyone(metric.name)) for metric in _REJECTION]
    title = f"External test {formatting.plain(board.external)}: rejection"
    return _by_system(title, board, columns, notes.of_rejection(board), "", {})


def per_class(board: Leaderboard, system: str, shown: Shown) -> Table:
    """Recall, precision, F1 and AUC of each class, for one system or baseline; of many classes those that are shown."""
    found = {(one.metric, one.class_): one for one in board.scores if one.system == system}
    extra = dict.fromkeys(name for name, class_ in found if class_ and name not in _PLACED)
    metrics = [*_PER_CLASS, *(_Metric(name, name, priority=4) for name in extra)]
    present = [metric for metric in metrics if any((metric.name, class_) in found for class_ in board.classes)]
    lesions, n_lesions = of_lesions(board, 3)
    columns = (
        Column("class", "Class"),
        *(metric.column for metric in present),
        Column("n_images", "Images", "count", priority=3),
        lesions,
    )

    def row(class_: str) -> Row:
        mine = [found.get((metric.name, class_)) for metric in present]
        sizes = next(((one.n_images, n_lesions(one)) for one in mine if one), (None, None))
        return Row((class_, *mine, *sizes))

    title = formatting.stamped(f"Per class: {formatting.plain(system)}", board.stamps)
    footnotes = (notes.of_interval(board.unit), *notes.of_cells(found.values()))

    def table(classes: Sequence[str]) -> Table:
        return Table(title, columns, tuple(map(row, classes)), footnotes)

    return excerpt(table, shown, "results.csv has all.")


def remarked(table: Table, remarks: Sequence[str]) -> Table:
    """The table with what has to be said of what was scored above its footnotes."""
    told = tuple(map(formatting.plain, remarks))
    whole = None if table.whole is None else remarked(table.whole, remarks)
    return replace(table, footnotes=(*told, *table.footnotes), whole=whole)


def scores(board: Leaderboard) -> Table:
    """The figures, one a row; details are left to programs."""
    columns: tuple[Shows[Score], ...] = (
        notes.of_system(one.system for one in board.scores),
        Column("metric", "Metric"),
        (Column("class", "Class"), lambda one: one.class_),
        (Column("value", "Value", "score"), lambda one: one),
        Column("n_images", "Images", "count", priority=1),
        of_lesions(board, 1),
    )
    below = notes.of_results(board, board.replicates)

    def mark(one: Score) -> tuple[str, str]:
        return "baseline" if one.baseline else "plain", ""

    def table(found: Iterable[Score]) -> Table:
        return tabulate("Scores", found, columns, below, stamps=board.stamps, mark=mark)

    brief = [one for one in board.scores if one.metric not in DETAILS]
    where = "--format csv shows all."
    made = excerpt(lambda classes: table(one for one in brief if one.class_ in ("", *classes)), board.shown, where)
    details = [name for name in dict.fromkeys(one.metric for one in board.scores) if name in DETAILS]
    if not details:
        return made
    note = f"{formatting.plural(len(details), 'further metric is', 'further metrics are')} left out. {where}"
    return replace(made, footnotes=(note, *made.footnotes), whole=table(board.scores))


def cell_list(board: Leaderboard) -> Table:
    """Every cell of the grid with what became of it."""
    time = _marked(Column("seconds", "Time", "seconds", priority=2), [_seconds([cell], board) for cell in board.cells])
    columns: tuple[Shows[GridCell], ...] = (
        Column("run_id", "Cell", priority=4),
        Column("model", "Model"),
        Column("imbalance", "Imbalance"),
        Column("fold", "Fold", "count", priority=1),
        Column("seed", "Seed", "count", priority=1),
        Column("status", "Status"),
        (time, lambda cell: _seconds([cell], board)),
        Column("images_per_second", "Images/s", "rate", "while training", 3),
        Column("device", "Device", priority=5),
    )

    def mark(cell: GridCell) -> tuple[str, str]:
        return "plain" if cell.done else cell.status, cell.reason

    return tabulate("Cells", board.cells, columns, stamps=board.stamps, mark=mark)


def ensembles(board: Leaderboard) -> Table:
    """What each ensemble is the mean of."""
    wanted = Column("wanted", "Of", "count", "cells that it would be made of, had all of them finished")
    columns: tuple[Shows[EnsembleResult], ...] = (
        Column("system", "Ensemble"),
        (Column("over", "Mean over"), lambda one: notes.averaged_over(one) + notes.each_of(one)),
        (Column("cells", "Cells", "count"), lambda one: len(one.members)),
        (wanted, lambda one: one.n_wanted),
    )
    return tabulate("Ensembles", board.ensembles, columns, stamps=board.stamps)


def _of_metrics(title: str, board: Leaderboard, metrics: Sequence[_Metric]) -> Table:
    columns = [(metric.column, board.everyone(metric.name, metric.class_)) for metric in metrics]
    return _by_system(title, board, columns, notes.of_results(board), "", {})


def _by_system(
    title: str,
    board: Leaderboard,
    columns: Sequence[tuple[Column, Mapping[str, Cell]]],
    footnotes: Sequence[str],
    best: str,
    unfinished: Mapping[str, tuple[str, str]],
) -> Table:
    """A table of one row a system, then what is `unfinished` (status and reason of each), baselines last.

    Columns without any figure are left out.
    """
    baselines = board.baselines
    marks = {
        best: ("best", ""),
        **{system: ("unranked", notes.why_unranked(folds)) for system, folds in board.unranked.items()},
        **unfinished,
        **dict.fromkeys(baselines, ("baseline", "")),
    }
    names = (*board.systems, *unfinished, *baselines)
    column = notes.of_system(names)
    named: Shows[str] = (column, lambda name: f"{name} (baseline)" if name in baselines else name)
    filled: list[Shows[str]] = [(column, values.get) for column, values in columns if values]

    def mark(name: str) -> tuple[str, str]:
        return marks.get(name, ("plain", ""))

    return tabulate(title, names, [named, *filled], footnotes, stamps=board.stamps, mark=mark)


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
    return Starred(total) if any(cell.run_id in board.sharing for cell in cells) else total


def _marked(column: Column, cells: Iterable[Cell]) -> Column:
    """The column with a note on the mark of `Starred`, where there are such cells."""
    if not any(isinstance(cell, Starred) for cell in cells):
        return column
    return replace(column, note=", ".join(filter(None, (column.note, _SHARED))))
