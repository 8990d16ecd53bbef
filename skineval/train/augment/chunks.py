"""Batches chunk by chunk: what is worked on stays in the cache of a processor."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

#: Pixels of a chunk, times channels. Larger tensors are slower by the page faults of their memory alone.
SIZE = 2**20


def cut(images: Tensor) -> list[slice]:
    """Chunks of a batch (N, 3, H, W) that lies in the memory of a processor; on other devices, all of it in one."""
    n = len(images)
    step = max(1, SIZE // images[0].numel()) if images.device.type == "cpu" else n
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def joined(chunks: Iterable[Tensor], images: Tensor, memory_format: torch.memory_format) -> Tensor:
    """Float32 chunks of a batch, in order, as one tensor of the shape of `images`, in a memory format."""
    whole = torch.empty(images.shape, dtype=torch.float32, device=images.device, memory_format=memory_format)
    start = 0
    for chunk in chunks:
        whole[start : start + len(chunk)] = chunk
        start += len(chunk)
    return whole
