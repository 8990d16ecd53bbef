"""`skineval plugins ...` and `skineval doctor`: what this installation is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from skineval.cli.fast_start import QuickCommand, QuickGroup
from skineval.cli.output import Format, FormatOption, QuietOption, print_table

if TYPE_CHECKING:
    from skineval.catalog.catalog import Catalog

app = typer.Typer(
    cls=QuickGroup,
    help="Show the plugins that are loaded, and those that were set aside and why.",
    epilog="Example: skineval plugins list",
    no_args_is_help=True,
)


@app.command("list", cls=QuickCommand, epilog="Example: skineval plugins list")
def list_plugins(
    format: FormatOption = Format.TABLE,
    details: Annotated[bool, typer.Option("--details", help="Show the traceback of what was set aside.")] = False,
) -> None:
    """Every plugin with what it offers, and every plugin that was set aside with the reason."""
    from skineval.catalog.catalog import load_catalog
    from skineval.report.document.tables import Column, Row, Table

    catalog = load_catalog()
    rows = [
        Row((name, provider.package, "loaded", _offers(catalog, name)))
        for name, provider in catalog.plugins.providers.items()
    ]
    rows += [
        Row(
            (problem.provider.name, problem.provider.package, "set aside", f"{problem.stage}: {problem.cause}"),
            "failed",
        )
        for problem in catalog.problems
    ]
    names = (("name", "Plugin"), ("package", "Package"), ("status", "Status"), ("what", "Offers, or why not"))
    print_table(Table("Plugins", tuple(Column(*name) for name in names), tuple(rows)), format)
    for problem in catalog.problems if details else ():
        typer.echo(problem.details, err=True)


def _offers(catalog: Catalog, plugin: str) -> dict[str, int]:
    """How many it offers of each kind, as `skineval list` calls them."""
    counts = {
        kind: sum(entry.provider.name == plugin for entry in shelf.entries.values())
        for kind, shelf in catalog.shelves.items()
    }
    return {kind: count for kind, count in counts.items() if count}


def doctor(format: FormatOption = Format.TABLE, quiet: QuietOption = False) -> None:
    """Show versions, device, cache and plugins."""
    from skineval.grid.diagnosis import diagnosis
    from skineval.report.document.tables import tabulate_facts

    print_table(tabulate_facts("skineval on this machine", diagnosis().items()), format)
