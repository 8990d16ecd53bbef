"""Other people's training loops, where they are installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module, metadata
from importlib.util import find_spec

from benchmarks.speed.case import Setting
from benchmarks.speed.side import Side
from skineval.base.errors import UsageError

#: The package of each peer, and the module here that runs it.
PEERS = {"timm": "benchmarks.speed.timm_side", "lightning": "benchmarks.speed.lightning_side"}


@dataclass(frozen=True)
class Skipped:
    """A peer that does not take part."""

    name: str
    reason: str


def parse_peers(text: str) -> tuple[str, ...]:
    """The peers of a comma-separated list; `none` for none. Raises UsageError for one that nobody knows."""
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if names == ("none",):
        return ()
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise UsageError(f"--peers names {unknown[0]!r}.", f"Choose of {', '.join(PEERS)}, or none.")
    return names


def absent(names: tuple[str, ...]) -> tuple[Skipped, ...]:
    """Those of `names` that cannot take part, and why; the others are said to be skipped on request."""
    missing = [Skipped(name, f"the package {name} is not installed") for name in names if find_spec(name) is None]
    unasked = [Skipped(name, "not asked for") for name in PEERS if name not in names]
    return (*missing, *unasked)


def makers(names: tuple[str, ...], setting: Setting) -> tuple[Callable[[], Side], ...]:
    """What makes a side, for each of `names` that is installed."""
    return tuple(partial(_make, name, setting) for name in names if find_spec(name) is not None)


def versions(names: tuple[str, ...]) -> str:
    """`, timm 1.0` and so on for those of `names` that are installed."""
    return "".join(f", {name} {metadata.version(name)}" for name in names if find_spec(name) is not None)


def _make(name: str, setting: Setting) -> Side:
    side: Side = import_module(PEERS[name]).make_side(setting)
    return side
