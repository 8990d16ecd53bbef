"""Tables on a terminal and on standard output; whatever a name holds, it prints literally."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import rich.box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from skineval.errors import UsageError
from skineval.report import text
from skineval.report.markdown import table_lines
from skineval.report.rows import Estimate
from skineval.report.tables import Cell, Column, Row, Shared, Table, glossary, texts

Format: TypeAlias = Literal["table", "json", "csv", "markdown"]

_STYLES: Mapping[str, str] = {"plain": "", "best": "bold", "unranked": "dim", "baseline": "dim"}
_UNFINISHED = "red"
_GAP = 2  # blanks between columns, one of which is the rule that is not drawn
_MARGIN = 1
_WORDS = 30  # of room that a column of words is granted before others are dropped for it
# For terminals that cannot show the real ones.
_ASCII = str.maketrans({"−": "-", "–": "-", "∞": "inf", "…": "...", "×": "x"})


def render(table: Table, format: Format = "table", *, width: int = 100) -> str:
    """The table as text: for readers within `width` columns without colours, or for programs."""
    if format == "json":
        return as_json(table)
    if format == "csv":
        return as_csv(table)
    if format == "markdown":
        return "\n".join(table_lines(table)) + "\n"
    if format == "table":
        console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False)
        with console.capture() as captured:
            show(table, console)
        return captured.get()
    raise UsageError(f"There is no format {format!r}.", f"Formats are {', '.join(get_args(Format))}.")


def show(table: Table, console: Console) -> None:
    """Print the table; columns that do not fit are named below it, the least important ones first to go."""
    lines = [texts(row, table.columns) for row in table.rows]
    places, broken = _fitting(table, lines, console.width - 2 * _MARGIN), False
    if len(places) < len(table.columns):
        more = _fitting(table, [[_broken(line[0]), *line[1:]] for line in lines], console.width - 2 * _MARGIN)
        broken = len(more) > len(places)
        places = more if broken else places
    grid = Grid(box=rich.box.SIMPLE_HEAD, pad_edge=False, padding=(0, _GAP - 1, 0, 0), show_edge=False)
    for place in places:
        column = table.columns[place]
        grid.add_column(
            _text(column.name, console), justify=column.align, no_wrap=column.kind != "text", overflow="fold"
        )
    for row, line in zip(table.rows, lines, strict=True):
        cells = [_text(line[place], console) for place in places]
        if broken:  # the name of the row stands first
            cells[0] = Text("\n").join(_text(part, console) for part in _broken(line[0]).split("\n"))
        grid.add_row(*cells, style=_STYLES.get(row.kind, _UNFINISHED))
    hidden = [column.name for place, column in enumerate(table.columns) if place not in places]

    def block(line: str, style: str) -> None:
        console.print(Padding(_text(line, console, style), (0, _MARGIN), expand=False))

    block(table.title, "bold")
    console.print()
    console.print(Padding(grid, (0, _MARGIN), expand=False))
    console.print()
    for row, line in zip(table.rows, lines, strict=True):
        if row.note:
            block(f"{line[0]}: {row.note}", _UNFINISHED)
    if hidden:
        block(f"No room here for {text.listed(hidden)}.", "dim")
    for note in (*table.footnotes, *glossary(table.columns[place] for place in places)):
        block(note, "dim")


def _fitting(table: Table, lines: Sequence[Sequence[str]], width: int) -> list[int]:
    """The places of the columns that fit into `width`: the least important go first, those of priority 0 stay."""
    columns = table.columns
    # The names of unfinished cells are long and may be folded.
    rows = [line for row, line in zip(table.rows, lines, strict=True) if not row.unfinished]
    widths = [max(map(_width, words)) for words in zip((column.name for column in columns), *rows, strict=True)]
    for place, column in enumerate(columns):
        if column.kind == "text":  # may be folded
            widths[place] = min(widths[place], _WORDS if place else width // 2)
    places = list(range(len(columns)))
    while sum(widths[place] + _GAP for place in places) - _GAP > width:
        least = max(places, key=lambda place: (columns[place].priority, place))
        if not columns[least].priority:
            break
        places.remove(least)
    return places


def _broken(name: str) -> str:
    """A long name on lines of at most `_WORDS`, as far as it can be broken after a comma or a slash."""
    lines = [""]
    for part in re.split("(?<=[,/])", name):
        if lines[-1] and cell_len(lines[-1] + part) > _WORDS:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _width(words: str) -> int:
    return max(map(cell_len, words.split("\n")))


def as_json(table: Table) -> str:
    """Title, rows by column key, footnotes; a figure with an interval is an object, an undefined one null."""
    content = {
        "title": text.plain(table.title),
        "columns": {column.key: text.plain(column.name) for column in table.columns},
        "rows": [_fields(row, table.columns) for row in table.rows],
        "footnotes": [text.plain(note) for note in table.footnotes],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(table: Table) -> str:
    """One line a row, an interval in columns of its own; no cell is a formula to a spreadsheet."""
    intervals = {
        column.key
        for place, column in enumerate(table.columns)
        if any(isinstance(row.cells[place], Estimate) for row in table.rows)
    }
    heads = [
        name
        for column in table.columns
        for name in ([column.key, *(f"{column.key}_{end}" for end in ("low", "high") if column.key in intervals)])
    ]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    marked = any(row.kind != "plain" or row.note for row in table.rows)
    writer.writerow([*map(text.spreadsheet, heads), *(["kind", "note"] if marked else [])])
    for row in table.rows:
        line = [
            value
            for column, cell in zip(table.columns, row.cells, strict=True)
            for value in _csv_cells(cell, column.key in intervals)
        ]
        marks = [text.spreadsheet(row.kind), text.spreadsheet(row.note)] if marked else []
        writer.writerow([*line, *marks])
    return buffer.getvalue()


def _csv_cells(cell: Cell, interval: bool) -> list[object]:
    if isinstance(cell, Estimate):
        return [_number(cell.value), _number(cell.low), _number(cell.high)]
    value = text.spreadsheet(cell) if isinstance(cell, str) else _number(cell)
    return [value, None, None] if interval else [value]


def _fields(row: Row, columns: Sequence[Column]) -> dict[str, Any]:
    fields = {column.key: _json(cell) for column, cell in zip(columns, row.cells, strict=True)}
    marks = {"kind": text.plain(row.kind), "note": text.plain(row.note)}
    return fields | {key: mark for key, mark in marks.items() if mark not in ("", "plain")}


def _json(cell: Cell) -> object:
    if isinstance(cell, Estimate):
        return {"value": _number(cell.value), "low": _number(cell.low), "high": _number(cell.high)}
    return text.plain(cell) if isinstance(cell, str) else _number(cell)


def _number(cell: float | Shared | None) -> float | None:
    value = cell.value if isinstance(cell, Shared) else cell
    return None if value is None or not math.isfinite(value) else value


def _text(value: str, console: Console, style: str = "") -> Text:
    # Text, not str: rich reads markup, links and emoji codes out of str.
    clean = text.plain(value)
    try:
        clean.encode(console.encoding)
    except UnicodeEncodeError:
        clean = clean.translate(_ASCII).encode(console.encoding, "replace").decode(console.encoding)
    return Text(clean, style)
