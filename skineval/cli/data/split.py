"""`skineval data split`: deal images out to parts, or check parts that were made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skineval.cli.flags import takes_keys
from skineval.cli.output import ForceOption, Format, FormatOption, QuietOption, print_table, say
from skineval.values.keys import ANY, DATA, HELP, KEYS, PARTS

EXAMPLE = "Example: skineval data split DIR --folds 5 --out split.csv"


@takes_keys(name for name, key in KEYS.items() if key.panel in (DATA, PARTS) and key.keeps != ANY and name != "data")
def split(
    data: Annotated[str, typer.Argument(help=HELP["data"], metavar="FOLDER|NAME")],
    *,
    out: Annotated[Path | None, typer.Option("--out", help="The CSV file to write.", show_default=False)] = None,
    force: ForceOption = False,
    format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    **keys: Any,
) -> None:
    """Deal images out to train, validation and test, whole lesions together, as `skineval bench` does.

    The parts stand in the file that --out names, which `skineval bench --split` takes. With --split the parts are not
    made but read, and refused where they leak, or where a part lacks a class of --task.
    """
    from skineval import api

    dealt, made = api.dealt_out(data, keys)
    from skineval.base.files import write_new
    from skineval.grid.tables import csv_text
    from skineval.report.split_table import split_table

    for note in dealt.table.notes:
        say(note, quiet)
    print_table(split_table(dealt.table, dealt.task, made), format)
    if out is not None:
        write_new(out, csv_text(made.frame), replace=force)
        say(f"Split: {out}", quiet)
