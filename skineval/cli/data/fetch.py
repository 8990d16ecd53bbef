"""`skineval data fetch`: download a data set, and prove that it arrived."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skineval.base.errors import ExitCode, Interrupted, plural
from skineval.cli.output import Format, FormatOption, QuietOption, complain, is_terminal, print_table, say, warn

if TYPE_CHECKING:
    from skineval.data.fetch.download import RemoteFile
    from skineval.data.fetch.fetch import Fetched
    from skineval.data.fetch.repositories import Collection
    from skineval.report.document.tables import Table

EXAMPLE = "Example: skineval data fetch ham10000 --to HAM10000"
_NAMES = "ham10000, ham10000-masks, isic2018-test, dermamnist, dermamnist-64, dermamnist-128 or dermamnist-224."


def fetch(
    name: Annotated[str, typer.Argument(help=_NAMES, metavar="NAME")],
    to: Annotated[
        Path | None, typer.Option("--to", help="The folder for it; by default one in the cache.", show_default=False)
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", help="A mirror with the interface of the original repository.", show_default=False),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=16, help="Files at the same time.")] = 4,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before fetching.")] = False,
    format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
) -> None:
    """Download a data set from where its authors published it, and verify it.

    Running the same command again goes on where it was cut, and fetches nothing that is there. Files that were placed
    in the folder by hand are accepted where their size and checksum are right.
    """
    from skineval.base.places import cache_folder
    from skineval.cli.data.downloading import Downloading
    from skineval.data.fetch.fetch import fetch as fetch_files
    from skineval.data.fetch.repositories import find_collection, resolve

    collection = find_collection(name)
    folder = to or cache_folder() / "datasets" / collection.folder
    _introduce(collection, folder)
    try:
        resolved = resolve(collection, base_url)
        if not quiet:
            for note in resolved.notes:
                warn(f"{note}.")
        if not (yes or _agreed(resolved.files)):
            raise typer.Exit(ExitCode.DONE)
        with Downloading(quiet) as display:
            fetched = fetch_files(resolved.files, folder, jobs=jobs, watcher=display)
    except (KeyboardInterrupt, typer.Abort):
        raise Interrupted from None
    print_table(_table(collection, resolved.files, fetched), format)
    _conclude(fetched, folder, quiet)


def _introduce(collection: Collection, folder: Path) -> None:
    """Whose work it is and under which terms: shown whatever else is not, before anything is asked for."""
    typer.echo(
        f"{collection.name}: {collection.summary}\n"
        f"Source: {collection.repository.name}, https://doi.org/{collection.doi}\n"
        f"Cite: {collection.citation}\n"
        f"Licence: {collection.licence}\n"
        f"Folder: {folder}",
        err=True,
    )


def _agreed(files: tuple[RemoteFile, ...]) -> bool:
    """What a person at a terminal says; a script that runs this has agreed by doing so."""
    if not (sys.stdin.isatty() and is_terminal()):
        return True
    size = sum(file.promise.size or 0 for file in files)
    return typer.confirm(f"Fetch {plural(len(files), 'file')} ({size / 1e6:.0f} MB)?", default=True, err=True)


def _table(collection: Collection, files: tuple[RemoteFile, ...], fetched: Fetched) -> Table:
    from skineval.report.document.tables import Cell, Column, Row, Table

    def cells(file: RemoteFile) -> tuple[Cell, ...]:
        receipt = fetched.receipts.get(file.name)
        if receipt is None:
            return file.name, None, "failed", None
        return receipt.path.name, receipt.verified.size, receipt.status, receipt.verified.by

    columns = (
        Column("file", "File", whole=True),
        Column("bytes", "Bytes", "count"),
        Column("status", "Status"),
        Column("verified", "Verified by"),
    )
    return Table(collection.name, columns, tuple(Row(cells(file)) for file in files))


def _conclude(fetched: Fetched, folder: Path, quiet: bool) -> None:
    """Say what is next, or what went wrong with every file that failed."""
    errors = list(fetched.errors.values())
    for error in errors[:-1]:
        complain(error.message, error.hint)
    if errors:
        raise errors[-1]
    say(f"Next: skineval data info {folder}", quiet)
