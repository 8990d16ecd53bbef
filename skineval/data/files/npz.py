"""Arrays in an npz file, one record after the other: headers are checked first, and nothing is ever unpickled.

An npz file is a zip archive of npy files (numpy.lib.format). Its largest array may not fit into memory, and what it
says of itself may be wrong: no memory is taken for an array before its size was compared with what the archive says.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from skineval.base.errors import DataError, first_few

MAX_BYTES = 8_000_000_000  #: of one array; DermaMNIST has 1.05e9 at most
SUFFIX = ".npy"

Header = tuple[tuple[int, ...], bool, np.dtype[np.generic]]  #: shape, whether it is stored by columns, dtype

_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_RESTORE = "Download the file again."


@dataclass(frozen=True)
class Member:
    """One array, as its header describes it."""

    path: Path  #: of the npz file
    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return f"{self.path}:{self.key}"

    @property
    def stride(self) -> int:
        """Bytes of one record: of all that one index of the first axis holds."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def records(self) -> Iterator[bytes]:
        """The content, a record at a time. Raises DataError where the file is damaged or ends early."""
        with _opened(self.path, self.key) as (file, *_):
            for number in range(self.shape[0]):
                record = file.read(self.stride)
                if len(record) < self.stride:
                    raise DataError(f"{self.name} ends after {number} of {self.shape[0]} records.", _RESTORE)
                yield record
            file.read(1)  # the checksum is compared at the end

    def read(self) -> NDArray[np.generic]:
        """The whole array. Raises DataError where the file is damaged."""
        return np.frombuffer(b"".join(self.records()), dtype=self.dtype).reshape(self.shape)


def keys(path: Path) -> tuple[str, ...]:
    """The names of the arrays in a file; none where it is no npz file that can be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(name.removesuffix(SUFFIX) for name in archive.namelist() if name.endswith(SUFFIX))
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
        return ()


def member(path: Path, key: str, hint: str = _RESTORE) -> Member:
    """The array called `key`, of which the header alone was read; `hint` is what to do where it holds objects.

    Raises DataError for one that is not there or there twice, cannot be read, holds Python objects, is stored by
    columns, or of which header and archive disagree about the size.
    """
    name = f"{path}:{key}"
    found = keys(path).count(key)
    if found != 1:
        raise DataError(
            f"{path} holds {found} arrays called {key} (it holds: {first_few(keys(path)) or 'none that can be read'}).",
            _RESTORE,
        )
    with _opened(path, key) as (_, (shape, by_columns, dtype), promised):
        size = math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise DataError(f"{name} holds pickled Python objects, which could run code: they are not read.", hint)
    if by_columns and len(shape) > 1:
        raise DataError(f"{name} is stored column by column, which is not read.", "Save it again in C order.")
    if not shape or min(shape) < 0 or size != promised:
        raise DataError(
            f"{name} has the shape {shape} of {dtype}, which takes {size} bytes, and the archive says {promised}.",
            _RESTORE,
        )
    if size > MAX_BYTES:
        raise DataError(f"{name} has {size} bytes, too many to be meant.", "Remove the file.")
    return Member(path, key, shape, dtype)


@contextmanager
def _opened(path: Path, key: str) -> Iterator[tuple[IO[bytes], Header, int]]:
    """The content of an array, its header, and how many bytes the archive promises; DataError for all that is wrong."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(key + SUFFIX) as file:
            try:
                version = npy.read_magic(file)
                if version not in _READERS:
                    raise ValueError(f"npy version {version}")
                header = _READERS[version](file)  # nothing but literals is evaluated
            except Exception as error:  # numpy's parser raises whatever damaged bytes lead it to
                raise DataError(f"{path}:{key} is not an npy file that can be read: {error}.", _RESTORE) from error
            yield file, header, archive.getinfo(key + SUFFIX).file_size - file.tell()
    except (OSError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        # RuntimeError: encrypted; NotImplementedError, a kind of it: compressed by an unknown method.
        raise DataError(f"{path}:{key} cannot be read: {error}.", _RESTORE) from error
