"""The reports every bench gets: `report.md` with its figures beside it, and `report.html` with its figures inside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from skineval.specs import Reporter

if TYPE_CHECKING:
    from skineval.grid.result import BenchResult


def write_markdown(bench: BenchResult) -> Iterator[Path]:
    """Write the figures, then the report that shows them; yields each file as it is there."""
    from skineval.files import atomic_write
    from skineval.report import markdown
    from skineval.report.prepare import prepared

    found = prepared(bench)
    for file, data in found.drawn.items():
        atomic_write(bench.folder / file, data)
        yield bench.folder / file
    atomic_write(bench.folder / "report.md", markdown.document(found.report))
    yield bench.folder / "report.md"


def write_html(bench: BenchResult) -> Iterator[Path]:
    """Write the report with everything inside; yields its one file."""
    from skineval.files import atomic_write
    from skineval.report import html
    from skineval.report.prepare import prepared

    found = prepared(bench)
    atomic_write(bench.folder / "report.html", html.document(found.report, found.read))
    yield bench.folder / "report.html"


REPORTERS: tuple[Reporter, ...] = (
    Reporter("markdown", write_markdown, "report.md with figures beside it, for reading in a repository"),
    Reporter("html", write_html, "report.html, one file with its figures inside, for a browser and for print"),
)
