"""What is done about a fault in the middle of training: once something, then the cell fails with the reason."""

from __future__ import annotations

from dataclasses import replace

from skineval.errors import CellError
from skineval.runspec import Training
from skineval.train.checkpoint import Progress
from skineval.train.memory import is_out_of_memory

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
