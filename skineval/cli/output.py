"""What every command shares: results go to standard output, everything else to standard error."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from skineval.base.files import DiskError

if TYPE_CHECKING:
    from rich.console import Console

    from skineval.catalog.catalog import Catalog
    from skineval.report.document.tables import Table

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Format(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    LATEX = "latex"


FormatOption = Annotated[Format, typer.Option("--format", help="How results are written to standard output.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace a file that is there with another content.")]
TargetOption = Annotated[
    str,
    typer.Option(
        "--target",
        help="What maps are of: predicted, reference (where that is known), a class, or two, as in nv-mel: what speaks "
        "for one against the other.",
        metavar="WHAT",
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no warnings.")]


def complain(message: str, hint: str = "", console: Console | None = None) -> None:
    """An error: what is wrong, then what to do. Untrusted text prints literally.

    `console` is that of a board which is shown, and would be written over otherwise.
    """
    _tell("Error: ", "bold red", message, console)
    if hint:
        _tell("", "", hint, console)


def warn(text: str, console: Console | None = None) -> None:
    """One warning line on standard error; `console` as for `complain`."""
    _tell("Warning: ", "bold yellow", text, console)


def say(text: str, quiet: bool) -> None:
    """A line on standard error, such as where a file was written."""
    if not quiet:
        typer.echo(text, err=True)


def loaded_catalog(quiet: bool) -> Catalog:
    """The catalog, with a warning for whatever of a plugin was set aside."""
    from skineval.catalog.catalog import load_catalog

    catalog = load_catalog()
    for problem in () if quiet else catalog.problems:
        warn(f"{problem}.")
    return catalog


def is_terminal() -> bool:
    """Whether progress would be seen by a person."""
    return sys.stderr.isatty()


def _tell(mark: str, style: str, text: str, console: Console | None) -> None:
    from rich.console import Console
    from rich.text import Text

    words = Text.assemble((mark, style), _CONTROL.sub("�", text))
    (console or Console(stderr=True, highlight=False)).print(words, soft_wrap=True)


def print_table(table: Table, format: Format) -> None:
    """Write a table to standard output, as wide as the terminal where it is one."""
    print_tables([table], format)


def print_tables(tables: Sequence[Table], format: Format) -> None:
    """Write tables to standard output, an empty line between two; several are one JSON array.

    Raises DiskError where it cannot be written; a reader that is gone is none of our business.
    """
    with _writing():
        _write(tables, format)


def put(text: str) -> None:
    """Write text to standard output, where a reader sees it at once; what it cannot show are question marks.

    Raises DiskError as `print_tables`.
    """
    with _writing():
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        with suppress(OSError):  # or Python tries once more at its end
            sys.stdout.close()
        raise DiskError(
            f"Cannot write to standard output: {error.strerror or error}.", "Send it elsewhere; files are complete."
        ) from error


def _write(tables: Sequence[Table], format: Format) -> None:
    from rich.console import Console

    from skineval.report.document.console import render, show

    if format is Format.TABLE and sys.stdout.isatty():
        for place, table in enumerate(tables):
            if place:
                sys.stdout.write("\n")
            show(table, Console())
        return
    written = [render(table, format.value, width=width()) for table in tables]
    if format is Format.JSON and len(written) > 1:
        sys.stdout.write("[\n" + ",\n".join(text.rstrip() for text in written) + "\n]\n")
    else:
        sys.stdout.write("\n".join(written))


def width() -> int:
    """The columns of text that a reader of standard output has, where that is no terminal."""
    # A pipe has no width; COLUMNS says what the reader has.
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdigit() and int(columns) >= 40 else 120
