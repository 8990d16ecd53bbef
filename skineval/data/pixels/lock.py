"""Who makes a store when several processes want it: one, while the others wait and are told for whom."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from filelock import FileLock, Timeout

from skineval.base.files import DiskError, atomic_write, disk_error
from skineval.data.pixels.store_file import StoreFile

LOOK = 0.5  #: seconds between looks at how far the other process is


@contextmanager
def turn(file: StoreFile, on_wait: Callable[[str], None], on_look: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a store; the system frees it should this process die.

    While another process holds it, `on_wait` is told which one that is, once for each, and `on_look` is called every
    `LOOK` seconds. Raises DiskError where the folder cannot be written.
    """
    told = ""
    while True:
        # The first look is short: most often nobody is there.
        with try_turn(file, LOOK if told else 0.05) as taken:
            if taken:
                atomic_write(file.builder, f"process {os.getpid()} on {socket.gethostname()}")
                try:
                    yield
                finally:
                    with suppress(OSError):
                        file.builder.unlink()
                return
        if (name := holder(file)) != told:
            on_wait(name)
            told = name
        on_look()


@contextmanager
def try_turn(file: StoreFile, wait: float = 0) -> Iterator[bool]:
    """Hold the lock of a store if nobody does for `wait` seconds, and say whether it is held now; raises DiskError."""
    lock = FileLock(file.lock)
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=wait)
    except Timeout:
        pass
    except OSError as error:
        raise disk_error(file.path, error) from error
    try:
        yield lock.is_locked
    finally:
        lock.release()


def is_taken(file: StoreFile) -> bool:
    """Whether a process makes this store just now."""
    with suppress(DiskError):  # a folder that cannot be written has no builders
        if file.lock.exists():
            with try_turn(file) as free:
                return not free
    return False


def holder(file: StoreFile) -> str:
    """Which process makes a store, in words; a process that has just begun may not have said so yet."""
    try:
        return file.builder.read_text(encoding="utf-8", errors="replace")[:200] or "another process"
    except OSError:
        return "another process"
