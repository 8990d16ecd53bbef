"""`skineval data split`: deal images out to parts, or check parts that were made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skineval.cli.output import Format, FormatOption, QuietOption, print_table
from skineval.options import HELP

EXAMPLE = "Example: skineval data split DIR --folds 5 --out split.csv"


def _key(name: str, metavar: str) -> Any:
    return typer.Option(f"--{name.replace('_', '-')}", help=HELP[name], metavar=metavar)


def split(
    data: Annotated[str, typer.Argument(help=HELP["data"], metavar="FOLDER|NAME")],
    out: Annotated[Path | None, typer.Option("--out", help="The CSV file to write.", show_default=False)] = None,
    split: Annotated[str | None, _key("split", "FILE|official")] = None,
    task: Annotated[str | None, _key("task", "dx7|malignant")] = None,
    protocol: Annotated[str | None, _key("protocol", "lesion|image|oversample-first")] = None,
    folds: Annotated[str | None, _key("folds", "N")] = None,
    repeats: Annotated[str | None, _key("repeats", "N")] = None,
    split_seed: Annotated[str | None, _key("split_seed", "N")] = None,
    groups: Annotated[str | None, _key("groups", "FILE")] = None,
    quarantine: Annotated[str | None, _key("quarantine", "FILE")] = None,
    limit: Annotated[str | None, _key("limit", "IMAGES")] = None,
    format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
) -> None:
    """Deal images out to train, validation and test, whole lesions together, as `skineval bench` does.

    The parts stand in the file that --out names, which `skineval bench --split` takes. With --split the parts are not
    made but read, and refused where they leak, or where a part lacks a class of --task.
    """
    keys = {key: value for key, value in locals().items() if key in HELP and value is not None}
    from skineval import api

    table, made = api.split(keys.pop("data"), **keys)
    from skineval.grid.store import write_frame
    from skineval.report.parts import split_table

    if out is not None:
        write_frame(out, made.frame)
    print_table(split_table(table, made), format)
    if out is not None and not quiet:
        typer.echo(f"Split: {out}", err=True)
