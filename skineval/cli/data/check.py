"""`skineval data check`: all that is wrong with a data set, in one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skineval.base.errors import ExitCode, UsageError, plural
from skineval.cli.flags import takes_keys
from skineval.cli.output import ForceOption, Format, FormatOption, QuietOption, print_table, say
from skineval.values.task import LABELS

EXAMPLE = "Example: skineval data check DIR --write-manifest SHA256SUMS"


@takes_keys(("columns", "table", "task"), {"task": LABELS})
def check(
    data: Annotated[
        str, typer.Argument(help="The folder or file of a data set; several, comma-separated.", metavar="PATH")
    ],
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

    Several data sets are checked one after the other and as one, and --quarantine lists the images of all.

    Exit code 3 means that there are errors; remarks keep nothing from being used. Decoders do not notice a changed byte
    inside a photograph: write a manifest while the data is right, and verify against it later.
    """
    from skineval.catalog.catalog import load_catalog
    from skineval.cli.board import counting
    from skineval.data import quarantine as quarantines
    from skineval.data.files import checksums as manifests
    from skineval.data.quality import check as checks
    from skineval.data.tasks import find_task
    from skineval.grid.sources import as_labelled, load_data, loader, places, read_by_columns
    from skineval.report.findings import all_findings, findings_table

    asked = as_labelled(data, keys)
    if len(asked.data) > 1 and (manifest or write_manifest):
        flag = "--manifest" if manifest else "--write-manifest"
        raise UsageError(
            f"{flag} is {manifest or write_manifest}, and {len(asked.data)} data sets are checked.",
            "Check them one at a time: the names in a manifest are those of one folder.",
        )
    promised = manifests.read(manifest) if manifest is not None else None
    found = {}
    find_task(asked.task)  # which a single data set has no use for: a mistake in it is told all the same
    catalog = load_catalog()
    load, named = loader(asked, catalog), read_by_columns(asked, catalog)
    for name, path in places(asked).items():
        with counting("checking files", quiet) as progress:
            found[name] = checks.check(
                path,
                load,
                promised=promised,
                checksums=write_manifest is not None,
                aside=[file for file in (manifest, write_manifest, quarantine) if file is not None],
                by_columns=path in named,
                progress=progress,
            )
    checked = checks.joined(found, lambda left_out: load_data(asked, catalog, dict.fromkeys(left_out, "")).table)
    people = format not in (Format.JSON, Format.CSV)
    called = ", ".join(asked.data)
    print_table(findings_table(checked, called) if people else all_findings(checked, called), format)
    if write_manifest is not None:
        n = manifests.write(write_manifest, checked.checksums, replace=force)
        say(f"Manifest: {plural(n, 'checksum')} in {write_manifest}", quiet)
    if quarantine is not None:
        listed = quarantines.collect(checked.findings)
        others = sum(not finding.image_ids for finding in checked.errors)
        if listed or not others:
            quarantines.write(quarantine, listed, replace=force)
            say(f"Quarantine: {plural(len(listed), 'image')} in {quarantine}", quiet)
        if others:
            more, end = ("further ", "") if listed else ("", ", and none is written")
            errors = plural(others, f"{more}error")
            say(f"No list of images helps with {errors}, which to mend is told above{end}.", quiet)
    if checked.errors:
        raise typer.Exit(ExitCode.DATA)
