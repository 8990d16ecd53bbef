"""The k nearest neighbours as the head of a frozen network.

Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", CVPR 2018, section 3.4; so are
embeddings judged by Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from skineval.train.embeddings import Score
from skineval.train.predict import softmax

NUMBERS = (10, 20, 50, 100, 200)  #: of neighbours, tried on the validation part
TEMPERATURE = 0.07  #: of similarities, that of Wu et al.
#: Of numbers in an embedding of length 1. Products of two are multiples of 2^-50, and sums of them are below 8: float64
#: has them exactly, whatever their order.
GRID = 2.0**25
QUERIES, ROWS = 256, 1024  #: that are compared at a time, which takes less than 200 MB with 8,000 rows of 2,048


class NearestNeighbours(nn.Module):
    """Embeddings (N, d) -> logits (N, C): logarithms of the class shares among the k nearest rows.

    Near is what has a high cosine similarity, and of rows that have the same, the one that comes first. A neighbour
    counts exp(similarity / TEMPERATURE) times its share. Similarities are exact, so that neighbours depend neither on
    what else is in the batch nor on the order of rows. The buffers are all there is to it.
    """

    embeddings: Tensor  #: (n, d) float32, of length 1 or 0
    codes: Tensor  #: (n,) int64, their classes
    shares: Tensor  #: (n,) float32, how much each counts
    k: Tensor  #: () int64
    scale: Tensor  #: () float32, what the logits are multiplied by
    bias: Tensor  #: (C,) float32, what is added to them

    def __init__(self, embeddings: Tensor, codes: Tensor, shares: Tensor, num_classes: int, k: int = 1) -> None:
        """The head of rows of any length."""
        super().__init__()
        self.num_classes = num_classes
        self.register_buffer("embeddings", torch.empty(embeddings.shape, device=embeddings.device))
        for kept, rows in zip(torch.split(self.embeddings, ROWS), torch.split(embeddings, ROWS), strict=True):
            kept.copy_(_on_sphere(rows))
        self.register_buffer("codes", codes.clone())
        self.register_buffer("shares", shares.float())
        self.register_buffer("k", torch.tensor(k))
        self.register_buffer("scale", torch.ones((), device=embeddings.device))
        self.register_buffer("bias", torch.zeros(num_classes, device=embeddings.device))

    @classmethod
    def of_shape(cls, n: int, d: int, num_classes: int) -> NearestNeighbours:
        """One of zeros, whose state is yet to be loaded."""
        return cls(torch.zeros(n, d), torch.zeros(n, dtype=torch.int64), torch.zeros(n), num_classes)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Logits (N, C) float32, of which no one is infinite."""
        # Apple's GPUs have no float64.
        head = copy.deepcopy(self).cpu() if embeddings.device.type == "mps" else self
        parts = torch.split(embeddings.to(head.embeddings.device), QUERIES)
        logits = torch.cat([head.judge(*head.find(part, int(head.k))) for part in parts])
        return logits.to(embeddings.device)

    def find(self, embeddings: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The k nearest rows of each embedding, the nearest first: similarities (N, k) float64, and which (N, k)."""
        ordered, rows = self.similarities(embeddings).sort(dim=1, descending=True, stable=True)
        return ordered[:, :k].clone(), rows[:, :k].clone()  # or all the others would be kept, too

    def similarities(self, embeddings: Tensor) -> Tensor:
        """Cosines (N, n) float64 of embeddings (N, d) and rows."""
        given = _on_sphere(embeddings)
        return torch.cat([given @ rows.double().T for rows in torch.split(self.embeddings, ROWS)], dim=1)

    def judge(self, similarities: Tensor, rows: Tensor) -> Tensor:
        """Logits (N, C) float32 of embeddings with such neighbours, as `find` has them."""
        votes = (similarities / TEMPERATURE).exp() * self.shares[rows]
        # Not scatter_add, which adds in any order on a GPU.
        counted = (votes[:, :, None] * F.one_hot(self.codes[rows], self.num_classes)).sum(dim=1)
        shares = F.normalize(counted, p=1, dim=1, eps=torch.finfo(counted.dtype).tiny)
        # One neighbour more, that is of all classes alike: no class is impossible because none of k is of it.
        smoothing = 1 / (rows.shape[1] * self.num_classes)
        return (shares + smoothing).log().log_softmax(dim=1).float() * self.scale + self.bias


def fit_neighbours(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    validation: tuple[NDArray[np.float32], NDArray[np.int64]],
    num_classes: int,
    score: Score,
    shares: NDArray[np.float64] | None = None,
) -> NearestNeighbours:
    """The head of train embeddings (n, d), with that of `NUMBERS` as k that is best on the validation part.

    Of several that are, with the smallest; where there are fewer rows than the smallest of `NUMBERS`, with all of them.
    `shares` (n,) are how much each embedding counts; all alike where there are none.
    """
    counts = torch.ones(len(labels)) if shares is None else torch.from_numpy(shares)
    head = NearestNeighbours(torch.from_numpy(embeddings), torch.from_numpy(labels), counts, num_classes)
    numbers = [k for k in NUMBERS if k <= len(labels)] or [len(labels)]
    parts = torch.split(torch.from_numpy(validation[0]), QUERIES)
    found, rows = map(torch.cat, zip(*(head.find(part, numbers[-1]) for part in parts), strict=True))

    def rate(k: int) -> float:
        return score(validation[1], softmax(head.judge(found[:, :k], rows[:, :k]).numpy()))

    head.k.fill_(max(numbers, key=rate))
    return head


def _on_sphere(embeddings: Tensor) -> Tensor:
    """Embeddings (n, d) at length 1, or 0, in float64 on the grid of `GRID`; gradients are as without the grid."""
    exact = F.normalize(embeddings.double(), dim=1, eps=torch.finfo(torch.float64).tiny)
    return exact + ((exact * GRID).round() / GRID - exact).detach()
