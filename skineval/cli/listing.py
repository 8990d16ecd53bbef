"""`skineval list ...`: what can be named, what it is, and which package provides it."""

from __future__ import annotations

from collections.abc import Callable

import typer

from skineval.catalog import Catalog, Shelf, load_catalog, select
from skineval.cli.output import Format, FormatOption, print_table, warn
from skineval.cli.quick import QuickCommand, QuickGroup
from skineval.specs import Architecture, Specification

app = typer.Typer(
    cls=QuickGroup,
    help="Show what can be named in a recipe, and which package provides it.",
    epilog="Example: skineval list models",
    no_args_is_help=True,
)


def _show(kind: Callable[[Catalog], Shelf[Specification]], title: str, format: Format) -> None:
    from skineval.report.tables import Column, Row, Table

    catalog = load_catalog()
    for problem in catalog.problems:
        warn(f"{problem}.")
    columns = [Column("name", "Name"), Column("summary", "What it is"), Column("parameters", "Parameters", priority=2)]
    shelf = kind(catalog)
    sized = shelf.kind == "models"
    if sized:
        columns += [
            Column("image_size", "Pixels", "count", priority=3),
            Column("n_parameters", "Weights", "count", priority=4),
        ]
    columns.append(Column("package", "Package", priority=1))
    rows = []
    for entry in shelf.entries.values():
        specification = entry.specification
        cells: list[str | int | float | None] = [specification.name, specification.summary, _parameters(specification)]
        if isinstance(specification, Architecture):
            cells += [specification.image_size, specification.n_parameters]
        rows.append(Row((*cells, entry.provider.package)))
    print_table(Table(title, tuple(columns), tuple(rows)), format)


@app.command("models", cls=QuickCommand, epilog="Example: skineval list models --format json")
def models(format: FormatOption = Format.TABLE) -> None:
    """Architectures for --models."""
    _show(lambda catalog: catalog.architectures, "Models", format)  # type: ignore[arg-type, return-value]


@app.command("imbalance", cls=QuickCommand, epilog="Example: skineval list imbalance")
def imbalance(format: FormatOption = Format.TABLE) -> None:
    """Strategies for --imbalance."""
    _show(lambda catalog: catalog.imbalance, "Imbalance strategies", format)  # type: ignore[arg-type, return-value]


@app.command("explainers", cls=QuickCommand, epilog="Example: skineval list explainers")
def explainers(format: FormatOption = Format.TABLE) -> None:
    """Explainers for --explainers."""
    _show(lambda catalog: catalog.explainers, "Explainers", format)  # type: ignore[arg-type, return-value]


@app.command("metrics", cls=QuickCommand, epilog="Example: skineval list metrics")
def metrics(format: FormatOption = Format.TABLE) -> None:
    """Figures in every results.csv."""
    _show(lambda catalog: catalog.metrics, "Metrics", format)  # type: ignore[arg-type, return-value]


@app.command("datasets", cls=QuickCommand, epilog="Example: skineval list datasets")
def datasets(format: FormatOption = Format.TABLE) -> None:
    """Data sets and folder layouts for --data."""
    _show(lambda catalog: catalog.datasets, "Data sets", format)  # type: ignore[arg-type, return-value]


@app.command("recipes", cls=QuickCommand, epilog="Example: skineval list recipes")
def recipes(format: FormatOption = Format.TABLE) -> None:
    """Recipes that come with skineval."""
    from skineval.recipe import recipe_summary, shipped_recipes
    from skineval.report.tables import Column, Row, Table

    rows = [Row((name, recipe_summary(file))) for name, file in shipped_recipes().items()]
    print_table(Table("Recipes", (Column("name", "Name"), Column("summary", "What it is")), tuple(rows)), format)


def _parameters(specification: Specification) -> str:
    defaults = select(specification).parameters
    return " ".join(f"{key}={value}" for key, value in defaults.items())
