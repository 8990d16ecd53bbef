"""Errors after which a process cannot use its GPU any more."""

from __future__ import annotations

from skineval.train.memory import is_out_of_memory


def is_poisoned(error: BaseException) -> bool:
    """Whether every later call to CUDA in this process will raise the same error, whoever makes it.

    So it is after an assertion, an illegal access or a failed launch on the GPU (CUDA C++ Programming Guide, "Error
    Checking"). Memory that ran out can be given back.
    """
    return isinstance(error, RuntimeError) and str(error).startswith("CUDA error") and not is_out_of_memory(error)
