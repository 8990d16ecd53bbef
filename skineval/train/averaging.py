"""A running average of a network's weights, which generalises better than the last of them."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Average:
    """The exponential moving average of everything in a network (Polyak, Juditsky, SIAM J. Control Optim. 30, 1992).

    `network` is a network like the averaged one, for prediction only. Counters are copied; running means and variances
    of batch normalisation are averaged like weights.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(model).requires_grad_(False).eval()
        self._decay = decay
        pairs = list(zip(self.network.state_dict().values(), model.state_dict().values(), strict=True))
        self._averaged = [pair for pair in pairs if pair[0].is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights of the model after its optimizer's step number `step`, counted from 0 over all epochs.

        The decay begins low: in its first steps an average must forget the random weights it began with.
        """
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_([own for own, _ in self._averaged], [new for _, new in self._averaged], 1 - decay)
        for counter, value in self._copied:
            counter.copy_(value)
