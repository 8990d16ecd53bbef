"""The network of a cell: built, checked, and parted into what embeds and what decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from skineval.base.errors import CellError
from skineval.catalog.networks import find_head
from skineval.catalog.specs import Architecture
from skineval.train.weights import IMAGENET, Loaded, Weights, load_into, recorded
from skineval.values.runspec import Selection


def build_network(
    architecture: Architecture, selection: Selection, num_classes: int, weights: Weights, image_size: int, seed: int
) -> tuple[nn.Module, tuple[Loaded, ...]]:
    """Make the network, with initial values that depend on `seed` alone, and check what it returns.

    Beside it: what files of weights gave it, one record a file, or one for each part of a hybrid with ImageNet weights.
    Raises CellError for an image size that the architecture refuses, for a file that is not the one that was asked for,
    or for a network that returns the wrong thing.
    """
    refused = architecture.refuses(image_size)
    if refused:
        raise CellError(f"--image-size is {image_size}; {refused}.")
    torch.manual_seed(seed)
    named = IMAGENET if weights.identity == IMAGENET else None
    model: object = architecture.build(num_classes, weights=named, **selection.parameters)
    if not isinstance(model, nn.Module):
        raise CellError(f"{architecture.name} was built as {type(model).__name__}, which is not a torch.nn.Module.")
    loaded: tuple[Loaded, ...] = ()
    if weights.path is not None:
        loaded = (load_into(model, weights.path, architecture.name),)
        if weights.identity != f"sha256:{loaded[0].sha256}":
            raise CellError(f"{weights.path} has changed since the bench began.")
    elif named:
        loaded = _from_imagenet(model, architecture)
    check_output(model, architecture.name, num_classes, image_size)
    return model, loaded


def _from_imagenet(model: nn.Module, architecture: Architecture) -> tuple[Loaded, ...]:
    if architecture.parts:
        parts = [model.get_submodule(f"parts.{place}") for place in range(len(architecture.parts))]
        return tuple(
            record
            for network, part in zip(parts, architecture.parts, strict=True)
            for record in _from_imagenet(network, part)
        )
    if architecture.fetch_weights is None:
        return (Loaded(architecture.name, "", "", (), tuple(sorted(model.state_dict())), ()),)
    return (recorded(model, architecture.fetch_weights(), architecture.name),)


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


def classifier_paths(model: nn.Module, architecture: Architecture, num_classes: int) -> tuple[str, ...]:
    """The dotted paths of what decides, everything else being backbone; raises CellError where there is none."""
    named = architecture.classifier or architecture.head
    if named is None:
        head = find_head(model, architecture, num_classes)
        names: dict[nn.Module, str] = {module: name for name, module in model.named_modules()}
        return (names[head],)
    paths = (named,) if isinstance(named, str) else named
    for path in paths:
        try:
            model.get_submodule(path)
        except AttributeError as error:
            raise CellError(f"{architecture.name}: {path!r} names no module of the network: {error}.") from error
    return paths


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
