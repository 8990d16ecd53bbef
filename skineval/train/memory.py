"""Memory that runs out, told from other errors."""

from __future__ import annotations

import re

import torch

#: How torch says, without a type of error of its own, that memory has run out: on CPUs, on Apple GPUs, and on NVIDIA's
#: where a library (cuBLAS, cuDNN) wanted it, or where no algorithm of cuDNN had enough. oneDNN, which computes
#: convolutions on CPUs, has no word for it: what it cannot do at all it calls a primitive descriptor.
_WORDS = re.compile(
    r"out of memory|can(no|')t allocate memory|not enough memory|bad_?alloc"
    r"|ALLOC(ATION)?_FAILED|valid cuDNN algorithm|Invalid buffer size"
    r"|could not (create|execute) a primitive(?! descriptor)",
    re.IGNORECASE,
)


def is_out_of_memory(error: Exception) -> bool:
    """Whether it was memory that ran out, on whatever device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and _WORDS.search(str(error)) is not None
