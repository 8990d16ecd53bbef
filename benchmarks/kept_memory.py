"""What it gains on a CPU that memory is kept from batch to batch: bare steps and forward passes with and without.

    python -m benchmarks.kept_memory [--models resnet18,efficientnet_b0] [--image-size 128]

Each turn is a process of its own, in turns: one calls `use_cpu` as skineval does wherever it computes, the other one
gives torch as many threads and leaves the allocator alone. Weights and images are random.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

import torch
import torch.nn.functional as F

from benchmarks.embedding_speed import RESULTS, forward
from benchmarks.machine import description, peak_memory
from benchmarks.store_speed import spread
from skineval.base.files import atomic_write
from skineval.base.memory import DECIDED
from skineval.catalog.catalog import load_catalog
from skineval.train.cpu import use_cpu
from skineval.train.device import cpu_threads
from skineval.train.network import Blueprint, build_network
from skineval.train.weights import NONE, Weights
from skineval.values.task import DIAGNOSES

KEPT, GIVEN_BACK = "kept", "given back"
BATCH, SECONDS = 64, 8.0  #: images of a batch, and how long either of the two goes on in a turn


class Turn(TypedDict):
    """What one process found."""

    step: float  #: images/s of forward, backward and optimizer
    forward: float  #: images/s
    peak: float  #: MB


def main() -> None:
    """Measure, print, and write the table to benchmarks/results/."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="resnet18,efficientnet_b0", help="separated by commas")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS / "kept-memory.md")
    parser.add_argument("--side", choices=(KEPT, GIVEN_BACK), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(measure(arguments.models, arguments.image_size, arguments.side)))
        return
    rows = [row(model, arguments.image_size, arguments.turns) for model in arguments.models.split(",")]
    turns = f"{arguments.turns} turns of a process a side"
    sides = f"{GIVEN_BACK} | {KEPT}"
    lines = [
        f"{description()}; float32, {arguments.image_size} px, batches of {BATCH}, {turns}; median (min to max)\n",
        f"| network | training, images/s: {sides} | ratio | forward, images/s: {sides} | ratio | peak MB: {sides} |",
        "|---|" + "---:|" * 8,
        *rows,
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    atomic_write(arguments.out, text)


def row(model: str, size: int, turns: int) -> str:
    """A line of the table: both sides in turns."""
    found: dict[str, list[Turn]] = {GIVEN_BACK: [], KEPT: []}
    for turn in range(turns):
        for side in sorted(found, reverse=turn % 2 == 1):
            print(f"{model}: turn {turn + 1} of {turns}: {side}", file=sys.stderr)
            found[side].append(_process(model, size, side))
    rates = [cell for what in ("step", "forward") for cell in _compared(found, what)]
    peaks = [f"{statistics.median(turn['peak'] for turn in turns_):,.0f}" for turns_ in found.values()]
    return f"| {model} | {' | '.join([*rates, *peaks])} |"


def _compared(found: dict[str, list[Turn]], what: str) -> list[str]:
    before, after = ([turn[what] for turn in turns] for turns in found.values())  # type: ignore[literal-required]
    ratios = [ours / theirs for theirs, ours in zip(before, after, strict=True)]
    return [spread(before, ".1f"), spread(after, ".1f"), spread(ratios, ".2f")]


def _process(model: str, size: int, side: str) -> Turn:
    command = [sys.executable, "-m", "benchmarks.kept_memory"]
    command += ["--models", model, "--image-size", str(size), "--side", side]
    alone = {name: value for name, value in os.environ.items() if name not in DECIDED}
    done = subprocess.run(command, env=alone, stdout=subprocess.PIPE, text=True, check=True)
    turn: Turn = json.loads(done.stdout)
    return turn


def measure(model: str, size: int, side: str) -> Turn:
    """In this process."""
    if side == KEPT:
        use_cpu()
    else:
        torch.set_num_threads(cpu_threads(1))
    catalog = load_catalog()
    (selection,) = catalog.architectures.select([model])
    blueprint = Blueprint(catalog.architecture(selection), selection.parameters, len(DIAGNOSES), size)
    network = build_network(blueprint, Weights(NONE), seed=0)[0].to(memory_format=torch.channels_last)
    images = torch.randn(BATCH, 3, size, size).contiguous(memory_format=torch.channels_last)
    targets = torch.arange(BATCH) % len(DIAGNOSES)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    network.train()

    def step() -> None:
        F.cross_entropy(network(images), targets).backward()
        optimizer.step()
        optimizer.zero_grad()

    return {"step": rate(step), "forward": rate(lambda: forward(network, images, BATCH)), "peak": peak_memory()["peak"]}


def rate(run: Callable[[], object]) -> float:
    """Images per second of what takes a batch, after one that warms up."""
    run()
    started, batches = time.perf_counter(), 0
    while time.perf_counter() - started < SECONDS:
        run()
        batches += 1
    return batches * BATCH / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
