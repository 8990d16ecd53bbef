"""`skineval list ...`: what can be named, what it is, and which package provides it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skineval.base.errors import PluginError
from skineval.base.terms import VALIDATION
from skineval.cli.fast_start import QuickCommand, QuickGroup
from skineval.cli.output import Format, FormatOption, QuietOption, loaded_catalog, print_table, print_tables, warn

if TYPE_CHECKING:
    from skineval.base.terms import Value
    from skineval.catalog.parameters import Parameter, Parameters
    from skineval.catalog.shelf import Entry
    from skineval.catalog.specs import Architecture, Specification

NameArgument = Annotated[str | None, typer.Argument(metavar="NAME", help="One of them, with all its parameters.")]
CLASSES = 7  #: of the networks whose multiply-adds are counted

app = typer.Typer(
    cls=QuickGroup,
    help="Show what can be named in a recipe, and which package provides it.",
    epilog="Example: skineval list models",
    no_args_is_help=True,
)


@app.command("models", cls=QuickCommand, epilog="Example: skineval list models --format json")
def models(
    name: NameArgument = None,
    details: Annotated[
        bool, typer.Option("--details", help="Also multiply-adds, and whether ImageNet weights are on this machine.")
    ] = False,
    format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
) -> None:
    """Architectures for --models, which also takes globs (resnet*) and hybrids (cnn+densenet121).

    Pixels are the side of the images that a model was made for, weights those to be trained with seven classes, and
    multiply-adds those of one image of that size.
    """
    from skineval.catalog.architectures import TO_BE_INSTALLED, how_to_get
    from skineval.cli.board import counting
    from skineval.report.document.tables import Cell, Column, Row, Table

    catalog = loaded_catalog(quiet)
    if name is not None:
        from skineval.cli.details import describe

        one = catalog.architectures[name]
        counted = zip(_DETAILS, _details(one, quiet), strict=True) if details else ()
        more = (("Pixels", one.image_size), ("Weights", one.n_parameters), *counted)
        print_tables(describe(catalog.architectures, name, more), format)
        return
    columns = [
        Column("name", "Name"),
        Column("summary", "What it is", priority=3 if details else 0),
        Column("parameters", "Parameters", priority=2),
        Column("image_size", "Pixels", "count", priority=4),
        Column("n_parameters", "Weights", "count", priority=5),
        Column("package", "Package", priority=1),
    ]
    rows: list[tuple[Cell, ...]] = []
    with counting("models", quiet or not details) as progress:
        for done, entry in enumerate(catalog.architectures.entries.values(), start=1):
            one = entry.specification
            row = (one.name, one.summary, _parameters(one), one.image_size, one.n_parameters, entry.provider.package)
            rows.append((*row, *_details(one, quiet)) if details else row)
            progress(done, len(catalog.architectures.entries))
    for known in catalog.architectures.families.entries.values():
        family, package = known.specification, known.provider.package
        rows.append((f"{family.name}/NAME", family.summary, {}, None, None, package, *((None,) * 3 if details else ())))
    if details:
        columns += [
            Column("multiply_adds", _DETAILS[0], "count"),
            Column("imagenet", _DETAILS[1]),
            Column("weights_path", _DETAILS[2], priority=6, whole=True),
        ]
    lacking = TO_BE_INSTALLED.keys() - catalog.architectures.families.entries
    notes = (_in_full("models"), *map(how_to_get, sorted(lacking)))
    print_table(Table("Models", tuple(columns), tuple(map(Row, rows)), notes), format)


_DETAILS = ("Multiply-adds", "ImageNet weights", "File")  #: as readers call them


def _in_full(kind: str) -> str:
    """Where parameters are explained, for which a list has no room."""
    return f"`skineval list {kind} NAME` shows one of them, and what its parameters mean."


def _details(architecture: Architecture, quiet: bool) -> tuple[int | None, str | None, str | None]:
    """Multiply-adds, the state of the ImageNet weights, and their place."""
    from skineval.catalog.shelf import select
    from skineval.train.network import Blueprint, multiply_adds

    if architecture.embeddings:
        return None, None, None
    try:
        computed = multiply_adds(
            Blueprint(architecture, select(architecture).parameters, CLASSES, architecture.image_size)
        )
    except PluginError as error:
        if not quiet:
            warn(str(error))
        computed = None
    if architecture.fetch_weights is None:
        return computed, "none", None
    if architecture.weights_path is None:
        return computed, "kept by its package", None
    path = architecture.weights_path()
    return computed, "here" if path.is_file() else "not here", str(path)


def _lists(
    kind: str, title: str, what: str, *more: tuple[str, str, str, Callable[[Entry[Any]], str | None]], example: str = ""
) -> None:
    """Add the command that lists a kind; `example` is one of it.

    `more` are columns that no other kind has: key, title, beside which one where room is short, and what stands there.
    """

    def command(name: NameArgument = None, format: FormatOption = Format.TABLE, quiet: QuietOption = False) -> None:
        from skineval.report.document.tables import Column, tabulate

        shelf = loaded_catalog(quiet).shelves[kind]
        if name is not None:
            from skineval.cli.details import describe

            print_tables(describe(shelf, name), format)
            return
        entries: Iterable[Entry[Specification]] = shelf.entries.values()
        columns = (
            (Column("name", "Name"), lambda entry: entry.specification.name),
            (Column("summary", "What it is"), lambda entry: entry.specification.summary),
            *((Column(key, name, beside=beside), shown) for key, name, beside, shown in more),
            (Column("parameters", "Parameters", priority=2), lambda entry: _parameters(entry.specification)),
            (Column("package", "Package", priority=3 if more else 1), lambda entry: entry.provider.package),
        )
        notes = [_in_full(kind)] if any(getattr(one, "parameters", {}) for one in shelf) else []
        print_table(tabulate(title, entries, columns, notes), format)

    app.command(kind, cls=QuickCommand, help=what, epilog=f"Example: skineval list {kind} {example}".rstrip())(command)


_lists(
    "imbalance",
    "Imbalance strategies",
    "Strategies for --imbalance. Those that act on the head or the logits alone share the network that `none` trains.",
    ("places", "Acts on", "", lambda entry: ", ".join(entry.specification.places)),
    ("paper", "Paper", "summary", lambda entry: entry.specification.paper or None),
    example="smote",
)
_lists(
    "explainers",
    "Explainers",
    "Explainers for --explainers.",
    ("paper", "Paper", "summary", lambda entry: entry.specification.paper or None),
    example="occlusion",
)
_lists("metrics", "Metrics", "Figures in every results.csv.")
_lists("datasets", "Data sets", "Data sets and folder layouts for --data.")


@app.command("recipes", cls=QuickCommand, epilog="Example: skineval list recipes")
def recipes(format: FormatOption = Format.TABLE, quiet: QuietOption = False) -> None:
    """Recipes that come with skineval."""
    from skineval.report.document.tables import Column, Row, Table
    from skineval.values.shipped import recipe_summary, shipped_recipes

    rows = [Row((name, recipe_summary(file))) for name, file in shipped_recipes().items()]
    print_table(Table("Recipes", (Column("name", "Name"), Column("summary", "What it is")), tuple(rows)), format)


def _parameters(specification: Specification) -> dict[str, Value | tuple[Value, ...]]:
    """Each parameter with its default; where it can be chosen from a list, with the others behind that."""
    known: Parameters = getattr(specification, "parameters", {})
    return {key: (one.default, *others) if (others := _others(one)) else one.default for key, one in known.items()}


def _others(parameter: Parameter) -> list[Value]:
    """What else a parameter may be, where that is a list."""
    return [*(one for one in parameter.choices if one != parameter.default), *[VALIDATION] * bool(parameter.tried)]
