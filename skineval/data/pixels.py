"""Decode once: every image of a data set at one size, in a memory-mapped file that all cells and processes share."""

from __future__ import annotations

import hashlib
import json
import math
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import PIL
from filelock import FileLock
from numpy.typing import NDArray
from PIL import features
from platformdirs import user_cache_dir

from skineval.data.lesions import Images, LesionTable, fit_keyword
from skineval.errors import DataError
from skineval.files import atomic_produce, atomic_write, disk_error
from skineval.specs import Fit

FORMAT = 1  #: raise it when the same images would be stored differently
CHUNK = 64  #: images decoded by one thread at a time, and covered by one checksum
SHOWN = 5  #: bad images named in an error
MISSING = "missing"

Item = TypeVar("Item")
Result = TypeVar("Result")
Progress = Callable[[int, int], None]
Shape = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class PixelStore:
    """The pixels of a data set at one size.

    `array` is (N, size, size, 3) uint8 RGB, mapped read-only from `path`; row k is row k of the lesion table. Another
    process opens the store again: a pickled map would carry a copy of every pixel.
    """

    array: NDArray[np.uint8]
    path: Path
    built: bool  #: False where it was found in the cache
    notes: tuple[str, ...] = ()  #: what happened to the cache that a user may want to know


def cache_folder() -> Path:
    """Where stores and downloads are kept: the environment variable SKINEVAL_CACHE, or the user's cache folder."""
    chosen = os.environ.get("SKINEVAL_CACHE")
    return Path(chosen).expanduser() if chosen else Path(user_cache_dir("skineval", appauthor=False))


def open_store(
    table: LesionTable, size: int, *, fit: Fit = "squash", cache: Path, progress: Progress | None = None
) -> PixelStore:
    """The pixels of `table` at `size` x `size`, from `cache` or decoded into it with all cores.

    The store is named by what it holds, so that any change of an image, the size or the decoder makes another one. It
    is checked against its checksums; a damaged one is built again, and `notes` says so. One process builds, others
    wait for it. `progress(done, total)` is called with numbers of images while building.

    Raises DataError naming the images that cannot be decoded, DiskError where the cache cannot be written.
    """
    path = cache / "pixels" / f"{_key(table, size, fit)}.uint8"
    shape = (len(table), size, size, 3)
    # A finished store needs no lock, so it can be shared from a folder that is read-only.
    if not _damage(path, shape):
        return PixelStore(_map(path, shape), path, built=False)
    with _locked(path):
        damage = _damage(path, shape)
        if damage:
            _build(table.images, path, shape, fit, progress)
    notes = () if damage in ("", MISSING) else (f"the cached pixels in {path} were {damage}: built again",)
    return PixelStore(_map(path, shape), path, built=bool(damage), notes=notes)


def _key(table: LesionTable, size: int, fit: Fit) -> str:
    """A name that says what the store is, with a hash of everything that its content depends on."""
    decoder = f"Pillow {PIL.__version__}, libjpeg {features.version('libjpeg_turbo') or features.version('jpg')}"
    parts = {"data": table.fingerprint, "size": size, "fit": fit, "decoder": decoder, "format": FORMAT}
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return f"{size}px-{digest[:32]}"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of the store at `path`; the system frees it should this process die."""
    lock = FileLock(path.with_suffix(".lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise disk_error(path, error) from error
    try:
        yield
    finally:
        lock.release()


def _map(path: Path, shape: Shape) -> NDArray[np.uint8]:
    return np.memmap(path, dtype=np.uint8, mode="r", shape=shape)


def _damage(path: Path, shape: Shape) -> str:
    """What is wrong with the store at `path`: "" where nothing is, `MISSING` where there is none."""
    about = path.with_suffix(".json")
    if not path.exists():
        return MISSING
    try:
        known = json.loads(about.read_text(encoding="utf-8"))
        if path.stat().st_size != math.prod(shape) or known["bytes"] != math.prod(shape):
            return "of the wrong size"
        array = _map(path, shape)
        with ThreadPoolExecutor(_cores()) as pool:
            found = list(
                pool.map(lambda start: zlib.crc32(array[start : start + CHUNK].data), range(0, len(array), CHUNK))
            )
        return "" if found == known["crc32"] else "damaged"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"unreadable ({error})"


def _build(images: Images, path: Path, shape: Shape, fit: Fit, progress: Progress | None) -> None:
    """Decode every image into `path`, with the checksum of each chunk beside it; the caller holds the lock."""
    for abandoned in path.parent.glob(f".{path.name}.*.part"):
        abandoned.unlink(missing_ok=True)  # of a builder that was killed
    checksums: list[int] = []

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            for pixels in _decode(images, shape, fit, progress):
                checksums.append(zlib.crc32(pixels.data))
                file.write(pixels.data)

    atomic_produce(path, write)
    about = {"shape": shape, "bytes": math.prod(shape), "chunk": CHUNK, "crc32": checksums}
    atomic_write(path.with_suffix(".json"), json.dumps(about))


def _decode(images: Images, shape: Shape, fit: Fit, progress: Progress | None) -> Iterator[NDArray[np.uint8]]:
    """The pixels of all images in order, chunk by chunk; DataError that names every bad image once all were tried."""
    n, size = shape[:2]
    chunks = [range(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK)]
    bad: list[DataError] = []
    for chunk, result in zip(chunks, _in_order(lambda rows: _try(images, rows, size, fit), chunks), strict=True):
        if isinstance(result, list):
            bad += result
        elif not bad:
            yield result
        if progress is not None:
            progress(chunk.stop, n)
    if bad:
        named = "; ".join(error.message.rstrip(".") for error in bad[:SHOWN])
        more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        raise DataError(f"{len(bad)} of {n} images cannot be decoded: {named}{more}.", bad[0].hint)


def _try(images: Images, rows: Sequence[int], size: int, fit: Fit) -> NDArray[np.uint8] | list[DataError]:
    """The pixels of some rows, or one error for each that is bad."""
    try:
        return np.ascontiguousarray(images.pixels(rows, size, **fit_keyword(images.pixels, fit)))
    except DataError as error:
        return [error] if len(rows) == 1 else _errors(images, rows, size, fit) or [error]


def _errors(images: Images, rows: Sequence[int], size: int, fit: Fit) -> list[DataError]:
    """The error of each row that cannot be decoded by itself."""
    tried = (_try(images, [row], size, fit) for row in rows)
    return [error for result in tried if isinstance(result, list) for error in result]


def _in_order(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`function` of each item, in order, computed by one thread per core that run only a little ahead.

    A plain `pool.map` would hold every result in memory where the disk is slower than the cores.
    """
    cores = _cores()
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(cores) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * cores:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
