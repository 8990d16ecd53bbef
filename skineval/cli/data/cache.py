"""`skineval data cache`: the decoded images that are kept, so that they need not be decoded again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from skineval.base.errors import DataError, UsageError
from skineval.cli.output import Format, FormatOption, QuietOption, print_table

if TYPE_CHECKING:
    from pathlib import Path

    from skineval.data.pixels.cache import CachedStore
    from skineval.report.document.tables import Table

EXAMPLE = "Example: skineval data cache --clear --older-than 30"


def cache(
    verify: Annotated[bool, typer.Option("--verify", help="Read every byte and compare the checksums.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Remove the stores, without asking.")] = False,
    older_than: Annotated[
        float | None,
        typer.Option("--older-than", help="Only stores that were not used for so many days.", metavar="DAYS", min=0),
    ] = None,
    format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
) -> None:
    """List the decoded images in the cache, verify them, or remove them.

    The cache is the folder that the environment variable SKINEVAL_CACHE names. Whatever is removed is made again when
    it is needed. Exit code 3 says that a store is damaged.
    """
    if verify and clear:
        raise UsageError("--verify and --clear were given together.", "Give one of them.")
    from datetime import timedelta

    from skineval.base.places import cache_folder
    from skineval.cli.board import counting
    from skineval.data.pixels.cache import COMPLETE, cached_stores, remove
    from skineval.data.pixels.cache import verify as verified

    folder = cache_folder()
    unused_for = timedelta(days=older_than) if older_than is not None else None
    stores = cached_stores(folder, unused_for=unused_for)
    states: list[str] = []
    if clear:
        states = ["removed" if remove(store) else f"kept: {store.state}" for store in stores]
    elif verify:
        with counting("verifying", quiet) as progress:
            for store in stores:
                states.append(verified(store))
                progress(len(states), len(stores))
    else:
        states = [store.state for store in stores]
    chosen = f" that were not used for {older_than:g} days" if older_than is not None else ""
    print_table(_table(folder, stores, states, chosen), format)
    damaged = [
        str(store.file.path)
        for store, state in zip(stores, states, strict=True)
        if verify and store.state == COMPLETE != state
    ]
    if damaged:
        raise DataError(
            f"{len(damaged)} of {len(stores)} pixel stores are damaged: {', '.join(damaged)}.",
            "They are built again when they are needed, or removed by --clear; a disk that damages files loses others.",
        )


def _table(folder: Path, stores: Sequence[CachedStore], states: Sequence[str], chosen: str) -> Table:
    """The stores that were `chosen`, with what became of each; a line alone where there are none."""
    from skineval.report.document.formatting import plural
    from skineval.report.document.tables import Column, Row, Table

    columns = (
        Column("data", "Data"),
        Column("images", "Images", "count"),
        Column("size", "Pixels", "count", "a side"),
        Column("fit", "Fit", priority=2),
        Column("megabytes", "MB", "count", "on disk"),
        Column("made", "Made (UTC)", priority=3),
        Column("used", "Last used (UTC)", priority=1),
        Column("fingerprint", "Fingerprint", note="of the data", priority=4),
        Column("state", "State"),
        Column("file", "File", priority=5, whole=True),
    )
    total = sum(store.bytes for store in stores)
    footnote = f"{plural(len(stores), 'store')} of decoded images, {total / 1e6:,.0f} MB."
    rows = tuple(Row(_cells(store, state)) for store, state in zip(stores, states, strict=True))
    if not rows:
        return Table(f"No pixel stores{chosen} in {folder}", columns, ())
    return Table(f"Pixel stores in {folder}", columns, rows, (footnote,))


def _cells(store: CachedStore, state: str) -> tuple[str | int | float | None, ...]:
    about = store.about
    described = (about.data, about.images, about.size, about.fit) if about else ("unknown", None, None, None)
    made = about.made[:16].replace("T", " ") if about else None
    fingerprint = about.fingerprint[:12] if about else None
    used = f"{store.used:%Y-%m-%d %H:%M}"
    return (*described, store.bytes / 1e6, made, used, fingerprint, state, store.file.path.name)
