"""What a bench will cost, from a few training steps measured on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from skineval.catalog import Catalog
from skineval.grid.plan import HEAD_SHARE
from skineval.grid.prepare import Prepared
from skineval.runspec import RunSpec
from skineval.train.bare_step import bare_step, empty_stage, kept_for_backward
from skineval.train.determinism import synchronise
from skineval.train.learner import make_learner
from skineval.train.network import build_network
from skineval.train.weights import NONE, Weights

STEPS = 2  #: measured ones, after one to warm up
FORWARD_SHARE = 1 / 3  #: of the cost of a training step: one pass of three
BASE_MEMORY = 700e6  #: bytes of Python, torch and plugins


@dataclass(frozen=True)
class Cost:
    """An estimate for one cell."""

    cell: RunSpec
    seconds: float
    disk: float  #: bytes
    memory: float  #: bytes, of the worker process (or the GPU)


@dataclass(frozen=True)
class _Step:
    """One training step as measured."""

    seconds: float
    activations: float  #: bytes kept for the backward pass
    weights: float  #: bytes of the network


def estimate_cells(prepared: Prepared, catalog: Catalog) -> list[Cost]:
    """The cost of every cell, were it to run to its last epoch; weights are random, which costs the same."""
    torch.set_num_threads(prepared.threads)
    steps: dict[str, _Step] = {}
    costs = []
    for cell in prepared.cells:
        if str(cell.model) not in steps:
            steps[str(cell.model)] = _measure(cell, prepared, catalog)
        costs.append(_cost(cell, steps[str(cell.model)], prepared))
    return costs


def _cost(cell: RunSpec, step: _Step, prepared: Prepared) -> Cost:
    rows = prepared.parts[cell.fold]
    per_image = step.seconds / cell.training.batch_size
    training = cell.training.epochs * per_image * (len(rows.train) + FORWARD_SHARE * len(rows.validation))
    predicting = FORWARD_SHARE * per_image * (len(rows.validation) + len(rows.test))
    shared = HEAD_SHARE if cell.on_embeddings and _network_in_grid(cell, prepared.cells) else 1.0
    # The network, its gradients and AdamW's two moments; a checkpoint holds the network twice and the moments.
    return Cost(
        cell,
        training * shared + predicting,
        step.weights * 2,
        BASE_MEMORY + 4 * step.weights + step.activations,
    )


def _network_in_grid(cell: RunSpec, cells: Sequence[RunSpec]) -> bool:
    return any(other.run_id == cell.network_id for other in cells)


def _measure(cell: RunSpec, prepared: Prepared, catalog: Catalog) -> _Step:
    architecture, training = catalog.architecture(cell.model), cell.training
    device = prepared.device.torch
    network, _ = build_network(architecture, cell.model, len(cell.classes), Weights(NONE), cell.image_size, seed=0)
    learner = make_learner(network, training, device)
    stage = empty_stage(architecture, cell.image_size, training.batch_size, device, cell.precision)
    step = bare_step(learner, stage, training.batch_size, len(cell.classes), training.learning_rate)
    images = stage.normalise(stage.take(torch.arange(training.batch_size, device=device)))
    activations = kept_for_backward(network, images, stage)
    step()
    synchronise(device)
    started = time.perf_counter()
    for _ in range(STEPS):
        step()
    synchronise(device)
    seconds = (time.perf_counter() - started) / STEPS
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    return _Step(seconds, float(activations), float(weights))
