"""All architectures that can be named: those of families, and hybrids, too."""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from skineval.base.errors import PluginError, SkinevalError, UsageError, hint_for, one_line
from skineval.catalog.faults import specification_fault
from skineval.catalog.hybrids import PLUS, combine
from skineval.catalog.loading import Provider, stdout_to_stderr
from skineval.catalog.shelf import Shelf, joined, named_parts, told_by
from skineval.catalog.specs import Architecture, ArchitectureFamily
from skineval.values.runspec import OF_FILE, Selection

#: Between the name of a family and that of one of its architectures.
SLASH = "/"
#: Families that are known to be there for the asking, and the packages that provide them.
TO_BE_INSTALLED: Mapping[str, str] = MappingProxyType({"timm": "skineval-timm"})


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
            raise UsageError(told, how_to_get(family) or hint_for(family, self.entries, told_by("models")))
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
            raise UsageError(f"No network matches {glob!r}.", hint_for(glob, self.entries, told_by(self.kind)))
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
        parts = named_parts(text)
        if len(parts) == 1:
            yield from map(self._located, super()._matching(text))
            return
        try:
            chosen = self._composed(parts, "cnn+densenet121")
            if blind := [one.name for one in chosen if self[one.name].embeddings]:
                raise UsageError(f"{blind[0]} looks at no images.", "A hybrid is made of networks that do.")
            yield joined(chosen)
        except UsageError as error:
            raise UsageError(f"In the hybrid {text!r}: {error.message}", error.hint) from None


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
