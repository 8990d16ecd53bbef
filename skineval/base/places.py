"""Where things lie: the files of a folder by their names, and folders unless somebody says otherwise."""

from __future__ import annotations

import os
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
class Folder:
    """A folder whose files have names of their own: `predictions = File("predictions.csv")`."""

    path: Path


class File:
    """A file of a folder, there or not: what stands behind it is its place."""

    def __init__(self, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, folder: None, kind: type) -> File: ...
    @overload
    def __get__(self, folder: Folder, kind: type) -> Path: ...
    def __get__(self, folder: Folder | None, kind: type) -> File | Path:
        return self if folder is None else folder.path / self._name
