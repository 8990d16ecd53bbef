"""torchvision's networks as sequences of named modules, with one of three heads.

Modules and so weights have torchvision's names, so that files of weights fit; what comes between them as functions
(ReLU, pooling, flattening) is a module here, which can be named and read.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from torch import nn
from torchvision import models

from skineval.builtins.heads import convolutional, perceptron
from skineval.builtins.vision_transformer import ClassToken, PatchMaps, VisionTransformer
from skineval.catalog.networks import linear


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A network, parted where a head may begin."""

    trunk: dict[str, nn.Module]  #: from images to maps (N, channels, h, w)
    pooling: dict[str, nn.Module]  #: what follows up to the classifier, where that reads embeddings
    classifier: str  #: its name
    neck: tuple[nn.Module, ...]  #: its layers before the last one
    channels: int
    embedding: int  #: width of what the last layer reads


def build_torchvision(num_classes: int, *, name: str, head: str) -> nn.Module:
    """The network called `name` with random weights; `head` is linear, conv or mlp (see `skineval.builtins.heads`)."""
    if name == "vit_b_16":
        return _vision_transformer(num_classes, head)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        found = anatomy(models.get_model(name, weights=None))
    if head == "conv":
        return _sequence(found.trunk, {found.classifier: convolutional(found.channels, num_classes)})
    last = _last(found.embedding, num_classes, head)
    classifier = nn.Sequential(*found.neck, last) if found.neck else last
    return _sequence(found.trunk, found.pooling, {found.classifier: classifier})


def anatomy(model: Any) -> Anatomy:
    """The parts of one of torchvision's networks; raises TypeError for a family that is not known here."""
    children = dict(model.named_children())
    pooling: dict[str, nn.Module] = {"avgpool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    match model:
        case models.ResNet():
            trunk = _without(children, "avgpool", "fc")
            return Anatomy(trunk, pooling, "fc", (), model.fc.in_features, model.fc.in_features)
        case models.DenseNet():
            width = model.classifier.in_features
            return Anatomy(
                {"features": model.features, "relu": nn.ReLU()},
                {"pool": pooling["avgpool"], "flatten": pooling["flatten"]},
                "classifier",
                (),
                width,
                width,
            )
        case models.EfficientNet() | models.MobileNetV3():
            *neck, last = model.classifier
            channels = neck[0].in_features if isinstance(neck[0], nn.Linear) else last.in_features
            return Anatomy({"features": model.features}, pooling, "classifier", tuple(neck), channels, last.in_features)
        case models.ConvNeXt():
            *neck, last = model.classifier  # which flattens, between the normalisation and the linear layer
            pool = {"avgpool": pooling["avgpool"]}
            return Anatomy(
                {"features": model.features}, pool, "classifier", tuple(neck), last.in_features, last.in_features
            )
        case models.SqueezeNet():
            # The original ends in a convolution, a ReLU and a mean: its logits cannot be negative, which hinders
            # fine-tuning.
            width = model.classifier[1].in_channels
            neck = [*pooling.values(), nn.Dropout(0.5)]
            return Anatomy({"features": model.features}, {}, "classifier", tuple(neck), width, width)
        case models.SwinTransformer():
            trunk = _without(children, "avgpool", "flatten", "head")
            return Anatomy(trunk, pooling, "head", (), model.head.in_features, model.head.in_features)
    raise TypeError(f"{type(model).__name__} is of no family whose parts are known")


def _vision_transformer(num_classes: int, head: str) -> nn.Module:
    model = VisionTransformer()
    width = model.hidden_dim
    if head == "conv":
        model.heads = _sequence({"maps": PatchMaps(), "head": convolutional(width, num_classes)})
    else:
        model.heads = _sequence({"token": ClassToken(), "head": _last(width, num_classes, head)})
    network: nn.Module = model
    return network


def _last(inputs: int, num_classes: int, head: str) -> nn.Module:
    return perceptron(inputs, num_classes) if head == "mlp" else linear(inputs, num_classes)


def _sequence(*parts: dict[str, nn.Module]) -> nn.Sequential:
    return nn.Sequential(OrderedDict((name, module) for part in parts for name, module in part.items()))


def _without(children: dict[str, nn.Module], *names: str) -> dict[str, nn.Module]:
    return {name: child for name, child in children.items() if name not in names}
