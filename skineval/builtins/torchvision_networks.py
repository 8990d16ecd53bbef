"""torchvision's networks as sequences of named modules, with one of three heads.

Modules and so weights have torchvision's names, so that files of weights fit; what comes between them as functions
(ReLU, pooling, flattening) is a module here, which can be named and read.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Sequence
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
    embedding: int  #: width of what the last layer reads
    neck: Sequence[nn.Module] = ()  #: layers of the classifier before the last one
    maps: int = 0  #: channels of the maps, if other than `embedding`


def build_torchvision(num_classes: int, *, name: str, head: str) -> nn.Module:
    """The network called `name` with random weights; `head` is linear, conv or mlp (see `skineval.builtins.heads`)."""
    if name == "vit_b_16":
        return _vision_transformer(num_classes, head)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        found = anatomy(models.get_model(name, weights=None))
    if head == "conv":
        return _sequence(found.trunk, {found.classifier: convolutional(found.maps or found.embedding, num_classes)})
    last = _last(found.embedding, num_classes, head)
    classifier = nn.Sequential(*found.neck, last) if found.neck else last
    return _sequence(found.trunk, found.pooling, {found.classifier: classifier})


def anatomy(model: Any) -> Anatomy:
    """The parts of one of torchvision's networks; raises TypeError for a family that is not known here."""
    children = dict(model.named_children())
    average, flatten = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    pooling: dict[str, nn.Module] = {"avgpool": average, "flatten": flatten}
    match model:
        case models.ResNet():
            return Anatomy(_without(children, "avgpool", "fc"), pooling, "fc", model.fc.in_features)
        case models.DenseNet():
            trunk = {"features": model.features, "relu": nn.ReLU()}
            return Anatomy(trunk, {"pool": average, "flatten": flatten}, "classifier", model.classifier.in_features)
        case models.EfficientNet() | models.MobileNetV3():
            *neck, last = model.classifier
            maps = neck[0].in_features if isinstance(neck[0], nn.Linear) else 0
            return Anatomy({"features": model.features}, pooling, "classifier", last.in_features, neck, maps)
        case models.ConvNeXt():
            *neck, last = model.classifier  # which flattens, between the normalisation and the linear layer
            return Anatomy({"features": model.features}, {"avgpool": average}, "classifier", last.in_features, neck)
        case models.SqueezeNet():
            # The original ends in a convolution, a ReLU and a mean: its logits cannot be negative, which hinders
            # fine-tuning.
            neck = [average, flatten, nn.Dropout(0.5)]
            return Anatomy({"features": model.features}, {}, "classifier", model.classifier[1].in_channels, neck)
        case models.SwinTransformer():
            trunk = _without(children, "avgpool", "flatten", "head")
            return Anatomy(trunk, pooling, "head", model.head.in_features)
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
