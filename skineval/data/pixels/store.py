"""Decode once: every image of a data set at one size, in a memory-mapped file that all cells and processes share."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import features

from skineval.base.terms import Fit
from skineval.data.pixels.build import Progress, build
from skineval.data.pixels.lock import turn
from skineval.data.pixels.store_file import MISSING, SUFFIX, About, StoreFile, chunks, damage
from skineval.values.lesion_table import LesionTable

STORES = "pixels"  #: the folder of all stores in the cache


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


def open_store(
    table: LesionTable,
    size: int,
    *,
    cache: Path,
    fit: Fit = "squash",
    progress: Progress = lambda done, total: None,
    on_wait: Callable[[str], None] = lambda text: None,
) -> PixelStore:
    """The pixels of `table` at `size` x `size`, from `cache` or decoded into it with all cores.

    The store is named by what it holds, so that any change of an image, the size, the fit or the decoder makes another
    one. Every byte is checked against its checksums; a damaged store is built again, and `notes` says so. One process
    builds, going on where a killed one stopped; others wait for it, and `on_wait` is told in words for whom.
    `progress(done, total)` is called with numbers of images while building, and while waiting too.

    Raises DataError naming the images that cannot be decoded, UsageError where the data set knows no such fit, and
    DiskError where the cache cannot be written or has no room.
    """
    about = _describe(table, size, fit)
    file = StoreFile(cache / STORES / f"{_key(about)}{SUFFIX}")

    def look() -> None:
        done = chunks(about.shape)[: file.journal_lines()]
        progress(done[-1].stop if done else 0, about.images)

    found, there = damage(file, about.shape), 0
    if found:  # a finished store needs no turn, so it can be shared from a folder that is read-only
        with turn(file, lambda holder: on_wait(f"waiting for {holder}, which prepares the same images"), look):
            found = damage(file, about.shape)
            there = build(table.images, file, about, progress) if found else 0
    notes = []
    if found not in ("", MISSING):
        notes.append(f"the cached pixels in {file.path} were {found}: built again")
    if there:
        notes.append(f"{there} of {about.images} images were prepared before an interruption")
    with suppress(OSError):  # of a folder that is read-only
        os.utime(file.about)  # says when the store was last used
    array = np.memmap(file.path, dtype=np.uint8, mode="r", shape=about.shape)
    return PixelStore(array, file.path, bool(found), tuple(notes))


def _describe(table: LesionTable, size: int, fit: Fit) -> About:
    decoders = [f"{name} {version(name)}" for name in ("pillow", "torch", "simplejpeg")]
    jpeg = features.version("libjpeg_turbo") or features.version("jpg")
    return About(
        format=2,
        data=table.name,
        fingerprint=table.fingerprint,
        images=len(table),
        size=size,
        fit=fit,
        decoder=", ".join([*decoders, f"libjpeg {jpeg}", platform.machine()]),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        crc32=(),
    )


def _key(about: About) -> str:
    """A name that says what the store is, with a hash of everything that its content depends on."""
    parts = {
        "data": about.fingerprint,
        "size": about.size,
        "fit": about.fit,
        "decoder": about.decoder,
        "format": about.format,
    }
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return f"{about.size}px-{about.fit}-{digest[:32]}"
