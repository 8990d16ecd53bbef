"""Writing files so that a reader sees the old one or the new one, never half of one."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from skineval.errors import SkinevalError

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DiskError(SkinevalError):
    """A file that could not be written."""


def atomic_write(path: Path, data: bytes | str) -> None:
    """Write `data` to `path`: temporary file in the same folder, fsync, rename, fsync of the folder.

    Raises DiskError naming `path` when it cannot be written; a previous version is intact then.
    """
    content = data.encode() if isinstance(data, str) else data

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    atomic_produce(path, write)


def atomic_produce(path: Path, write: Callable[[Path], object]) -> None:
    """Like `atomic_write`, for writers that want a path: `write` fills the temporary file it is given."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(descriptor)
        temporary = Path(name)
        write(temporary)
        _sync(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        temporary = None
        _sync(path.parent)
    except OSError as error:
        raise disk_error(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def atomic_rename(finished: Path, path: Path) -> None:
    """Put a file that was written elsewhere in the same folder into its place: fsync, rename, fsync of the folder.

    Raises DiskError naming `path`; both files are as they were then.
    """
    try:
        _sync(finished)
        finished.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise disk_error(path, error) from error


def disk_error(path: Path, error: OSError) -> DiskError:
    """The message for a failed write to `path`."""
    hint = "Free some space or choose another folder" if error.errno in DISK_FULL else "Check the folder's permissions"
    return DiskError(
        f"Cannot write {path}: {error.strerror or error}.", f"{hint}; everything written before is intact."
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    # The only way to read it is to set it.
    umask = os.umask(0)
    os.umask(umask)
    return umask
