"""The tables of paired differences, and what stands beside one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import isnan

from skineval.measure.seeds import is_above
from skineval.report.bench import notes
from skineval.report.bench.leaderboard import Leaderboard
from skineval.report.document import formatting
from skineval.report.document.tables import Column, Shows, Starred, Table, tabulate
from skineval.values.measures import Difference, Score

_CHECK = Column(
    "check_p",
    "Check",
    "p",
    "p of a test of another kind: over folds the corrected resampled t-test, which varies all that is not tested, too; "
    "of one fold, for malignancy AUC, DeLong's test, which takes images for independent",
    4,
)
NOISE = Column(
    "seed_noise",
    "Seed noise",
    "score",
    "by how much seeds alone set two systems apart in all but 5 % of benches, * where the difference is not above that",
    3,
)


def table(board: Leaderboard, together: str = notes.OF_METRIC) -> Table:
    """Every paired comparison: A minus B with its interval and test, corrected for what is `together`."""
    columns: tuple[Shows[Difference], ...] = (
        Column("a", "A"),
        Column("b", "B"),
        Column("metric", "Metric"),
        (Column("difference", "A − B", "score"), lambda one: one),
        Column("p", "p", "p", priority=3),
        Column("p_holm", "Holm p", "p", priority=1),
        *([_CHECK] if any(not isnan(one.check_p) for one in board.differences) else []),
        *(
            [(NOISE, lambda one: noise(board, one))]
            if any(noise is not None for noise in map(board.noise, board.differences))
            else []
        ),
        Column("n_images", "Images", "count", priority=4),
        of_lesions(board, 5),
    )
    below = (
        notes.of_interval(board.unit),
        notes.of_test(board.unit, together),
        *notes.of_direction(one.metric for one in board.differences),
        *notes.of_few_replicates(
            max(Counter(one.metric for one in board.differences).values(), default=0), board.replicates
        ),
        *notes.of_absent(board),
    )
    return tabulate("Paired differences", board.differences, columns, below, stamps=board.stamps)


def plain_table(board: Leaderboard) -> Table:
    """The same for programs: the columns of comparisons.csv, the ends of an interval in columns of their own."""
    ends: tuple[Shows[Difference], ...] = (
        (Column("difference", "A − B", "score"), lambda one: one.value),
        Column("low", "Low", "score"),
        Column("high", "High", "score"),
    )
    columns: tuple[Shows[Difference], ...] = (
        Column("a", "A"),
        Column("b", "B"),
        Column("metric", "Metric"),
        *ends,
        Column("p", "p", "p"),
        Column("p_holm", "Holm p", "p"),
        Column("n_images", "Images", "count"),
        Column("n_lesions", "Lesions", "count"),
    )
    return tabulate("Paired differences", board.differences, columns, stamps=board.stamps)


def noise(board: Leaderboard, one: Difference) -> Starred | float | None:
    """How far seeds alone set the two systems of a difference apart, marked where it is not above that."""
    noise = board.noise(one)
    return noise if noise is None or is_above(one.value, noise) else Starred(noise)


def of_lesions(board: Leaderboard, priority: int) -> tuple[Column, Callable[[Score | Difference], int | None]]:
    """The column of the lesions, or patients, behind a figure."""
    column = Column("n_lesions", formatting.units(board.unit).capitalize(), "count", priority=priority)
    return column, lambda one: one.n_lesions if board.unit != "image" else None
