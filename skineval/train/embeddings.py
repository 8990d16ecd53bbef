"""Fitting the head of a network on train embeddings: of a trained one, resampled, or of a frozen one, a linear probe.

Decoupled training (Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020,
section 4.1, classifier re-training): the representation stays as learnt on the natural distribution, the linear
classifier is fitted anew on a rebalanced one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from skineval.base.terms import FIRST_PENALTIES, PENALTIES, STILL
from skineval.train.losses import Loss, cross_entropy
from skineval.train.predict import softmax
from skineval.train.regression import NEVER, Aim, Regression

#: Of targets (n,) and probabilities (n, C), the higher, the better.
Score: TypeAlias = Callable[[NDArray[np.int64], NDArray[np.float64]], float]


@dataclass(frozen=True)
class Head:
    """A linear classifier of embeddings."""

    weight: NDArray[np.float64]  #: (C, d)
    bias: NDArray[np.float64]  #: (C,)
    setting: float  #: chosen on the validation part: the inverse strength of a penalty, or the temperature of distances
    score: float  #: validation score of that choice


def fit_head(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    validation: tuple[NDArray[np.float32], NDArray[np.int64]],
    num_classes: int,
    score: Score,
    loss: Loss = cross_entropy,
    shares: NDArray[np.float64] | None = None,
) -> Head:
    """Multinomial logistic regression on (n, d) embeddings, its penalty chosen on the validation part.

    `embeddings` and `labels` come from the train part, resampled or not; `validation` holds embeddings and labels of
    the validation part. Classes without a train label get a bias that never wins. `shares` (n,) are how much each
    embedding counts, which is how often it would be drawn; all alike where there are none.
    """
    given, mean, scale = standardised(embeddings)
    aim = Aim.of(labels, num_classes, loss, shares)
    regression = Regression(given.astype(np.float64), aim)
    heads: dict[int, Head] = {}
    for place in _places(heads):
        fitted, constant = regression.fit(PENALTIES[place])
        weight, bias = np.zeros((num_classes, len(mean))), np.full(num_classes, NEVER)
        weight[aim.present] = fitted / scale
        bias[aim.present] = constant - weight[aim.present] @ mean
        probabilities = softmax(validation[0] @ weight.T + bias)
        heads[place] = Head(weight, bias, PENALTIES[place], score(validation[1], probabilities))
    return heads[_best(heads)]


def _places(heads: Mapping[int, Head]) -> Iterator[int]:
    """Those of `PENALTIES` that are tried, where `heads` holds what has come of them so far."""
    yield from map(PENALTIES.index, FIRST_PENALTIES)
    while further := [place for place in _beyond(heads) if place in range(len(PENALTIES))]:
        yield further[0]


def _beyond(heads: Mapping[int, Head]) -> Iterator[int]:
    """What lies beyond an end of those tried that is as good as the best."""
    best = heads[_best(heads)].score
    for end, step in ((min(heads), -1), (max(heads), 1)):
        if heads[end].score == best:
            yield end + step


def _best(heads: Mapping[int, Head]) -> int:
    """The first tried of those that score best."""
    return max(heads, key=lambda place: heads[place].score)


def standardised(
    embeddings: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """(n, d) with mean 0 and standard deviation 1 in each dimension, and what these were, (d,) each.

    Of a dimension that is as good as constant the latter is infinite, and its numbers become 0.
    """
    unit = units(embeddings)
    in_units = embeddings / unit
    mean, scale = in_units.mean(axis=0), in_units.std(axis=0)
    scale[scale <= STILL] = np.inf
    given: NDArray[np.float32] = (in_units - mean) / scale
    return given, mean.astype(np.float64) * unit, scale.astype(np.float64) * unit


def units(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """(d,) the power of two that the largest number of each dimension of (n, d) reaches; 1 where all are 0.

    Divided by it, squares neither overflow nor vanish, and no number loses a digit.
    """
    _, exponents = np.frexp(np.abs(embeddings).max(axis=0))
    unit: NDArray[np.float32] = np.ldexp(np.float32(1), np.clip(exponents - 1, -126, 127))
    return unit


def install_head(layer: nn.Linear, weight: NDArray[np.float64], bias: NDArray[np.float64]) -> None:
    """Put a head (C, d) with its bias (C,) into the network, which is a whole model again."""
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))
