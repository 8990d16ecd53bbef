"""Memory that this process keeps for its next block, and how often it looks for what nobody needs any more."""

from __future__ import annotations

import ctypes
import gc
import os
import sys

#: Bytes. Blocks up to this size are taken from memory that was freed before, and as much of that is kept.
KEPT = 2**30
#: Objects that are made before those in cycles are looked for; Python looks after 700, and mypy after 200,000.
CREATED = 50_000
#: What glibc's malloc.h calls M_TRIM_THRESHOLD and M_MMAP_THRESHOLD.
_PARAMETERS = (-1, -3)
#: Whoever sets one of these has decided.
DECIDED = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_MAX_", "GLIBC_TUNABLES")


def keep_memory() -> None:
    """Let glibc keep blocks that are freed.

    It gives those of more than 32 MB back to the system as soon as they are freed, and each of their pages is found and
    cleared again for the next batch, or for the next replicates.
    """
    if sys.platform != "linux" or any(name in os.environ for name in DECIDED):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        for parameter in _PARAMETERS:
            mallopt(parameter, KEPT)


def collect_seldom() -> None:
    """Let Python look seldom for cycles of objects that nobody needs.

    Whatever is in no cycle goes at once all the same. Imports, and files of many rows, make nothing but objects that
    stay, and a start of the program looks through them again and again: a tenth of its time.
    """
    gc.set_threshold(CREATED, *gc.get_threshold()[1:])
