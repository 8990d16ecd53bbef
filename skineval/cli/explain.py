"""`skineval explain`: where a trained model looks, and how far that can be believed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skineval.cli.flags import takes_keys
from skineval.cli.output import (
    ForceOption,
    Format,
    FormatOption,
    QuietOption,
    TargetOption,
    loaded_catalog,
    print_tables,
    say,
)

EXAMPLE = "Example: skineval explain runs/demo/cells/CELL --explainers gradcam,layercam"


@takes_keys(("explainers", "device", "replicates"))
def explain(
    model: Annotated[
        Path, typer.Argument(help="The folder of a trained cell, or of a bench that has only one.", metavar="MODEL")
    ],
    *,
    target: TargetOption = "predicted",
    scores: Annotated[
        str,
        typer.Option(
            "--scores",
            help="With commas. outlines: how well maps agree with those of lesions. faithfulness: whether the network "
            "goes by what they call relevant, which takes by far the longest. sanity: whether they depend on weights "
            "and class. stability: whether they stay under mirroring and noise. controls: how well the network does "
            "without the lesion.",
            metavar="NAMES",
        ),
    ] = "outlines",
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="So many test images, of each class its share.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="A CSV file for the scores of each image.", show_default=False),
    ] = None,
    force: ForceOption = False,
    format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    **keys: Any,
) -> None:
    """Score the maps of explainers on the test part of a bench, beside controls.

    These are a map of the middle of the image, a uniform one, noise, and the same explainers asked of an untrained
    network. Pictures of maps are those of `skineval bench --explainers`.
    """
    from skineval import api
    from skineval.base.files import write_new
    from skineval.cli.board import counting
    from skineval.grid.tables import csv_text
    from skineval.report.explained import tables

    loaded_catalog(quiet)  # which warns of what was set aside
    with counting("explaining", quiet) as progress:
        explained = api.explanations(model, target=target, scores=scores, limit=limit, progress=progress, **keys)
    print_tables(tables(explained), format)  # first: a file that is there may be refused
    if out is not None:
        write_new(out, csv_text(explained.frame()), replace=force)
        say(f"Scores of each image: {out}", quiet)
