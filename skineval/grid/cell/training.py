"""Training the network of a cell: for a bench, which shares it with other cells, and for a search alike.

That of a probe stays as it begins: it is made anew for each cell, and shared are its embeddings.
"""

from __future__ import annotations

import copy
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor, nn

from skineval.base.codec import read_json, write_json
from skineval.base.errors import DataError, ModelFileError
from skineval.base.files import atomic_rename
from skineval.base.terms import MEAN, NEIGHBOURS
from skineval.catalog.networks import find_head, linear
from skineval.catalog.specs import DrawWeights
from skineval.grid.cell.cell import Cell, Observe, Phase
from skineval.grid.events import TRAINING
from skineval.grid.folder import NetworkFolder
from skineval.train import checkpoint, determinism, fit
from skineval.train.augment import make_transform
from skineval.train.bare_step import bare_step
from skineval.train.checkpoint import Progress, TrainedNetwork
from skineval.train.class_means import fit_class_means
from skineval.train.embeddings import fit_head, install_head
from skineval.train.faults import is_out_of_memory
from skineval.train.fit import Objective
from skineval.train.learner import make_learner
from skineval.train.losses import Loss, cross_entropy
from skineval.train.neighbours import fit_neighbours, put_in_place
from skineval.train.network import Blueprint, build_network, classifier_paths
from skineval.train.predict import embed
from skineval.train.weights import NONE, Loaded, Weights, read_tensors
from skineval.values.runspec import derive_seed


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
    """The network of a cell before it is trained, and what gave it its weights; a head alone where others embed."""
    spec = cell.spec
    if cell.embedded is not None:
        return nn.Sequential(OrderedDict(head=linear(cell.embedded.width, len(spec.classes)))), ()
    return build_network(Blueprint.of(cell.architecture, spec), weights, spec.initial_seed)


def make_objective(cell: Cell, network: nn.Module) -> Objective:
    """What the training loop is given. The strategy sees labels of the train part, and nothing else."""
    training, strategy, parameters = cell.spec.training, cell.strategy, cell.spec.imbalance.parameters
    architecture, classes = cell.architecture, len(cell.spec.classes)
    apart = training.freeze_epochs > 0 or training.backbone_rate != 1
    return Objective(
        train=cell.parts.train,
        validation=cell.parts.validation,
        targets=cell.targets,
        loss=strategy.loss(cell.train_counts, **parameters) if strategy.loss else cross_entropy,
        draw_weights=strategy.draw_weights(cell.train_labels, **parameters) if strategy.draw_weights else None,
        transform=make_transform(training.augment, architecture.mean, architecture.std, cell.stage.device),
        score=cell.score,
        head=classifier_paths(network, architecture, classes) if apart else None,
    )


def refit_head(cell: Cell, network: nn.Module) -> str:
    """Where the strategy resamples train embeddings, put a head into `network` that is fitted to what comes of them.

    Returns what `fit_on` does; "" where nothing is fitted.
    """
    if cell.strategy.resample is None:
        return ""
    rows = np.concatenate([cell.parts.train, cell.parts.validation])
    head = find_head(network, cell.architecture, len(cell.spec.classes))
    train, validation = np.split(embed(network, head, cell.stage, rows), [len(cell.parts.train)])
    return fit_on(cell, network, head, train, validation, cross_entropy, None)


def fit_probe(cell: Cell, network: nn.Module, embeddings: NDArray[np.float32]) -> str:
    """Put a head into `network` that is fitted on `embeddings` (N, d), those of all images.

    What a strategy does to the loss or to embeddings is done here, and in place of drawing an image more often, it
    counts for as much. Returns what `fit_on` does.
    """
    strategy, parameters, parts = cell.strategy, cell.spec.imbalance.parameters, cell.parts
    return fit_on(
        cell,
        network,
        find_head(network, cell.architecture, len(cell.spec.classes)),
        embeddings[parts.train],
        embeddings[parts.validation],
        strategy.loss(cell.train_counts, **parameters) if strategy.loss else cross_entropy,
        strategy.draw_weights,
    )


def fit_on(
    cell: Cell,
    network: nn.Module,
    head: nn.Linear,
    train: NDArray[np.float32],
    validation: NDArray[np.float32],
    loss: Loss,
    draw_weights: DrawWeights | None,
) -> str:
    """Fit what decides in `network` on embeddings of the train part, resampled where the strategy does that.

    Returns what was chosen of it on the validation part, in words.
    """
    spec, labels, parameters = cell.spec, cell.train_labels, cell.spec.imbalance.parameters
    if cell.strategy.resample is not None:
        # By whatever name embeddings come, the same are resampled alike.
        whose = "" if spec.is_probe else spec.model
        seed = derive_seed("resample", whose, spec.imbalance, spec.seed, spec.fold)
        train, labels = cell.strategy.resample(train, labels, seed=seed, **parameters)
    known = validation, cell.targets[cell.parts.validation]
    shares = draw_weights(labels, **parameters) if draw_weights else None
    if spec.probe == NEIGHBOURS:
        neighbours = fit_neighbours(train, labels, known, len(spec.classes), cell.score, shares)
        put_in_place(network, head, neighbours)
        return f"{int(neighbours.k)} neighbours"
    if spec.probe == MEAN:
        means = fit_class_means(train, labels, known, len(spec.classes), cell.score, shares)
        install_head(head, means)
        return f"temperature {means.setting:.6g}"
    linear = fit_head(train, labels, known, len(spec.classes), cell.score, loss, shares)
    install_head(head, linear)
    return f"penalty C = {linear.setting:g}"


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
