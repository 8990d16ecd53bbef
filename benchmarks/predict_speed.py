"""How fast files are predicted: against the bare forward pass of the same network, in turns.

    python -m benchmarks.predict_speed --data DIR [--models resnet18] [--images 10015]

The bare side has its batch in memory already, as the network takes it, and as large. skineval's does what `skineval
predict --format csv` does from the first file on: it reads, decodes and resizes each, predicts it, and makes its line
of CSV. Weights are random, which changes nothing about the time.
"""

from __future__ import annotations

import argparse
from collections import deque
from itertools import islice
from pathlib import Path

import torch

from benchmarks.embedding_speed import RESULTS, TARGET, forward, in_turns
from benchmarks.machine import description
from skineval.base.errors import DataError
from skineval.base.files import atomic_write
from skineval.catalog.catalog import Catalog, load_catalog
from skineval.data.given_images import GivenImage, given_images
from skineval.report.predicted import CsvWriter
from skineval.train.augment import normaliser
from skineval.train.checkpoint import Progress
from skineval.train.classifier import Classifier, InitialWeights, model_card
from skineval.train.cpu import use_cpu
from skineval.train.device import choose_device
from skineval.train.network import Blueprint, build_network
from skineval.train.stream import predict_stream
from skineval.train.weights import NONE, Weights
from skineval.values.runspec import NONE as UNCHANGED
from skineval.values.runspec import RunSpec, Selection, Training
from skineval.values.task import DIAGNOSES


def main() -> None:
    """Measure, print, and write the table to benchmarks/results/."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="a folder or zip archive of JPEG files")
    parser.add_argument("--models", default="resnet18", help="separated by commas")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--images", type=int, default=10_015, help="by each side in a turn, at most")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS / "predict-speed.md")
    arguments = parser.parse_args()
    use_cpu()
    catalog = load_catalog()
    found = (one for one in given_images([arguments.data]) if isinstance(one, GivenImage))
    images = list(islice((one for one in found if one.file.inner.suffix == ".jpg"), arguments.images))
    rows = [f"| {model} | {measure(model, images, catalog, arguments)} |" for model in arguments.models.split(",")]
    turns = f"{arguments.turns} turns of {len(images):,} images a side"
    lines = [
        f"{description()}; float32, {arguments.image_size} px, {turns}; median (min to max)\n",
        f"| network | bare forward, images/s | predict, images/s | predict / bare; at least {TARGET} |",
        "|---|---:|---:|---:|",
        *rows,
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    atomic_write(arguments.out, text)


def measure(model: str, images: list[GivenImage], catalog: Catalog, arguments: argparse.Namespace) -> str:
    """The cells of a model's row."""
    (selection,) = catalog.architectures.select([model])
    classifier = made(selection, catalog, arguments.image_size)
    batch = torch.zeros((classifier.batch_size, arguments.image_size, arguments.image_size, 3), dtype=torch.uint8)
    normalisation, device = classifier.about.normalisation, classifier.device
    normalise = normaliser(normalisation.mean, normalisation.std, device)
    staged = normalise(batch.random_(256).to(device).permute(0, 3, 1, 2))

    def predict() -> None:
        writer = CsvWriter(classifier)
        deque((writer.add(answers) for answers in predict_stream(classifier, images, refuse)), maxlen=0)

    return in_turns(
        lambda: forward(classifier.network, staged, len(images)), predict, len(images), arguments.turns, device
    )


def made(selection: Selection, catalog: Catalog, size: int) -> Classifier:
    """A classifier that was not trained."""
    architecture = catalog.architecture(selection)
    spec = RunSpec(selection, UNCHANGED, 0, 0, "dx7", tuple(DIAGNOSES), "", "", size, Training(0, 1, 0.0), NONE, "fp32")
    blueprint = Blueprint(architecture, selection.parameters, len(DIAGNOSES), size)
    network, _ = build_network(blueprint, Weights(NONE), seed=0)
    network = network.to(choose_device("auto").torch).to(memory_format=torch.channels_last).eval()
    card = model_card(spec, architecture, InitialWeights(NONE, (), ""), Progress(), ())
    return Classifier(network, architecture, card)


def refuse(error: DataError) -> None:
    """A file that cannot be decoded has no place in a measurement."""
    raise error


if __name__ == "__main__":
    main()
