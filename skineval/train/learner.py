"""A network while it is trained: with its optimizer and, where one is kept, the average of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from skineval.train.averaging import Average
from skineval.train.optimizers import Optimizer, belongs_to, make_optimizer
from skineval.values.runspec import Training


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
