"""Seeds: how far results land from each other where nothing but the seed of training differs.

An interval over lesions says nothing of it: it is of networks that are trained already. Bouthillier et al., "Accounting
for Variance in Machine Learning Benchmarks", MLSys 2021; Reimers and Gurevych, EMNLP 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skineval.catalog.specs import Metric
from skineval.measure.metrics import Floats
from skineval.measure.replicates import figures
from skineval.measure.shares import student
from skineval.values.predictions import Predictions


@dataclass(frozen=True)
class SeedSpread:
    """How far the figure of one system spreads over its seeds."""

    deviation: float  #: the standard deviation, of n - 1; NaN of fewer than two seeds
    n_seeds: int


def seed_figures(cells: Sequence[Predictions], metric: Metric) -> Floats:
    """(S,): the figure of each seed of a system, the mean over its folds; `metric` is none per class.

    Seeds that lack a fold which another one has are left out: their figures differ by the fold, too.
    """
    by_seed: dict[int, dict[int, float]] = {}
    for cell in cells:
        by_seed.setdefault(cell.seed, {})[cell.fold] = float(figures(cell, [metric], np.ones((1, len(cell))))[0, 0])
    folds = {fold for of_folds in by_seed.values() for fold in of_folds}
    return np.array([np.mean(list(found.values())) for found in by_seed.values() if found.keys() == folds])


def seed_spread(values: Floats) -> SeedSpread:
    """Of the figures (S,) of the seeds of one system, as `seed_figures` gives them."""
    known = values[~np.isnan(values)]
    return SeedSpread(float(known.std(ddof=1)) if len(known) > 1 else np.nan, len(known))


def noise_floor(one: SeedSpread, other: SeedSpread) -> float:
    """How far the means over seeds of two systems differ by seeds alone, in all but 5 % of benches.

    That of Student's t-test of two samples: t x s x sqrt(1/n + 1/m), s the pooled standard deviation, of which n + m -
    2 are free. A difference that is not above it may come from the seeds. NaN where either system has fewer than two.
    """
    freedom = one.n_seeds + other.n_seeds - 2
    squares = (one.n_seeds - 1) * one.deviation**2 + (other.n_seeds - 1) * other.deviation**2
    if freedom < 1 or np.isnan(squares):
        return np.nan
    pooled = float(np.sqrt(squares / freedom))
    return float(student(freedom)) * pooled * float(np.sqrt(1 / one.n_seeds + 1 / other.n_seeds))


def is_above(difference: float, floor: float) -> bool:
    """Whether a difference is more than seeds alone would make of two systems that are equally good."""
    return abs(difference) > floor
