"""`skineval evaluate`: scores of predictions of any origin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skineval.cli.output import Format, FormatOption, print_table
from skineval.options import HELP

EXAMPLE = "Example: skineval evaluate runs/demo/cells/CELL/predictions.csv"


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="A CSV file: predictions.csv, or the ISIC submission format.")],
    truth: Annotated[
        Path | None, typer.Option("--truth", help="Reference labels, for predictions that do not hold them.")
    ] = None,
    part: Annotated[str, typer.Option("--part", help="Which part is scored, where the file names parts.")] = "test",
    protocol: Annotated[
        str, typer.Option("--protocol", help="How the parts were made; all but lesion are LEAKY.", show_default=False)
    ] = "",
    replicates: Annotated[int, typer.Option("--replicates", min=1000, help=HELP["replicates"])] = 2000,
    format: FormatOption = Format.TABLE,
) -> None:
    """Score predictions of any origin, every figure with its interval. Needs no torch."""
    from skineval import api
    from skineval.report import standings

    found = api.evaluation(predictions, truth=truth, part=part, protocol=protocol, replicates=replicates)
    print_table(standings.scores(found.results, found.stamps, replicates, found.lesions_known), format)
