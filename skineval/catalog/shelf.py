"""All of one kind that can be named: with globs, parameters and did-you-mean."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

from skineval.base.errors import UsageError, hint_for
from skineval.base.terms import VALIDATION, Value
from skineval.catalog.hybrids import PLUS
from skineval.catalog.loading import Provider
from skineval.catalog.parameters import Parameter
from skineval.catalog.specs import (
    Architecture,
    ArchitectureFamily,
    DatasetSource,
    Explainer,
    Metric,
    Reporter,
    Specification,
)
from skineval.catalog.strategy import ImbalanceStrategy
from skineval.values.runspec import OF_FILE, Selection, names_file

S = TypeVar("S", bound=Specification)

#: How `skineval list` calls all of a kind.
KINDS: Mapping[type, str] = {
    Architecture: "models",
    ArchitectureFamily: "families",
    ImbalanceStrategy: "imbalance",
    Explainer: "explainers",
    Metric: "metrics",
    DatasetSource: "datasets",
    Reporter: "reporters",
}
#: Between the parts of a hybrid or a combination, but not in a number: `a+b`, `a:rate=1e+3`.
_BETWEEN_PARTS = re.compile(r"\+(?!\d+(?:[:+]|$))")

_MORE_PARAMETERS = "Commas part names: parameters stand behind their name with colons, as in borderline-smote:k=3:m=4."


@dataclass(frozen=True)
class Entry(Generic[S]):
    """One specification and where it comes from."""

    specification: S
    provider: Provider


@dataclass(frozen=True)
class Shelf(Generic[S]):
    """All specifications of one kind, by name, in the order in which they were registered."""

    kind: str  #: as `skineval list` calls it
    noun: str  #: as messages call one of them
    entries: Mapping[str, Entry[S]]

    def __iter__(self) -> Iterator[S]:
        return (entry.specification for entry in self.entries.values())

    def __getitem__(self, name: str) -> S:
        """The specification called `name`; raises UsageError with the nearest known names."""
        if name not in self.entries:
            alone = name.partition(":")[0]
            told = _MORE_PARAMETERS if "=" in name else hint_for(name, self.entries, told_by(self.kind))
            if alone != name and alone in self.entries:
                told = f"Without its parameters that is {alone}."
            raise UsageError(f"There is no {self.noun} {name!r}.", told)
        return self.entries[name].specification

    def providers(self, name: str) -> tuple[Provider, ...]:
        """Who provides what is called `name`."""
        return (self.entries[name].provider,)

    def select(self, texts: Sequence[str]) -> tuple[Selection, ...]:
        """Resolve names, globs (`resnet*`) and parameters (`smote:k=3`); duplicates are dropped.

        Raises UsageError for what is unknown, mistyped or out of range.
        """
        selected: dict[str, Selection] = {}
        for before, text in pairwise(("", *texts)):
            try:
                found = tuple(self._matching(text.strip()))
            except UsageError as error:
                if not names_file(before):
                    raise
                told = f"Where that is the rest of the path after {before!r}: a path with a comma cannot be named here."
                raise UsageError(error.message, f"{told} {error.hint}") from error
            for selection in found:
                selected.setdefault(str(selection), selection)
        return tuple(selected.values())

    def _matching(self, text: str) -> Iterator[Selection]:
        text, given, file = text.partition(OF_FILE)
        name, *assignments = (part.strip() for part in text.split(":"))
        assignments += [f"file={file}"] * bool(given)
        names = self._globbed(name) if is_glob(name) else [name]
        for found in names:
            yield select(self[found], assignments)

    def _composed(self, texts: Sequence[str], like: str) -> list[Selection]:
        """The parts of `a+b`, each chosen; raises UsageError for one that is empty, no single one, or there twice.

        `like` is an example of what is right.
        """
        if not all(texts):
            raise UsageError("A part is empty.", f"Write the names of its parts with + between them: {like}.")
        for text in texts:
            if is_glob(text.partition(":")[0]):
                raise UsageError(f"{text!r} may stand for more than one {self.noun}.", "Name each part in full.")
        chosen = [selection for text in texts for selection in Shelf._matching(self, text)]
        names = [selection.name for selection in chosen]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"{name} is in it {names.count(name)} times.", "Name each part once.")
        return chosen

    def _globbed(self, glob: str) -> Sequence[str]:
        names = fnmatch.filter(self.entries, glob)
        if not names:
            raise UsageError(f"No {self.noun} matches {glob!r}.", hint_for(glob, self.entries, told_by(self.kind)))
        return names


def select(specification: Specification, assignments: Sequence[str] = ()) -> Selection:
    """`specification` with `key=value` texts applied to its parameters, typed and checked."""
    known: Mapping[str, Parameter] = getattr(specification, "parameters", {})
    given: dict[str, Value] = {}
    for assignment in assignments:
        key, equals, value = (part.strip() for part in assignment.partition("="))
        if not assignment:
            raise UsageError(f"{specification.name} has a colon with nothing behind it.", "Leave the colon out.")
        if key in given:
            raise UsageError(f"{specification.name}:{key} is given twice.", "Give each parameter one value.")
        if key not in known:
            there = hint_for(key, known) if known else "It takes no parameters."
            told = f"`skineval list {KINDS[type(specification)]}` shows the parameters of each."
            raise UsageError(f"{specification.name} has no parameter {key!r}.", f"{there} {told}")
        if not equals:
            raise UsageError(
                f"{specification.name}:{key} has no value.", f"Write {key}=VALUE; by default {known[key].default}."
            )
        given[key] = _parse(specification.name, key, value, known[key])
    return select_values(specification, given)


def select_values(specification: Specification, given: Mapping[str, Value]) -> Selection:
    """`specification` with values of its parameters that are known to be right."""
    known: Mapping[str, Parameter] = getattr(specification, "parameters", {})
    changed = {key: value for key, value in given.items() if value != known[key].default}
    text = ":".join([specification.name, *(f"{key}={written(changed[key])}" for key in known if key in changed)])
    resolved = {key: given.get(key, parameter.default) for key, parameter in known.items()}
    return Selection(specification.name, resolved, text)


def joined(chosen: Sequence[Selection]) -> Selection:
    """What is chosen as one: `a+b`, whose parameters are those of its parts, `power` of `a` being `a.power`."""
    parameters = {f"{one.name}.{key}": value for one in chosen for key, value in one.parameters.items()}
    return Selection(PLUS.join(one.name for one in chosen), parameters, PLUS.join(map(str, chosen)))


def named_parts(text: str) -> list[str]:
    """The texts of the parts of `a+b`, where a file that is named at the end may have any name."""
    named, given, file = text.partition(OF_FILE)
    *others, last = [part.strip() for part in _BETWEEN_PARTS.split(named)]
    return [*others, f"{last}{given}{file}"]


def _parse(name: str, key: str, text: str, parameter: Parameter) -> Value:
    kind = type(parameter.default)
    where = f"{name}:{key}"
    if parameter.tried and text == VALIDATION:
        return text
    try:
        value: Value = {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise UsageError(
            f"{where} is {text!r}, which is not {_article(kind)}{f' or {VALIDATION}' if parameter.tried else ''}.",
            f"{parameter.summary} Default: {parameter.default}.",
        ) from None
    if parameter.choices and value not in parameter.choices:
        raise UsageError(f"{where} is {text!r}.", hint_for(text, [str(choice) for choice in parameter.choices]))
    if isinstance(value, (int, float)):
        if parameter.minimum is not None and not value >= parameter.minimum:
            raise UsageError(f"{where} is {text}.", f"It must be at least {parameter.minimum:g}.")
        if parameter.maximum is not None and not value <= parameter.maximum:
            raise UsageError(f"{where} is {text}.", f"It must be at most {parameter.maximum:g}.")
        if not math.isfinite(value):
            raise UsageError(f"{where} is {text}.", "It must be finite.")
    return value + 0.0 if isinstance(value, float) else value  # of zeros there is one


def told_by(kind: str) -> str:
    return f"`skineval list {kind}` says what each is."


def is_glob(name: str) -> bool:
    return any(c in name for c in "*?[")


def _article(kind: type) -> str:
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "a text")


def written(value: Value) -> str:
    """A value as one writes it in a recipe."""
    return str(value).lower() if isinstance(value, bool) else str(value)
