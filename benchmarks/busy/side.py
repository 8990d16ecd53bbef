"""A process that trains: a line of JSON says what, then every line it reads is answered by seconds for so many steps.

Started as `python -m benchmarks.busy.side`. OpenMP reads how long to spin when it is loaded, so that each setting needs
a process of its own.
"""

from __future__ import annotations

import json
import sys
import time

import torch

from skineval.catalog.catalog import load_catalog
from skineval.data.pixels.threads import cores
from skineval.train.bare_step import bare_step, empty_stage
from skineval.train.device import choose_device, choose_precision
from skineval.train.learner import make_learner
from skineval.train.network import Blueprint, build_network
from skineval.train.weights import NONE, Weights
from skineval.values.runspec import Training

CLASSES, RATE = 7, 1e-3


def main() -> None:
    """Answer until the input ends."""
    setting = json.loads(sys.stdin.readline())
    model, size, batch = setting["model"], setting["image_size"], setting["batch_size"]
    torch.set_num_threads(cores())
    catalog = load_catalog()
    (selection,) = catalog.architectures.select([model])
    architecture, device = catalog.architecture(selection), choose_device("cpu")
    precision, _ = choose_precision(setting["precision"], architecture, device)
    blueprint = Blueprint(architecture, selection.parameters, CLASSES, size)
    network, _ = build_network(blueprint, Weights(NONE), seed=0)
    learner = make_learner(network, Training(epochs=1, batch_size=batch, learning_rate=RATE), device.torch)
    stage = empty_stage(blueprint, batch, device.torch, precision)
    step = bare_step(learner, stage, batch, CLASSES, RATE)
    step()
    print(json.dumps({"precision": precision}), flush=True)
    for line in sys.stdin:
        started = time.perf_counter()
        for _ in range(int(line)):
            step()
        print(json.dumps(time.perf_counter() - started), flush=True)


if __name__ == "__main__":
    main()
