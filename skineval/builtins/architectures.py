"""The networks that come with skineval: torchvision's, with a linear head of the right size, and a plain CNN."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skineval.specs import Architecture, Parameter

if TYPE_CHECKING:
    from torch import nn

CNN_PARAMETERS = {
    "width": Parameter(32, "Channels of the first convolution; the next three double them.", minimum=4, maximum=256),
    "dropout": Parameter(0.3, "Dropout before the linear head.", minimum=0.0, maximum=0.95),
}


def build_resnet(num_classes: int, *, weights: str | None, name: str, checkpoint: str) -> nn.Module:
    """A torchvision ResNet (He et al., arXiv 1512.03385)."""
    model: Any = _torchvision(name, checkpoint if weights else None)
    model.fc = _linear(model.fc.in_features, num_classes)
    network: nn.Module = model
    return network


def build_densenet(num_classes: int, *, weights: str | None, name: str, checkpoint: str) -> nn.Module:
    """A torchvision DenseNet (Huang et al., arXiv 1608.06993).

    torchvision applies the last ReLU as a function, in place. Here it is a module, so that it can be named as the layer
    Grad-CAM reads, and the map is of what is pooled and classified. Names of weights are torchvision's.
    """
    from torch import nn

    model = _torchvision(name, checkpoint if weights else None)
    parts = {
        "features": model.features,
        "relu": nn.ReLU(),
        "pool": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
        "classifier": _linear(model.classifier.in_features, num_classes),
    }
    return nn.Sequential(OrderedDict(parts))


def build_efficientnet(num_classes: int, *, weights: str | None, name: str, checkpoint: str) -> nn.Module:
    """A torchvision EfficientNet (Tan, Le, arXiv 1905.11946)."""
    model: Any = _torchvision(name, checkpoint if weights else None)
    model.classifier[1] = _linear(model.classifier[1].in_features, num_classes)
    network: nn.Module = model
    return network


def build_squeezenet(num_classes: int, *, weights: str | None, name: str, checkpoint: str) -> nn.Module:
    """A torchvision SqueezeNet (Iandola et al., arXiv 1602.07360) with a linear head on pooled features.

    The original ends in a convolution, a ReLU and a mean: its logits cannot be negative, which hinders fine-tuning.
    """
    from torch import nn

    model: Any = _torchvision(name, checkpoint if weights else None)
    model.classifier = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), _linear(model.classifier[1].in_channels, num_classes)
    )
    network: nn.Module = model
    return network


def build_cnn(num_classes: int, *, weights: str | None, width: int, dropout: float) -> nn.Module:
    """Five 3x3 convolutions with batch normalisation, max-pooling between them; a global mean and a linear head."""
    from torch import nn

    features: list[nn.Module] = []
    inputs = 3
    for doublings in (0, 1, 2, 3, 3):
        outputs = width * 2**doublings
        if features:
            features.append(nn.MaxPool2d(2))
        features += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        inputs = outputs
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(inputs, num_classes)]
    return nn.Sequential(nn.Sequential(*features), *head)


def fetch(checkpoint: str) -> Path:
    """Find torchvision's weights in torch's cache, or download them; raises WeightsError where they cannot be had."""
    import torch
    from torchvision.models import get_weight

    from skineval.errors import WeightsError

    url = get_weight(checkpoint).url
    path = Path(str(torch.hub.get_dir())) / "checkpoints" / str(url).rpartition("/")[2]
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = path.stem.rpartition("-")[2]
        torch.hub.download_url_to_file(url, str(path), hash_prefix=digest, progress=False)
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"The ImageNet weights {path.name} are not in {path.parent} and cannot be downloaded from {url}: {error}.",
            "Put the file there yourself, or train from scratch with --weights none.",
        ) from error
    return path


def _torchvision(name: str, checkpoint: str | None) -> Any:
    import warnings

    from torchvision import models

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return models.get_model(name, weights=checkpoint and models.get_weight(checkpoint))


def _linear(inputs: int, outputs: int) -> nn.Linear:
    from torch import nn

    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    return layer


def _resnet(name: str, checkpoint: str, n_parameters: int, summary: str) -> Architecture:
    return Architecture(
        name,
        partial(build_resnet, name=name, checkpoint=checkpoint),
        summary,
        head="fc",
        cam_layer="layer4",
        n_parameters=n_parameters,
        fetch_weights=partial(fetch, checkpoint),
    )


ARCHITECTURES = (
    _resnet("resnet18", "ResNet18_Weights.IMAGENET1K_V1", 11_180_103, "ResNet of 18 layers, the usual small baseline."),
    _resnet("resnet34", "ResNet34_Weights.IMAGENET1K_V1", 21_288_263, "ResNet of 34 layers."),
    _resnet("resnet50", "ResNet50_Weights.IMAGENET1K_V2", 23_522_375, "ResNet of 50 layers with bottlenecks."),
    Architecture(
        "densenet121",
        partial(build_densenet, name="densenet121", checkpoint="DenseNet121_Weights.IMAGENET1K_V1"),
        "DenseNet of 121 layers; each layer sees all before it.",
        head="classifier",
        cam_layer="relu",
        n_parameters=6_961_031,
        fetch_weights=partial(fetch, "DenseNet121_Weights.IMAGENET1K_V1"),
    ),
    Architecture(
        "efficientnet_b0",
        partial(build_efficientnet, name="efficientnet_b0", checkpoint="EfficientNet_B0_Weights.IMAGENET1K_V1"),
        "EfficientNet B0: depthwise convolutions, few parameters.",
        head="classifier.1",
        cam_layer="features",
        n_parameters=4_016_515,
        bfloat16_on_cpu=False,
        fetch_weights=partial(fetch, "EfficientNet_B0_Weights.IMAGENET1K_V1"),
    ),
    Architecture(
        "squeezenet1_1",
        partial(build_squeezenet, name="squeezenet1_1", checkpoint="SqueezeNet1_1_Weights.IMAGENET1K_V1"),
        "SqueezeNet 1.1 with a linear head: the smallest and fastest.",
        head="classifier.3",
        cam_layer="features",
        n_parameters=726_087,
        fetch_weights=partial(fetch, "SqueezeNet1_1_Weights.IMAGENET1K_V1"),
    ),
    Architecture(
        "cnn",
        build_cnn,
        "A plain network of five convolutions, trained from scratch.",
        image_size=64,
        min_image_size=16,
        head="4",
        cam_layer="0",
        n_parameters=981_031,
        parameters=CNN_PARAMETERS,
    ),
)
