"""The network of a cell: built, checked, and parted into what embeds and what decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from skineval.errors import CellError
from skineval.specs import Architecture, Selection
from skineval.train.weights import IMAGENET, Loaded, Weights, load_into


def build_network(
    architecture: Architecture, selection: Selection, num_classes: int, weights: Weights, image_size: int, seed: int
) -> tuple[nn.Module, Loaded | None]:
    """Make the network, with initial values that depend on `seed` alone, and check what it returns.

    Raises CellError for an image size below the architecture's smallest, or a network that returns the wrong thing.
    """
    if image_size < architecture.min_image_size:
        raise CellError(
            f"--image-size is {image_size}; {architecture.name} needs at least {architecture.min_image_size} px."
        )
    torch.manual_seed(seed)
    named = IMAGENET if weights.identity == IMAGENET else None
    model: object = architecture.build(num_classes, weights=named, **selection.parameters)
    if not isinstance(model, nn.Module):
        raise CellError(f"{architecture.name} was built as {type(model).__name__}, which is not a torch.nn.Module.")
    loaded = load_into(model, weights.path) if weights.path else None
    check_output(model, architecture.name, num_classes, image_size)
    return model, loaded


def check_output(model: nn.Module, name: str, num_classes: int, image_size: int) -> None:
    """Raises CellError unless `model` maps images (2, 3, S, S) to finite logits (2, num_classes)."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        logits: object = model(torch.zeros(2, 3, image_size, image_size))
    model.train(was_training)
    if not isinstance(logits, Tensor):
        raise CellError(f"{name} returned {type(logits).__name__} where a tensor of logits is expected.")
    if logits.shape != (2, num_classes):
        raise CellError(f"{name} returned shape {tuple(logits.shape)} for 2 images; (2, {num_classes}) is expected.")
    if not torch.isfinite(logits).all():
        raise CellError(f"{name} returned NaN or infinite logits before any training.")


def find_head(model: nn.Module, architecture: Architecture, num_classes: int) -> nn.Linear:
    """The linear layer that turns embeddings into logits; raises CellError where there is none."""
    if architecture.head is not None:
        head = model.get_submodule(architecture.head)
        if isinstance(head, nn.Linear) and head.out_features == num_classes:
            return head
        raise CellError(f"{architecture.name}: its head {architecture.head!r} is not a linear layer of {num_classes}.")
    linear = [m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == num_classes]
    if not linear:
        raise CellError(f"{architecture.name} has no linear head: strategies that resample embeddings cannot refit it.")
    return linear[-1]


def classifier_path(model: nn.Module, architecture: Architecture, num_classes: int) -> str:
    """The dotted path of what decides, everything else being backbone; raises CellError where there is none."""
    path = architecture.classifier or architecture.head
    if path is None:
        head = find_head(model, architecture, num_classes)
        names: dict[nn.Module, str] = {module: name for name, module in model.named_modules()}
        return names[head]
    try:
        model.get_submodule(path)
    except AttributeError as error:
        raise CellError(f"{architecture.name}: {path!r} names no module of the network: {error}.") from error
    return path


@dataclass
class Capture:
    """The input of a module, caught while the network runs; use as a context manager."""

    module: nn.Module
    value: Tensor | None = None

    def __enter__(self) -> Capture:
        self._handle = self.module.register_forward_pre_hook(self._keep)
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.remove()

    def _keep(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        self.value = inputs[0].detach()
