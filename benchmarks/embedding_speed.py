"""How fast images are embedded: against the bare forward pass of the same network, in turns.

    python -m benchmarks.embedding_speed --data DIR [--models squeezenet1_1,timm/tf_efficientnet_lite0]

The bare side has its batch in memory already, as the network takes it, and as large. skineval's takes images out of
the pixel store and normalises them as a probe or `skineval embed` does. Weights are random, which changes nothing about
the time.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.machine import description
from benchmarks.speed.side import synchronise
from benchmarks.store_speed import spread
from skineval.base.files import atomic_write
from skineval.catalog.catalog import Catalog, load_catalog
from skineval.catalog.networks import find_head
from skineval.data.layouts.ham10000 import load
from skineval.data.pixels.store import open_store
from skineval.train.augment import normaliser
from skineval.train.cpu import use_cpu
from skineval.train.device import choose_device
from skineval.train.network import Blueprint, build_network
from skineval.train.predict import Stage, embed, put_on_device
from skineval.train.weights import NONE, Weights
from skineval.values.task import DIAGNOSES

TARGET = 0.9
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure, print, and write the table to benchmarks/results/."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a HAM10000 folder")
    parser.add_argument("--models", default="squeezenet1_1", help="separated by commas")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--images", type=int, default=512, help="by each side in a turn")
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    use_cpu()
    catalog = load_catalog()
    rows = [f"| {model} | {measure(model, catalog, arguments)} |" for model in arguments.models.split(",")]
    turns = f"{arguments.turns} turns of {arguments.images} images a side"
    lines = [
        f"{description()}; float32, {arguments.image_size} px, {turns}; median (min to max)\n",
        f"| network | bare forward, images/s | embedding, images/s | embedding / bare; at least {TARGET} |",
        "|---|---:|---:|---:|",
        *rows,
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    atomic_write(RESULTS / "embedding-speed.md", text)


def measure(model: str, catalog: Catalog, arguments: argparse.Namespace) -> str:
    """The cells of a model's row."""
    (selection,) = catalog.architectures.select([model])
    architecture = catalog.architecture(selection)
    device = choose_device("auto").torch
    blueprint = Blueprint(architecture, selection.parameters, len(DIAGNOSES), arguments.image_size)
    network = build_network(blueprint, Weights(NONE), seed=0)[0].to(device).to(memory_format=torch.channels_last)
    head = find_head(network, architecture, len(DIAGNOSES))
    normalise = normaliser(architecture.mean, architecture.std, device)
    n = arguments.images
    with tempfile.TemporaryDirectory() as cache:
        table = load(arguments.data).take(np.arange(n))
        store = open_store(table, arguments.image_size, cache=Path(cache)).array
        stage = Stage(put_on_device(store, device), device, "fp32", normalise)
        batch = normalise(stage.take(torch.arange(stage.batch_size)))
        return in_turns(
            lambda: forward(network, batch, n),
            lambda: embed(network, head, stage, np.arange(n)),
            n,
            arguments.turns,
            device,
        )


def in_turns(
    bare: Callable[[], object],
    own: Callable[[], object],
    images: int,
    turns: int,
    device: torch.device,
    target: float = TARGET,
) -> str:
    """Images per second of both sides, each of so many images a turn, and their ratios, as cells of a row."""
    sides: list[tuple[list[float], Callable[[], object]]] = [([], bare), ([], own)]
    for turn in range(turns + 1):
        for rates, run in sides if turn % 2 else reversed(sides):
            synchronise(device)
            started = time.perf_counter()
            run()
            synchronise(device)
            if turn:  # the first one warms up
                rates.append(images / (time.perf_counter() - started))
    limits, ours = (rates for rates, _ in sides)
    ratios = [rate / limit for limit, rate in zip(limits, ours, strict=True)]
    met = "met" if statistics.median(ratios) >= target else "missed"
    return f"{spread(limits, '.1f')} | {spread(ours, '.1f')} | {spread(ratios, '.3f')}: {met}"


@torch.no_grad()
def forward(network: nn.Module, batch: torch.Tensor, images: int) -> None:
    """The bare side: as many images as the other one sees, the last batch as small."""
    network.eval()
    for start in range(0, images, len(batch)):
        network(batch[: images - start])


if __name__ == "__main__":
    main()
