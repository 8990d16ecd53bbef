"""From names to specifications: what every plugin offers, by kind, with globs, parameters and did-you-mean."""

from __future__ import annotations

import contextlib
import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from skineval.base.errors import PluginError, SkinevalError, UsageError, hint_for, one_line
from skineval.base.terms import VALIDATION, Value
from skineval.catalog.faults import specification_fault
from skineval.catalog.hybrids import PLUS, combine, resolved
from skineval.catalog.loading import Plugins, Problem, Provider, load_plugins, set_aside, stdout_to_stderr
from skineval.catalog.specs import (
    Architecture,
    ArchitectureFamily,
    DatasetSource,
    Explainer,
    ImbalanceStrategy,
    Metric,
    Parameter,
    Reporter,
    Specification,
)
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
#: Between the name of a family and that of one of its architectures.
SLASH = "/"
#: Families that are known to be there for the asking, and the packages that provide them.
TO_BE_INSTALLED: Mapping[str, str] = MappingProxyType({"timm": "skineval-timm"})
#: Between the parts of a hybrid, but not in a number: `a+b`, `a:rate=1e+3`.
_BETWEEN_PARTS = re.compile(r"\+(?!\d+(?:[:+]|$))")


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
            raise UsageError(f"There is no {self.noun} {name!r}.", hint_for(name, self.entries, _told(self.kind)))
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
        name, *assignments = text.split(":")
        assignments += [f"file={file}"] * bool(given)
        names = self._globbed(name) if _is_glob(name) else [name]
        for found in names:
            yield select(self[found], assignments)

    def _globbed(self, glob: str) -> Sequence[str]:
        names = fnmatch.filter(self.entries, glob)
        if not names:
            raise UsageError(f"No {self.noun} matches {glob!r}.", hint_for(glob, self.entries, _told(self.kind)))
        return names


@dataclass(frozen=True)
class FamilyShelf(Shelf[ArchitectureFamily]):
    """All families of architectures; what is in one is looked up when its name is asked for: `family/rest`."""

    found: dict[str, Architecture] = field(default_factory=dict)  #: by full names, what was looked up before

    def member(self, name: str) -> Architecture:
        """The architecture called `name`; raises UsageError with the nearest known ones, PluginError for what is none.

        An error that its family raises for users is theirs to see.
        """
        if name not in self.found:
            family, rest = self._parted(name)
            with _guarded(family):
                one: object = family.find(rest)
            if one is None:
                raise UsageError(f"There is no model {name!r}.", hint_for(name, self._names(family)))
            fault = specification_fault(one, Architecture, {}, name)
            if fault or not isinstance(one, Architecture):
                raise PluginError(f"The family {family.name}: {fault}.")
            self.found[name] = one
        return self.found[name]

    def members(self, glob: str) -> Sequence[str]:
        """The names that `glob` matches, in which the family stands in full; raises UsageError where there is none."""
        family, _ = self._parted(glob)
        names = self._names(family)
        matching = fnmatch.filter(names, glob)
        if not matching:
            raise UsageError(f"No model matches {glob!r}.", hint_for(glob, names))
        return matching

    def _parted(self, name: str) -> tuple[ArchitectureFamily, str]:
        family, _, rest = name.partition(SLASH)
        if family not in self.entries:
            told = f"There is no model {name!r}: no package that is installed provides names that begin with {family}/."
            raise UsageError(told, how_to_get(family) or hint_for(family, self.entries, _told("models")))
        return self.entries[family].specification, rest

    @staticmethod
    def _names(family: ArchitectureFamily) -> list[str]:
        with _guarded(family):
            return [f"{family.name}{SLASH}{rest}" for rest in family.names()]


@dataclass(frozen=True)
class ArchitectureShelf(Shelf[Architecture]):
    """All architectures, those of families, and hybrids, which are made when they are asked for: `a+b`.

    The name of a hybrid holds the names of its parts, its parameters are theirs: `width` of `cnn` is `cnn.width`.
    """

    families: FamilyShelf

    def __getitem__(self, name: str) -> Architecture:
        """The architecture or hybrid called `name`; raises UsageError with the nearest known names."""
        parts = [self._single(part) for part in name.split(PLUS)]
        return combine(parts) if len(parts) > 1 else parts[0]

    def _single(self, name: str) -> Architecture:
        return self.families.member(name) if SLASH in name else super().__getitem__(name)

    def providers(self, name: str) -> tuple[Provider, ...]:
        """Who provides the architecture, or the parts of the hybrid, called `name`."""
        return tuple(dict.fromkeys(self._provider(part) for part in name.split(PLUS)))

    def _provider(self, name: str) -> Provider:
        family, slash, _ = name.partition(SLASH)
        return (self.families.entries[family] if slash else self.entries[name]).provider

    def _globbed(self, glob: str) -> Sequence[str]:
        if SLASH in glob:
            return self.families.members(glob)
        names = [name for name in super()._globbed(glob) if self.entries[name].specification.embeddings is None]
        if not names:
            raise UsageError(f"No network matches {glob!r}.", hint_for(glob, self.entries, _told(self.kind)))
        return names

    def _located(self, selection: Selection) -> Selection:
        """The same, with the whole path of the file where it names one."""
        if self[selection.name].embeddings is None:
            return selection
        file = str(selection.parameters["file"])
        if not file:
            raise UsageError(f"{selection.name} names no file.", f"Write {selection.name}{OF_FILE}PATH.")
        path = str(Path(file).expanduser().resolve())
        return Selection(selection.name, {"file": path}, f"{selection.name}{OF_FILE}{path}")

    def _matching(self, text: str) -> Iterator[Selection]:
        named, given, file = text.partition(OF_FILE)
        *others, last = [part.strip() for part in _BETWEEN_PARTS.split(named)]
        parts = [*others, f"{last}{given}{file}"]
        if len(parts) == 1:
            yield from map(self._located, super()._matching(text))
            return
        try:
            yield self._hybrid(parts)
        except UsageError as error:
            raise UsageError(f"In the hybrid {text!r}: {error.message}", error.hint) from None

    def _hybrid(self, parts: Sequence[str]) -> Selection:
        if not all(parts):
            raise UsageError("A part is empty.", "Write the names of its parts with + between them: cnn+densenet121.")
        for part in parts:
            if _is_glob(part.partition(":")[0]):
                raise UsageError(f"{part!r} stands for several models.", "Name each part of a hybrid in full.")
        chosen = [selection for part in parts for selection in super(ArchitectureShelf, self)._matching(part)]
        names = [selection.name for selection in chosen]
        if blind := [name for name in names if self[name].embeddings]:
            raise UsageError(f"{blind[0]} looks at no images.", "A hybrid is made of networks that do.")
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"{name} is in it {names.count(name)} times.", "Name each part once.")
        parameters = {f"{one.name}.{key}": value for one in chosen for key, value in one.parameters.items()}
        return Selection(PLUS.join(names), parameters, PLUS.join(map(str, chosen)))


@dataclass(frozen=True)
class Catalog:
    """Everything that can be named in a recipe, and what was set aside on the way."""

    architectures: ArchitectureShelf
    imbalance: Shelf[ImbalanceStrategy]
    explainers: Shelf[Explainer]
    metrics: Shelf[Metric]
    datasets: Shelf[DatasetSource]
    reporters: Shelf[Reporter]
    plugins: Plugins
    problems: tuple[Problem, ...]

    @property
    def shelves(self) -> dict[str, Shelf[Any]]:
        """What is offered of each kind, as `skineval list` calls it."""
        shelves = (
            self.architectures,
            self.architectures.families,
            self.imbalance,
            self.explainers,
            self.metrics,
            self.datasets,
            self.reporters,
        )
        return {shelf.kind: shelf for shelf in shelves}

    def architecture(self, selection: Selection) -> Architecture:
        """The architecture that `selection` names, as its parameters make it; raises UsageError for unknown names."""
        return resolved(self.architectures[selection.name], selection.parameters)


def load_catalog(plugins: Plugins | None = None) -> Catalog:
    """Ask every plugin what it offers."""
    loaded = load_plugins() if plugins is None else plugins
    problems = list(loaded.problems)

    def collect(hook: str, of: type[S]) -> Mapping[str, Entry[S]]:
        entries: dict[str, Entry[S]] = {}
        for found in loaded.collect(hook):
            if isinstance(found, Problem):
                problems.append(found)
                continue
            provider, specification = found
            names = {name: entry.provider for name, entry in entries.items()}
            fault = specification_fault(specification, of, names)
            if fault:
                problems.append(set_aside(Problem(provider, hook, fault)))
            else:
                entries[specification.name] = Entry(specification, provider)
        return MappingProxyType(entries)

    def shelf(of: type[S], noun: str, hook: str) -> Shelf[S]:
        return Shelf(KINDS[of], noun, collect(hook, of))

    families = FamilyShelf(
        KINDS[ArchitectureFamily], "family of models", collect("skineval_register_families", ArchitectureFamily)
    )
    return Catalog(
        architectures=ArchitectureShelf(
            KINDS[Architecture], "model", collect("skineval_register_architectures", Architecture), families
        ),
        imbalance=shelf(ImbalanceStrategy, "imbalance strategy", "skineval_register_imbalance"),
        explainers=shelf(Explainer, "explainer", "skineval_register_explainers"),
        metrics=shelf(Metric, "metric", "skineval_register_metrics"),
        datasets=shelf(DatasetSource, "data set", "skineval_register_datasets"),
        reporters=shelf(Reporter, "reporter", "skineval_register_reporters"),
        plugins=loaded,
        problems=tuple(problems),
    )


def select(specification: Specification, assignments: Sequence[str] = ()) -> Selection:
    """`specification` with `key=value` texts applied to its parameters, typed and checked."""
    known: Mapping[str, Parameter] = getattr(specification, "parameters", {})
    given: dict[str, Value] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if key not in known:
            there = hint_for(key, known) if known else "It takes no parameters."
            told = f"`skineval list {KINDS[type(specification)]}` shows the parameters of each."
            raise UsageError(f"{specification.name} has no parameter {key!r}.", f"{there} {told}")
        if not equals:
            raise UsageError(
                f"{specification.name}:{key} has no value.", f"Write {key}=VALUE; by default {known[key].default}."
            )
        given[key] = _parse(specification.name, key, value, known[key])
    changed = {key: value for key, value in given.items() if value != known[key].default}
    text = ":".join([specification.name, *(f"{key}={written(changed[key])}" for key in known if key in changed)])
    resolved = {key: given.get(key, parameter.default) for key, parameter in known.items()}
    return Selection(specification.name, resolved, text)


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
        # Written so that NaN fails too.
        if parameter.minimum is not None and not value >= parameter.minimum:
            raise UsageError(f"{where} is {text}.", f"It must be at least {parameter.minimum:g}.")
        if parameter.maximum is not None and not value <= parameter.maximum:
            raise UsageError(f"{where} is {text}.", f"It must be at most {parameter.maximum:g}.")
    return value


@contextlib.contextmanager
def _guarded(family: ArchitectureFamily) -> Iterator[None]:
    """What a family prints goes to standard error, and what it raises, if not for users, is a PluginError."""
    try:
        with stdout_to_stderr():
            yield
    except SkinevalError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(f"The family {family.name} cannot be looked into: {one_line(error)}.") from error


def how_to_get(family: str) -> str:
    """How to get a family that is known to be there for the asking; empty for any other."""
    package = TO_BE_INSTALLED.get(family)
    if not package:
        return ""
    how = f"pip install {package}, or in a clone of skineval `uv pip install ./plugins/{package}`"
    return f"{family}{SLASH}NAME comes with {package}: {how}."


def _told(kind: str) -> str:
    return f"`skineval list {kind}` says what each is."


def _is_glob(name: str) -> bool:
    return any(c in name for c in "*?[")


def _article(kind: type) -> str:
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "a text")


def written(value: Value) -> str:
    """A value as one writes it in a recipe."""
    return str(value).lower() if isinstance(value, bool) else str(value)
