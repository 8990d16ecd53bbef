"""`skineval data audit`: what leaks, and which images are doubled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skineval.base.errors import ExitCode
from skineval.cli.flags import takes_keys
from skineval.cli.output import ForceOption, Format, FormatOption, QuietOption, print_tables, say, warn
from skineval.values.task import LABELS

EXAMPLE = "Example: skineval data audit DIR --out audit"


@takes_keys(("columns", "table", "groups", "quarantine", "task"), {"task": LABELS})
def audit(
    data: Annotated[
        str, typer.Argument(help="A data set, by folder, file or name; or the folder of a bench.", metavar="DATA|BENCH")
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for the report, the pairs and the contact sheet; that of a bench is its own."
        ),
    ] = None,
    test: Annotated[float, typer.Option("--test", help="Share of the images that is tested.")] = 0.2,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the drawn splits.")] = 0,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Splits drawn beside the expectation.")] = 50,
    pairs: Annotated[int, typer.Option("--pairs", min=0, help="Pairs of similar images that are listed.")] = 100,
    force: ForceOption = False,
    format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    **keys: Any,
) -> None:
    """Show how much leaks when images are split without regard to lesions, and find doubled and similar images.

    Of a bench, the split that it used is audited; exit code 3 means that it is not what the bench says of it. With
    --out (or in the folder of the bench) are written audit.json, audit.md, audit.html, pairs.csv and a contact sheet of
    the most similar images. Those who have looked at them keep the true pairs in pairs.csv and give it to --groups.
    --format json is the document of audit.json, csv is pairs.csv.
    """
    from skineval import api
    from skineval.cli.board import counting

    with counting("reading and comparing images", quiet) as progress:
        audited = api.audit(
            data,
            test=test,
            seed=seed,
            draws=draws,
            pairs=pairs,
            progress=progress,
            **keys,
        )
    from skineval.report.audit import audit as report
    from skineval.report.audit import audit_files

    found, subject = audited.audit, audited.subject
    stamps = report.stamps_of(found, subject.stamps)
    folder = out or subject.folder
    if format is Format.JSON:
        typer.echo(audit_files.as_json(found, stamps), nl=False)
    elif format is Format.CSV:
        typer.echo(audit_files.pairs_csv(found.candidates), nl=False)
    else:
        print_tables(report.tables(found, stamps), format)
    if folder is not None:
        files = audit_files.write(found, subject.table, folder, stamps, replace=force)
        say(f"Written: {', '.join(map(str, files))}", quiet)
    contradictions = found.actual.contradictions if found.actual is not None else ()
    for contradiction in contradictions:
        warn(contradiction)
    if contradictions:
        raise typer.Exit(ExitCode.DATA)
