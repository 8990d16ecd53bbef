"""Errors that a GPU keeps until the process ends, told from those that pass."""

from __future__ import annotations

import pytest
import torch

from skineval.train.faults import is_poisoned


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("CUDA error: device-side assert triggered\nCompile with ..."), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), True),
        (RuntimeError("CUDA error: out of memory"), False),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), False),
        (RuntimeError("out of luck after a CUDA error"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("CUDA error: of another kind"), False),
    ],
    ids=str,
)
def test_what_poisons_a_process(error, expected):
    assert is_poisoned(error) is expected
