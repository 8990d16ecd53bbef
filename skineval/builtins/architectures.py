"""The networks that come with skineval, as specifications: torchvision's with a choice of heads, and a plain CNN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from skineval.base.errors import UsageError
from skineval.builtins.imagenet import Checkpoint
from skineval.catalog.parameters import Parameter
from skineval.catalog.specs import Architecture

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from skineval.values.embeddings import Embeddings

CNN_PARAMETERS = {
    "width": Parameter(32, "Channels of the first convolution; the next three double them.", minimum=4, maximum=256),
    "dropout": Parameter(0.3, "Dropout before the linear head.", minimum=0.0, maximum=0.95),
}
HEAD = Parameter(
    "linear",
    "What follows the backbone: one linear layer, a convolution and dense layers, or one hidden layer.",
    choices=("linear", "conv", "mlp"),
)
CLASSES = 7  #: that `n_parameters` is said for


@dataclass(frozen=True)
class Family:
    """What networks of one kind have in common, under torchvision's names."""

    classifier: str  #: what follows the pooling
    last: str  #: the last layer in it; "" where it is a single layer
    cam_layer: str  #: what is pooled and classified
    min_image_size: int = 32  #: the smallest that works, or, where any does, one position of the last maps
    image_size_step: int = 1
    bfloat16_on_cpu: bool = True
    normalised: bool = False  #: what the last layer reads, in the classifier
    conv_cam_layer: str = ""  #: where a head of maps reads others

    @property
    def head(self) -> str:
        """Dotted path of the linear head."""
        return f"{self.classifier}.{self.last}" if self.last else self.classifier


# bfloat16 on a CPU that multiplies it natively, in CPU time of one thread, training steps of 16 images of 64 pixels:
# ResNet-18 and -50, DenseNet-121, SqueezeNet and cnn need 0.6 to 0.85 of the time of float32, the transformers 0.35 to
# 0.4, ConvNeXts 0.55 (slower in their depthwise convolutions, faster in their linear layers, which are most of them);
# EfficientNet-B0 and the MobileNets need 2.1 of it, EfficientNet V2-S 1.2.

# He et al., arXiv 1512.03385
RESNET = Family("fc", "", "layer4")
# Huang et al., arXiv 1608.06993
DENSENET = Family("classifier", "", "relu", min_image_size=29)
# Tan, Le, arXiv 1905.11946 and, for V2, 2104.00298
EFFICIENTNET = Family("classifier", "1", "features", bfloat16_on_cpu=False)
# Howard et al., arXiv 1905.02244
MOBILENET = Family("classifier", "3", "features", bfloat16_on_cpu=False)
# Liu et al., arXiv 2201.03545
CONVNEXT = Family("classifier", "2", "features", normalised=True)
# Iandola et al., arXiv 1602.07360
SQUEEZENET = Family("classifier", "3", "features", min_image_size=17)
# Liu et al., arXiv 2103.14030 and, for V2, 2111.09883
SWIN = Family("head", "", "permute")
# Dosovitskiy et al., arXiv 2010.11929
VIT = Family(
    "heads.head",
    "",
    "encoder.layers.encoder_layer_11.ln_1.maps",
    min_image_size=16,
    image_size_step=16,
    conv_cam_layer="heads.maps",
)


def read_file(file: Path) -> Embeddings:
    """See `skineval.data.embedding_file.read_embeddings`."""
    from skineval.data.embedding_file import read_embeddings

    return read_embeddings(file)


def refuse_images(num_classes: int, *, weights: str | None, file: str) -> nn.Module:
    """Of what was made elsewhere there is no network."""
    raise UsageError("embeddings holds no network, so that it cannot look at images.", "Name a network.")


def build(num_classes: int, *, weights: str | None, checkpoint: Checkpoint, head: str = "linear") -> nn.Module:
    """A network of torchvision's with the head asked for; ImageNet weights for all that they fit."""
    from skineval.builtins.torchvision_networks import build_torchvision
    from skineval.train.weights import load_into

    network = build_torchvision(num_classes, name=checkpoint.network, head=head)
    if weights is not None:
        load_into(network, checkpoint.fetch())
    return network


def build_cnn(num_classes: int, *, weights: str | None, width: int, dropout: float) -> nn.Module:
    """A plain network: five 3x3 convolutions with batch normalisation, max-pooling between them; a global mean and a
    linear head. There are no pretrained weights for it.
    """
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


def resolve(architecture: Architecture, *, head: str, variants: Mapping[str, Architecture]) -> Architecture:
    """The architecture with the head asked for."""
    return variants.get(head, architecture)


def _torchvision(
    name: str,
    family: Family,
    summary: str,
    n_parameters: int,
    embedding: int,
    *,
    version: int = 1,
    image_size: int = 224,
    maps: int = 0,
) -> Architecture:
    """`embedding` is the width of what the last layer reads, `maps` how many the backbone returns, if other than that.

    A dense layer stands between the two then. `version` is that of the ImageNet weights.
    """
    checkpoint = Checkpoint(name, version)
    plain = Architecture(
        name,
        partial(build, checkpoint=checkpoint),
        summary,
        image_size=image_size,
        min_image_size=family.min_image_size,
        image_size_step=family.image_size_step,
        head=family.head,
        cam_layer=family.cam_layer,
        n_parameters=n_parameters,
        bfloat16_on_cpu=family.bfloat16_on_cpu,
        fetch_weights=checkpoint.fetch,
        weights_path=checkpoint.path,
        parameters={"head": HEAD},
    )
    headless = n_parameters - _dense(embedding, CLASSES)
    neck = _dense(maps, embedding) if maps else 2 * embedding if family.normalised else 0
    conv = replace(
        plain,
        head=f"{family.classifier}.9",
        classifier=family.classifier,
        cam_layer=family.conv_cam_layer or family.cam_layer,
        n_parameters=headless - neck + _dense(9 * (maps or embedding), 64) + _dense(576, 128) + _dense(128, CLASSES),
    )
    mlp = replace(
        plain,
        head=f"{family.head}.3",
        classifier=family.head,
        n_parameters=headless + _dense(embedding, 256) + _dense(256, CLASSES),
    )
    return replace(plain, resolve=partial(resolve, variants={"conv": conv, "mlp": mlp}))


def _dense(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs


ARCHITECTURES = (
    _torchvision("resnet18", RESNET, "ResNet of 18 layers, the usual small baseline.", 11_180_103, 512),
    _torchvision("resnet34", RESNET, "ResNet of 34 layers.", 21_288_263, 512),
    _torchvision("resnet50", RESNET, "ResNet of 50 layers with bottlenecks.", 23_522_375, 2048, version=2),
    _torchvision("resnet101", RESNET, "ResNet of 101 layers with bottlenecks.", 42_514_503, 2048, version=2),
    _torchvision("densenet121", DENSENET, "DenseNet of 121 layers; each layer sees all before it.", 6_961_031, 1024),
    _torchvision("densenet169", DENSENET, "DenseNet of 169 layers.", 12_496_135, 1664),
    _torchvision("densenet201", DENSENET, "DenseNet of 201 layers.", 18_106_375, 1920),
    _torchvision(
        "efficientnet_b0", EFFICIENTNET, "EfficientNet B0: depthwise convolutions, few parameters.", 4_016_515, 1280
    ),
    _torchvision(
        "efficientnet_b1",
        EFFICIENTNET,
        "EfficientNet B1: B0, deeper, for larger images.",
        6_522_151,
        1280,
        image_size=240,
        version=2,
    ),
    _torchvision("efficientnet_b2", EFFICIENTNET, "EfficientNet B2: B1, wider.", 7_710_857, 1408, image_size=288),
    _torchvision(
        "efficientnet_b3", EFFICIENTNET, "EfficientNet B3: B2, deeper and wider.", 10_706_991, 1536, image_size=300
    ),
    _torchvision(
        "efficientnet_b4", EFFICIENTNET, "EfficientNet B4: B3, deeper and wider.", 17_561_167, 1792, image_size=380
    ),
    _torchvision(
        "efficientnet_v2_s",
        EFFICIENTNET,
        "EfficientNet V2, small: plain convolutions first.",
        20_186_455,
        1280,
        image_size=384,
    ),
    _torchvision("mobilenet_v3_small", MOBILENET, "MobileNet V3, small: made for phones.", 1_525_031, 1024, maps=576),
    _torchvision("mobilenet_v3_large", MOBILENET, "MobileNet V3, large.", 4_210_999, 1280, maps=960, version=2),
    _torchvision("convnext_tiny", CONVNEXT, "ConvNeXt, tiny: a ResNet with what transformers taught.", 27_825_511, 768),
    _torchvision("convnext_small", CONVNEXT, "ConvNeXt, small: deeper than tiny.", 49_460_071, 768),
    _torchvision(
        "squeezenet1_1", SQUEEZENET, "SqueezeNet 1.1 with a linear head: the smallest and fastest.", 726_087, 512
    ),
    _torchvision("vit_b_16", VIT, "Vision transformer, base, patches of 16 pixels.", 85_804_039, 768),
    _torchvision("swin_t", SWIN, "Swin transformer, tiny: attention in shifted windows.", 27_524_737, 768),
    _torchvision("swin_v2_t", SWIN, "Swin transformer V2, tiny.", 27_587_953, 768, image_size=256),
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

#: What was embedded elsewhere, in place of a network.
EMBEDDINGS = Architecture(
    "embeddings",
    refuse_images,
    "Embeddings that were made elsewhere, in a file: no network is trained, a head is fitted on them.",
    min_image_size=1,
    cam_layer="",
    parameters={"file": Parameter("", "An npz, npy, CSV or Parquet file: image ids, and a row of numbers each.")},
    embeddings=read_file,
)
