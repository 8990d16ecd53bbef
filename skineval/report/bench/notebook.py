"""A bench as Python shows it: in a few lines, and in a notebook as its main tables."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass, fields

from skineval.base.terms import PRIMARY
from skineval.report.bench.bench import comparisons
from skineval.report.bench.leaderboard import internal
from skineval.report.document import formatting
from skineval.report.document.tables import Cell, Column, Table, format_row, glossary
from skineval.values.measures import Estimate
from skineval.values.result import BenchResult

_PRIORITY = 5  # of the least important columns that are shown


@dataclass(frozen=True, eq=False, repr=False)
class ShownBench(BenchResult):
    """A bench that says in a few lines what it is, and that a notebook shows as its main tables."""

    def __repr__(self) -> str:
        done = f"{len(self.finished)} of {formatting.plural(len(self.cells), 'cell')} done"
        board = internal(self)
        figures = board.figures(PRIMARY)
        first = [
            f"{system} is first, with a balanced accuracy of {formatting.format_estimate(figures[system])}"
            for system in board.ranked[:1]
        ]
        stamps = [formatting.stamp_word(stamp) for stamp in self.warnings]
        return formatting.plain(f"<BenchResult {self.folder}: {'; '.join([done, *first, *stamps])}>")

    def _repr_html_(self) -> str:
        return "".join(map(fragment, comparisons(self)))


def shown(bench: BenchResult) -> ShownBench:
    """The same bench, as Python shows it."""
    return ShownBench(**{field.name: getattr(bench, field.name) for field in fields(bench)})


def fragment(table: Table) -> str:
    """The important columns of a table as HTML for a page that is not ours; whatever names hold is shown literally."""
    return "".join(_pieces(table))


def _pieces(table: Table) -> Iterator[str]:
    places = [place for place, column in enumerate(table.columns) if column.priority <= _PRIORITY]
    columns = [table.columns[place] for place in places]
    heads = "".join(_cell("th", column, _escaped(column.name)) for column in columns)
    yield f"<p><b>{_escaped(table.title)}</b></p><table><thead><tr>{heads}</tr></thead><tbody>"
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
