"""`skineval bench` and `skineval report`: the main job, and what it found once more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skineval.base.errors import ExitCode
from skineval.cli.flags import FreshOption, RecipeArgument, run_option, takes_keys
from skineval.cli.output import Format, FormatOption, QuietOption, loaded_catalog, print_tables, say
from skineval.values.keys import KEYS

if TYPE_CHECKING:
    from skineval.grid.leakage import Leakage
    from skineval.values.result import BenchResult

EXAMPLE = "Example: skineval bench --models resnet34,densenet121 --imbalance none,class-weights"
REPORT_EXAMPLE = "Example: skineval report runs/demo"


@takes_keys(KEYS)
def bench(
    recipe: RecipeArgument = None,
    *,
    out: Annotated[
        Path | None, run_option("--out", "Folder of the bench; by default one under runs/ that is this recipe's alone.")
    ] = None,
    fresh: FreshOption = False,
    fail_fast: Annotated[bool, run_option("--fail-fast", "Stop at the first cell that fails.")] = False,
    dry_run: Annotated[
        bool,
        run_option(
            "--dry-run", "Show the cells with estimated time, disk and memory, and notes on the data; train nothing."
        ),
    ] = False,
    format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    **keys: Any,
) -> None:
    """Train a grid of models and imbalance strategies without leakage, and compare them.

    In brackets stand defaults, and what a shipped recipe says instead. Without --data the data is synthetic. Running
    the same command again goes on from what is there.
    """
    from skineval import asking
    from skineval.cli.bench_progress import BenchDisplay
    from skineval.cli.board import Board, Display

    catalog = loaded_catalog(quiet)
    asked = asking.request(recipe, keys)
    if dry_run:
        with Board(quiet) as board:
            planned = asking.plan_tables(asked, catalog, Display(board), out=out, fresh=fresh)
        print_tables(planned, format)
        return
    run: Callable[..., BenchResult | Leakage] = (
        asking.run_experiment if asking.compares_protocols(asked) else asking.run_recipe
    )
    with Board(quiet) as board:
        result = run(asked, catalog, BenchDisplay(board), out=out, fresh=fresh, fail_fast=fail_fast)
    _conclude(result, format, "" if quiet else _reports(result))


def report(
    bench: Annotated[Path, typer.Argument(help="The folder that `skineval bench` wrote to.")],
    format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
) -> None:
    """Measure a bench again and rebuild its reports from what is on disk. Trains nothing."""
    from skineval import asking
    from skineval.cli.board import Board, Display

    with Board(quiet) as board:
        result = asking.rebuild(bench, Display(board))
    _conclude(result, format, "" if quiet else _reports(result))


def _reports(result: BenchResult | Leakage) -> str:
    return f"Report: {result.folder / 'report.md'} and report.html"


def _conclude(result: BenchResult | Leakage, format: Format, files: str = "") -> None:
    """The tables of a bench or experiment, and where its files are; a cell that has not finished is a failure."""
    from skineval.grid.leakage import Leakage
    from skineval.report.bench.bench import comparisons
    from skineval.report.leakage import tables

    print_tables(tables(result) if isinstance(result, Leakage) else comparisons(result), format)
    say(files, quiet=not files)
    if result.unfinished:
        raise typer.Exit(ExitCode.CELLS_FAILED)
