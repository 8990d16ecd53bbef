"""Hybrids: several architectures as one, written `a+b`, their embeddings concatenated under one linear head."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from skineval.base.errors import PluginError
from skineval.base.terms import Value
from skineval.catalog.specs import Architecture

if TYPE_CHECKING:
    from torch import nn

PLUS = "+"


def resolved(architecture: Architecture, parameters: Mapping[str, Value]) -> Architecture:
    """The architecture as `parameters` make it; raises PluginError where its `resolve` does not work."""
    if architecture.resolve is None:
        return architecture
    try:
        found: object = architecture.resolve(architecture, **parameters)
    except Exception as error:
        raise PluginError(f"The architecture {architecture.name} cannot be resolved: {error}.") from error
    if not isinstance(found, Architecture):
        raise PluginError(f"The architecture {architecture.name} was resolved to {type(found).__name__}.")
    return found


def combine(parts: Sequence[Architecture]) -> Architecture:
    """The hybrid of `parts`, whose names differ. Its parameters are theirs, `width` of `cnn` being `cnn.width`."""
    step = math.lcm(*(part.image_size_step for part in parts))
    smallest = max(part.min_image_size for part in parts)
    largest = [part.max_image_size for part in parts if part.max_image_size is not None]
    return Architecture(
        PLUS.join(part.name for part in parts),
        partial(build, parts=tuple(parts)),
        "The embeddings of several networks, concatenated, under one linear head.",
        image_size=_multiple(min([max(part.image_size for part in parts), *largest]), step),
        min_image_size=_multiple(smallest, step),
        max_image_size=min(largest, default=None),
        image_size_step=step,
        head="head",
        classifier=("head", *(path for place, part in enumerate(parts) for path in _new(f"parts.{place}", part))),
        mean=parts[0].mean,
        std=parts[0].std,
        bfloat16_on_cpu=all(part.bfloat16_on_cpu for part in parts),
        parameters={f"{part.name}.{key}": value for part in parts for key, value in part.parameters.items()},
        resolve=resolve,
        parts=tuple(parts),
    )


def resolve(architecture: Architecture, **parameters: Value) -> Architecture:
    """The hybrid of its resolved parts."""
    return combine([resolved(part, own(part, parameters)) for part in architecture.parts])


def build(num_classes: int, *, weights: str | None, parts: tuple[Architecture, ...], **parameters: Value) -> nn.Module:
    """A `skineval.catalog.networks.Hybrid`; a part that has no pretrained weights begins with random ones."""
    from skineval.catalog.networks import Hybrid

    networks = [
        part.build(num_classes, weights=weights if part.fetch_weights else None, **own(part, parameters))
        for part in parts
    ]
    return Hybrid(list(zip(parts, networks, strict=True)), num_classes)


def own(part: Architecture, parameters: Mapping[str, Value]) -> dict[str, Value]:
    """Those parameters of a hybrid that belong to `part`."""
    prefix = f"{part.name}."
    return {key.removeprefix(prefix): value for key, value in parameters.items() if key in _keys(part)}


def _new(path: str, part: Architecture) -> tuple[str, ...]:
    """What of a part has no pretrained weights: all of it, or what its own head came with."""
    if part.fetch_weights is None:
        return (path,)
    own_classifier = (part.classifier,) if isinstance(part.classifier, str) else part.classifier or ()
    return tuple(f"{path}.{inner}" for inner in own_classifier)


def _keys(part: Architecture) -> set[str]:
    return {f"{part.name}.{key}" for key in part.parameters}


def _multiple(size: int, step: int) -> int:
    """The smallest multiple of `step` that is not below `size`."""
    return -(-size // step) * step
