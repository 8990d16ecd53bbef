"""Tables: every number comes from the frames, in the order of the primary metric, with nothing left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skineval.report.bench import rows, standings
from skineval.report.document import tables
from skineval.report.document.tables import Row, Table
from skineval.values.result import BenchResult


@pytest.fixture
def table(bench: BenchResult) -> Table:
    return standings.comparison(bench.results, bench.comparisons, bench.cells, ("SYNTHETIC",), 2000)


def cell(table: Table, row: Row, key: str) -> tables.Cell:
    return row.cells[[column.key for column in table.columns].index(key)]


def found(results: pd.DataFrame, system: str, metric: str, label: str = "") -> pd.Series[float]:
    names = [rows.system_name(model, imbalance) for model, imbalance in results[["model", "imbalance"]].to_numpy()]
    mask = np.array([name == system for name in names]) & (results["metric"] == metric) & (results["class"] == label)
    (row,) = results[mask].to_dict("records")
    return row


def test_every_figure_of_the_comparison_stands_in_results(bench: BenchResult, table: Table) -> None:
    checked = 0
    for row in table.rows:
        for column, value in zip(table.columns, row.cells, strict=True):
            if not isinstance(value, rows.Estimate) or column.key == "behind_best":
                continue
            metric, label = ("recall", "mel") if column.key == "recall_mel" else (column.key, "")
            source = found(bench.results, str(row.cells[0]).removesuffix(" (baseline)"), metric, label)
            assert (value.value, value.low, value.high) == (source["value"], source["low"], source["high"])
            checked += 1
    assert checked == 5 * 6


def test_every_difference_stands_in_comparisons(bench: BenchResult, table: Table) -> None:
    for _, source in bench.comparisons.iterrows():
        (row,) = [row for row in table.rows if row.cells[0] == source["b"]]
        gap = cell(table, row, "behind_best")
        assert isinstance(gap, rows.Estimate)
        assert (gap.value, gap.low, gap.high) == (source["difference"], source["low"], source["high"])
        assert cell(table, row, "p_holm") == source["p_holm"]


def test_systems_are_ranked_failures_follow_and_baselines_come_last(table: Table) -> None:
    assert [row.kind for row in table.rows] == ["best", "plain", "plain", "failed", "failed", "baseline", "baseline"]
    primary = [cell(table, row, "balanced_accuracy") for row in table.rows[:3]]
    values = [one.value for one in primary if isinstance(one, rows.Estimate)]
    assert values == sorted(values, reverse=True)
    assert "smote:k=3 needs 4 images" in table.rows[3].note


def test_accuracy_never_ranks(bench: BenchResult) -> None:
    results = bench.results.copy()
    worst = (results["imbalance"] == "none") & (results["metric"] == "accuracy")
    results.loc[worst, "value"] = 1.0
    table = standings.comparison(results, bench.comparisons, bench.cells)
    assert table.rows[2].cells[0] == "resnet34/none"


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


def test_one_seed_is_said_to_be_one(bench: BenchResult) -> None:
    cells = bench.cells[bench.cells["seed"] == 0]
    assert "One seed" in " ".join(standings.comparison(bench.results, bench.comparisons, cells).footnotes)


def test_a_csv_file_read_back_gives_the_same_table(bench: BenchResult, table: Table, tmp_path: Path) -> None:
    frames = {"results": bench.results, "comparisons": bench.comparisons, "cells": bench.cells}
    for name, frame in frames.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    back = {name: pd.read_csv(tmp_path / f"{name}.csv") for name in frames}
    again = standings.comparison(back["results"], back["comparisons"], back["cells"], ("SYNTHETIC",), 2000)
    assert [tables.texts(row, again.columns) for row in again.rows] == [
        tables.texts(row, table.columns) for row in table.rows
    ]


def test_nothing_finished_still_gives_a_table(bench: BenchResult) -> None:
    failed = bench.cells[bench.cells["status"] == "failed"]
    table = standings.comparison(bench.results.iloc[:0], bench.comparisons.iloc[:0], failed)
    assert [row.kind for row in table.rows] == ["failed", "failed"]


def test_per_class_table_holds_every_class(bench: BenchResult) -> None:
    table = standings.per_class(bench.results, "resnet34/none", bench.classes)
    assert [row.cells[0] for row in table.rows] == list(bench.classes)
    for row in table.rows:
        value = cell(table, row, "recall")
        source = found(bench.results, "resnet34/none", "recall", str(row.cells[0]))
        assert isinstance(value, rows.Estimate)
        assert value.value == source["value"]
        assert cell(table, row, "n_images") == source["n_images"]


def test_metrics_without_a_place_get_a_table_of_their_own(bench: BenchResult) -> None:
    table = standings.further(bench.results)
    assert table is not None
    assert [column.key for column in table.columns] == ["system", "macro_f1", "weighted_f1"]
    known = bench.results[~bench.results["metric"].isin(["weighted_f1", "macro_f1"])]
    assert standings.further(known) is None


def test_scores_list_every_row(bench: BenchResult) -> None:
    assert len(standings.scores(bench.results).rows) == len(bench.results)


def test_cells_and_differences_list_every_row(bench: BenchResult) -> None:
    assert [row.note for row in standings.cell_list(bench.cells).rows if row.unfinished] == [
        *bench.cells[bench.cells["status"] == "failed"]["reason"]
    ]
    assert len(standings.differences(bench.comparisons).rows) == len(bench.comparisons)


@pytest.mark.parametrize("known", [True, False])
def test_every_table_says_what_is_resampled(bench: BenchResult, known: bool) -> None:
    made = [
        standings.comparison(bench.results, bench.comparisons, bench.cells, (), 2000, lesions_known=known),
        standings.scores(bench.results, (), 2000, known),
        standings.calibration(bench.results, (), known),
        standings.further(bench.results, (), known),
        standings.per_class(bench.results, "resnet34/none", bench.classes, (), known),
        standings.differences(bench.comparisons, (), known),
    ]
    doubt = "; which of them show one lesion is not known, so intervals may be too narrow."
    for table in made:
        assert table is not None
        notes = " ".join(table.footnotes)
        assert ("lesions, with all of their images, are resampled" in notes) == known
        assert ("images are resampled" in notes) == (doubt in notes) == (not known)
        assert (" lesions;" in notes or "lesion randomisation test" in notes) <= known
        for row in table.rows:
            if "n_lesions" in [column.key for column in table.columns]:
                assert (cell(table, row, "n_lesions") is None) == (not known)


def test_what_is_scored_is_not_taken_for_an_internal_test(bench: BenchResult) -> None:
    notes = " ".join(standings.scores(bench.results).footnotes)
    assert "Internal test" not in notes
    assert "Scored: 400 images of 359 lesions;" in notes
    assert "Internal test: 400 images of 359 lesions;" in " ".join(standings.calibration(bench.results).footnotes)


def test_undefined_primary_figures_rank_last(bench: BenchResult) -> None:
    first = rows.scores(bench.results)
    undefined = [
        replace(one, estimate=rows.Estimate(float("nan"))) if one.system.startswith("resnet34/focal") else one
        for one in first
    ]
    assert rows.ranking(undefined)[-1] == "resnet34/focal:gamma=1.5"
