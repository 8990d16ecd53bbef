"""What a bench will cost, from a few training steps measured on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from skineval.base.terms import FIRST_PENALTIES
from skineval.catalog.networks import find_head
from skineval.grid.prepare import Prepared
from skineval.train.bare_step import bare_step, empty_stage, kept_for_backward
from skineval.train.cpu import use_cpu
from skineval.train.determinism import timed
from skineval.train.learner import make_learner
from skineval.train.network import Blueprint, build_network
from skineval.train.weights import NONE, Weights
from skineval.values.runspec import RunSpec

BUDGET = 5.0  #: seconds for the steps of all models together
FEW, MORE = 2, 4  #: images that every model is measured with, whatever that takes
BUSY = 0.5  #: of the cores, from which on the machine is called busy
FORWARD_SHARE = 1 / 3  #: of the cost of a training step: one pass of three
ROWS = 4096  #: embeddings that a step of the fit of a head is measured with
FITS_OF_A_HEAD = len(FIRST_PENALTIES) + 1  #: for each penalty one; one beyond, as a rule
STEPS_OF_A_FIT = 50  #: that one takes, as a rule
BASE_MEMORY = 700e6  #: bytes of Python, torch and plugins


TRAINS, SHARES = "trains a network", "needs no training of its own"
EMBEDS, FITS = "embeds all images", "has embeddings"
DONE_ALREADY = "is done already"


@dataclass(frozen=True)
class Cost:
    """An estimate for one cell."""

    cell: RunSpec
    work: str  #: what it does beside the head and the predictions, in a few words
    seconds: float
    disk: float  #: bytes
    memory: float  #: bytes, of the worker process (or the GPU)


@dataclass(frozen=True)
class Step:
    """One training step as measured."""

    an_image: float  #: seconds, of a batch
    a_row: float  #: seconds, of an embedding in one step of the fit of a head
    activations: float  #: bytes kept for the backward pass of a batch
    weights: float  #: bytes of the network


def measure_steps(prepared: Prepared) -> dict[str, Step]:
    """A training step of each model, by its name; weights are random, which costs the same."""
    use_cpu(prepared.threads)
    models = dict.fromkeys(str(cell.model) for cell in prepared.cells)
    first = {str(cell.model): cell for cell in reversed(prepared.cells)}
    left, steps = BUDGET, dict[str, Step]()
    for place, model in enumerate(models):
        if prepared.catalog.architecture(first[model].model).embeddings:
            steps[model] = Step(0.0, 0.0, 0.0, 0.0)
            continue
        steps[model], spent = _measure(first[model], prepared, left / (len(models) - place))
        left = max(left - spent, 0.0)
    return steps


def estimate_cells(
    prepared: Prepared, steps: Mapping[str, Step], done: Collection[str] = (), networks: Collection[str] = ()
) -> list[Cost]:
    """The cost of every cell, were it to run to its last epoch, from the steps that `measure_steps` finds.

    Those `done` are there already, by run id, and of others perhaps the `networks`, by theirs.
    """
    costs: list[Cost] = []
    trained, embedded = {*networks}, set()
    for cell in prepared.cells:
        whose = f"{cell.model} {cell.weights}" if cell.is_probe else cell.network_id
        if cell.run_id in done:
            costs.append(Cost(cell, DONE_ALREADY, 0.0, 0.0, 0.0))
        else:
            costs.append(_cost(cell, steps[str(cell.model)], prepared, whose in trained, whose in embedded))
        trained.add(whose)
        if prepared.catalog.imbalance[cell.imbalance.name].changes_trained or cell.is_probe:
            embedded.add(whose)
    return costs


def busy() -> str:
    """A sentence on other work of this machine, which slows what is measured; empty where there is little."""
    if not hasattr(os, "getloadavg"):
        return ""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load < BUSY * cores:
        return ""
    return f"The machine is busy (load average {load:.1f}, {cores} cores): the steps measured here are too slow."


def _cost(cell: RunSpec, step: Step, prepared: Prepared, trained: bool, embedded: bool) -> Cost:
    """The cost of a cell whose network, or embeddings, others have made by then."""
    rows, strategy = prepared.parts[cell.fold], prepared.catalog.imbalance[cell.imbalance.name]
    epoch = step.an_image * (len(rows.train) + FORWARD_SHARE * len(rows.validation))
    forward = FORWARD_SHARE * step.an_image
    training = 0.0 if trained or cell.is_probe else cell.training.epochs * epoch
    predicting = forward * (len(rows.validation) + len(rows.test))
    if cell.is_probe or strategy.changes_trained:  # which predicts from embeddings that are made once
        predicting = 0.0 if embedded else forward * len(prepared.table)
    if _fits_head(cell, prepared):
        counts = np.bincount(prepared.targets[rows.train])
        # Most that resample make all classes as large as the largest.
        fitted = counts.max() * np.count_nonzero(counts) if strategy.resample else len(rows.train)
        predicting += FITS_OF_A_HEAD * STEPS_OF_A_FIT * step.a_row * float(fitted)
    work = (EMBEDS, FITS)[embedded] if cell.is_probe else (TRAINS, SHARES)[trained]
    # The network, its gradients and AdamW's two moments; a checkpoint holds the network twice and the moments.
    return Cost(
        cell,
        work,
        training + predicting,
        step.weights * 2,
        BASE_MEMORY + 4 * step.weights + step.activations,
    )


def _measure(cell: RunSpec, prepared: Prepared, seconds: float) -> tuple[Step, float]:
    """One training step, measured within about so many seconds, and how many it took; building the network is free.

    First on a few images, and forward alone; then whole steps of twice as many each, as far as time allows, since
    larger batches take less time for an image.
    """
    training, device = cell.training, prepared.device.torch
    blueprint = Blueprint.of(prepared.catalog.architecture(cell.model), cell)
    network, _ = build_network(blueprint, Weights(NONE), seed=0)
    learner = make_learner(network, training, device)
    learner.prepare(frozen=False)
    batch, started = max(training.batch_size, FEW), time.perf_counter()
    stage = empty_stage(blueprint, max(batch, MORE), device, cell.precision)
    images = stage.normalise(stage.take(torch.arange(MORE, device=device)))
    few = kept_for_backward(network, images[:FEW], stage)
    more, forward = timed(lambda: kept_for_backward(network, images, stage), device)
    an_image = forward / FORWARD_SHARE / MORE
    for n in _sizes(batch):
        if time.perf_counter() - started + n * an_image > seconds:
            break
        step = bare_step(learner, stage, n, len(cell.classes), training.learning_rate)
        an_image = timed(step, device)[1] / n
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    a_row = 0.0
    if any(_fits_head(one, prepared) for one in prepared.cells if one.model == cell.model):
        head = find_head(network, blueprint.architecture, len(cell.classes))
        a_row = _row_of_a_head(head.in_features, head.out_features)
    activations = more + (more - few) / (MORE - FEW) * (batch - MORE)
    return Step(an_image, a_row, activations, float(weights)), time.perf_counter() - started


def _fits_head(cell: RunSpec, prepared: Prepared) -> bool:
    return cell.is_probe or prepared.catalog.imbalance[cell.imbalance.name].fits_head


def _row_of_a_head(width: int, classes: int) -> float:
    """Seconds that one embedding takes in one step of the fit of a head: two products of matrices, on the CPU."""
    embeddings, weight = torch.zeros(ROWS, width, dtype=torch.float64), torch.zeros(width, classes, dtype=torch.float64)
    _, seconds = timed(lambda: embeddings.T @ (embeddings @ weight), torch.device("cpu"))
    return seconds / ROWS


def _sizes(batch: int) -> list[int]:
    """Batches to try, from a few images to a whole one, and that once more when everything is warm."""
    smaller = [MORE << doubled for doubled in range(batch.bit_length()) if MORE << doubled < batch]
    return [*smaller, batch, batch]
