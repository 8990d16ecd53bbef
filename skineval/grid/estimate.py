"""What a bench will cost, from a few training steps measured on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from skineval.catalog import Catalog
from skineval.grid.prepare import Prepared
from skineval.runspec import RunSpec
from skineval.train.augment import normaliser
from skineval.train.fit import cross_entropy, make_optimizer
from skineval.train.network import build_network
from skineval.train.predict import Stage
from skineval.train.weights import NONE, Weights

STEPS = 2  #: measured ones, after one to warm up
FORWARD_SHARE = 1 / 3  #: of the cost of a training step: one pass of three
HEAD_SHARE = 0.1  #: of the network's time, for a strategy that only refits the head
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
    architecture = catalog.architecture(cell.model)
    device = prepared.device.torch
    network, _ = build_network(architecture, cell.model, len(cell.classes), Weights(NONE), cell.image_size, seed=0)
    network = network.to(device).to(memory_format=torch.channels_last).train()
    optimizer = make_optimizer(network, cell)
    size = cell.image_size
    store_of_zeros = torch.zeros(cell.training.batch_size, size, size, 3, dtype=torch.uint8, device=device)
    normalise = normaliser(architecture.mean, architecture.std, device)
    stage = Stage(store_of_zeros, device, cell.precision, normalise)
    images = stage.normalise(stage.take(torch.arange(cell.training.batch_size, device=device)))
    targets = torch.from_numpy(np.arange(cell.training.batch_size) % len(cell.classes)).to(device)

    def step() -> None:
        with stage.autocast():
            logits = network(images)
        cross_entropy(logits.float(), targets).mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    activations = _kept_for_backward(network, images, stage)
    step()
    _synchronise(device)
    started = time.perf_counter()
    for _ in range(STEPS):
        step()
    _synchronise(device)
    seconds = (time.perf_counter() - started) / STEPS
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    return _Step(seconds, activations, float(weights))


def _kept_for_backward(network: nn.Module, images: Tensor, stage: Stage) -> float:
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), stage.autocast():
        network(images)
    return float(sum(kept.values()))


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
