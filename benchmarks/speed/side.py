"""One of those who are compared, and one turn of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

WORDS = {"fp32": "float32", "bf16": "bfloat16"}


@dataclass(frozen=True)
class Turn:
    """What a side did when it was its turn."""

    images: int
    seconds: float

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / self.seconds


@dataclass(frozen=True)
class Side:
    """A training loop, ready to run for a turn."""

    name: str
    precision: str  #: and memory format, in words
    augmentation: str  #: what it does to images, in words
    turn: Callable[[], Turn]
    #: what the loop of skineval should at least be, over this side; None: nothing is promised
    wanted: float | None = None
    peer: bool = False  #: other people's: what it does wrong costs it its place, not the measurement
    before: str = ""  #: what it did before its first turn that others do in every one, in words


def synchronise(device: torch.device) -> None:
    """Wait until all that was asked of `device` is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def precision_words(precision: str, channels_last: bool = True) -> str:
    """How a side trains, for the table."""
    return f"{WORDS[precision]}, {'channels_last' if channels_last else 'contiguous'}"


def timed(
    step: Callable[[Tensor, Tensor], None], batches: Iterable[tuple[Tensor, Tensor]], device: torch.device
) -> Turn:
    """Run `step` on every batch; the clock starts when the first one is there.

    Starting workers costs a loader seconds in an epoch of any length. It would weigh on these short turns as it never
    does on an epoch of 10,000 images, so nobody is charged for it, nor for the first batch.
    """
    images, started = 0, 0.0
    for inputs, targets in batches:
        if not images:
            synchronise(device)
            started = time.perf_counter()
        step(inputs, targets)
        images += len(inputs)
    synchronise(device)
    return Turn(images, time.perf_counter() - started)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """bfloat16 where it is asked for."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@contextlib.contextmanager
def switches_kept() -> Iterator[None]:
    """Whatever a peer changes in torch for all of the process is as it was before, for the next one's turn."""
    before = (
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cuda.matmul.allow_tf32,
        torch.get_num_threads(),
    )
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = before[:2]
        torch.backends.cuda.matmul.allow_tf32 = before[2]
        torch.set_num_threads(before[3])


def parameters(network: nn.Module) -> list[nn.Parameter]:
    """Everything that is trained."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]
