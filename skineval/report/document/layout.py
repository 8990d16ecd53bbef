"""How a table fits into so many columns of text: what is folded onto further lines, and what has no room at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from rich.cells import cell_len, chop_cells

from skineval.report.document import formatting
from skineval.report.document.tables import Column, Table, format_row

Cells: TypeAlias = tuple[str, ...]

GAP = 2  #: blanks between columns
_HYPHEN = re.compile(r"(?<=[-.])(?=\w)")
_HEAD = re.compile(r"[ ]|(?<=[-_.+])(?=[^\W\d])")
_WORDS = 30  # of room that a column of words is granted before others are dropped for it
_NAME = 12  # the same for the first column, whose names may be broken
_INDENT = "  "  # before all but the first line of a name, so that rows can be told apart


@dataclass(frozen=True)
class Strip:
    """One column as it is printed; a cell has several lines where it was folded, none wider than `width`."""

    column: Column
    width: int
    head: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """A table within a width."""

    strips: tuple[Strip, ...]
    hidden: tuple[Column, ...]  #: those for which there is no room


@dataclass(frozen=True)
class _Draft:
    """A column before its width is known.

    `natural` is the width that it would like, `least` what it can do with, and `word` that of its longest word.
    """

    column: Column
    first: bool
    cells: tuple[str, ...]
    natural: int
    least: int
    word: int

    def strip(self, width: int) -> Strip:
        indent = _INDENT if self.first and not self.column.whole else ""
        cells = (wrapped(cell, width, indent) for cell in self.cells) if self.column.kind == "text" else self.cells
        return Strip(self.column, width, wrapped(self.column.name, width), tuple(cells))


def fitted(table: Table, width: int) -> Layout:
    """The table within `width` columns of text.

    Where it does not fit as it is, names and heads are broken, and an interval stands under its value. Where that is
    not enough, the least important columns go, those of priority 0 never. Words of columns that are `whole` are broken
    last of all.
    """
    drafts = _drafts(table, width, folded=False)
    if _needed(drafts) > width:
        drafts = _drafts(table, width, folded=True)
    while _needed(drafts) > width and (spare := [one for one in drafts if one.column.priority]):
        drafts.remove(max(reversed(spare), key=lambda one: one.column.priority))
    shown = {one.column.key for one in drafts}
    hidden = (column for column in table.columns if not shown & {column.key, column.beside})
    strips = (one.strip(n) for one, n in zip(drafts, _widths(drafts, width), strict=True))
    return Layout(tuple(strips), tuple(hidden))


def refitted(layout: Layout, table: Table) -> Layout:
    """Other rows of the table that has this layout, in columns as wide; none of them stands beside another one."""
    shown = {column.key: place for place, column in enumerate(table.columns)}
    lines = [format_row(row, table.columns) for row in table.rows]

    def cells(strip: Strip) -> tuple[str, ...]:
        mine = tuple(line[shown[strip.column.key]] for line in lines)
        draft = _Draft(strip.column, shown[strip.column.key] == 0, mine, strip.width, strip.width, strip.width)
        return draft.strip(strip.width).cells

    return replace(layout, strips=tuple(replace(strip, cells=cells(strip)) for strip in layout.strips))


def wrapped(words: str, width: int, indent: str = "") -> str:
    """`words` on lines of at most `width`, all but the first after `indent`; a word is broken where it is too long."""
    lines = [""]
    for word in words.split(" "):
        glue = " " if lines[-1] else ""
        for piece in [word] if cell_len(word) <= width - len(indent) else _pieces(word, width - len(indent)):
            if lines[-1].strip() and cell_len(lines[-1] + glue + piece) > width:
                lines.append(indent)
                glue = ""
            lines[-1] += glue + piece
            glue = ""
    return "\n".join(lines)


def _pieces(word: str, width: int) -> list[str]:
    """The parts of a word; those that are too wide are broken behind hyphens, and after that anywhere."""
    parts = formatting.JOINT.split(word)
    smaller = (piece for part in parts for piece in ([part] if cell_len(part) <= width else _HYPHEN.split(part)))
    return [piece for part in smaller for piece in chop_cells(part, max(width, 1))]


def _drafts(table: Table, width: int, *, folded: bool) -> list[_Draft]:
    lines = [format_row(row, table.columns) for row in table.rows]
    cells = {column.key: tuple(line[place] for line in lines) for place, column in enumerate(table.columns)}
    columns = [replace(column, name=formatting.plain(column.name)) for column in table.columns]
    if folded:
        for column in columns:
            if column.kind == "score":
                cells[column.key] = tuple(cell.replace(" [", "\n[") for cell in cells[column.key])
        columns, cells = _merged(columns, cells)
    # What did not finish has a long name, for which no column need be wide.
    finished = [place for place, row in enumerate(table.rows) if not row.unfinished] or range(len(lines))

    def draft(column: Column, first: bool) -> _Draft:
        mine = cells[column.key]
        head = _longest(_HEAD.split(column.name)) if folded else cell_len(column.name)
        if column.kind != "text":
            natural = least = word = max(head, _longest(line for cell in mine for line in cell.split("\n")))
        else:
            word = max(head, _longest(word for cell in mine for word in cell.split(" ")))
            natural = max(head, _longest(mine[place] for place in finished))
            granted = max(_NAME, min(_longest_piece(mine) + len(_INDENT), width // 2)) if first else _WORDS
            least = word if column.whole else max(head, min(natural, granted))
        return _Draft(column, first, mine, max(natural, least), least, word)

    return [draft(column, place == 0) for place, column in enumerate(columns)]


def _merged(columns: Sequence[Column], cells: Mapping[str, Cells]) -> tuple[list[Column], dict[str, Cells]]:
    """Without the columns that stand beside others: their figures and names are in brackets there."""
    guests = {column.beside: column for column in columns if column.beside in cells}
    merged = dict(cells)
    for host, guest in guests.items():
        merged[host] = tuple(
            cell if figure == formatting.MISSING else "\n".join([f"{value} ({figure})", *interval])
            for cell, figure in zip(cells[host], cells[guest.key], strict=True)
            for value, *interval in [cell.split("\n")]
        )
    hosts = (column for column in columns if column.beside not in cells)
    named = [
        replace(column, name=f"{column.name} ({guests[column.key].name})") if column.key in guests else column
        for column in hosts
    ]
    return named, merged


def _longest(words: Iterable[str]) -> int:
    return max(map(cell_len, words), default=0)


def _longest_piece(cells: Cells) -> int:
    return _longest(piece for cell in cells for word in cell.split(" ") for piece in formatting.JOINT.split(word))


def _needed(drafts: Sequence[_Draft]) -> int:
    return sum(one.least + GAP for one in drafts) - GAP


def _widths(drafts: Sequence[_Draft], width: int) -> list[int]:
    """What each column is given: what it would like; the widest of those that can do with less give way in turn.

    Where nothing else helps, words are broken anywhere, those that should stay whole last.
    """
    widths = [one.natural for one in drafts]
    words = [one.column.kind == "text" for one in drafts]
    broken = [is_text and not one.column.whole for one, is_text in zip(drafts, words, strict=True)]
    steps = (
        [one.least for one in drafts],
        [min(one.least, one.word) for one in drafts],
        [GAP + 1 if gives else one.least for one, gives in zip(drafts, broken, strict=True)],
        [GAP + 1 if gives else one.least for one, gives in zip(drafts, words, strict=True)],
    )
    for _ in range(sum(widths) + GAP * (len(widths) - 1) - width):
        spare = ([place for place, least in enumerate(step) if widths[place] > least] for step in steps)
        giving = next(filter(None, spare), None)
        if giving is None:
            break
        widths[max(giving, key=widths.__getitem__)] -= 1
    return widths
