"""What has been scored so far, on disk until all of it is: who is interrupted loses the images of one batch."""

from __future__ import annotations

import hashlib
import io
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError
from skineval.base.files import atomic_write
from skineval.data.files import npz

EVERY = 5.0  #: seconds, after which what is new is written
OLD = 30 * 86_400.0  #: seconds, after which what nobody has gone on with is removed

_SCORES, _SECONDS = "scores ", "seconds "  # how the names of arrays in a file begin


@dataclass(frozen=True, eq=False)
class Tally:
    """The scores of the first images by one way to make maps."""

    scores: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)  #: (n,) by column
    seconds: Mapping[str, float] = field(default_factory=dict)  #: by what they were spent on

    @property
    def images(self) -> int:
        """How many images are scored."""
        return len(next(iter(self.scores.values()), ()))

    def plus(self, scores: Mapping[str, NDArray[np.float64]], seconds: Mapping[str, float]) -> Tally:
        """With those of the next images."""
        return Tally(
            {column: np.append(self.scores.get(column, np.empty(0)), values) for column, values in scores.items()},
            {what: self.seconds.get(what, 0.0) + spent for what, spent in seconds.items()},
        )

    @classmethod
    def read(cls, path: Path) -> Tally:
        """What `write` has left there; nothing where nothing is, or what is damaged."""
        with suppress(DataError):
            arrays = {key: npz.member(path, key).read().astype(np.float64) for key in npz.keys(path)}
            return cls(
                {key.removeprefix(_SCORES): one for key, one in arrays.items() if key.startswith(_SCORES)},
                {key.removeprefix(_SECONDS): one.item() for key, one in arrays.items() if key.startswith(_SECONDS)},
            )
        return cls()

    def write(self, path: Path) -> None:
        """Raises DiskError where it cannot be written."""
        content = io.BytesIO()
        arrays: dict[str, Any] = {_SCORES + column: values for column, values in self.scores.items()}
        np.savez(content, **arrays | {_SECONDS + what: np.array([spent]) for what, spent in self.seconds.items()})
        atomic_write(path, content.getvalue())


class Entry:
    """The tally of one way to make maps, which grows; where it has a path, it is written now and then."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._written = path, time.monotonic()
        self.tally = Tally.read(path) if path else Tally()

    def add(self, scores: Mapping[str, NDArray[np.float64]], seconds: Mapping[str, float]) -> None:
        """The scores (n,) of the next images by their columns, and what they took."""
        self.tally = self.tally.plus(scores, seconds)  # at once, whenever Ctrl-C comes
        if time.monotonic() - self._written > EVERY:
            self.write()

    def write(self) -> None:
        """Raises DiskError where it cannot be written."""
        if self._path and self.tally.images:
            self.tally.write(self._path)
        self._written = time.monotonic()


class Ledger:
    """An entry for each way to make maps, by its name, in files of one folder; without a folder nothing is kept."""

    def __init__(self, folder: Path | None = None, *, fresh: bool = False) -> None:
        """Goes on with what lies in `folder`, unless it is to be `fresh`; what is old beside it is removed."""
        self._folder = folder
        for other in folder.parent.glob("*") if folder else ():
            with suppress(OSError):  # another process may have removed it
                if (fresh and other == folder) or time.time() - other.stat().st_mtime > OLD:
                    shutil.rmtree(other)

    @contextmanager
    def entry(self, name: str) -> Iterator[Entry]:
        """That of this name, which is written at the end, whatever ends it."""
        found = Entry(self._folder and self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.npz")
        try:
            yield found
        finally:
            found.write()

    def close(self) -> None:
        """Nothing is left to be done: all entries are removed."""
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
