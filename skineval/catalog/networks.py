"""Networks as such: where their head is, and several of them as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from skineval.base.errors import CellError
from skineval.catalog.specs import Architecture


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A head that begins without an opinion: small weights, no bias."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    return layer


def find_head(model: nn.Module, architecture: Architecture, num_classes: int) -> nn.Linear:
    """The linear layer that turns embeddings into logits; raises CellError where there is none."""
    if architecture.head is not None:
        head = model.get_submodule(architecture.head)
        if isinstance(head, nn.Linear) and head.out_features == num_classes:
            return head
        raise CellError(f"{architecture.name}: its head {architecture.head!r} is not a linear layer of {num_classes}.")
    found = [m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == num_classes]
    if not found:
        raise CellError(f"{architecture.name} has no linear head, so that its embeddings cannot be had.")
    return found[-1]


class Hybrid(nn.Module):
    """Networks side by side: images (N, 3, H, W) go through each of them, their embeddings through one linear head.

    The heads of `parts` are taken out of them. Images come normalised as the first part wants them; the others get
    them as they want them. Raises CellError where an embedding cannot be had.
    """

    def __init__(self, parts: Sequence[tuple[Architecture, nn.Module]], num_classes: int) -> None:
        super().__init__()
        first, _ = parts[0]
        widths = [_behead(network, architecture, num_classes) for architecture, network in parts]
        self.inputs = nn.ModuleList(_input(first, architecture) for architecture, _ in parts)
        self.parts = nn.ModuleList(network for _, network in parts)
        self.head = linear(sum(widths), num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, num_classes)."""
        embeddings = [part(prepare(images)) for prepare, part in zip(self.inputs, self.parts, strict=True)]
        logits: Tensor = self.head(torch.cat(embeddings, dim=1))
        return logits


class Renormalise(nn.Module):
    """From images normalised for one network to images normalised for another."""

    def __init__(self, given: Architecture, wanted: Architecture) -> None:
        super().__init__()
        mean, std, mean_wanted, std_wanted = (
            torch.tensor(values).view(3, 1, 1) for values in (given.mean, given.std, wanted.mean, wanted.std)
        )
        # They follow from the architecture: a file of weights does not hold them.
        self.register_buffer("scale", std / std_wanted, persistent=False)
        self.register_buffer("shift", (mean - mean_wanted) / std_wanted, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W)."""
        scale, shift = self.get_buffer("scale"), self.get_buffer("shift")
        return images * scale + shift


def _input(first: Architecture, own: Architecture) -> nn.Module:
    return nn.Identity() if (own.mean, own.std) == (first.mean, first.std) else Renormalise(first, own)


def _behead(network: nn.Module, architecture: Architecture, num_classes: int) -> int:
    """Take the head out of a network, which returns embeddings (N, d) then; returns d."""
    head = find_head(network, architecture, num_classes)
    names: dict[nn.Module, str] = {module: name for name, module in network.named_modules()}
    path = names[head]
    if not path:
        raise CellError(f"{architecture.name} is nothing but a head, so that it cannot be a part of a hybrid.")
    stump = nn.Identity()
    network.set_submodule(path, stump)
    given: list[Tensor] = []
    handle = stump.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    was_training = network.training
    size = architecture.min_image_size
    with torch.no_grad():
        returned = network.eval()(torch.zeros(1, 3, size, size, device=head.weight.device))
    network.train(was_training)
    handle.remove()
    if len(given) != 1 or returned is not given[0]:
        raise CellError(
            f"{architecture.name} does something after its head {path!r} or uses it more than once, so that it cannot "
            "be a part of a hybrid."
        )
    return head.in_features
