"""The learning rate at every moment of a training: pure functions of what is asked and what has happened."""

from __future__ import annotations

import math
from collections.abc import Sequence

from skineval.values.runspec import Training

#: Of one-cycle: share of the training that rises, peak over start, start over end, as torch's OneCycleLR has them.
RISING, START_BELOW_PEAK, END_BELOW_START = 0.3, 25.0, 1e4
#: Of plateau: a loss counts as lower when it is lower by this share, as torch's ReduceLROnPlateau has it.
THRESHOLD = 1e-4


def learning_rate(training: Training, done: float, validation_losses: Sequence[float] = ()) -> float:
    """The rate after `done` epochs, a fraction allowed; `validation_losses` are those of the epochs that are over."""
    if training.schedule == "one-cycle":
        return one_cycle(training.learning_rate, done / training.epochs)
    peak = training.learning_rate
    if training.schedule == "plateau":
        peak *= plateau(validation_losses, training.plateau_factor, training.plateau_patience)
    if done < training.warmup:
        # From a tenth, so that the first step already learns.
        return peak * (0.1 + 0.9 * done / training.warmup)
    if training.schedule != "cosine":
        return peak
    return cosine(peak, (done - training.warmup) / max(training.epochs - training.warmup, 1e-9))


def cosine(peak: float, fraction: float) -> float:
    """Half a cosine from `peak` to zero (Loshchilov, Hutter, arXiv 1608.03983, without restarts)."""
    return peak * 0.5 * (1 + math.cos(math.pi * min(fraction, 1.0)))


def one_cycle(peak: float, fraction: float) -> float:
    """Half a cosine up and a longer one down (Smith, Topin, arXiv 1708.07120); the momentum stays as it is."""
    start = peak / START_BELOW_PEAK
    if fraction < RISING:
        return _between(start, peak, fraction / RISING)
    return _between(peak, start / END_BELOW_START, (min(fraction, 1.0) - RISING) / (1 - RISING))


def plateau(losses: Sequence[float], factor: float, patience: int) -> float:
    """What the rate is multiplied by: `factor` each time that no loss was lower for more than `patience` epochs."""
    multiplier, best, stalled = 1.0, math.inf, 0
    for loss in losses:
        if loss < best * (1 - THRESHOLD):
            best, stalled = loss, 0
            continue
        stalled += 1
        if stalled > patience:
            multiplier, stalled = multiplier * factor, 0
    return multiplier


def _between(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * fraction))
