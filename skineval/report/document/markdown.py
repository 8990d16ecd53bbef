"""Documents and tables as GitHub-flavoured Markdown, with whatever names hold shown literally."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import quote

from skineval.report.document import blocks as parts
from skineval.report.document import formatting
from skineval.report.document.blocks import Block, Report
from skineval.report.document.tables import Cell, Starred, Table, format_row, glossary

_RULES = {"left": ":--", "right": "--:"}


def document(report: Report) -> str:
    """The whole report."""
    return "\n\n".join(_parts(report)) + "\n"


def table_lines(table: Table) -> Iterator[str]:
    """Title, heading, rows and footnotes of a table; of one without rows no heading."""
    yield f"**{formatting.markdown(table.title)}**"
    if table.rows:
        yield from _grid(table)
    for note in (*table.footnotes, *glossary(table.columns if table.rows else ())):
        yield ""
        yield f"<sub>{formatting.markdown(note)}</sub>"


def _grid(table: Table) -> Iterator[str]:
    noted = any(row.note for row in table.rows)
    yield ""
    yield _line([formatting.markdown(column.name) for column in table.columns] + ["Note"] * noted)
    yield _line([_RULES[column.align] for column in table.columns] + [":--"] * noted)
    for row in table.rows:
        words = format_row(row, table.columns)
        cells = [_cell(cell, word, row.kind) for cell, word in zip(row.cells, words, strict=True)]
        yield _line(cells + [formatting.markdown(row.note)] * noted)


def _parts(report: Report) -> Iterator[str]:
    yield f"# {formatting.markdown(formatting.stamped(report.title, report.stamps))}"
    yield "\n".join(f"- [{formatting.markdown(section.title)}](#{section.anchor})" for section in report.sections)
    for section in report.sections:
        yield f"## {formatting.markdown(section.title)}"
        for block in section.blocks:
            yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    match block:
        case parts.Paragraph(words, weighty):
            yield f"**{formatting.markdown(words)}**" if weighty else formatting.markdown(words)
        case parts.Bullets(items):
            yield "\n".join(f"- {formatting.markdown(item)}" for item in items)
        case parts.Facts(items):
            lines = [_line([formatting.markdown(name), formatting.markdown(value)]) for name, value in items]
            yield "\n".join(["| | |", "| :-- | :-- |", *lines])
        case parts.Figure():
            picture = f"![{formatting.markdown(block.alt)}]({quote(block.file)})"
            if block.narrow:  # what shows no HTML shows the picture inside
                source = f'<source media="{parts.NARROW_PAGE}" srcset="{quote(block.narrow)}">'
                picture = f"<picture>{source}{picture}</picture>"
            yield picture
            yield f"*{formatting.markdown(block.caption)}*"
        case parts.Links(words, files):
            links = (f"[{formatting.markdown(file.rpartition('/')[2])}]({quote(file)})" for file in files)
            yield f"{formatting.markdown(words)} {', '.join(links)}"
        case parts.Code(text, language):
            yield f"```{language}\n{text.strip()}\n```"
        case Table():
            yield "\n".join(table_lines(block))
        case parts.Fold(title, blocks, opened):
            yield f"<details{' open' * opened}><summary>{formatting.markup(title)}</summary>"
            for inner in blocks:
                yield from _block(inner)
            yield "</details>"


def _cell(cell: Cell, word: str, kind: str) -> str:
    # Figures are ours: escaping their brackets would only make the file hard to read.
    word = formatting.markdown(word) if isinstance(cell, str | Starred | tuple | Mapping) else word
    if kind == "best":
        return f"**{word}**"
    return f"*{word}*" if kind == "baseline" else word


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
