"""What is done to a network that is trained, or stays as it is: its head is fitted, its logits are adjusted."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from skineval.base.errors import CellError
from skineval.base.terms import MEAN, NEIGHBOURS, VALIDATION
from skineval.catalog.networks import find_head
from skineval.catalog.strategy import DrawWeights
from skineval.grid.cell.cell import Cell
from skineval.train.class_means import fit_class_means
from skineval.train.embeddings import fit_head, install_head
from skineval.train.losses import Loss, cross_entropy
from skineval.train.neighbours import deciding, fit_neighbours, put_in_place
from skineval.train.predict import decide, softmax
from skineval.values.runspec import derive_seed

Embedded = NDArray[np.float32]  #: (n, d)


def finish(cell: Cell, network: nn.Module, embeddings: Embedded) -> str:
    """Do what is left to do to a network that is trained, or stays as it is; `embeddings` (N, d) are of all images.

    The head of a probe is fitted: what a strategy does to the loss is done to its, and in place of drawing an image
    more often, it counts for as much. That of a trained network is fitted anew where the strategy says so. Logits are
    adjusted. Returns what was chosen on the validation part, in words.
    """
    strategy, parts, classes = cell.strategy, cell.parts, len(cell.spec.classes)
    train, validation = embeddings[parts.train], embeddings[parts.validation]
    linear = find_head(network, cell.architecture, classes)
    chosen = ""
    if cell.spec.is_probe:
        loss = strategy.loss(cell.train_counts, **cell.spec.imbalance.parameters) if strategy.loss else cross_entropy
        chosen = fit_on(cell, network, linear, train, validation, loss, strategy.head_weights or strategy.draw_weights)
    elif strategy.refits:
        chosen = fit_on(cell, network, linear, train, validation, cross_entropy, strategy.head_weights)
    head = deciding(network, cell.architecture, classes)
    return ", ".join(filter(None, (chosen, adjust(cell, head, lambda: decide(head, validation)))))


def fit_on(
    cell: Cell,
    network: nn.Module,
    head: nn.Linear,
    train: NDArray[np.float32],
    validation: NDArray[np.float32],
    loss: Loss,
    weigh: DrawWeights | None,
) -> str:
    """Fit what decides in `network` on embeddings of the train part, resampled where the strategy does that.

    `weigh` is how much each then counts. Returns what was chosen of it on the validation part, in words.
    """
    spec, labels, parameters = cell.spec, cell.train_labels, cell.spec.imbalance.parameters
    if cell.strategy.resample is not None:
        # By whatever name embeddings come, the same are resampled alike.
        whose = "" if spec.is_probe else spec.model
        seed = derive_seed("resample", whose, spec.imbalance, spec.seed, spec.fold)
        train, labels = resampled(cell, train, seed)
    known = validation, cell.targets[cell.parts.validation]
    shares = weigh(labels, **parameters) if weigh else None
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


def resampled(cell: Cell, train: Embedded, seed: int) -> tuple[Embedded, NDArray[np.int64]]:
    """What the strategy makes of the embeddings (n, d) of the train part; what it warns of is a note on the cell.

    Raises CellError where it returns anything but finite embeddings with a label each, of classes of the train part.
    """
    assert cell.strategy.resample is not None
    name, labels = cell.spec.imbalance.name, cell.train_labels
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        embeddings, new = cell.strategy.resample(train, labels, seed=seed, **cell.spec.imbalance.parameters)
    for text in dict.fromkeys(str(one.message) for one in told if issubclass(one.category, UserWarning)):
        cell.stage.on_note(f"{name}: {text.rstrip('.')}.")
    embeddings, new = np.asarray(embeddings, dtype=np.float32), np.asarray(new)
    if embeddings.shape != (len(new), train.shape[1]) or not len(new):
        raise CellError(f"{name} returned embeddings {embeddings.shape} and labels {new.shape} for {train.shape}.")
    if strange := set(np.unique(new).tolist()) - set(labels.tolist()):
        raise CellError(f"{name} returned labels of no class of the train part: {sorted(strange)[:5]}.")
    if not np.isfinite(embeddings).all():
        raise CellError(f"{name} returned embeddings that are not finite.")
    return embeddings, new.astype(np.int64)


def adjust(cell: Cell, head: nn.Module, logits: Callable[[], NDArray[np.float32]]) -> str:
    """Let `head` add to its logits what the strategy says.

    Parameters that are to be chosen take those values whose adjusted `logits`, (n, C) of the validation part, score
    best. Returns what was chosen, in words. Raises CellError for what cannot be added.
    """
    strategy, selection = cell.strategy, cell.spec.imbalance
    if strategy.adjust is None:
        return ""
    name, counts = selection.name, cell.train_counts
    tried = {key: strategy.parameters[key].tried for key, value in selection.parameters.items() if value == VALIDATION}
    choices = [dict(zip(tried, values, strict=True)) for values in product(*tried.values())]
    offsets = [np.asarray(strategy.adjust(counts, **{**selection.parameters, **choice})) for choice in choices]
    for one in offsets:
        if one.shape != counts.shape or not np.isfinite(one).all():
            raise CellError(f"{name} is to add a finite number to the logits of each of {len(counts)} classes: {one}.")
    best = 0
    if tried:
        known, targets = logits(), cell.targets[cell.parts.validation]
        best = int(np.argmax([cell.score(targets, softmax(known + one)) for one in offsets]))
    bias = getattr(head, "bias", None)
    if bias is None:
        raise CellError(f"{name} adds to the logits, and the head of {cell.architecture.name} has no bias to add to.")
    with torch.no_grad():
        bias += torch.from_numpy(offsets[best]).to(bias)
    return ", ".join(f"{key} = {value:g}" for key, value in choices[best].items())
