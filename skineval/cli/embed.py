"""`skineval embed`: what a network makes of images in front of its head."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skineval.base.errors import plural
from skineval.cli.flags import takes_keys
from skineval.cli.output import ForceOption, QuietOption, loaded_catalog, say
from skineval.values.keys import HELP

EXAMPLE = "Example: skineval embed cnn --data synthetic:images=100 --image-size 64 --out embeddings.npz"


@takes_keys(("columns", "table", "quarantine", "weights", "image_size", "fit", "device"))
def embed(
    model: Annotated[
        str, typer.Argument(help="An architecture, with --weights; or the folder of a trained cell.", metavar="MODEL")
    ],
    *,
    data: Annotated[str, typer.Option("--data", help=HELP["data"], metavar="FOLDER|NAME", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="The file to write: .npz or .csv.", show_default=False)],
    force: ForceOption = False,
    quiet: QuietOption = False,
    **keys: Any,
) -> None:
    """Write the embeddings of all images of a data set: what stands in front of the head of a network.

    They are made once and kept in the cache, which probes (`skineval bench --freeze all`) share. The file is what
    `skineval bench --models embeddings:file=FILE` reads; it also says on which images a trained cell was trained.
    """
    from skineval.cli.board import counting
    from skineval.grid.embed import embed_to

    with counting("embedding", quiet) as progress:
        found, notes = embed_to(out, model, data, keys, loaded_catalog(quiet), progress, replace=force)
    for note in notes:
        say(note, quiet)
    say(f"Embeddings: {out} ({plural(len(found), 'image')}, {plural(found.width, 'number')} each)", quiet)
