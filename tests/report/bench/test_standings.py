"""Tables: every number comes from the scores, in the order of the primary metric, with nothing left out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import balanced_accuracy_score

from skineval.base.terms import Unit
from skineval.measure.names import DETAILS
from skineval.measure.ranks import RANK_KEPT
from skineval.report.bench import differences, notes, standings
from skineval.report.bench.leaderboard import Leaderboard, internal
from skineval.report.document import tables
from skineval.report.document.tables import Row, Table
from skineval.values.measures import Score
from skineval.values.result import BenchResult


@pytest.fixture(scope="module")
def board(bench: BenchResult) -> Leaderboard:
    return replace(internal(bench), stamps=("SYNTHETIC",))


@pytest.fixture(scope="module")
def table(board: Leaderboard) -> Table:
    return standings.comparison(board)


def cell(table: Table, row: Row, key: str) -> tables.Cell:
    return row.cells[[column.key for column in table.columns].index(key)]


def without(scores: Iterable[Score], *metrics: str) -> list[Score]:
    return [one for one in scores if one.metric not in metrics]


def test_every_figure_of_the_comparison_is_a_score(board: Leaderboard, table: Table) -> None:
    checked = 0
    for row in table.rows:
        for column, value in zip(table.columns, row.cells, strict=True):
            if isinstance(value, Score):
                metric, class_ = ("recall", "mel") if column.key == "recall_mel" else (column.key, "")
                system = str(row.cells[0]).removesuffix(" (baseline)")
                assert [value] == [
                    one for one in board.scores if (one.system, one.metric, one.class_) == (system, metric, class_)
                ]
                checked += 1
    assert checked == 5 * 6


def test_every_difference_stands_in_the_comparison(board: Leaderboard, table: Table) -> None:
    found = {row.cells[0]: row for row in table.rows}
    for one in board.differences:
        assert cell(table, found[one.b], "behind_best") == one
        assert cell(table, found[one.b], "p_holm") == one.p_holm


def test_systems_are_ranked_failures_follow_and_baselines_come_last(table: Table) -> None:
    assert [row.kind for row in table.rows] == ["best", "plain", "plain", "failed", "failed", "baseline", "baseline"]
    primary = [cell(table, row, "balanced_accuracy") for row in table.rows[:3]]
    values = [one.value for one in primary if isinstance(one, Score)]
    assert values == sorted(values, reverse=True)
    assert "smote:k=3 needs 4 images" in table.rows[3].note


def test_accuracy_never_ranks(board: Leaderboard) -> None:
    scores = [
        replace(one, value=1.0) if (one.imbalance, one.metric) == ("none", "accuracy") else one for one in board.scores
    ]
    assert standings.comparison(replace(board, scores=scores)).rows[2].cells[0] == "resnet34/none"


def test_speed_is_the_median_and_time_the_sum_over_cells(bench: BenchResult, table: Table) -> None:
    cells = bench.cells[(bench.cells["model"] == "densenet121")]
    (row,) = [row for row in table.rows if str(row.cells[0]).startswith("densenet121")]
    assert cell(table, row, "seconds") == cells["seconds"].sum()
    assert cell(table, row, "images_per_second") == cells["images_per_second"].median()


def test_title_and_footnotes_say_what_a_reader_must_know(table: Table) -> None:
    assert table.title == "Comparison [SYNTHETIC: made-up images, the figures mean nothing clinically]"
    notes = " ".join(table.footnotes)
    for words in (
        "95 % interval",
        "lesions, with all of their images, are resampled within their class and fold",
        "2,000 replicates",
        "400 images",
        "359 lesions",
    ):
        assert words in notes
    assert "mean over 2 cells" in notes
    assert "of another method, so that near 0 they may disagree" in notes
    assert "One seed" not in notes


def test_one_seed_is_said_to_be_one(board: Leaderboard) -> None:
    first = replace(board, cells=[one for one in board.cells if one.seed == 0])
    assert "One seed" in " ".join(standings.comparison(first).footnotes)


def test_one_line_says_what_the_test_set_can_resolve(board: Leaderboard) -> None:
    """Intervals of the differences are .06 wide: 1.2 x 2.80 standard errors are .0515."""
    apart = (
        "This test set can tell two such systems apart (power 80 %, p < 0.05, one comparison) if they differ by about "
        "0.051"
    )
    assert f"{apart} in balanced accuracy." in standings.comparison(board).footnotes
    nan, scores = float("nan"), list(board.scores)
    for system, share in zip(board.systems, (0.834, 0.7, nan), strict=True):
        primary = board.figures("balanced_accuracy")[system]
        scores.append(replace(primary, metric=RANK_KEPT, value=share, low=nan, high=nan))
    ranks = "ranks are kept in resamples of it: the first in 83 % and the second in 70 %."
    known = replace(board, scores=scores)
    assert f"{apart} in balanced accuracy; {ranks}" in standings.comparison(known).footnotes
    alone = replace(known, differences=[])
    assert f"{ranks[:1].upper()}{ranks[1:]}" in standings.comparison(alone).footnotes
    assert "A figure without brackets" not in " ".join(standings.comparison(alone).footnotes)
    assert standings.further(known) == standings.further(board)


def test_a_rank_that_is_nearly_always_kept_is_not_said_to_be_always(board: Leaderboard) -> None:
    nan, primary = float("nan"), board.figures("balanced_accuracy")
    scores = [
        replace(primary[system], metric=RANK_KEPT, value=share, low=nan, high=nan)
        for system, share in zip(board.systems, (0.9965, 0.003, 1.0), strict=True)
    ]
    (line,) = notes.of_resolution(replace(board, scores=[*board.scores, *scores], differences=[]))
    assert {"more than 99 %", "less than 1 %", "100 %"} == set(re.findall(r"(?:more than |less than )?\d+ %", line))


def test_too_few_replicates_for_so_many_comparisons_are_told(board: Leaderboard) -> None:
    assert not [line for line in differences.table(board).footnotes if "smallest Holm p" in line]
    few = [line for line in differences.table(replace(board, replicates=30)).footnotes if "smallest Holm p" in line]
    assert few[0].startswith("With 30 replicates the smallest Holm p of 2 comparisons is 0.065: none can be told")


def test_systems_that_score_the_same_are_no_first_and_second(board: Leaderboard) -> None:
    best, other, *_ = board.systems
    value, nan = board.figures("balanced_accuracy")[best].value, float("nan")
    scores = [
        replace(one, value=value) if (one.system, one.metric) == (other, "balanced_accuracy") else one
        for one in board.scores
    ]
    scores += [
        replace(board.figures("balanced_accuracy")[system], metric=RANK_KEPT, value=share, low=nan, high=nan)
        for system, share in zip(board.systems, (0.53, 0.49, 0.9), strict=True)
    ]
    known = replace(board, scores=scores, differences=[])
    first, second, _ = known.ranked
    shared = f"{first}, {second} score the same, and share their ranks"
    assert notes.of_resolution(known) == [f"Ranks are kept in resamples of it: the third in 90 %; {shared}."]


def test_the_noise_of_seeds_stands_beside_each_difference(bench: BenchResult, board: Leaderboard, table: Table) -> None:
    def of_seeds(system: str) -> list[float]:
        tests = [cell.predictions.select("test") for cell in bench.finished if cell.system == system]
        return [balanced_accuracy_score(one.targets, one.probabilities.argmax(axis=1)) for one in tests]

    beside = differences.table(board)
    for one, row in zip(board.differences, beside.rows, strict=True):
        interval = scipy.stats.ttest_ind(of_seeds(one.a), of_seeds(one.b)).confidence_interval()
        found = cell(beside, row, "seed_noise")
        below = isinstance(found, tables.Starred)
        noise = found.value if isinstance(found, tables.Starred) else found
        assert noise == pytest.approx((interval.high - interval.low) / 2)
        assert below == (abs(one.value) <= (interval.high - interval.low) / 2)
        assert found == next(cell(table, line, "seed_noise") for line in table.rows if line.cells[0] == one.b)
    for made in (standings.comparison, differences.table):
        assert "seed_noise" not in [column.key for column in made(replace(board, spreads={})).columns]


def test_nothing_finished_still_gives_a_table(board: Leaderboard) -> None:
    failed = [one for one in board.cells if one.status == "failed"]
    table = standings.comparison(Leaderboard("Internal test", [], cells=failed))
    assert [row.kind for row in table.rows] == ["failed", "failed"]


def test_per_class_table_holds_every_class(board: Leaderboard) -> None:
    table = standings.per_class(board, "resnet34/none", board.shown)
    assert [row.cells[0] for row in table.rows] == list(board.classes)
    for row in table.rows:
        value = cell(table, row, "recall")
        assert isinstance(value, Score)
        assert value in board.scores
        assert (value.system, value.metric, value.class_) == ("resnet34/none", "recall", row.cells[0])
        assert cell(table, row, "n_images") == value.n_images
    assert "mean over 2 cells, those in which it is defined: F1 is the mean of that of cells" in table.footnotes[1]
    alone = [replace(one, n_cells=1) for one in board.scores]
    assert len(standings.per_class(replace(board, scores=alone), "resnet34/none", board.shown).footnotes) == 1


def test_metrics_without_a_place_get_a_table_of_their_own(board: Leaderboard) -> None:
    table = standings.further(board)
    assert table is not None
    shown = [column.key for column in table.columns[1:]]
    assert shown == ["macro_f1", "weighted_f1", "worst_recall", "macro_ap", "malignancy_pauc"]
    assert "results.csv of the bench has more" in table.footnotes[-1]
    assert standings.further(replace(board, scores=without(board.scores, *shown))) is None


def test_details_are_left_to_programs(board: Leaderboard) -> None:
    table, brief = standings.scores(board), without(board.scores, *DETAILS)
    assert len(table.rows) == len(brief) < len(board.scores)
    assert table.footnotes[0] == f"{len(DETAILS)} further metrics are left out. --format csv shows all."
    assert table.whole is not None
    assert len(table.whole.rows) == len(board.scores)
    per_class = standings.per_class(board, "resnet34/none", board.shown)
    assert not {column.key for column in per_class.columns} & DETAILS
    assert standings.scores(replace(board, scores=brief)).whole is None


def test_cells_and_differences_list_every_row(board: Leaderboard) -> None:
    assert len(differences.table(board).rows) == len(board.differences)
    assert [row.note for row in standings.cell_list(board).rows] == [one.reason for one in board.cells]


@pytest.mark.parametrize("unit", ["patient", "lesion", "image"])
def test_every_table_says_what_is_resampled(board: Leaderboard, unit: Unit) -> None:
    board, known = replace(board, unit=unit), unit != "image"
    makers = (
        standings.comparison,
        standings.scores,
        standings.calibration,
        standings.further,
        differences.table,
    )
    doubt = "; which of them show one lesion is not known, so intervals may be too narrow."
    for table in (*(make(board) for make in makers), standings.per_class(board, "resnet34/none", board.shown)):
        assert table is not None
        notes = " ".join(table.footnotes)
        assert (f"{unit}s, with all of their images, are resampled" in notes) == known
        assert ("images are resampled" in notes) == (doubt in notes) == (not known)
        assert (" lesions;" in notes or "lesion randomisation test" in notes) <= (unit == "lesion")
        for row in table.rows:
            if "n_lesions" in [column.key for column in table.columns]:
                assert (cell(table, row, "n_lesions") is None) == (not known)


def test_the_notes_say_of_which_test_the_images_are(board: Leaderboard) -> None:
    notes = " ".join(standings.scores(replace(board, test="Scored")).footnotes)
    assert "Internal test" not in notes
    assert "Scored: 400 images of 359 lesions;" in notes
    assert "Internal test: 400 images of 359 lesions;" in " ".join(standings.calibration(board).footnotes)


def test_undefined_primary_figures_rank_last(board: Leaderboard) -> None:
    scores = [replace(one, value=np.nan) if one.system.startswith("resnet34/focal") else one for one in board.scores]
    assert replace(board, scores=scores).systems[-1] == "resnet34/focal:gamma=1.5"


def test_a_test_without_images_of_a_class_says_that_means_are_of_the_others(board: Leaderboard) -> None:
    gone = board.classes[2]
    nothing = {"value": float("nan"), "low": float("nan"), "high": float("nan"), "n_images": 0}
    scores = [replace(one, **nothing) if (one.metric, one.class_) == ("recall", gone) else one for one in board.scores]
    notes = " ".join(standings.comparison(replace(board, scores=scores)).footnotes)
    assert f"No test image is of {gone}: means over classes are over the others" in notes
    assert "test image of" not in " ".join(standings.comparison(board).footnotes)


def test_a_class_that_some_cells_lack_is_said_to_make_means_of_other_classes(board: Leaderboard) -> None:
    rare = board.classes[2]
    scores = [replace(one, n_cells=1) if (one.metric, one.class_) == ("recall", rare) else one for one in board.scores]
    notes = " ".join(standings.comparison(replace(board, scores=scores)).footnotes)
    assert f"Not every cell has a test image of {rare}: means over classes are over the others there" in notes
