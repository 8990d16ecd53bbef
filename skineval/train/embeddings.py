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
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from skineval.base.terms import FIRST_PENALTIES, HEAD_STEPS, PENALTIES
from skineval.train.losses import Loss, cross_entropy
from skineval.train.predict import softmax

NEVER = -1e4  #: the logit of a class that is never meant
#: Standard deviation of a dimension that is as good as constant, as a part of its largest number's power of two.
STILL = 1e-6

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
    present, codes = np.unique(labels, return_inverse=True)
    weighed = None if shares is None else torch.from_numpy(shares / shares.sum()).float()
    objective = _Objective(torch.from_numpy(labels), torch.from_numpy(codes), present, num_classes, loss, weighed)
    fits: dict[int, NDArray[np.float64]] = {}
    heads: dict[int, Head] = {}
    for place in _places(heads):
        start = fits.get(place - 1, fits.get(place + 1, np.zeros((len(present), embeddings.shape[1] + 1))))
        fit = fits[place] = regress(torch.from_numpy(given), objective, start, PENALTIES[place])
        weight, bias = np.zeros((num_classes, len(mean))), np.full(num_classes, NEVER)
        weight[present] = fit[:, :-1] / scale
        bias[present] = fit[:, -1] - weight[present] @ mean
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


@dataclass(frozen=True, eq=False)
class _Objective:
    """What a head is fitted to, as a function of the logits (n, P) of those classes that are there."""

    labels: Tensor  #: (n,) int64, as the loss knows them
    codes: Tensor  #: (n,) int64, positions in `present`
    present: NDArray[np.int64]  #: (P,) classes with a label
    num_classes: int
    loss: Loss
    shares: Tensor | None  #: (n,) float32 of sum 1, how much each row counts; None: all alike

    def __call__(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """The loss, and its gradient (n, P)."""
        if self.loss is cross_entropy and self.shares is None:  # most of all, and in half the time
            residual = torch.softmax(logits, dim=1)
            residual[torch.arange(len(self.codes)), self.codes] -= 1
            return F.cross_entropy(logits, self.codes), residual.div_(len(self.codes))
        logits = logits.detach().requires_grad_()
        every = torch.full((len(logits), self.num_classes), NEVER).index_copy(1, torch.from_numpy(self.present), logits)
        losses = self.loss(every, self.labels)
        value = losses.mean() if self.shares is None else (losses * self.shares).sum()
        return value.detach(), torch.autograd.grad(value, logits)[0]


def regress(
    embeddings: Tensor,
    objective: Callable[[Tensor], tuple[Tensor, Tensor]],
    start: NDArray[np.float64],
    penalty: float,
) -> NDArray[np.float64]:
    """Linear classification by L-BFGS from `start` (C, d + 1): weights, and the bias in the last column.

    Minimises the `objective` of the logits (n, C), of which that returns the gradient too, plus the squared weights,
    without the bias, over twice `penalty` and the number of rows: with the mean cross-entropy, scikit-learn's objective
    with C = `penalty`. `embeddings` is float32 (n, d).
    """
    # Not torch's L-BFGS: the first optimizer of a process imports torch._dynamo, which takes longer than the fit.
    from scipy.optimize import minimize

    ridge = 1 / (penalty * len(embeddings))

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        fit = torch.from_numpy(flat.reshape(start.shape)).float()
        weight, bias = fit[:, :-1], fit[:, -1]
        lost, residual = objective(torch.addmm(bias, embeddings, weight.T))
        value = lost + ridge / 2 * weight.square().sum()
        gradient = torch.cat([residual.T @ embeddings + ridge * weight, residual.sum(dim=0)[:, None]], dim=1)
        return value.item(), gradient.double().numpy().ravel()

    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": HEAD_STEPS, "gtol": 1e-4})
    return np.asarray(found.x).reshape(start.shape)


def install_head(layer: nn.Linear, weight: NDArray[np.float64], bias: NDArray[np.float64]) -> None:
    """Put a head (C, d) with its bias (C,) into the network, which is a whole model again."""
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))
