"""`skineval list KIND NAME`: one of what can be named, and what each of its parameters means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from skineval.base.terms import VALIDATION

if TYPE_CHECKING:
    from skineval.catalog.parameters import Parameter, Parameters
    from skineval.catalog.shelf import Shelf
    from skineval.report.document.tables import Cell, Table

_FLAGS = {"models": "--models", "imbalance": "--imbalance", "explainers": "--explainers", "datasets": "--data"}
_TYPES = {bool: "true or false", int: "whole number", float: "number", str: "text"}


def describe(shelf: Shelf[Any], name: str, more: Iterable[tuple[str, Cell]] = ()) -> list[Table]:
    """What is called `name`, and a table of its parameters where it has some; `more` is known of its kind alone.

    Raises UsageError where there is none.
    """
    from skineval.report.document.tables import Column, tabulate, tabulate_facts

    one = shelf[name]
    parameters: Parameters = getattr(one, "parameters", {})
    facts = [
        ("What it is", one.summary),
        ("Acts on", ", ".join(getattr(one, "places", ()))),
        ("Paper", getattr(one, "paper", "")),
        *more,
        ("Package", ", ".join(provider.package for provider in shelf.providers(name))),
        ("Written", _written(name, parameters, _FLAGS.get(shelf.kind, ""))),
    ]
    tables = [tabulate_facts(name, [(what, value) for what, value in facts if value not in ("", None)])]
    if parameters:
        columns = (
            (Column("parameter", "Parameter"), lambda item: item[0]),
            (Column("summary", "What it is"), lambda item: item[1].summary),
            (Column("type", "Type"), lambda item: _TYPES[type(item[1].default)]),
            (Column("range", "May be"), lambda item: spread(item[1])),
            (Column("default", "Default"), lambda item: item[1].default),
        )
        tables.append(tabulate(f"Parameters of {name}", parameters.items(), columns))
    return tables


def spread(parameter: Parameter) -> str:
    """What a parameter may be, beside its type; empty where that is anything."""
    from skineval.catalog.shelf import written

    low, high = parameter.minimum, parameter.maximum
    values = list(map(written, parameter.choices))
    if not values and low is not None:
        values = [f"{low:g} to {high:g}" if high is not None else f"{low:g} or more"]
    elif not values and high is not None:
        values = [f"{high:g} or less"]
    return ", ".join(values) + (f", or {VALIDATION} (the best there)" if parameter.tried else "")


def _written(name: str, parameters: Parameters, flag: str) -> str:
    """How one asks for it, with all its parameters as they are by default; those of a part stand behind that."""
    from skineval.catalog.hybrids import PLUS
    from skineval.catalog.shelf import written

    parts = name.split(PLUS)
    behind = {
        key: f":{key.rpartition('.')[2]}={written(one.default) or key.upper()}" for key, one in parameters.items()
    }
    texts = [
        part + "".join(text for key, text in behind.items() if len(parts) == 1 or key.startswith(f"{part}."))
        for part in parts
    ]
    return f"{flag} {PLUS.join(texts)}" if flag else ""
