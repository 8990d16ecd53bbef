"""What is added to the logits of each class, chosen on the validation part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 20  #: over all classes, until no offset is better than the one before; 3 to 6 are enough as a rule
_TAUS = (0.0, 0.5, 1.0, 1.5, 2.0)  #: of the adjusted logits that a search for offsets begins with


def choose_offsets(logits: NDArray[np.floating], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """What is to be added to the logits (n, C) of each class, for the best balanced accuracy over `targets` (n,).

    One class after the other takes the best offset while the others stand still, until none can be bettered (Lachiche
    and Flach, "Improving Accuracy and Cost of Two-class and Multi-class Probabilistic Classifiers Using ROC Curves",
    ICML 2003, section 4): a maximum among neighbours, not among all. It begins with minus the logarithms of the shares
    of the classes among the targets, times each of `_TAUS`, and the best end counts. Their mean is 0. A class without a
    target keeps what it began with.
    """
    counts = np.bincount(targets, minlength=logits.shape[1])
    present = np.flatnonzero(counts)
    shares = np.where(counts > 0, counts / counts.sum(), 1.0)
    found = [_climb(logits.astype(np.float64), targets, -tau * np.log(shares), present) for tau in _TAUS]
    best = max(found, key=lambda offsets: _balanced_accuracy(logits + offsets, targets, present))
    centred: NDArray[np.float64] = best - best[present].mean()
    return centred


def _climb(
    logits: NDArray[np.float64], targets: NDArray[np.int64], start: NDArray[np.float64], present: NDArray[np.int64]
) -> NDArray[np.float64]:
    offsets, reached = start.copy(), _balanced_accuracy(logits + start, targets, present)
    for _ in range(_ROUNDS):
        before = reached
        for code in present:
            tried = offsets.copy()
            tried[code] = _best_offset(logits, targets, offsets, int(code))
            score = _balanced_accuracy(logits + tried, targets, present)
            if score > reached:
                offsets, reached = tried, score
        if reached <= before:
            break
    return offsets


def _best_offset(
    logits: NDArray[np.float64], targets: NDArray[np.int64], offsets: NDArray[np.float64], code: int
) -> float:
    """The offset of one class with the best balanced accuracy: in the middle of the widest gap that has it.

    An image is called so as soon as the offset is above what it lacks to its best other class; the images in order of
    that, one after the other, are won where they are of the class and lost where that other class was right.
    """
    others = logits + offsets
    others[:, code] = -np.inf
    rival = others.argmax(axis=1)
    lacking = others[np.arange(len(targets)), rival] - logits[:, code]
    order = np.argsort(lacking, kind="stable")
    worth = 1 / np.maximum(np.bincount(targets, minlength=logits.shape[1]), 1)
    change = np.where(targets == code, worth[code], np.where(targets == rival, -worth[targets], 0.0))[order]
    gained = np.concatenate([[0.0], np.cumsum(change)])
    edges = lacking[order]
    # Between two images in order; beyond the ends as far as one more logit.
    lows, highs = np.concatenate([[edges[0] - 1], edges]), np.concatenate([edges, [edges[-1] + 1]])
    widths = np.where(np.isclose(gained, gained[highs > lows].max(), rtol=0, atol=1e-12), highs - lows, -1.0)
    place = int(widths.argmax())
    return float(lows[place] + highs[place]) / 2


def _balanced_accuracy(logits: NDArray[np.floating], targets: NDArray[np.int64], present: NDArray[np.int64]) -> float:
    right = logits.argmax(axis=1) == targets
    return float(np.mean([right[targets == code].mean() for code in present]))
