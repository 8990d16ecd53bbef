"""How fast intervals are made: all replicates at once, against a loop over scikit-learn, in turns.

    python -m benchmarks.bootstrap_speed [--images 10015] [--replicates 2000]

Both sides are given the same draws of lesions and compute the figures that scikit-learn has, of seven classes; the loop
takes so few of the replicates that a turn ends. Their results are compared number by number. Predictions are made up.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as peer

from benchmarks.machine import description
from benchmarks.store_speed import RESULTS, spread
from skineval.base.files import atomic_write
from skineval.measure.names import METRICS
from skineval.measure.replicates import bootstrap
from skineval.measure.resampling import UnitCounts, resample
from skineval.values.predictions import Predictions
from skineval.values.task import DIAGNOSES

Floats = NDArray[np.float64]
Classes = NDArray[np.int64]
TARGET = 50
CLASSES = tuple(DIAGNOSES)
SHARES = np.array([327, 514, 1099, 115, 1113, 6705, 142]) / 10_015  #: of the classes in HAM10000, in their order
SLOW = 10  #: replicates of the loop

#: What scikit-learn calls each figure, of targets, predictions and probabilities.
PEERS: Mapping[str, Callable[[Classes, Classes, Floats], float]] = MappingProxyType(
    {
        "balanced_accuracy": lambda y, found, p: peer.balanced_accuracy_score(y, found),
        "macro_auc": lambda y, found, p: peer.roc_auc_score(y, p, multi_class="ovr"),
        "macro_ap": lambda y, found, p: peer.average_precision_score(np.eye(len(CLASSES))[y], p),
        "macro_f1": lambda y, found, p: peer.f1_score(y, found, average="macro"),
        "weighted_f1": lambda y, found, p: peer.f1_score(y, found, average="weighted"),
        "mcc": lambda y, found, p: peer.matthews_corrcoef(y, found),
        "kappa": lambda y, found, p: peer.cohen_kappa_score(y, found),
        "accuracy": lambda y, found, p: peer.accuracy_score(y, found),
        "top2_accuracy": lambda y, found, p: peer.top_k_accuracy_score(y, p),
        "nll": lambda y, found, p: peer.log_loss(y, p),
        "brier": lambda y, found, p: peer.brier_score_loss(y, p, scale_by_half=False),
    }
)


def main() -> None:
    """Measure, print, and write the table to benchmarks/results/."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_015)
    parser.add_argument("--replicates", type=int, default=2_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "bootstrap-speed.md")
    arguments = parser.parse_args()
    cell = made_up(arguments.images)
    drawn = resample([cell], arguments.replicates, seed=0)
    sides, figures = {looped: list[float](), vectorised: list[float]()}, {}
    for turn in range(arguments.turns):
        for side in sorted(sides, key=lambda side: side.__name__, reverse=turn % 2 == 1):
            started = time.perf_counter()
            figures[side] = side(cell, drawn)
            sides[side].append(1e3 * (time.perf_counter() - started) / len(figures[side]))
    furthest = np.abs(figures[vectorised][:SLOW] - figures[looped]).max()
    theirs, ours = sides.values()
    ratios = [slow / fast for slow, fast in zip(theirs, ours, strict=True)]
    met = "met" if float(np.median(ratios)) >= TARGET else "missed"
    turns = f"{arguments.turns} turns of {arguments.replicates:,} replicates by skineval and {SLOW} by the loop"
    lines = [
        f"{description()}; {arguments.images:,} images, {len(PEERS)} figures, {turns}; median (min to max)\n",
        f"| loop, ms a replicate | skineval, ms a replicate | loop / skineval; at least {TARGET} | differ by at most |",
        "|---:|---:|---:|---:|",
        f"| {spread(theirs, '.1f')} | {spread(ours, '.2f')} | {spread(ratios, '.0f')}: {met} | {furthest:.1e} |",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    atomic_write(arguments.out, text)


def made_up(n: int) -> Predictions:
    """Predictions of n images of lesions with one to three photographs each."""
    generator = np.random.default_rng(0)
    lesions = np.repeat(np.arange(n), generator.integers(1, 4, n))[:n]
    targets = generator.choice(len(CLASSES), n, p=SHARES / SHARES.sum())[lesions]
    scores = np.exp(generator.normal(size=(n, len(CLASSES))) + 2 * np.eye(len(CLASSES))[targets])
    names = np.array([f"L{lesion}" for lesion in lesions])
    ids = np.array([f"I{image}" for image in range(n)])
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    return Predictions(CLASSES, ids, names, names, np.full(n, "test"), targets, probabilities)


def vectorised(cell: Predictions, drawn: UnitCounts) -> Floats:
    """(B, K): the figures of `PEERS` in each replicate, by skineval."""
    of_name = {metric.name: metric for metric in METRICS}
    return bootstrap(cell, [of_name[name] for name in PEERS], drawn)


def looped(cell: Predictions, drawn: UnitCounts) -> Floats:
    """(SLOW, K): the same by scikit-learn, one replicate and one figure after the other."""
    weights = next(iter(drawn.weights(cell.groups)))[:SLOW].astype(int)
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for repeats in weights:
            drawn_rows = np.repeat(np.arange(len(cell)), repeats)
            targets, probabilities = cell.targets[drawn_rows], cell.probabilities[drawn_rows]
            found = probabilities.argmax(axis=1)
            rows.append([figure(targets, found, probabilities) for figure in PEERS.values()])
    return np.array(rows)


if __name__ == "__main__":
    main()
