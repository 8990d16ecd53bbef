"""`skineval data info`: what lies in a folder or file."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from skineval.cli.flags import takes_keys
from skineval.cli.output import Format, FormatOption, QuietOption, print_tables
from skineval.values.keys import HELP
from skineval.values.task import LABELS

EXAMPLE = "Example: skineval data info DIR"


@takes_keys(("columns", "table", "quarantine", "task"), {"task": LABELS})
def info(
    data: Annotated[str, typer.Argument(help=HELP["data"], metavar="FOLDER|FILE|NAME")],
    *,
    format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    **keys: Any,
) -> None:
    """Say what a data set is and holds: layout, licence, images and lesions of each class, gaps, sizes, baselines."""
    from skineval import api
    from skineval.cli.board import counting
    from skineval.report.inventory import inventory_tables

    with counting("reading images", quiet) as progress:
        found = api.inventory(data, progress, **keys)
    print_tables(inventory_tables(found), format)
