"""Which classes are shown where there are many, and what becomes of the others."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from math import nan

import pytest

from skineval.report.document import html
from skineval.report.document.blocks import Report, Section
from skineval.report.document.console import render
from skineval.report.document.excerpt import FREQUENT, MOST, WORST, excerpt, shown_classes
from skineval.report.document.tables import Column, Row, Table

NAMES = [f"class-{k:03d}" for k in range(100)]
COUNTS = {name: 10 * (50 - abs(k - 50)) for k, name in enumerate(NAMES)}  # most in the middle
RECALLS = {name: nan if k == 98 else (0.0 if k in (3, 90) else k / 100) for k, name in enumerate(NAMES)}


def table(names: Sequence[str]) -> Table:
    columns = (Column("class", "Class"), Column("n", "Images", "count"))
    return Table("Classes", columns, tuple(Row((name, COUNTS[name])) for name in names), ("A note.",))


@pytest.mark.parametrize("n", [2, 7, MOST])
def test_all_classes_are_shown_as_they_stand_while_a_reader_can_take_them_in(n: int) -> None:
    counts = dict.fromkeys(NAMES[:n], 3)
    shown = shown_classes(counts, {}, "the lowest recall")
    assert (shown.classes, shown.others, shown.words) == (tuple(NAMES[:n]), (), "")
    assert excerpt(table, shown, "See there.") == table(NAMES[:n])


def test_of_many_the_most_frequent_and_then_the_worst_are_shown() -> None:
    shown = shown_classes(COUNTS, RECALLS, "the lowest recall of cnn/none")
    assert shown.classes[:FREQUENT] == tuple(f"class-{k:03d}" for k in (50, 49, 51, 48, 52, 47))
    # Of two that are never found, the one with more images is worse; of one, nothing is known.
    assert shown.classes[FREQUENT:] == tuple(f"class-{k:03d}" for k in (90, 3, 0, 1, 2))
    assert len(shown.others) == 100 - FREQUENT - WORST
    assert "the 6 with the most images and the 5 others with the lowest recall of cnn/none" in shown.words
    assert "the other 89" in shown.words


def test_a_class_that_is_both_is_shown_once_and_unknown_values_name_no_worst() -> None:
    worst_is_frequent = shown_classes(COUNTS, RECALLS | {"class-050": 0.0}, "the lowest recall")
    assert len(set(worst_is_frequent.classes)) == FREQUENT + WORST
    unknown = shown_classes(COUNTS, dict.fromkeys(NAMES, nan), "the lowest recall")
    assert len(unknown.classes) == FREQUENT
    assert "recall" not in unknown.words


def test_people_see_the_excerpt_and_programs_all() -> None:
    shown = shown_classes(COUNTS, RECALLS, "the lowest recall")
    made = excerpt(table, shown, "results.csv has all.")
    for text in (render(made, "table", width=60), render(made, "markdown")):
        assert all(name in text for name in shown.classes)
        assert not any(name in text for name in shown.others)
        assert "results.csv has all." in " ".join(text.split())
    rows = list(csv.DictReader(io.StringIO(render(made, "csv"))))
    assert [(row["class"], int(row["n"])) for row in rows] == list(COUNTS.items())
    content = json.loads(render(made, "json"))
    assert [row["class"] for row in content["rows"]] == NAMES
    assert content["footnotes"] == ["A note."]


def test_a_page_opens_the_whole_table_on_request() -> None:
    made = excerpt(table, shown_classes(COUNTS, RECALLS, "the lowest recall"), "results.csv has all.")
    page = html.document(Report("Report", (), (Section("Classes", (made,)),)), lambda file: b"")
    before, _, behind = page.partition("<summary>The whole table</summary>")
    assert before.count("<td") == 2 * (FREQUENT + WORST)
    assert behind.count("<td") == 2 * 100
    alone = html.document(Report("Report", (), (Section("Classes", (replace(made, whole=None),)),)), lambda file: b"")
    assert "The whole table" not in alone
