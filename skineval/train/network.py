"""The network of a cell: built, checked, counted, and parted into what embeds and what decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from skineval.base.errors import CellError, PluginError
from skineval.base.terms import Value
from skineval.catalog.networks import find_head
from skineval.catalog.specs import Architecture
from skineval.train.weights import IMAGENET, Loaded, Weights, load_into, recorded
from skineval.values.runspec import RunSpec


@dataclass(frozen=True)
class Blueprint:
    """A network as it is to be made."""

    architecture: Architecture
    parameters: Mapping[str, Value]  #: of the architecture
    num_classes: int
    image_size: int  #: pixels a side

    @classmethod
    def of(cls, architecture: Architecture, spec: RunSpec) -> Blueprint:
        """That of the cell of a specification."""
        return cls(architecture, spec.model.parameters, len(spec.classes), spec.image_size)

    def build(self, weights: str | None = None) -> object:
        """What the architecture makes of it; `weights` is None or "imagenet"."""
        return self.architecture.build(self.num_classes, weights=weights, **self.parameters)


def build_network(blueprint: Blueprint, weights: Weights, seed: int) -> tuple[nn.Module, tuple[Loaded, ...]]:
    """Make the network, with initial values that depend on `seed` alone, and check what it returns.

    Beside it: what files of weights gave it, one record a file, or one for each part of a hybrid with ImageNet weights.
    Raises CellError for an image size that the architecture refuses, for a file that is not the one that was asked for,
    or for a network that returns the wrong thing.
    """
    architecture = blueprint.architecture
    refused = architecture.refuses(blueprint.image_size)
    if refused:
        raise CellError(f"--image-size is {blueprint.image_size}; {refused}.")
    torch.manual_seed(seed)
    named = IMAGENET if weights.identity == IMAGENET else None
    model = blueprint.build(named)
    if not isinstance(model, nn.Module):
        raise CellError(f"{architecture.name} was built as {type(model).__name__}, which is not a torch.nn.Module.")
    loaded: tuple[Loaded, ...] = ()
    if weights.path is not None:
        loaded = (load_into(model, weights.path, architecture.name),)
        if weights.identity != f"sha256:{loaded[0].sha256}":
            raise CellError(f"{weights.path} has changed since the bench began.")
    elif named:
        loaded = _from_imagenet(model, architecture)
    check_output(model, blueprint)
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


def check_output(model: nn.Module, blueprint: Blueprint) -> None:
    """Raises CellError unless `model` maps images (2, 3, S, S) to finite logits (2, num_classes)."""
    name, num_classes, side = blueprint.architecture.name, blueprint.num_classes, blueprint.image_size
    was_training = model.training
    model.eval()
    with torch.no_grad():
        logits: object = model(torch.zeros(2, 3, side, side))
    model.train(was_training)
    if not isinstance(logits, Tensor):
        raise CellError(f"{name} returned {type(logits).__name__} where a tensor of logits is expected.")
    if logits.shape != (2, num_classes):
        raise CellError(f"{name} returned shape {tuple(logits.shape)} for 2 images; (2, {num_classes}) is expected.")
    if not torch.isfinite(logits).all():
        raise CellError(f"{name} returned NaN or infinite logits before any training.")


def multiply_adds(blueprint: Blueprint) -> int:
    """Multiply-adds of the forward pass of one image, those of convolutions, matrix products and attention.

    Counted on torch's meta device, where tensors have shapes and no values and nothing is computed, or on the CPU where
    a network looks at values. Raises PluginError for one that can be run on neither.
    """
    try:
        return _count(blueprint, "meta")
    except Exception:  # whatever an architecture raises that wants values
        pass
    try:
        return _count(blueprint, "cpu")
    except Exception as error:
        raise PluginError(f"{blueprint.architecture.name} cannot be run: {type(error).__name__}: {error}.") from error


def _count(blueprint: Blueprint, device: str) -> int:
    from torch.utils.flop_counter import FlopCounterMode  # slow to import, and no worker counts

    with torch.device(device):
        model: Any = blueprint.build()
        images = torch.zeros(1, 3, blueprint.image_size, blueprint.image_size)
    # With gradients: without them, attention takes a short cut in eval mode that is not counted.
    with FlopCounterMode(display=False) as counter, torch.enable_grad():
        model.eval()(images)
    return int(counter.get_total_flops()) // 2


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
