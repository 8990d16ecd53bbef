"""The reports every bench gets: `report.md` with its figures beside it, and `report.html` with its figures inside."""

from __future__ import annotations

from collections.abc import Iterator, Set
from pathlib import Path
from typing import TYPE_CHECKING

from skineval.catalog.specs import Reporter

if TYPE_CHECKING:
    from skineval.values.result import BenchResult


def write_markdown(bench: BenchResult) -> Iterator[Path]:
    """Write the figures, then the report that shows them; yields each file as it is there.

    Figures of an earlier report that this one does not show are removed.
    """
    from skineval.base.files import atomic_write
    from skineval.grid.folder import BenchFolder
    from skineval.report.document import markdown
    from skineval.report.prepare import prepared

    found, folder = prepared(bench), BenchFolder(bench.folder)
    for file, data in found.drawn.items():
        atomic_write(bench.folder / file, data)
        yield bench.folder / file
    atomic_write(folder.markdown, markdown.document(found.report))
    _remove_others(folder.figures, {Path(file).name for file in found.drawn})
    yield folder.markdown


def write_html(bench: BenchResult) -> Iterator[Path]:
    """Write the report with everything inside; yields its one file."""
    from skineval.base.files import atomic_write
    from skineval.grid.folder import BenchFolder
    from skineval.report.document import html
    from skineval.report.prepare import prepared

    found, file = prepared(bench), BenchFolder(bench.folder).html
    atomic_write(file, html.document(found.report, found.read))
    yield file


def _remove_others(folder: Path, kept: Set[str]) -> None:
    """Remove the SVG and PNG files that lie in `folder` itself, except those of these names; nothing behind links."""
    from skineval.base.files import disk_error

    if folder.is_symlink() or not folder.is_dir():
        return
    for file in sorted(folder.iterdir()):
        if file.suffix in (".svg", ".png") and file.name not in kept and file.is_file():
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                raise disk_error(file, error) from error


REPORTERS: tuple[Reporter, ...] = (
    Reporter("markdown", write_markdown, "report.md with figures beside it, for reading in a repository"),
    Reporter("html", write_html, "report.html, one file with its figures inside, for a browser and for print"),
)
