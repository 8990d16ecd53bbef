"""What a key of a recipe may be: types and bounds that pydantic checks, and that `--help` reads without it.

Its import takes longer than all of `--help`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from skineval.base.terms import LESION, PROTOCOLS, Probe
from skineval.values.augmentations import canonical


class Held:
    """An annotation: bounds, named as pydantic's Field names them, and how a value is read before it is held to them.

    A GroupedMetadata of annotated-types, which pydantic unfolds when it first checks a value.
    """

    __is_annotated_types_grouped_metadata__ = True

    def __init__(self, read: Callable[[Any], object] | None = None, **bounds: Any) -> None:
        self.read = read
        self.bounds = bounds

    def __iter__(self) -> Iterator[object]:
        from pydantic import BeforeValidator, Field

        yield from Field(**self.bounds).metadata
        if self.read is not None:
            yield BeforeValidator(self.read)


def _path(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _sequence(value: object) -> object:
    """Flags are comma-separated texts, TOML has arrays: both are taken, and paths from Python."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, os.PathLike):
        return (os.fspath(value),)
    if isinstance(value, Sequence):
        return tuple(map(_path, value))
    return value


def _places(value: object) -> object:
    """As `_sequence`; a text with commas is one place where that is there."""
    if isinstance(value, str) and Path(value).expanduser().exists():
        return (value,)
    return _sequence(value)


def _columns(value: object) -> object:
    """As `_sequence`; of a mapping from what a column holds to its name, or to several, texts such as "image=a|b"."""
    if not isinstance(value, Mapping):
        return _sequence(value)
    named = {role: [names] if isinstance(names, str) else names for role, names in value.items()}
    for names in named.values():
        several = isinstance(names, Sequence) and len(names) > 0 and all(isinstance(name, str) for name in names)
        if not several or (len(names) > 1 and any("|" in name for name in names)):
            raise ValueError("the name of a column for each role, or a list of names without |")
    return tuple(f"{role}={'|'.join(names)}" for role, names in named.items())


def _set(value: object) -> object:
    """In one order, each once: what is averaged has none."""
    names = _sequence(value)
    if isinstance(names, tuple) and all(isinstance(name, str) for name in names):
        return tuple(sorted(set(names)))
    return names


def _augment(value: object) -> object:
    if isinstance(value, (tuple, list)) and all(isinstance(part, str) for part in value):
        value = ",".join(value)
    return canonical(value) if isinstance(value, str) else value


def _freezing(value: object) -> object:
    """Those of `FREEZING` that a text or a list names, in that order."""
    names = _sequence(value)
    if isinstance(names, tuple) and set(names) <= set(FREEZING):
        return ",".join(sorted(set(names), key=FREEZING.index))
    return value


def _protocols(value: object) -> object:
    """Those of `PROTOCOLS` that a text or a list names, in that order; of several, one is free of leaks."""
    names = _sequence(value)
    if not isinstance(names, tuple) or not set(names) <= set(PROTOCOLS):
        return value
    if len(set(names)) < len(names):
        raise ValueError("one protocol, or several of which each is named once")
    if len(names) > 1 and LESION not in names:
        raise ValueError(f"one protocol, or several with {LESION} among them, which all others are compared with")
    return ",".join(sorted(names, key=PROTOCOLS.index))


#: What stays as it was: nothing, the backbone for some epochs, or all but a head that is fitted on embeddings.
FREEZING = ("none", "backbone", "all")

Count: TypeAlias = Annotated[int, Held(ge=1)]
Few: TypeAlias = Annotated[int, Held(ge=1, le=100)]
Number: TypeAlias = Annotated[int, Held(ge=0)]
Amount: TypeAlias = Annotated[float, Held(ge=0)]
Part: TypeAlias = Annotated[float, Held(ge=0, lt=1)]
BatchSize: TypeAlias = Literal["auto"] | Annotated[int, Held(ge=2)]
Rate: TypeAlias = Literal["auto"] | Annotated[float, Held(gt=0, le=10)]
Text: TypeAlias = Annotated[str, Held(min_length=1)]
Place: TypeAlias = Annotated[str, Held(_path, min_length=1)]
DeviceName: TypeAlias = Annotated[str, Held(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")]
Freeze: TypeAlias = Annotated[Literal["none", "backbone", "all", "none,all", "backbone,all"], Held(_freezing)]
Protocols: TypeAlias = Annotated[
    Literal[
        "lesion",
        "image",
        "oversample-first",
        "lesion,image",
        "lesion,oversample-first",
        "lesion,image,oversample-first",
    ],
    Held(_protocols),
]
Augment: TypeAlias = Annotated[str, Held(_augment)]
Names: TypeAlias = Annotated[tuple[Text, ...], Held(_sequence)]
Several: TypeAlias = Annotated[tuple[Text, ...], Held(_sequence, min_length=1)]
Places: TypeAlias = Annotated[tuple[Text, ...], Held(_places, min_length=1)]
Files: TypeAlias = Annotated[tuple[Text, ...], Held(_places)]
Columns: TypeAlias = Annotated[tuple[Text, ...], Held(_columns)]
Seeds: TypeAlias = Annotated[tuple[Number, ...], Held(_sequence, min_length=1)]
Probes: TypeAlias = Annotated[tuple[Probe, ...], Held(_sequence, min_length=1)]
Averaged: TypeAlias = Annotated[tuple[Literal["seeds", "models", "folds"], ...], Held(_set)]
