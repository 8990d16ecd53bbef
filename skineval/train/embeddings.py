"""Refitting the head of a trained network on resampled train embeddings.

Decoupled training (Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020,
section 4.1, classifier re-training): the representation stays as learnt on the natural distribution, the linear
classifier is fitted anew on a rebalanced one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from skineval.train.predict import softmax

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

#: Inverse strengths of the L2 penalty on standardised embeddings, tried from strong to weak.
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)


@dataclass(frozen=True)
class Head:
    """A linear classifier of embeddings."""

    weight: NDArray[np.float64]  #: (C, d)
    bias: NDArray[np.float64]  #: (C,)
    penalty: float  #: the inverse strength that was chosen
    score: float  #: validation score of that choice


def fit_head(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    validation: tuple[NDArray[np.float32], NDArray[np.int64]],
    num_classes: int,
    score: Callable[[NDArray[np.int64], NDArray[np.float64]], float],
) -> Head:
    """Multinomial logistic regression on (n, d) embeddings, its penalty chosen on the validation part.

    `embeddings` and `labels` come from the train part, resampled or not; `validation` holds embeddings and labels of
    the validation part. Classes without a train label get a bias that never wins.
    """
    from sklearn.linear_model import LogisticRegression  # seconds to import, and most cells need none

    mean, scale = embeddings.mean(axis=0), embeddings.std(axis=0)
    scale = np.where(scale > 1e-6 * scale.max(), scale, 1.0).astype(np.float32)
    standardised = (embeddings - mean) / scale
    model = LogisticRegression(max_iter=100, tol=1e-3, warm_start=True)
    heads = []
    for penalty in PENALTIES:
        model.set_params(C=penalty)
        _fit_quietly(model, standardised, labels)
        weight, bias = _unstandardised(model, mean, scale, num_classes)
        probabilities = softmax(validation[0] @ weight.T + bias)
        heads.append(Head(weight, bias, penalty, score(validation[1], probabilities)))
    return max(heads, key=lambda head: head.score)


def install_head(layer: nn.Linear, head: Head) -> None:
    """Put `head` into the network, which is a whole model again."""
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(head.weight))
        layer.bias.copy_(torch.from_numpy(head.bias))


def _fit_quietly(model: LogisticRegression, embeddings: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    from sklearn.exceptions import ConvergenceWarning

    # Stopping early is one more form of regularisation here, and the validation part judges the outcome.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(embeddings, labels)


def _unstandardised(
    model: LogisticRegression,
    mean: NDArray[np.float32],
    scale: NDArray[np.float32],
    num_classes: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Undo the standardisation in the weights, so that the head takes embeddings as the network makes them."""
    coefficients, intercept = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn then keeps the second class's row alone
        coefficients, intercept = np.vstack([-coefficients, coefficients]) / 2, np.hstack([-intercept, intercept]) / 2
    weight = np.zeros((num_classes, coefficients.shape[1]))
    bias = np.full(num_classes, -1e4)
    weight[model.classes_] = coefficients / scale
    bias[model.classes_] = intercept - (coefficients / scale) @ mean
    return weight, bias
