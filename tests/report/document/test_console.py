"""The console: literal names, columns that give way in order, and formats that programs read."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from skineval.base.errors import UsageError
from skineval.report.bench import standings
from skineval.report.bench.leaderboard import internal
from skineval.report.document import html
from skineval.report.document.blocks import Report, Section
from skineval.report.document.console import Growing, render, show
from skineval.report.document.tables import Column, Row, Table
from skineval.values.measures import Estimate
from skineval.values.result import BenchResult

PAYLOADS = ("ISIC_[/]", "[link=http://evil]x[/link]", "[red]x", ":skull:", "=cmd()|'/C calc'!A0", "a|b`c`", "\x1b[35mx")


@pytest.fixture
def table(bench: BenchResult) -> Table:
    return standings.comparison(internal(bench))


def hostile() -> Table:
    columns = (Column("name", "[bold]Name[/]"), Column("value", "Value", "score"))
    found = tuple(Row((name, Estimate(0.5, 0.4, 0.6)), note=name) for name in PAYLOADS)
    return Table("[/] \x1b[2Jtitle", columns, found, ("[note]",))


def test_whatever_a_name_holds_is_printed_literally() -> None:
    stream = io.StringIO()
    show(hostile(), Console(file=stream, width=100, force_terminal=True, color_system="truecolor"))
    printed = stream.getvalue()
    for literal in (
        "ISIC_[/]",
        "[link=http://evil]x[/link]",
        "[red]x",
        ":skull:",
        "[bold]Name[/]",
        "[/] title",
        "[note]",
    ):
        assert literal in printed
    assert "\x1b]8" not in printed
    assert "\x1b[35m" not in printed
    assert "\x1b[2J" not in printed


@pytest.mark.parametrize("width", [40, 60, 80, 160, 300])
def test_no_line_is_wider_than_the_terminal(table: Table, width: int) -> None:
    lines = render(table, width=width).splitlines()
    assert max(map(len, lines)) <= width


def test_columns_without_room_are_named(table: Table) -> None:
    wide, narrow = (render(table, width=width) for width in (400, 60))
    assert "No room" not in wide
    assert "0.662 [0.609, 0.715]" in wide
    assert "Images/s and Time: other formats (--format) have all columns" in " ".join(narrow.split())
    assert "Images/s: while training" in wide
    assert "while training" not in narrow
    for shown in (wide, narrow):
        assert "[0.609, 0.715]" in shown
        assert "failed" in shown


@pytest.mark.parametrize("format", ["table", "markdown"])
def test_people_see_no_head_above_no_rows(format: Literal["table", "markdown"]) -> None:
    empty = Table("Nothing was found", (Column("a", "Head", note="meaning"),), (), ("foot",))
    assert "".join(render(empty, format).split()) in ("Nothingwasfoundfoot", "**Nothingwasfound**<sub>foot</sub>")
    page = html.document(Report("t", (), (Section("s", (empty,)),)), lambda _: b"")
    assert "<table" not in page
    assert render(empty, "csv") == "a\n"
    assert json.loads(render(empty, "json"))["rows"] == []


def test_no_color_is_honoured(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    show(table, Console(file=stream, width=100, force_terminal=True))
    assert "\x1b[31m" not in stream.getvalue()


def test_a_terminal_that_knows_only_ascii_gets_only_ascii() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    table = Table("−1 – Käse", (Column("a", "A − B", "score"),), (Row((Estimate(-0.5, -0.6, -0.4),)),))
    show(table, Console(file=stream, width=80))
    stream.flush()
    assert b"-0.500 [-0.600, -0.400]" in stream.buffer.getvalue()  # type: ignore[attr-defined]


def test_csv_holds_every_number_in_full_and_no_formula(table: Table, bench: BenchResult) -> None:
    lines = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    best = bench.results[(bench.results["metric"] == "balanced_accuracy")]["value"].max()
    assert float(lines[0]["balanced_accuracy"]) == best
    assert lines[3]["kind"] == "failed"
    assert lines[3]["balanced_accuracy"] == ""
    for line in csv.reader(io.StringIO(render(hostile(), "csv"))):
        assert not any(value.startswith(("=", "+", "-", "@")) for value in line)


def test_json_holds_intervals_as_objects_and_no_nan(table: Table) -> None:
    content = json.loads(render(table, "json"))
    first = content["rows"][0]
    assert set(first["balanced_accuracy"]) == {"value", "low", "high"}
    assert first["behind_best"] is None
    assert content["rows"][-1]["kind"] == "baseline"
    undefined = Table("t", (Column("a", "A", "score"),), (Row((float("nan"),)),))
    assert json.loads(render(undefined, "json"))["rows"] == [{"a": None}]


def test_numbers_are_numbers_to_programs_and_words_to_people() -> None:
    facts = {"images": 10_015, "rate": 0.5, "on": True, "all": (1, "a"), "k": {"width": 32, "head": ("a", "b|c")}}
    columns = (Column("what", "What"), Column("value", "Value"))
    table = Table("t", columns, tuple(map(Row, facts.items())))
    read = {row["what"]: row["value"] for row in json.loads(render(table, "json"))["rows"]}
    assert read == facts | {"all": [1, "a"], "k": {"width": 32, "head": ["a", "b|c"]}}
    assert list(csv.reader(io.StringIO(render(table, "csv"))))[1:] == [
        ["images", "10015"], ["rate", "0.5"], ["on", "True"], ["all", "1 a"], ["k", "width=32 head=a|b|c"]
    ]  # fmt: skip
    words = " ".join(render(table).split())
    assert "images 10,015 rate 0.5 on true all 1 a k width=32 head=a|b|c" in words
    assert r"head=a\|b\|c" in render(table, "markdown")


def test_markdown_rows_keep_their_columns() -> None:
    lines = [line for line in render(hostile(), "markdown").splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(PAYLOADS)
    for line in lines:
        assert line.replace(r"\|", "").count("|") == 4


def test_an_unknown_format_is_a_usage_error(table: Table) -> None:
    with pytest.raises(UsageError, match="xml"):
        render(table, "xml")  # type: ignore[arg-type]


NAMES = ("a", "resnet18,cnn,densenet121,vit", "one two three four five six seven eight nine ten eleven", "")


@given(st.lists(st.sampled_from(NAMES), max_size=6), st.integers(0, 6), st.integers(30, 90))
def test_a_table_that_grows_is_the_table_that_is_known_from_the_start(names: list[str], first: int, width: int) -> None:
    """As long as the first rows hold the widest cell."""
    columns = (Column("name", "Name"), Column("value", "Value", "score"), Column("n", "Images", "count", priority=1))
    rows = tuple(Row((name, 0.5, place)) for place, name in enumerate([*NAMES, *names]))
    whole = Table("title", columns, rows, ("note",))
    stream = io.StringIO()
    growing = Growing(Console(file=stream, width=width))
    for some in (rows[: len(NAMES) + first], rows[len(NAMES) + first :]):
        growing.add(replace(whole, rows=some))
    growing.end(whole)
    assert stream.getvalue() == render(whole, width=width)


def test_names_that_come_later_are_folded_into_the_width_of_the_first() -> None:
    stream = io.StringIO()
    growing = Growing(Console(file=stream, width=80))
    for name in ("short.jpg", "a much longer name.jpg"):
        table = Table("title", (Column("name", "Name"), Column("value", "Value", "score")), (Row((name, 0.5)),))
        growing.add(table)
    lines = [line for line in stream.getvalue().splitlines() if "0.500" in line]
    assert len({line.index("0.500") for line in lines}) == 1
    assert "".join("".join(line.split()) for line in stream.getvalue().splitlines()[5:]).startswith("amuch0.500longer")
