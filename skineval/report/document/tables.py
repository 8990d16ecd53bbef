"""Tables as frozen values; how they look is the business of whoever shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal, TypeAlias, TypeVar

from skineval.base.terms import Value
from skineval.catalog.shelf import written
from skineval.report.document import formatting
from skineval.values.measures import Estimate

T = TypeVar("T")

#: What is listed in one cell: values, or settings, each with a value or with several of which the first holds.
Listing: TypeAlias = "tuple[Value, ...] | Mapping[str, Value | tuple[Value, ...]]"
Cell: TypeAlias = "str | int | float | Estimate | Starred | Listing | None"
Kind: TypeAlias = Literal["text", "score", "p", "count", "percent", "seconds", "rate"]


@dataclass(frozen=True)
class Starred:
    """A figure with an asterisk, which the table has to explain; programs see the figure alone."""

    value: float


@dataclass(frozen=True)
class Column:
    """One column: `kind` says how its cells are written, `priority` how soon it goes when there is no room."""

    key: str  #: its name for programs
    name: str  #: its name for readers
    kind: Kind = "text"
    note: str = ""
    priority: int = 0  #: 0 stays; of the others, the largest goes first
    beside: str = ""  #: the key of the column whose figures have its own in brackets behind them where room is short
    whole: bool = False  #: its words, such as ids and paths, are not broken while any other column can give way

    @property
    def align(self) -> Literal["left", "right"]:
        """Words to the left, figures to the right."""
        return "left" if self.kind == "text" else "right"


@dataclass(frozen=True)
class Row:
    """One row. `kind` is "plain", "best", "unranked", "baseline", or the status of a cell that did not finish."""

    cells: tuple[Cell, ...]
    kind: str = "plain"
    note: str = ""  #: why the row holds no figures, or none that rank

    @property
    def unfinished(self) -> bool:
        """Whether the row stands for a cell that did not finish."""
        return self.kind not in ("plain", "best", "unranked", "baseline")


@dataclass(frozen=True)
class Table:
    """What is shown as a table, on the console and in the reports alike."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...] = ()
    whole: Table | None = None  #: what it is an excerpt of: for programs, and for readers on request


#: A column, and what of an item it shows where that is not the field of its key.
Shows: TypeAlias = "Column | tuple[Column, Callable[[T], Cell]]"


def tabulate(
    title: str,
    items: Iterable[T],
    columns: Sequence[Shows[T]],
    footnotes: Iterable[str] = (),
    *,
    stamps: Iterable[str] = (),
    mark: Callable[[T], tuple[str, str]] = lambda _: ("plain", ""),
) -> Table:
    """A table of one row an item, of which `mark` gives kind and note; `stamps` stand behind the title.

    A column shows the field of an item that its key names, or what the function beside it makes of the item.
    """
    shown = [one if isinstance(one, tuple) else (one, attrgetter(one.key)) for one in columns]
    rows = tuple(Row(tuple(cell(item) for _, cell in shown), *mark(item)) for item in items)
    heads = tuple(column for column, _ in shown)
    return Table(formatting.stamped(title, stamps), heads, rows, tuple(footnotes))


def tabulate_facts(
    title: str, facts: Iterable[tuple[str, Cell]], footnotes: Iterable[str] = (), stamps: Iterable[str] = ()
) -> Table:
    """A table of names with their values."""
    columns = (Column("what", "What"), Column("value", "Value"))
    return Table(formatting.stamped(title, stamps), columns, tuple(map(Row, facts)), tuple(footnotes))


def format_cell(cell: Cell, kind: Kind) -> str:
    """A cell as its reader sees it: the only place where what a table holds becomes text."""
    if cell is None:
        return formatting.MISSING
    if isinstance(cell, Estimate):
        return formatting.format_estimate(cell)
    if isinstance(cell, Starred):
        return f"{format_cell(cell.value, kind)}*"
    if isinstance(cell, str):
        return formatting.plain(cell)
    if isinstance(cell, tuple):
        return formatting.plain(" ".join(map(written, cell)))
    if isinstance(cell, Mapping):
        values = {key: value if isinstance(value, tuple) else (value,) for key, value in cell.items()}
        return formatting.plain(" ".join(f"{key}={'|'.join(map(written, several))}" for key, several in values.items()))
    return _WRITERS[kind](cell)


def format_row(row: Row, columns: Sequence[Column]) -> list[str]:
    """A whole row as its reader sees it; one that stands for an unfinished cell has its status in the first gap."""
    line = [format_cell(cell, column.kind) for cell, column in zip(row.cells, columns, strict=True)]
    if row.unfinished and None in row.cells:
        line[row.cells.index(None)] = formatting.plain(row.kind)
    return line


def glossary(columns: Iterable[Column]) -> tuple[str, ...]:
    """One footnote that says what these columns hold."""
    notes = [f"{column.name}: {column.note}" for column in columns if column.note]
    return (f"{'; '.join(notes)}.",) if notes else ()


_WRITERS: Mapping[Kind, Callable[[float], str]] = {
    "text": lambda value: formatting.count(value) if type(value) is int else written(value),
    "score": formatting.decimal,
    "p": formatting.p_value,
    "count": formatting.count,
    "percent": lambda share: formatting.percent(share, 2),
    "seconds": formatting.duration,
    "rate": formatting.count,
}
