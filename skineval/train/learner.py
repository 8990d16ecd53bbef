"""A network while it is trained: with its optimizer and, where one is kept, the average of its weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from skineval.train.optimizers import Optimizer, belongs_to, make_optimizer
from skineval.values.runspec import Training


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


@dataclass(frozen=True, eq=False)
class Learner:
    """All that changes from step to step."""

    network: nn.Module
    optimizer: Optimizer
    average: Average | None
    head: tuple[str, ...] | None  #: dotted paths of the modules that are trained while the backbone is frozen

    @property
    def kept(self) -> nn.Module:
        """The network that is validated and kept: the average where there is one."""
        return self.average.network if self.average else self.network

    def prepare(self, *, frozen: bool) -> None:
        """Make ready for the steps of an epoch; `frozen`: nothing but the head learns, running statistics neither."""
        self.network.train(not frozen)
        if frozen and self.head is not None:
            for path in self.head:
                self.network.get_submodule(path).train()
        for weight in self.optimizer.weights:
            weight.value.requires_grad_(not frozen or belongs_to(weight.name, self.head))

    def tensors(self) -> dict[str, Tensor]:
        """Everything of it, by name."""
        tensors = _under("network", self.network.state_dict()) | _under("optimizer", self.optimizer.tensors())
        return tensors | (_under("average", self.average.network.state_dict()) if self.average else {})

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `tensors`."""
        self.network.load_state_dict(_below("network", tensors))
        self.optimizer.load(_below("optimizer", tensors))
        if self.average:
            self.average.network.load_state_dict(_below("average", tensors))


def make_learner(
    network: nn.Module, training: Training, device: torch.device, head: tuple[str, ...] | None = None
) -> Learner:
    """Put `network` on `device`, in the memory format that is trained fastest, with what `training` asks for."""
    network = network.to(device).to(memory_format=torch.channels_last)
    average = Average(network, training.ema) if training.ema else None
    return Learner(network, make_optimizer(network, training, head), average, head)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
