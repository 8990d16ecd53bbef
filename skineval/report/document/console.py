"""Tables on a terminal and on standard output; whatever a name holds, it prints literally."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import rich.box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from skineval.base.errors import UsageError
from skineval.report.document import formatting, latex
from skineval.report.document.layout import GAP, Layout, fitted, refitted
from skineval.report.document.markdown import table_lines
from skineval.report.document.tables import Cell, Column, Row, Starred, Table, format_cell, glossary
from skineval.values.measures import Estimate

Format: TypeAlias = Literal["table", "json", "csv", "markdown", "latex"]

_STYLES: Mapping[str, str] = {"plain": "", "best": "bold", "unranked": "dim", "baseline": "dim"}
_UNFINISHED = "red"
_MARGIN = 1
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
    if format == "latex":
        return "\n".join(latex.table_lines(table)) + "\n"
    if format == "table":
        console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False)
        with console.capture() as captured:
            show(table, console)
        return captured.get()
    raise UsageError(f"There is no format {format!r}.", f"Formats are {', '.join(get_args(Format))}.")


def show(table: Table, console: Console) -> None:
    """Print the table, folded where it is wider than the terminal; columns for which there is no room are named.

    Of one without rows there are its title and its footnotes.
    """
    growing = Growing(console)
    growing.add(table)
    growing.end(table)


class Growing:
    """A table whose rows are printed as they come, in columns as wide as the first of them want.

    Whatever is added has the same title, columns and footnotes.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._layout: Layout | None = None

    def add(self, table: Table) -> None:
        """Print more rows, the first ones below the title."""
        first = self._layout is None
        if self._layout is None:
            self._layout = fitted(table, self._console.width - 2 * _MARGIN)
            self._block(table.title, "bold")
        else:
            self._layout = refitted(self._layout, table)
        if not table.rows:
            return
        if first:
            self._console.print()
        self._console.print(Padding(self._grid(self._layout, table.rows, heads=first), (0, _MARGIN), expand=False))

    def end(self, table: Table) -> None:
        """Print what stands below the rows; of those with notes, the last ones."""
        assert self._layout is not None
        if table.rows:
            self._console.print()
        for row in table.rows:
            if row.note:
                self._block(f"{format_cell(row.cells[0], table.columns[0].kind)}: {row.note}", _UNFINISHED)
        if table.rows and self._layout.hidden:
            names = formatting.listed(column.name for column in self._layout.hidden)
            self._block(f"No room here for {names}: other formats (--format) have all columns.", "dim")
        shown = [column for column in table.columns if table.rows and column not in self._layout.hidden]
        for note in (*table.footnotes, *glossary(shown)):
            self._block(note, "dim")

    def _grid(self, layout: Layout, rows: Sequence[Row], *, heads: bool) -> Grid:
        grid = Grid(
            box=rich.box.SIMPLE_HEAD, pad_edge=False, padding=(0, GAP - 1, 0, 0), show_edge=False, show_header=heads
        )
        for strip in layout.strips:
            head = _lines(strip.head, self._console)
            grid.add_column(head, justify=strip.column.align, width=strip.width, no_wrap=True, overflow="crop")
        for place, row in enumerate(rows):
            # An interval steps back from the value that it stands under.
            cells = (
                _lines(strip.cells[place], self._console, "dim" if strip.column.kind == "score" else "")
                for strip in layout.strips
            )
            grid.add_row(*cells, style=_STYLES.get(row.kind, _UNFINISHED))
        return grid

    def _block(self, line: str, style: str) -> None:
        self._console.print(Padding(_text(line, self._console, style), (0, _MARGIN), expand=False))


def _lines(cell: str, console: Console, under: str = "") -> Text:
    """A cell that was cleaned before it was folded; all lines but the first in the style `under`."""
    first, *rest = _encodable(cell, console).split("\n")
    return Text("\n").join([Text(first), *(Text(line, under) for line in rest)])


def as_json(table: Table) -> str:
    """Title, rows by column key, footnotes; a figure with an interval is an object, an undefined one null.

    Numbers are numbers, also where a person reads them with a unit or with their thousands set apart. All of a table,
    also where a person reads an excerpt.
    """
    table = table.whole or table
    content = {
        "title": formatting.plain(table.title),
        "columns": {column.key: formatting.plain(column.name) for column in table.columns},
        "rows": [_fields(row, table.columns) for row in table.rows],
        "footnotes": [formatting.plain(note) for note in table.footnotes],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(table: Table) -> str:
    """One line a row, an interval in columns of its own; no cell is a formula to a spreadsheet. All of a table."""
    table = table.whole or table
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
    writer.writerow([*map(formatting.spreadsheet, heads), *(["kind", "note"] if marked else [])])
    for row in table.rows:
        line = [
            value
            for column, cell in zip(table.columns, row.cells, strict=True)
            for value in _csv_cells(cell, column.key in intervals)
        ]
        marks = [formatting.spreadsheet(row.kind), formatting.spreadsheet(row.note)] if marked else []
        writer.writerow([*line, *marks])
    return buffer.getvalue()


def _csv_cells(cell: Cell, interval: bool) -> list[object]:
    if isinstance(cell, Estimate):
        return [_number(cell.value), _number(cell.low), _number(cell.high)]
    words = isinstance(cell, str | tuple | Mapping)
    value = formatting.spreadsheet(format_cell(cell, "text")) if words else _json(cell)
    return [value, None, None] if interval else [value]


def _fields(row: Row, columns: Sequence[Column]) -> dict[str, Any]:
    fields = {column.key: _json(cell) for column, cell in zip(columns, row.cells, strict=True)}
    marks = {"kind": formatting.plain(row.kind), "note": formatting.plain(row.note)}
    return fields | {key: mark for key, mark in marks.items() if mark not in ("", "plain")}


def _json(cell: Cell) -> object:
    if isinstance(cell, Estimate):
        return {"value": _number(cell.value), "low": _number(cell.low), "high": _number(cell.high)}
    if isinstance(cell, Starred):
        return _number(cell.value)
    if isinstance(cell, tuple):
        return [_json(one) for one in cell]
    if isinstance(cell, Mapping):
        return {formatting.plain(key): _json(value) for key, value in cell.items()}
    return formatting.plain(cell) if isinstance(cell, str) else _number(cell)


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _text(value: str, console: Console, style: str = "") -> Text:
    # Text, not str: rich reads markup, links and emoji codes out of str.
    return Text(_encodable(formatting.plain(value), console), style)


def _encodable(clean: str, console: Console) -> str:
    try:
        clean.encode(console.encoding)
    except UnicodeEncodeError:
        return clean.translate(_ASCII).encode(console.encoding, "replace").decode(console.encoding)
    return clean
