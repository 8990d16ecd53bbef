"""What turns embeddings into logits in a network: its linear head, cosines, or neighbours in its place."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from skineval.base.errors import CellError
from skineval.catalog.networks import find_head, linear
from skineval.catalog.specs import Architecture
from skineval.train.cosine import CosineHead
from skineval.train.neighbours import NearestNeighbours


def deciding(network: nn.Module, architecture: Architecture, num_classes: int) -> nn.Module:
    """What decides in `network`; raises CellError where nothing does."""
    neighbours = next((module for module in network.modules() if isinstance(module, NearestNeighbours)), None)
    return neighbours or find_head(network, architecture, num_classes)


def put_in_place(network: nn.Module, head: nn.Module, other: nn.Module) -> None:
    """Let `other` decide in `network`, in place of its `head`."""
    device = next(iter(head.state_dict().values())).device
    network.set_submodule(_path(network, head), other.to(device))


def make_room(network: nn.Module, head: nn.Linear, tensors: Mapping[str, Tensor]) -> None:
    """Put in place of the `head` of `network` what `tensors` hold in its place, to be loaded."""
    path = _path(network, head)
    rows = tensors.get(f"{path}.embeddings")
    if rows is not None:
        put_in_place(network, head, NearestNeighbours.of_shape(rows.shape[0], rows.shape[1], head.out_features))
    elif f"{path}.scale" in tensors:
        make_cosine(network, head, 1.0)
    elif isinstance(head, CosineHead):
        make_linear(network, head)


def make_cosine(network: nn.Module, head: nn.Linear, scale: float) -> None:
    """Let cosines decide in `network`, in place of its `head`, with the vectors that this has."""
    cosines = CosineHead(head.in_features, head.out_features, scale)
    cosines.load_state_dict({**cosines.state_dict(), "weight": head.weight.detach()})
    put_in_place(network, head, cosines)


def make_linear(network: nn.Module, head: nn.Linear) -> nn.Linear:
    """The linear head of `network`, put in place of cosines if there are any."""
    if not isinstance(head, CosineHead):
        return head
    plain = linear(head.in_features, head.out_features)
    put_in_place(network, head, plain)
    return plain


def shift(head: nn.Module, offsets: Tensor) -> None:
    """Let `head` add `offsets` (C,) to its logits; raises CellError where it has nothing to add to."""
    bias = getattr(head, "bias", None)
    if bias is None:
        raise CellError("The head has no bias to which anything could be added.")
    with torch.no_grad():
        bias += offsets.to(bias)


def cool(head: nn.Module, temperature: float) -> None:
    """Let `head` divide its logits by a temperature."""
    # Whatever multiplies embeddings, and what is added afterwards.
    scales = [head.scale] if isinstance(head, CosineHead | NearestNeighbours) else [head.weight]
    with torch.no_grad():
        for tensor in (*scales, *[head.bias] * (head.bias is not None)):
            tensor /= temperature


def _path(network: nn.Module, head: nn.Module) -> str:
    names: dict[nn.Module, str] = {module: name for name, module in network.named_modules()}
    return names[head]
