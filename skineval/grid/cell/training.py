"""Training the network of a cell: for a bench, which shares it with other cells, and for a search alike.

That of a probe stays as it begins: it is made anew for each cell, and shared are its embeddings.
"""

from __future__ import annotations

import copy
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor, nn

from skineval.base.codec import read_json, write_json
from skineval.base.errors import DataError, ModelFileError
from skineval.base.files import atomic_rename
from skineval.base.terms import Value
from skineval.catalog.networks import find_head, linear
from skineval.catalog.strategy import DrawWeights, ImbalanceStrategy
from skineval.grid.cell.cell import Cell, Observe, Phase
from skineval.grid.events import TRAINING
from skineval.grid.folder import NetworkFolder
from skineval.train import checkpoint, determinism, fit
from skineval.train.augment import make_transform
from skineval.train.bare_step import bare_step
from skineval.train.checkpoint import Progress, TrainedNetwork
from skineval.train.deciding import make_cosine
from skineval.train.faults import is_out_of_memory
from skineval.train.learner import make_learner
from skineval.train.losses import cross_entropy, per_image
from skineval.train.network import Blueprint, build_network, classifier_paths
from skineval.train.objective import Objective
from skineval.train.remedy import Remedy, made_function, shares
from skineval.train.weights import NONE, Loaded, Weights, read_tensors


@dataclass(frozen=True)
class Trained:
    """A network as trained, before anything is done to its head."""

    network: nn.Module
    progress: Progress
    loaded: tuple[Loaded, ...]
    seconds: float  #: spent here and now; 0 where another cell had trained it


def train(cell: Cell, folder: Path, observe: Observe) -> Trained:
    """Train the network of a cell, going on from the checkpoint in `folder` where there is one.

    Where deterministic algorithms are asked for, a note says what they cost. Raises CellError, or whatever a plugin
    raises, where it cannot be trained, and Interrupted when the stage says stop.
    """
    started = time.perf_counter()
    network, loaded = begin(cell, cell.weights)
    notes = cost_of_determinism(cell, network) if cell.deterministic else ()
    progress = fit.train(network, cell.spec, make_objective(cell, network), cell.stage, folder, observe, observe)
    progress = replace(progress, notes=(*progress.notes, *notes))
    return Trained(network, progress, loaded, time.perf_counter() - started)


def train_shared(cell: Cell, folder: NetworkFolder, observe: Observe) -> Trained:
    """The trained network of a cell: made here, or read where another cell of the same network has made it."""
    if cell.spec.is_probe:
        network, loaded = begin(cell, cell.weights)
        network.to(cell.stage.device).to(memory_format=torch.channels_last)
        return Trained(network, Progress(), loaded, 0.0)
    folder.path.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.lock):
        found = read_network(folder)
        if found is None:
            observe(Phase(TRAINING))
            trained = train(cell, folder.path, observe)
            write_json(folder.about, TrainedNetwork(trained.progress, trained.loaded, cell.stamps))
            atomic_rename(checkpoint.best_file(folder.path, trained.progress.best_epoch), folder.weights)
        else:
            tensors, about = found
            network, _ = begin(cell, Weights(NONE))
            network.load_state_dict(tensors)
            network.to(cell.stage.device).to(memory_format=torch.channels_last)
            trained = Trained(network, about.progress, about.weights, 0.0)
        checkpoint.discard(folder.path)  # whoever made it may have been killed right after
    return trained


def read_network(folder: NetworkFolder) -> tuple[dict[str, Tensor], TrainedNetwork] | None:
    """The tensors of a trained network and how it was trained; None where it has to be trained (again)."""
    try:
        return read_tensors(folder.weights), read_json(TrainedNetwork, folder.about)
    except (ModelFileError, DataError):
        return None


def begin(cell: Cell, weights: Weights) -> tuple[nn.Module, tuple[Loaded, ...]]:
    """The network of a cell before it is trained, and what gave it its weights; a head alone where others embed.

    Its head is of cosines where the strategy wants them; a probe has none that learns by steps.
    """
    spec = cell.spec
    if cell.embedded is not None:
        return nn.Sequential(OrderedDict(head=linear(cell.embedded.width, len(spec.classes)))), ()
    network, loaded = build_network(Blueprint.of(cell.architecture, spec), weights, spec.initial_seed)
    if cell.strategy.cosine_scale is not None and not spec.is_probe:
        make_cosine(network, find_head(network, cell.architecture, len(spec.classes)), cell.strategy.cosine_scale)
    return network, loaded


def make_objective(cell: Cell, network: nn.Module) -> Objective:
    """What the training loop is given. The strategy sees labels of the train part, and nothing else."""
    training, architecture, classes = cell.spec.training, cell.architecture, len(cell.spec.classes)
    apart = training.freeze_epochs > 0 or training.backbone_rate != 1
    return Objective(
        train=cell.parts.train,
        validation=cell.parts.validation,
        targets=cell.targets,
        remedy=remedies(cell, training.epochs),
        transform=make_transform(training.augment, architecture.mean, architecture.std, cell.stage.device),
        score=cell.score,
        head=classifier_paths(network, architecture, classes) if apart else None,
    )


def remedies(cell: Cell, epochs: int) -> Callable[[int], Remedy]:
    """What a strategy does to each of so many epochs, from 1: made once, or anew where it depends on the epoch."""
    strategy, labels, counts, name = cell.strategy, cell.train_labels, cell.train_counts, str(cell.spec.imbalance)
    draw = strategy.draw

    def weights(weigh: DrawWeights | None, function: str, given: dict[str, Value]) -> NDArray[np.float64] | None:
        return shares(weigh(labels, **given), len(labels), f"{name}: {function}") if weigh else None

    def function(make: Callable[..., object] | None, called: str, of: str, given: dict[str, Value]) -> Any:
        return made_function(make(counts, **given), f"{name}: {called}", of) if make else None

    def made(epoch: int) -> Remedy:
        given = at_epoch(strategy, cell.spec.imbalance.parameters, epoch, epochs)
        loss = function(strategy.loss, "loss", "logits and targets", given)
        return Remedy(
            name,
            loss=per_image(loss, f"{name}: loss") if loss else cross_entropy,
            draw_weights=weights(strategy.draw_weights, "draw_weights", given),
            draw=(lambda seed: draw(labels, seed=seed, **given)) if draw else None,
            augment=function(strategy.augment, "augment", "images, targets and draws", given),
            mix=function(strategy.mix, "mix", "images, targets, others, their targets and draws", given),
            partner_weights=weights(strategy.partner_weights, "partner_weights", given),
        )

    if strategy.per_epoch:
        return made
    always = made(epochs)
    return lambda epoch: always


def at_epoch(strategy: ImbalanceStrategy, parameters: Mapping[str, Value], epoch: int, epochs: int) -> dict[str, Value]:
    """The keywords of what a strategy does in an epoch."""
    return {**parameters, **({"epoch": epoch, "epochs": epochs} if strategy.per_epoch else {})}


def missed(cell: Cell, progress: Progress) -> tuple[str, ...]:
    """A note where a strategy would have done something else after the epoch whose network is kept."""
    epochs, kept = cell.spec.training.epochs, progress.best_epoch
    if not cell.strategy.per_epoch or not progress.history or kept >= epochs:
        return ()
    return (f"{cell.spec.imbalance}: what it does after epoch {kept} of {epochs} is not in the network that was kept.",)


def cost_of_determinism(cell: Cell, network: nn.Module) -> tuple[str, ...]:
    """A note on what deterministic algorithms cost, where they are not what is used anyway."""
    stage, training = cell.stage, cell.spec.training
    if stage.device.type != "cuda":
        return ()
    learner = make_learner(copy.deepcopy(network), training, stage.device)
    step = bare_step(learner, stage, training.batch_size, len(cell.spec.classes), training.learning_rate)
    try:
        times = determinism.cost(step, stage.device)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return ()  # training will do with parts of a batch what does not fit
    return (f"Deterministic algorithms took {times:.2f} times as long a step as others would have.",)
