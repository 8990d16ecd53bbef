"""What is done about a fault in the middle of training: once something, then the cell fails with the reason."""

from __future__ import annotations

import re
from dataclasses import replace

import torch

from skineval.base.errors import CellError
from skineval.train.checkpoint import Progress
from skineval.values.runspec import Training

LOWERED = 0.5  #: the learning rate after a loss that was not finite, over that before
SMALLEST = 2  #: images: batch normalisation cannot work on one


class NotFiniteError(CellError):
    """A loss, or what the network returned for the validation part, was NaN or infinite."""


def after(error: Exception, progress: Progress, training: Training) -> Progress:
    """How training goes on from the last good state after `error`; raises what fails the cell where it does not."""
    if isinstance(error, NotFiniteError):
        return with_lower_rate(error, progress)
    if is_out_of_memory(error):
        return in_smaller_parts(error, progress, training)
    raise error


def with_lower_rate(error: NotFiniteError, progress: Progress) -> Progress:
    """Halve the learning rate, once a cell."""
    if progress.rate_factor < 1:
        raise CellError(
            f"{error.message} Going back and halving the learning rate had not helped. A lower --learning-rate may."
        ) from error
    note = f"{error.message} Training went back to epoch {len(progress.history)} and on at half the learning rate."
    return replace(progress, rate_factor=LOWERED, notes=(*progress.notes, note))


def in_smaller_parts(error: Exception, progress: Progress, training: Training) -> Progress:
    """Compute the gradient of a batch in twice as many parts, which is the same but for batch normalisation."""
    splits = progress.splits * 2
    if training.batch_size < SMALLEST * splits:
        raise CellError(
            f"Memory ran out with {training.batch_size // progress.splits} images at a time. "
            "Use a smaller --image-size or another model."
        ) from error
    note = (
        f"Memory ran out in epoch {len(progress.history) + 1}: from then on, "
        f"gradients of batches of {training.batch_size} are summed over {splits} parts."
    )
    return replace(progress, splits=splits, notes=(*progress.notes, note))


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


def is_poisoned(error: BaseException) -> bool:
    """Whether every later call to CUDA in this process will raise the same error, whoever makes it.

    So it is after an assertion, an illegal access or a failed launch on the GPU (CUDA C++ Programming Guide, "Error
    Checking"). Memory that ran out can be given back.
    """
    return isinstance(error, RuntimeError) and str(error).startswith("CUDA error") and not is_out_of_memory(error)
