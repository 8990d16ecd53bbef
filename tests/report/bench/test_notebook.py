"""A bench in a notebook: its main tables, literally, and no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from skineval.report.bench.bench import comparisons
from skineval.report.bench.notebook import ShownBench
from skineval.report.document.notebook import shown
from skineval.values.result import BenchResult
from tests.report.bench.test_bench import HOSTILE, Page


def test_a_notebook_shows_the_comparison(bench: BenchResult) -> None:
    page = Page(shown(ShownBench, replace(bench, warnings=("LEAKY",)))._repr_html_())
    words = " ".join(page.words)
    (table,) = comparisons(bench)
    for row in table.rows:
        assert str(row.cells[0]) in words
    assert "0.662 [0.609, 0.715]" in words
    assert "Macro AUC" in words
    assert "Images/s" not in words
    assert "smote:k=3 needs 4 images" in words
    assert "LEAKY: siblings or copies of test images" in words
    assert [tag for tag, _ in page.tags].count("tr") == 1 + len(table.rows)


def test_names_are_text_to_a_notebook_and_to_a_terminal(make_bench: Callable[..., BenchResult], tmp_path: Path) -> None:
    named = make_bench(tmp_path, systems=((HOSTILE, "none", 1.5),), failed=(HOSTILE,) * 3, seeds=(0,))
    hostile = shown(ShownBench, named)
    page = Page(hostile._repr_html_())
    assert {tag for tag, _ in page.tags} <= {"p", "b", "table", "thead", "tbody", "tr", "th", "td", "small", "br"}
    assert "<img src=x onerror=alert(1)>" in " ".join(page.words)
    assert "\x1b" not in repr(hostile)


def test_a_bench_of_which_nothing_finished_is_shown(make_bench: Callable[..., BenchResult], tmp_path: Path) -> None:
    none = shown(ShownBench, make_bench(tmp_path, systems=()))
    assert repr(none) == f"<BenchResult {tmp_path}: 0 of 2 cells done>"
    assert "failed" in none._repr_html_()
