"""float32 that is float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def full_float32() -> Iterator[None]:
    """Convolutions of float32 tensors keep all 23 bits of the mantissa, on NVIDIA GPUs, too.

    torch lets cuDNN round their inputs to TF32's 10 bits, about three decimal digits: images would tie that are not
    alike. (Products of matrices it leaves alone.) bfloat16 under autocast is not concerned.
    """
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
