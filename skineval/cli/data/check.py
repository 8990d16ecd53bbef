"""`skineval data check`: all that is wrong with a data set, in one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skineval.base.errors import ExitCode
from skineval.cli.flags import takes_keys
from skineval.cli.output import ForceOption, Format, FormatOption, QuietOption, print_table, say

EXAMPLE = "Example: skineval data check DIR --write-manifest SHA256SUMS"


@takes_keys(("columns", "table"))
def check(
    path: Annotated[Path, typer.Argument(help="The folder or file of a data set.", metavar="PATH")],
    *,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", help="Verify the files against these SHA-256 checksums.")
    ] = None,
    write_manifest: Annotated[
        Path | None, typer.Option("--write-manifest", help="Write the SHA-256 checksum of every file here.")
    ] = None,
    quarantine: Annotated[
        Path | None,
        typer.Option("--quarantine", help="Write a list of the unusable images here: bench --quarantine takes it."),
    ] = None,
    force: ForceOption = False,
    format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    **keys: Any,
) -> None:
    """Decode every image and mask of a data set, compare them with the metadata, and name all that is wrong.

    Exit code 3 means that there are errors; remarks keep nothing from being used. Decoders do not notice a changed byte
    inside a photograph: write a manifest while the data is right, and verify against it later.
    """
    from skineval import api
    from skineval.cli.board import counting
    from skineval.data import quarantine as quarantines
    from skineval.data.files import checksums as manifests
    from skineval.data.quality import check as checks
    from skineval.report.findings import all_findings, findings_table

    promised = manifests.read(manifest) if manifest is not None else None
    with counting("checking files", quiet) as progress:
        checked = checks.check(
            path,
            lambda place, left_out: api.load_images(place, keys, left_out).table,
            promised=promised,
            checksums=write_manifest is not None,
            aside=[file for file in (manifest, write_manifest, quarantine) if file is not None],
            progress=progress,
        )
    people = format in (Format.TABLE, Format.MARKDOWN)
    print_table(findings_table(checked, str(path)) if people else all_findings(checked, str(path)), format)
    if write_manifest is not None:
        n = manifests.write(write_manifest, checked.checksums, replace=force)
        say(f"Manifest: {n} checksums in {write_manifest}", quiet)
    if quarantine is not None:
        listed = quarantines.collect(checked.findings)
        quarantines.write(quarantine, listed, replace=force)
        say(f"Quarantine: {len(listed)} images in {quarantine}", quiet)
        others = sum(not finding.image_ids for finding in checked.errors)
        if others:
            say(f"{others} further errors are not of images of the data set: no list helps, mend them.", quiet)
    if checked.errors:
        raise typer.Exit(ExitCode.DATA)
