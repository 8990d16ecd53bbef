"""The same numbers every time, also on a GPU, and what that costs."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")

TURNS, STEPS = 3, 5  #: of the comparison: alternating turns of so many steps


def make_deterministic() -> None:
    """Use deterministic algorithms only; an operation that has none then raises RuntimeError, naming itself.

    CPUs need nothing of this: with one number of threads their results are the same anyway. To be called before
    anything is computed on a GPU.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # without it cuBLAS may choose another order of summation
    torch.use_deterministic_algorithms(True)


def cost(step: Callable[[], None], device: torch.device) -> float:
    """How many times as long `step` takes with deterministic algorithms; they are in use afterwards, whatever happens.

    The two ways alternate, after one turn that warms up.
    """

    def steps() -> None:
        for _ in range(STEPS):
            step()

    times: dict[bool, list[float]] = {True: [], False: []}
    try:
        for turn in range(TURNS + 1):
            for deterministic, kept in times.items():
                torch.use_deterministic_algorithms(deterministic)
                seconds = timed(steps, device)[1]
                if turn:
                    kept.append(seconds)
    finally:
        torch.use_deterministic_algorithms(True)
    return statistics.median(times[True]) / statistics.median(times[False])


def timed(work: Callable[[], Result], device: torch.device) -> tuple[Result, float]:
    """What `work` returns, and the seconds it took."""
    synchronise(device)
    started = time.perf_counter()
    result = work()
    synchronise(device)
    return result, time.perf_counter() - started


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
