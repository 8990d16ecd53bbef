"""`skineval evaluate`: scores of predictions of any origin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skineval.cli.output import Format, FormatOption, QuietOption, loaded_catalog, print_table, warn
from skineval.values.keys import HELP, Keys

EXAMPLE = "Example: skineval evaluate runs/demo/cells/CELL/predictions.csv"


def evaluate(
    predictions: Annotated[
        Path, typer.Argument(help="A CSV file: predictions.csv, the ISIC submission format, or alike.")
    ],
    truth: Annotated[
        Path | None, typer.Option("--truth", help="Reference labels: metadata or one-hot; they may be in PREDICTIONS.")
    ] = None,
    part: Annotated[str, typer.Option("--part", help="Which part is scored, where the file names parts.")] = "test",
    classes: Annotated[
        str,
        typer.Option(
            "--classes",
            help="The classes in order, where the file numbers them.",
            metavar="A,B",
            show_default=False,
        ),
    ] = "",
    protocol: Annotated[
        str, typer.Option("--protocol", help="How the parts were made; all but lesion are LEAKY.", show_default=False)
    ] = "",
    replicates: Annotated[int, typer.Option("--replicates", min=1000, help=HELP["replicates"])] = Keys.replicates,
    format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
) -> None:
    """Score predictions of any origin, every figure with its interval. Needs no torch."""
    from skineval.grid.evaluation import evaluate as score
    from skineval.report.bench import standings
    from skineval.report.bench.leaderboard import scored
    from skineval.report.document import formatting

    catalog = loaded_catalog(quiet)
    found = score(predictions, truth, catalog, part=part, classes=classes, protocol=protocol, replicates=replicates)
    told = (*map(formatting.stamp_meaning, found.stamps), *found.remarks)
    for remark in told if format is Format.CSV and not quiet else ():  # a CSV file has no title and no footnotes
        warn(remark)
    print_table(standings.scores(scored(found, replicates), found.remarks), format)
