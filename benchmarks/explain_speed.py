"""How fast Grad-CAM is: against captum and pytorch-grad-cam, of the same layer, network and batch, in turns.

    python -m benchmarks.explain_speed [--models resnet18,densenet121] [--image-size 224] [--batch 16]

Every side makes maps of the size of the images, each for its own target. Whoever is not installed is left out; nobody's
extra needs pytorch-grad-cam, which brings OpenCV along (`pip install grad-cam`). Weights are random, and so are images.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.embedding_speed import RESULTS, in_turns
from benchmarks.machine import description
from skineval.base.files import atomic_write
from skineval.catalog.catalog import Catalog, load_catalog
from skineval.explain.sites import Site, find_sites
from skineval.train.cpu import use_cpu
from skineval.train.device import choose_device
from skineval.train.network import Blueprint, build_network
from skineval.train.weights import NONE, Weights
from skineval.values.task import DIAGNOSES

TARGET = 1.0

Side = Callable[[nn.Module, Site, Tensor, Tensor], Tensor]  #: network, layer, images, targets -> maps (N, H, W)


def captum(network: nn.Module, site: Site, images: Tensor, targets: Tensor) -> Tensor:
    """captum's, enlarged as it enlarges."""
    from captum.attr import LayerAttribution, LayerGradCam

    maps = LayerGradCam(network, site.module).attribute(images, targets, relu_attributions=True)
    return F.relu(LayerAttribution.interpolate(maps, images.shape[-2:], "bilinear"))[:, 0]


def pytorch_grad_cam(network: nn.Module, site: Site, images: Tensor, targets: Tensor) -> Tensor:
    """That of pytorch-grad-cam, which scales each map to 0..1."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with GradCAM(network, [site.module]) as method:
        found = method(images, [ClassifierOutputTarget(target) for target in targets.tolist()])
    return torch.from_numpy(found)


PEERS: dict[str, Side] = {"captum": captum, "pytorch_grad_cam": pytorch_grad_cam}


def main() -> None:
    """Measure, print, and write the table to benchmarks/results/."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="resnet18,densenet121,efficientnet_b0", help="separated by commas")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULTS / "explain-speed.md")
    arguments = parser.parse_args()
    use_cpu()
    catalog = load_catalog()
    rows = [row for model in arguments.models.split(",") for row in measure(model, catalog, arguments)]
    turns = f"{arguments.turns} turns of {arguments.batch} images a side"
    lines = [
        f"{description()}; float32, {arguments.image_size} px, {turns}; median (min to max)\n",
        f"| network | peer | its maps/s | skineval's maps/s | skineval / peer; at least {TARGET} |",
        "|---|---|---:|---:|---:|",
        *rows,
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    atomic_write(arguments.out, text)


def measure(model: str, catalog: Catalog, arguments: argparse.Namespace) -> Iterator[str]:
    """The rows of a model, one a peer."""
    (selection,) = catalog.architectures.select([model])
    architecture, device = catalog.architecture(selection), choose_device("auto").torch
    blueprint = Blueprint(architecture, selection.parameters, len(DIAGNOSES), arguments.image_size)
    network = build_network(blueprint, Weights(NONE), seed=0)[0].to(device).to(memory_format=torch.channels_last).eval()
    for module in network.modules():
        if isinstance(module, nn.ReLU | nn.SiLU):
            module.inplace = False  # captum reads a layer as the network leaves it
    size, n = arguments.image_size, arguments.batch
    images = torch.rand(n, 3, size, size, device=device).contiguous(memory_format=torch.channels_last)
    images.requires_grad_()  # as captum wants it
    targets = torch.arange(n, device=device) % len(DIAGNOSES)
    (site,) = find_sites(network, architecture, images)
    gradcam = catalog.explainers["gradcam"].attribute

    def ours() -> None:
        gradcam(network, images, targets, architecture=architecture)

    for name, peer in PEERS.items():
        if find_spec(name) is None:
            yield f"| {model} | {name} | not installed | | |"
            continue
        theirs = partial(peer, network, site, images, targets)
        cells = in_turns(theirs, ours, n, arguments.turns, device, TARGET)
        yield f"| {model} | {name} | {cells} |"


if __name__ == "__main__":
    main()
