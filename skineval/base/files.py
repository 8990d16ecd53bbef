"""Writing files so that a reader sees the old one or the new one, never half of one."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from skineval.base.errors import SkinevalError, UsageError

if sys.platform != "win32":
    import fcntl

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
TEMPORARY = ".part"  #: how the names of files end that are being written


class DiskError(SkinevalError):
    """A file that could not be written."""


def atomic_write(path: Path, data: bytes | str) -> None:
    """Write `data` to `path`: temporary file in the same folder, fsync, rename, fsync of the folder.

    Raises DiskError naming `path` when it cannot be written; a previous version is intact then.
    """
    temporary: Path | None = None
    descriptor: int | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = _make(path)
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)
        _sync(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        temporary = None
        _sync(path.parent)
    except OSError as error:
        raise disk_error(path, error) from error
    finally:
        if descriptor is not None:
            os.close(descriptor)
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_new(path: Path, data: bytes | str, *, replace: bool) -> None:
    """`atomic_write` for a file that a person names, and may have edited since.

    Raises UsageError, and writes nothing, where another content is there already, unless `replace`.
    """
    content = data.encode() if isinstance(data, str) else data
    if not replace and path.is_file() and path.read_bytes() != content:
        raise UsageError(f"{path} is there already, with another content.", "Name another file, or add --force.")
    atomic_write(path, content)


def refuse_full(folder: Path, *, replace: bool) -> None:
    """Raises UsageError where `folder` is a file, or holds anything, unless `replace`."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file.", "Name another folder.")
    if not replace and folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty.", "Name another folder, or add --force to replace what is there.")


def is_temporary(path: Path) -> bool:
    """Whether the file is one that was being written, by its name."""
    return path.name.startswith(".") and path.name.endswith(TEMPORARY)


def remove_abandoned(folder: Path) -> None:
    """Delete what writers that were killed have left anywhere in `folder`; what is being written stays."""
    for path in folder.rglob(f".*{TEMPORARY}"):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                if _hold(descriptor, wait=False):
                    path.unlink()
            finally:
                os.close(descriptor)


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


def atomic_link(source: Path, path: Path) -> bool:
    """Give the file `source` a second name, whatever `path` was before; False where the file system cannot."""
    temporary = path.with_name(f".{path.name}{TEMPORARY}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        os.link(source, temporary)
        temporary.replace(path)
        temporary.unlink(missing_ok=True)  # to rename one name of a file to another one of it changes nothing
        _sync(path.parent)
    except OSError:
        return False
    return True


def disk_error(path: Path, error: OSError) -> DiskError:
    """The message for a failed write to `path`."""
    hint = "Free some space or choose another folder" if error.errno in DISK_FULL else "Check the folder's permissions"
    return DiskError(
        f"Cannot write {path}: {error.strerror or error}.", f"{hint}; everything written before is intact."
    )


def _make(path: Path) -> tuple[int, Path]:
    """A new file beside `path`, held until its descriptor is closed, if only by the end of this process."""
    while True:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=TEMPORARY, dir=path.parent)
        _hold(descriptor, wait=True)
        if os.fstat(descriptor).st_nlink:
            return descriptor, Path(name)
        os.close(descriptor)  # `remove_abandoned` came in between


def _hold(descriptor: int, wait: bool) -> bool:
    """Lock the file; False where another process has it, or where files cannot be locked."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


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
