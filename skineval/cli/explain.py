"""`skineval explain`: where a trained model looks, and how far that can be believed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skineval.cli.flags import FreshOption, takes_keys
from skineval.cli.output import (
    ForceOption,
    Format,
    FormatOption,
    QuietOption,
    TargetOption,
    loaded_catalog,
    print_tables,
    say,
    warn,
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
    images: Annotated[
        str, typer.Option("--images", help="Test images, by their ids, with commas; all where none are named.")
    ] = "",
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="So many test images, of each class its share.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="A folder for galleries of maps, a page with them, and the scores of each image.",
            metavar="FOLDER",
            show_default=False,
        ),
    ] = None,
    force: ForceOption = False,
    fresh: FreshOption = False,
    format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    **keys: Any,
) -> None:
    """Score the maps of explainers on the test part of a bench, beside controls, and show some of them.

    The controls are a map of the middle of the image, a uniform one, noise, and the same explainers asked of an
    untrained network. A gallery has images of one class, right and wrong answers apart. Your own images are explained
    by `skineval predict --explain`.
    """
    from skineval import api
    from skineval.cli.board import counting
    from skineval.report.document.formatting import stamp_meaning
    from skineval.report.explained import tables
    from skineval.report.explained_page import PAGE

    loaded_catalog(quiet)  # which warns of what was set aside
    asked: dict[str, Any] = {
        "target": target,
        "scores": scores,
        "images": images,
        "limit": limit,
        "out": out,
        "replace": force,
        "fresh": fresh,
    }
    with counting("explaining", quiet) as progress:
        explained = api.explanations(model, **asked, progress=progress, **keys)
    if format is not Format.TABLE and not quiet:  # which has them in its title
        for stamp in explained.stamps:
            warn(stamp_meaning(stamp))
    print_tables(tables(explained), format)
    if out is not None:
        say(f"Galleries and scores: {out / PAGE}", quiet)
