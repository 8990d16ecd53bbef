"""Tables as a notebook shows them, and values that it shows as tables."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

from skineval.report.document import formatting
from skineval.report.document.tables import Cell, Column, Table, format_row, glossary
from skineval.values.measures import Estimate

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)

_PRIORITY = 5  # of the least important columns that are shown


def shown(kind: type[T], result: T) -> T:
    """The same result as a `kind` of it, which a notebook shows as its tables."""
    return kind(**{field.name: getattr(result, field.name) for field in fields(result)})


def fragments(tables: Iterable[Table]) -> str:
    """The important columns of tables as HTML for a page that is not ours; whatever names hold is shown literally."""
    return "".join(piece for table in tables for piece in _pieces(table))


def _pieces(table: Table) -> Iterator[str]:
    yield f"<p><b>{_escaped(table.title)}</b></p>"
    places = [place for place, column in enumerate(table.columns) if column.priority <= _PRIORITY and table.rows]
    columns = [table.columns[place] for place in places]
    if table.rows:
        heads = "".join(_cell("th", column, _escaped(column.name)) for column in columns)
        yield f"<table><thead><tr>{heads}</tr></thead><tbody>"
        for row in table.rows:
            words = format_row(row, table.columns)
            figures = [_figure(row.cells[place], words[place], row.kind == "best") for place in places]
            cells = "".join(_cell("td", column, figure) for column, figure in zip(columns, figures, strict=True))
            yield f"<tr>{cells}</tr>"
        yield "</tbody></table>"
    reasons = [f"{row.cells[0]}: {row.note}" for row in table.rows if row.note]
    for note in (*reasons, *table.footnotes, *glossary(columns)):
        yield f"<p><small>{_escaped(note)}</small></p>"


def _cell(tag: str, column: Column, content: str) -> str:
    return f'<{tag} style="text-align: {column.align}">{content}</{tag}>'


def _figure(cell: Cell, word: str, best: bool) -> str:
    """What a cell says, an interval under its value."""
    value, bracket, interval = word.partition(" [") if isinstance(cell, Estimate) else (word, "", "")
    under = f"<br><small>[{_escaped(interval)}</small>" if bracket else ""
    return (f"<b>{_escaped(value)}</b>" if best else _escaped(value)) + under


def _escaped(words: str) -> str:
    return html.escape(formatting.plain(words))
