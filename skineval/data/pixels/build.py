"""Decoding every image of a data set into a store: with all cores, and so that an interrupted builder loses little."""

from __future__ import annotations

import math
import os
import shutil
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skineval.base.codec import to_json
from skineval.base.errors import SHOWN, DataError, PluginError
from skineval.base.files import DiskError, atomic_rename, atomic_write, disk_error
from skineval.base.terms import Fit
from skineval.data.findings import LEAVE_OUT
from skineval.data.pixels.resizing import accelerated
from skineval.data.pixels.store_file import LINE, About, Shape, StoreFile, chunks, finished_chunks, journal_line
from skineval.data.pixels.threads import in_order
from skineval.values.lesion_table import Images, fit_keyword

Progress = Callable[[int, int], None]


def build(images: Images, file: StoreFile, about: About, progress: Progress) -> int:
    """Make the store that `about` describes (its checksums aside), going on where an earlier builder was stopped.

    Returns the number of images that were there already. The caller holds the turn. Raises DataError naming the images
    that cannot be decoded, and DiskError; nothing is left then. Whatever else stops it leaves the finished chunks.
    """
    shape = about.shape
    kept = finished_chunks(file, shape)
    pieces = chunks(shape)[len(kept) :]
    there = pieces[0].start if pieces else about.images
    size = there * math.prod(shape[1:])
    try:
        _sweep(file, len(kept), size)
        _check_space(file, math.prod(shape) - size)
        with accelerated(), closing(_decode(images, pieces, shape, about.fit, progress)) as decoded:
            crc32 = (*kept, *(_append(file, pixels) for pixels in decoded))
        atomic_write(file.about, to_json(replace(about, crc32=crc32)))
        atomic_rename(file.part, file.path)
        file.journal.unlink()
    except (DataError, DiskError):
        for path in (file.part, file.journal, file.about):
            path.unlink(missing_ok=True)
        raise
    return there


def temporary_files(file: StoreFile) -> Iterator[Path]:
    """Files that `skineval.base.files` was writing in place of one beside the store."""
    return file.path.parent.glob(f".{file.path.stem}.*.part")


def _sweep(file: StoreFile, kept: int, size: int) -> None:
    """Remove what is no use: a damaged store, whose room is needed, and what a killed builder left in disorder.

    The first `kept` chunks of its part stay, which have `size` bytes. Raises DiskError.
    """
    try:
        for path in (file.path, *temporary_files(file)):
            path.unlink(missing_ok=True)
        for path, length in ((file.part, size), (file.journal, kept * LINE)):
            path.touch()
            os.truncate(path, length)
    except OSError as error:
        raise disk_error(file.path, error) from error


def _append(file: StoreFile, pixels: NDArray[np.uint8]) -> int:
    """Write a chunk, then its line: a line without its chunk would be found out, but cost time.

    Returns the checksum. Raises DiskError.
    """
    checksum = zlib.crc32(pixels.data)
    try:
        for path, content in ((file.part, pixels.data), (file.journal, journal_line(checksum))):
            with path.open("ab") as opened:
                opened.write(content)
    except OSError as error:
        raise disk_error(file.path, error) from error
    return checksum


def _decode(
    images: Images, pieces: Sequence[range], shape: Shape, fit: Fit, progress: Progress
) -> Generator[NDArray[np.uint8]]:
    """The pixels of chunks of rows, in order; DataError that names every bad image once all were tried."""
    n, size = shape[:2]
    bad: list[DataError] = []
    if pieces:
        progress(pieces[0].start, n)
    with closing(in_order(lambda rows: _try(images, rows, size, fit), pieces)) as results:
        for rows, result in zip(pieces, results, strict=True):
            if isinstance(result, list):
                bad += result
            elif not bad:
                yield result
            progress(rows.stop, n)
    if bad:
        named = "; ".join(error.message.rstrip(".") for error in bad[:SHOWN])
        more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        hints = {error.hint for error in bad}
        # What mends one image is wrong for another; to leave them out is right for all.
        hint = f"{hints.pop()} {LEAVE_OUT}".lstrip() if len(hints) == 1 else LEAVE_OUT
        raise DataError(f"{len(bad)} of {n} images cannot be decoded: {named}{more}.", hint)


def _try(images: Images, rows: Sequence[int], size: int, fit: Fit) -> NDArray[np.uint8] | list[DataError]:
    """The pixels of some rows, or one error for each that is bad."""
    try:
        pixels = images.pixels(rows, size, **fit_keyword(images.pixels, fit))
    except DataError as error:
        alone = (_try(images, [row], size, fit) for row in rows) if len(rows) > 1 else ()
        return [one for result in alone if isinstance(result, list) for one in result] or [error]
    expected = (len(rows), size, size, 3)
    if pixels.shape != expected or pixels.dtype != np.uint8:
        raise PluginError(
            f"The data set gave images {pixels.shape} of {pixels.dtype} where {expected} of uint8 were asked for.",
            "Its `pixels` does not do what `skineval.values.lesion_table.Images` says.",
        )
    return np.ascontiguousarray(pixels)


def _check_space(file: StoreFile, needed: int) -> None:
    """Refuse what will not fit before hours of decoding; raises DiskError."""
    free = shutil.disk_usage(file.path.parent).free
    if needed > free:
        raise DiskError(
            f"Cannot write {file.path}: {needed / 1e6:,.1f} MB are needed, and {free / 1e6:,.1f} MB are free.",
            "Free some space, or choose another cache folder with the environment variable SKINEVAL_CACHE.",
        )
