"""`skineval report`: rebuild every report from what is on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skineval.base.errors import ExitCode
from skineval.cli.output import Format, FormatOption, QuietOption, print_tables

EXAMPLE = "Example: skineval report runs/demo"


def report(
    bench: Annotated[Path, typer.Argument(help="The folder that `skineval bench` wrote to.")],
    format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
) -> None:
    """Measure a bench again and rebuild its reports from what is on disk. Trains nothing."""
    from skineval import api
    from skineval.cli.board import Board
    from skineval.cli.progress import Display
    from skineval.report.bench.bench import comparisons

    with Board(quiet) as board:
        result = api.rebuild(bench, Display(board))
    print_tables(comparisons(result), format)
    if result.unfinished:
        raise typer.Exit(ExitCode.CELLS_FAILED)
