"""The processor that this process computes on: how many threads, and memory that is kept for the next batch."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping

import torch

from skineval.train.device import cpu_threads

#: Bytes. Blocks up to this size are taken from memory that was freed before, and as much of that is kept.
KEPT = 2**30
#: What glibc's malloc.h calls M_TRIM_THRESHOLD and M_MMAP_THRESHOLD.
_PARAMETERS = (-1, -3)
#: Whoever sets one of these has decided.
DECIDED = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_MAX_", "GLIBC_TUNABLES")


def use_cpu(threads: int | None = None) -> None:
    """Let torch compute with so many threads, or all that we may use, in memory that it keeps.

    glibc gives blocks of more than 32 MB back to the system as soon as they are freed, and each of their pages is
    found and cleared again in the next batch. Where they are kept, EfficientNet-B0 is trained 1.4 times as fast, and
    ResNet-18 as fast as where they are not (`python -m benchmarks.kept_memory`).
    """
    torch.set_num_threads(cpu_threads(1) if threads is None else threads)
    _keep_memory(os.environ)


def _keep_memory(environment: Mapping[str, str]) -> None:
    if sys.platform != "linux" or any(name in environment for name in DECIDED):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        for parameter in _PARAMETERS:
            mallopt(parameter, KEPT)
