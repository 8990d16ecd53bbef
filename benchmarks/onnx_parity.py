"""Whether every network that comes with skineval says the same as an ONNX graph: logits of torch and of ONNX Runtime.

    python -m benchmarks.onnx_parity [--models resnet18,vit_b_16]

Weights are random, images made up and of the smallest size that a network takes.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.machine import description
from skineval.base.files import atomic_write
from skineval.catalog.catalog import Catalog, load_catalog
from skineval.catalog.specs import Architecture
from skineval.publish.graph import ExportError, to_onnx
from skineval.publish.origin import Sample
from skineval.publish.parity import TOLERANCE, Parity, compare
from skineval.train.augment import normaliser
from skineval.train.classifier import Classifier, InitialWeights, ModelCard, Normalisation
from skineval.train.predict import ignore_progress
from skineval.values.task import DIAGNOSES

RESULTS = Path(__file__).parent / "results"
IMAGES = 16


def main() -> None:
    """Measure, print, and write the table to benchmarks/results/."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="*", help="separated by commas; globs work")
    parser.add_argument("--image-size", type=int, help="by default the smallest that each network takes")
    arguments = parser.parse_args()
    models = arguments.models.split(",")
    torch.set_num_threads(1)
    catalog = load_catalog()
    asked = f"{IMAGES} made-up images, random weights; logits may differ by {TOLERANCE:g}"
    lines = [
        f"{description()}; {asked}; rounding: by how much torch's logits in float32 differ from those in float64\n",
        "| network | pixels | standard deviation of logits | ONNX - torch | rounding | equal classes | CPU seconds |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name in names(models, catalog):
        lines.append(row(name, catalog, arguments.image_size))
        print(lines[-1], flush=True)
    atomic_write(RESULTS / "onnx-parity.md", "\n".join(lines) + "\n")


def names(models: Sequence[str], catalog: Catalog) -> list[str]:
    """The networks among them, without what was embedded elsewhere."""
    return [str(one) for one in catalog.architectures.select(models) if not catalog.architecture(one).embeddings]


def row(name: str, catalog: Catalog, size: int | None) -> str:
    """A row of the table, also where both do not agree."""
    classifier = untrained(name, catalog, size=size)
    began = time.process_time()
    try:
        found = parity(classifier)
        agreement = f"{found.logits:.1e}", f"{100 * found.equal:.0f} %"
    except ExportError as error:
        agreement = error.message, ""
    seconds = time.process_time() - began
    logits, exact = (logits_in(classifier, dtype) for dtype in (torch.float32, torch.float64))
    rounding = (logits - exact).abs().max()
    told = f"{exact.std():.2g} | {agreement[0]} | {rounding:.1e} | {agreement[1]} | {seconds:.0f}"
    return f"| {name} | {classifier.image_size} | {told} |"


def parity(classifier: Classifier) -> Parity:
    """How far a classifier and its graph agree about made-up images; raises ExportError where they do not."""
    side = classifier.image_size
    photographs = np.random.default_rng(1).integers(0, 256, (2, 2 * side, 3 * side, 3)).astype(np.uint8)
    return compare(
        classifier, to_onnx(classifier), Sample("made-up images", squares(side), photographs), ignore_progress
    )


@torch.no_grad()
def logits_in(classifier: Classifier, dtype: torch.dtype) -> torch.Tensor:
    """What torch says of the same images where it counts in `dtype`, (IMAGES, C)."""
    network = copy.deepcopy(classifier.network).to(dtype)
    logits: torch.Tensor = network(normalised(classifier.architecture, classifier.image_size).to(dtype))
    return logits


def normalised(architecture: Architecture, side: int) -> torch.Tensor:
    """The images as a network wants them, (IMAGES, 3, side, side)."""
    normalise = normaliser(architecture.mean, architecture.std, torch.device("cpu"))
    return normalise(torch.from_numpy(squares(side)).permute(0, 3, 1, 2))


def untrained(name: str, catalog: Catalog, *, size: int | None = None, **about: object) -> Classifier:
    """A classifier of random weights that are always the same, for images of the smallest size that it takes.

    `about` are fields of its model.json.
    """
    (selection,) = catalog.architectures.select([name])
    architecture = catalog.architecture(selection)
    side = size or architecture.min_image_size
    torch.manual_seed(0)
    network = architecture.build(len(DIAGNOSES), weights=None, **selection.parameters)
    card = ModelCard(
        architecture=architecture.name,
        parameters=selection.parameters,
        classes=DIAGNOSES,
        task="dx7",
        image_size=side,
        fit="squash",
        normalisation=Normalisation(architecture.mean, architecture.std),
        preprocessing="RGB",
        skineval="",
        imbalance="none",
        initial_weights=InitialWeights("none", (), ""),
        best_epoch=0,
        notes=(),
        precision="fp32",
        tta="none",
        run_id=name,
        stamps=(),
    )
    settle(network, normalised(architecture, side))
    return Classifier(network, architecture, replace(card, **about))  # type: ignore[arg-type]


def settle(network: nn.Module, images: torch.Tensor) -> None:
    """Give batch normalisations the statistics of `images`.

    Before any training they know none, and the logits of deep networks are 1e-15, about which everybody agrees. Nothing
    else is as in training: with layers left out by chance the statistics would be of another network.
    """
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # which makes the statistics those of one batch
            module.train()
    with torch.no_grad():
        network(images)
    network.eval()


def squares(side: int) -> np.ndarray:
    """Sixteen patches of random colours with noise, another sixteen in each of (IMAGES, side, side, 3) uint8.

    Of noise alone, images are so alike in the depths of a network that their differences are those of rounding.
    """
    generator = np.random.default_rng(0)
    patches, place = generator.integers(0, 256, (IMAGES, 4, 4, 3)), np.arange(side) * 4 // side
    noise = generator.normal(0, 12, (IMAGES, side, side, 3))
    return (patches[:, place[:, None], place] + noise).clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
