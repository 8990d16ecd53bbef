"""Where things lie: the files of a folder by their names, and folders unless somebody says otherwise."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from platformdirs import user_cache_dir

RUNS = Path("runs")


def cache_folder() -> Path:
    """Where stores and downloads are kept: the environment variable SKINEVAL_CACHE, or the user's cache folder."""
    chosen = os.environ.get("SKINEVAL_CACHE")
    return Path(chosen).expanduser() if chosen else Path(user_cache_dir("skineval", appauthor=False))


@dataclass(frozen=True)
class Place(ABC):
    """Where files lie that have names of their own: `predictions = File("predictions.csv")`."""

    path: Path

    @abstractmethod
    def named(self, name: str) -> Path:
        """The file of that name."""


class Folder(Place):
    """A folder with such files."""

    def named(self, name: str) -> Path:
        return self.path / name


class File:
    """A file of a place, there or not: what stands behind it is where it lies."""

    def __init__(self, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, place: None, kind: type) -> File: ...
    @overload
    def __get__(self, place: Place, kind: type) -> Path: ...
    def __get__(self, place: Place | None, kind: type) -> File | Path:
        return self if place is None else place.named(self.name)
