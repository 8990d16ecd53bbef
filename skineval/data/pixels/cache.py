"""The pixel stores in the cache folder: which there are, whether they are whole, and how to be rid of them."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from skineval.base.codec import read_json
from skineval.base.errors import DataError, UsageError
from skineval.base.files import disk_error
from skineval.data.pixels.build import temporary_files
from skineval.data.pixels.lock import holder, is_taken, try_turn
from skineval.data.pixels.store import STORES
from skineval.data.pixels.store_file import SUFFIX, About, StoreFile, damage

BUILDING = "being prepared"
COMPLETE = "complete"
UNFINISHED = "unfinished"
UNREADABLE = "not of this version"

#: What the files of a store are called, those of earlier versions included.
_NAME = re.compile(r"(?P<key>\d{1,4}px-(?:(?:squash|crop|pad)-)?[0-9a-f]{32})\.(?:uint8|json|part|journal|builder)")


@dataclass(frozen=True)
class CachedStore:
    """A store as it lies in the cache."""

    file: StoreFile
    about: About | None  #: None where it is not finished or its description cannot be read
    state: str  #: `COMPLETE`, `UNFINISHED`, `UNREADABLE`, `BUILDING` with the process, or what is wrong with it
    bytes: int  #: on disk, with all files
    used: datetime  #: UTC, when it was made or opened last


def cached_stores(cache: Path, *, unused_for: timedelta | None = None) -> tuple[CachedStore, ...]:
    """The stores in `cache`, the one that was used last first; only those unused for so long, where that is given.

    Raises UsageError where their folder is a link that leads out of `cache`, DiskError where it cannot be read.
    """
    folder = cache / STORES
    if not folder.resolve().is_relative_to(cache.resolve()):
        raise UsageError(f"{folder} is a link to {folder.resolve()}.", "Name that folder's parent as SKINEVAL_CACHE.")
    try:
        found = folder.iterdir() if folder.is_dir() else ()
        plain = [path.name for path in found if path.is_file() and not path.is_symlink()]  # skineval makes no links
        names = sorted({match["key"] for match in map(_NAME.fullmatch, plain) if match})
        stores = [_look(StoreFile(folder / f"{name}{SUFFIX}")) for name in names]
    except OSError as error:
        raise disk_error(folder, error) from error
    latest = datetime.now(UTC) - (unused_for or timedelta())
    chosen = [store for store in stores if unused_for is None or store.used <= latest]
    return tuple(sorted(chosen, key=lambda store: store.used, reverse=True))


def verify(store: CachedStore) -> str:
    """The state of a store once every byte of it was read and compared with its checksum."""
    if store.state != COMPLETE:
        return store.state
    return damage(store.file) or COMPLETE


def remove(store: CachedStore) -> bool:
    """Delete the files of a store, and nothing else; False where a process is just making it.

    Processes that train on it go on: they keep the file open. The lock stays, an empty file: another process may be
    about to take it. Raises DiskError where a file cannot be deleted.
    """
    file = store.file
    try:
        with try_turn(file) as taken:
            if taken:
                for path in _files(file):
                    path.unlink(missing_ok=True)
            return taken
    except OSError as error:
        raise disk_error(file.path, error) from error


def _look(file: StoreFile) -> CachedStore:
    known = _files(file)
    times = [known[file.about].st_mtime] if file.about in known else [one.st_mtime for one in known.values()]
    about = None
    with suppress(DataError):
        about = read_json(About, file.about, "")
    if is_taken(file):
        state = f"{BUILDING} by {holder(file)}"
    elif not file.path.exists():
        state = UNFINISHED
    else:
        state = UNREADABLE if about is None else COMPLETE
    used = datetime.fromtimestamp(max(times, default=0), UTC)
    return CachedStore(file, about, state, sum(one.st_size for one in known.values()), used)


def _files(file: StoreFile) -> dict[Path, os.stat_result]:
    """The files of a store that are there, its lock aside; a builder may rename some at any moment."""
    found = {}
    embedded = file.path.parent.glob(f"{file.path.stem}-*")  # by frozen networks
    for path in (file.path, file.about, file.part, file.journal, file.builder, *temporary_files(file), *embedded):
        with suppress(FileNotFoundError):
            known = path.lstat()
            if stat.S_ISREG(known.st_mode):
                found[path] = known
    return found
