"""Multinomial regression: linear classification of embeddings, its weights penalised, to where it converges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from skineval.base.errors import CellError
from skineval.base.terms import HEAD_GRADIENT, HEAD_STEPS
from skineval.train.losses import Loss, cross_entropy

NEVER = -1e4  #: the logit of a class that is never meant
_RARE = 1e-6  #: the share of a class, at least, so that nothing is divided by 0
#: scipy's own threads, which do little in what L-BFGS is made of, would keep those of torch off the cores.
_ALONE = {"libscipy_openblas": 1}
_COLUMNS = 4  #: with 7 columns, which are as many as HAM10000 has classes, a product takes twice as long as with 8


@dataclass(frozen=True, eq=False)
class Aim:
    """What is minimised beside the penalty, as a function of the logits (n, P) of those classes that are there."""

    labels: Tensor  #: (n,) int64, as the loss knows them
    codes: Tensor  #: (n,) int64, positions in `present`
    present: NDArray[np.int64]  #: (P,) classes with a label
    num_classes: int
    loss: Loss
    shares: Tensor  #: (n,) float64 of sum 1, how much each row counts

    @classmethod
    def of(cls, labels: NDArray[np.int64], num_classes: int, loss: Loss, shares: NDArray[np.float64] | None) -> Aim:
        """Of rows that count alike where there are no `shares`, (n,) of any sum."""
        present, codes = np.unique(labels, return_inverse=True)
        counting = np.ones(len(labels)) if shares is None else shares
        weighed = torch.from_numpy(counting / counting.sum())
        return cls(torch.from_numpy(labels), torch.from_numpy(codes), present, num_classes, loss, weighed)

    def __call__(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """The loss, and its gradient (n, P), in float64."""
        if self.loss is cross_entropy:  # most of all, and in half the time
            logs = F.log_softmax(logits, dim=1)
            own = self.codes[:, None]
            value = -logs.gather(1, own)[:, 0] @ self.shares
            residual = logs.exp_().scatter_add_(1, own, logits.new_full(own.shape, -1))
            return value, residual.mul_(self.shares[:, None])
        logits = logits.detach().requires_grad_()
        every = torch.full((len(logits), self.num_classes), NEVER)
        losses = self.loss(every.index_copy(1, torch.from_numpy(self.present), logits.float()), self.labels)
        value = losses.double() @ self.shares
        return value.detach(), torch.autograd.grad(value, logits)[0]

    @property
    def frequencies(self) -> Tensor:
        """(P,) what share of all that counts each class has."""
        return self.shares.new_zeros(len(self.present)).index_add(0, self.codes, self.shares)


class Regression:
    """Fits of one set of embeddings, for one penalty after another.

    L-BFGS takes hundreds of steps where some directions are far steeper than others, and where it is stopped before,
    its result depends on the last digit of every sum, so on the number of threads. It is therefore done in float64, in
    the principal axes of the embeddings, each coordinate in units of how steep the loss is along it: for a class of
    share p, whose logits have a second derivative of about p (1 - p), the Hessian is diagonal there.
    """

    def __init__(self, embeddings: NDArray[np.float64], aim: Aim) -> None:
        rows = torch.from_numpy(embeddings)
        spread, self._axes = torch.linalg.eigh(rows.T @ (rows * aim.shares[:, None]))
        frequencies = aim.frequencies.clamp(_RARE, 1 - _RARE)
        self._aim, self._rows = aim, rows @ self._axes
        self._curvature = (frequencies * (1 - frequencies))[:, None]
        self._steepness = self._curvature * spread.clamp(min=0)
        self._fits: dict[float, Tensor] = {}

    def fit(self, penalty: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights (P, d) and bias (P,), from where the nearest of the penalties before this one ended.

        Minimises the aim plus the squared weights, without the bias, over twice `penalty` and the number of rows: with
        the mean cross-entropy, scikit-learn's objective with C = `penalty`.
        """
        # Not torch's L-BFGS: the first optimizer of a process imports torch._dynamo, which takes longer than the fit.
        from scipy.optimize import minimize
        from threadpoolctl import threadpool_limits

        ridge = 1 / (penalty * len(self._rows))
        units = torch.cat([self._steepness + ridge, self._curvature], dim=1).rsqrt()

        def lost(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            fit = torch.from_numpy(flat).view_as(units) * units
            weight, bias = fit[:, :-1], fit[:, -1]
            value, residual = self._aim(torch.addmm(bias, self._rows, weight.T))
            value = value + ridge / 2 * weight.square().sum()
            if not torch.isfinite(value):
                raise CellError("The loss of the head is nan or infinite on these embeddings.")
            pull = F.pad(residual, (0, -len(weight) % _COLUMNS)).T @ self._rows
            gradient = torch.cat([pull[: len(weight)] + ridge * weight, residual.sum(dim=0)[:, None]], dim=1)
            return value.item(), (gradient * units).numpy().ravel()

        start = (self._nearest(penalty, units) / units).numpy().ravel()
        options = {"maxiter": HEAD_STEPS, "gtol": HEAD_GRADIENT}
        with threadpool_limits(_ALONE):
            found = minimize(lost, start, jac=True, method="L-BFGS-B", options=options)
        fit = self._fits[penalty] = torch.from_numpy(found.x).view_as(units) * units
        return (fit[:, :-1] @ self._axes.T).numpy(), fit[:, -1].numpy()

    def _nearest(self, penalty: float, units: Tensor) -> Tensor:
        if not self._fits:
            return torch.zeros_like(units)
        return self._fits[min(self._fits, key=lambda other: abs(np.log(other / penalty)))]
