"""`skineval export`: a trained model as a folder for others: ONNX, weights, model card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skineval.cli.output import ForceOption, Format, FormatOption, QuietOption, loaded_catalog, print_table, say

EXAMPLE = "Example: skineval export runs/demo/cells/CELL --out published"


def export(
    model: Annotated[
        Path, typer.Argument(help="The folder of a trained cell, or of a bench that has only one.", metavar="MODEL")
    ],
    *,
    out: Annotated[Path, typer.Option("--out", help="The folder to write, new or empty.", show_default=False)],
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="So many images are compared, of each class its share.")
    ] = 200,
    force: ForceOption = False,
    format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
) -> None:
    """Write a trained model as a folder that is ready to be published: an ONNX graph, the weights and a model card.

    The graph takes photographs of any size and says probabilities, with all that a strategy chose inside. ONNX Runtime
    is asked about images of the test part first, and where it says anything else than torch, nothing is written.
    """
    from skineval import api
    from skineval.cli.board import counting
    from skineval.publish.card import parity_table

    loaded_catalog(quiet)  # which warns of what was set aside
    with counting("exporting", quiet) as progress:
        exported = api.export(model, out=out, limit=limit, replace=force, progress=progress)
    print_table(parity_table(exported.known), format)
    say(f"Model, graph and card: {out}", quiet)
