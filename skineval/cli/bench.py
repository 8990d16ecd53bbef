"""`skineval bench`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skineval.base.errors import ExitCode
from skineval.cli.flags import RecipeArgument, takes_keys
from skineval.cli.output import Format, FormatOption, QuietOption, loaded_catalog, print_table, print_tables
from skineval.values.keys import KEYS, RUN

EXAMPLE = "Example: skineval bench --models resnet34,densenet121 --imbalance none,class-weights"


def _run(name: str, text: str) -> Any:
    return typer.Option(f"--{name.replace('_', '-')}", help=text, rich_help_panel=RUN)


@takes_keys(KEYS)
def bench(
    recipe: RecipeArgument = None,
    *,
    out: Annotated[
        Path | None, _run("out", "Folder of the bench; by default one under runs/ that is this recipe's alone.")
    ] = None,
    fresh: Annotated[
        bool, _run("fresh", "Discard what an earlier run left there instead of going on from it.")
    ] = False,
    fail_fast: Annotated[bool, _run("fail_fast", "Stop at the first cell that fails.")] = False,
    dry_run: Annotated[
        bool, _run("dry_run", "Show the cells with estimated time, disk and memory; train nothing.")
    ] = False,
    format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    **keys: Any,
) -> None:
    """Train a grid of models and imbalance strategies without leakage, and compare them.

    In brackets stand defaults, and what a shipped recipe says instead. Without --data the data is synthetic. Running
    the same command again goes on from what is there.
    """
    from skineval import api
    from skineval.cli.bench_progress import BenchDisplay
    from skineval.cli.board import Board

    catalog = loaded_catalog(quiet)
    asked = api.request(recipe, keys)
    if dry_run:
        print_table(api.plan_table(asked, catalog), format)
        return
    with Board(quiet) as board:
        result = api.run_recipe(asked, catalog, BenchDisplay(board), out=out, fresh=fresh, fail_fast=fail_fast)
    from skineval.report.bench.bench import comparisons

    print_tables(comparisons(result), format)
    if not quiet:
        typer.echo(f"Report: {result.folder / 'report.md'} and report.html", err=True)
    if result.unfinished:
        raise typer.Exit(ExitCode.CELLS_FAILED)
