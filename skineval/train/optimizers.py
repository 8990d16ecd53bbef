"""Optimizers: how gradients change weights, with a rate that is given anew at every step.

The steps are those of torch's functional interface. Its classes would do the same, but the first of them that is made
imports torch._dynamo, which takes longer than many a small cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from skineval.values.runspec import Training

BETAS, EPSILON = (0.9, 0.999), 1e-8
MOMENTUM = 0.9

State: TypeAlias = dict[str, Tensor]


@dataclass(eq=False)
class Weight:
    """A trained tensor and what its optimizer remembers of it."""

    name: str
    value: nn.Parameter
    state: State = field(default_factory=dict)  #: empty until the first step


@dataclass(frozen=True, eq=False)
class Group:
    """Weights that are trained alike."""

    weights: tuple[Weight, ...]
    decay: float
    scale: float  #: their learning rate over that of the network


Step: TypeAlias = Callable[[list[Weight], float, float], None]  #: weights, rate, decay


class Optimizer:
    """Changes weights by their gradients; weights without a gradient stay as they are."""

    def __init__(self, groups: Iterable[Group], step: Step) -> None:
        self.groups = tuple(group for group in groups if group.weights)
        self._step = step

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One step at the learning rate `rate`."""
        for group in self.groups:
            moving = [weight for weight in group.weights if weight.value.grad is not None]
            if moving:
                self._step(moving, rate * group.scale, group.decay)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for weight in self.weights:
            weight.value.grad = None

    @property
    def weights(self) -> list[Weight]:
        """All that is trained."""
        return [weight for group in self.groups for weight in group.weights]

    def tensors(self) -> State:
        """What it remembers, as `<what>.<weight>`."""
        return {f"{key}.{weight.name}": value for weight in self.weights for key, value in weight.state.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `tensors`: what it remembered before is forgotten."""
        for weight in self.weights:
            weight.state = {}
        named = {weight.name: weight for weight in self.weights}
        for path, tensor in tensors.items():
            key, name = path.split(".", 1)
            named[name].state[key] = _laid_out_like(named[name].value, tensor)


def make_optimizer(model: nn.Module, training: Training, head: tuple[str, ...] | None = None) -> Optimizer:
    """The optimizer that `training` names; vectors (biases, normalisation) are not decayed.

    adamw: Loshchilov, Hutter, arXiv 1711.05101. adam: Kingma, Ba, arXiv 1412.6980, with L2 decay. sgd: momentum 0.9 by
    Nesterov's method (Sutskever et al., ICML 2013), with L2 decay. `head` holds the dotted paths of what is trained at
    the full rate; everything else has `training.backbone_rate` of it. Without a head all is trained alike.
    """

    def group(in_head: bool, decayed: bool) -> Group:
        weights = tuple(
            Weight(name, value)
            for name, value in model.named_parameters()
            if value.requires_grad and (value.ndim > 1) == decayed and belongs_to(name, head) == in_head
        )
        decay = training.weight_decay if decayed else 0.0
        return Group(weights, decay, 1.0 if in_head else training.backbone_rate)

    groups = [group(in_head, decayed) for in_head in (True, False) for decayed in (True, False)]
    return Optimizer(groups, STEPS[training.optimizer])


def belongs_to(name: str, head: tuple[str, ...] | None) -> bool:
    """Whether the parameter `name` lies in one of the modules of the `head`; without a head all do."""
    return head is None or name.startswith(tuple(f"{path}." for path in head))


def adam_step(function: Callable[..., None], weights: list[Weight], rate: float, decay: float) -> None:
    """One step of Adam, to whose gradient decay is added, or of AdamW, where it is apart from it."""
    for weight in weights:
        if not weight.state:
            zeros = torch.zeros_like(weight.value)
            steps = torch.zeros((), dtype=torch.float32, device=weight.value.device)
            weight.state = {"exp_avg": zeros, "exp_avg_sq": zeros.clone(), "step": steps}
    function(
        _values(weights),
        _gradients(weights),
        [weight.state["exp_avg"] for weight in weights],
        [weight.state["exp_avg_sq"] for weight in weights],
        [],
        [weight.state["step"] for weight in weights],
        fused=_fused(weights),
        amsgrad=False,
        beta1=BETAS[0],
        beta2=BETAS[1],
        lr=rate,
        weight_decay=decay,
        eps=EPSILON,
        maximize=False,
    )


def sgd_step(weights: list[Weight], rate: float, decay: float) -> None:
    """One step of stochastic gradient descent with Nesterov's momentum; decay is added to the gradient."""
    # torch begins with the gradient itself as momentum, which is a momentum of zero beforehand without dampening.
    for weight in weights:
        if not weight.state:
            weight.state = {"momentum": torch.zeros_like(weight.value)}
    sgd(
        _values(weights),
        _gradients(weights),
        [weight.state["momentum"] for weight in weights],
        fused=_fused(weights),
        weight_decay=decay,
        momentum=MOMENTUM,
        lr=rate,
        dampening=0.0,
        nesterov=True,
        maximize=False,
    )


STEPS: Mapping[str, Step] = {"adam": partial(adam_step, adam), "adamw": partial(adam_step, adamw), "sgd": sgd_step}


def _values(weights: list[Weight]) -> list[Tensor]:
    return [weight.value for weight in weights]


def _gradients(weights: list[Weight]) -> list[Tensor]:
    return [weight.value.grad for weight in weights if weight.value.grad is not None]


def _fused(weights: list[Weight]) -> bool:
    # Without it, Apple's GPU would be waited for at every weight.
    return all(weight.value.device.type in ("cpu", "cuda", "mps") for weight in weights)


def _laid_out_like(parameter: Tensor, tensor: Tensor) -> Tensor:
    # Fused steps walk through memory: a moment must lie there in the order of its parameter (channels_last).
    return torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor
