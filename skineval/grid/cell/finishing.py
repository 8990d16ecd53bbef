"""What is done to a network that is trained, or stays as it is: its head is fitted, its logits are adjusted."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from skineval.base.errors import CellError
from skineval.base.terms import MEAN, NEIGHBOURS, VALIDATION, Value
from skineval.catalog.networks import find_head
from skineval.catalog.strategies import whose
from skineval.grid.cell.cell import Cell
from skineval.grid.cell.training import at_epoch, remedies
from skineval.measure.scaling import choose_temperature
from skineval.train.class_means import fit_class_means
from skineval.train.cosine import CosineHead
from skineval.train.deciding import cool, deciding, make_linear, put_in_place, shift
from skineval.train.embeddings import fit_head, install_head
from skineval.train.losses import Loss, cross_entropy
from skineval.train.neighbours import fit_neighbours
from skineval.train.offsets import choose_offsets
from skineval.train.predict import decide, softmax
from skineval.train.prior import ESTIMATED
from skineval.train.remedy import shares
from skineval.train.returned import numbers, pair, refusal
from skineval.values.runspec import derive_seed

Embedded = NDArray[np.float32]  #: (n, d)
Known = tuple[Embedded, NDArray[np.int64]]  #: embeddings (n, d) and their classes (n,)


@dataclass(frozen=True, eq=False)
class Finished:
    """What was done to a network."""

    words: str  #: what was chosen of its head
    taught: Known | None = None  #: what that was fitted to, where the strategy resampled


def finish(cell: Cell, network: nn.Module, embeddings: Embedded) -> Finished:
    """Do what is left to do to a network that is trained, or stays as it is; `embeddings` (N, d) are of all images.

    The head of a probe is fitted: what a strategy does to the loss is done to its, and in place of drawing an image
    more often, it counts for as much. That of a trained network is fitted anew where the strategy says so. Then heads
    are changed, logits adjusted, and what is to be chosen on the validation part is chosen.
    """
    strategy, parts, classes = cell.strategy, cell.parts, len(cell.spec.classes)
    train = embeddings[parts.train], cell.train_labels
    validation = embeddings[parts.validation], cell.targets[parts.validation]
    words, taught = [], None
    if cell.spec.is_probe or strategy.fits_head:
        taught = lesson(cell, train)
        words.append(fit_on(cell, network, taught, validation))
    head = deciding(network, cell.architecture, classes)
    words += [settle(cell, head, train, validation), *choose(cell, head, validation)]
    if strategy.estimates_prior:
        words.append(ESTIMATED)
    chosen = ", ".join(filter(None, words))
    return Finished(chosen, taught.known if taught and strategy.resample else None)


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a head is fitted to."""

    known: Known
    loss: Loss = cross_entropy
    shares: NDArray[np.float64] | None = None  #: (n,) how much each counts; None: all alike


def lesson(cell: Cell, train: Known) -> Lesson:
    """What the head of a cell is fitted to, of the train part: as its strategy draws, resamples and weighs that.

    A probe has no epochs, and is fitted to what the last one of a training would be.
    """
    spec, strategy, parameters = cell.spec, cell.strategy, cell.spec.imbalance.parameters
    loss: Loss = cross_entropy
    weighers = [("head_weights", strategy.head_weights, parameters)]
    if spec.is_probe:
        remedy = remedies(cell, epochs=1)(1)
        loss = remedy.loss
        if remedy.draw is not None:
            seed = derive_seed("draw", whose(strategy, spec.imbalance, "draw"), spec.seed, spec.fold)
            drawn = remedy.order(len(train[1]), np.random.default_rng(seed), seed)
            train = train[0][drawn], train[1][drawn]
        weighers.append(("draw_weights", strategy.draw_weights, at_epoch(strategy, parameters, epoch=1, epochs=1)))
    if strategy.resample is not None:
        # By whatever name embeddings come, and whatever is done afterwards, the same are resampled alike.
        model, part = "" if spec.is_probe else spec.model, whose(strategy, spec.imbalance, "resample")
        train = resampled(cell, train, derive_seed("resample", model, part, spec.seed, spec.fold))
    counting = [
        shares(weigh(train[1].copy(), **given), len(train[1]), f"{spec.imbalance}: {function}")
        for function, weigh, given in weighers
        if weigh
    ]
    return Lesson(train, loss, np.prod(counting, axis=0) if counting else None)


def fit_on(cell: Cell, network: nn.Module, taught: Lesson, validation: Known) -> str:
    """Fit what decides in `network`; returns what was chosen of it on the validation part, in words."""
    (train, labels), counting, classes = taught.known, taught.shares, len(cell.spec.classes)
    head = make_linear(network, find_head(network, cell.architecture, classes))
    if cell.spec.probe == NEIGHBOURS:
        neighbours = fit_neighbours(train, labels, validation, classes, cell.score, counting)
        put_in_place(network, head, neighbours)
        return f"{int(neighbours.k)} neighbours"
    if cell.spec.probe == MEAN:
        means = fit_class_means(train, labels, validation, classes, cell.score, counting)
        install_head(head, means.weight, means.bias)
        return f"temperature {means.setting:.6g}"
    linear = fit_head(train, labels, validation, classes, cell.score, taught.loss, counting)
    install_head(head, linear.weight, linear.bias)
    return f"penalty C = {linear.setting:g}"


def resampled(cell: Cell, train: Known, seed: int) -> Known:
    """What the strategy makes of embeddings of the train part; what it warns of is a note on the cell.

    Raises CellError where it returns anything but finite embeddings with a label each, of classes of the train part,
    and where it says that it cannot, which is for too few images as a rule: the smallest class is named then.
    """
    assert cell.strategy.resample is not None
    name, (given, labels) = str(cell.spec.imbalance), train
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        try:
            returned = cell.strategy.resample(given.copy(), labels.copy(), seed=seed, **cell.spec.imbalance.parameters)
        except CellError as error:
            message = f"{_in_words(error.message, cell.spec.classes)} {_smallest(cell)}"
            raise CellError(f"{name}: {message}", error.hint) from error
    for text in dict.fromkeys(str(one.message) for one in told if issubclass(one.category, UserWarning)):
        cell.stage.on_note(f"{name}: {text.rstrip('.')}.")
    embeddings, new = map(numbers, pair(returned))
    there, width = np.unique(labels), given.shape[1]
    if (
        embeddings is None
        or new is None
        or new.ndim != 1
        or embeddings.shape != (len(new), width)
        or not len(new)
        or not np.isin(new, there).all()
        or not np.isfinite(embeddings).all()
    ):
        expected = (
            f"a pair of finite embeddings (m, {width}) and of as many labels (m,), the numbers of classes of the train "
            f"part, which are {', '.join(map(str, there))},"
        )
        raise refusal(f"{name}: resample", returned, expected)
    return embeddings.astype(np.float32), new.astype(np.int64)


def _in_words(message: str, classes: Sequence[str]) -> str:
    """With the names of classes for their numbers, which are all that whoever resamples knows of them."""
    names = dict(enumerate(classes))
    return re.sub(r"\bclass (\d+)\b", lambda found: f"class {names.get(int(found[1]), found[1])}", message)


def _smallest(cell: Cell) -> str:
    """The classes with the fewest train images, in a sentence; those without any do not count."""
    counts = dict(zip(cell.spec.classes, cell.train_counts.tolist(), strict=True))
    fewest = min(filter(None, counts.values()))
    names = [name for name, count in counts.items() if count == fewest]
    each = " each" if len(names) > 1 else ""
    return f"The fewest train images are of {', '.join(names)}: {fewest}{each}."


def settle(cell: Cell, head: nn.Module, train: Known, validation: Known) -> str:
    """Let the strategy change a linear `head`, and add to the logits of any.

    Parameters that are to be chosen take those values with which the validation part scores best. Returns what was
    chosen, in words. Raises CellError for what is no head, and for what cannot be added.
    """
    strategy, parameters = cell.strategy, cell.spec.imbalance.parameters
    if strategy.refit is None and strategy.adjust is None:
        return ""
    tried = {key: strategy.parameters[key].tried for key, value in parameters.items() if value == VALIDATION}
    choices = [dict(zip(tried, values, strict=True)) for values in product(*tried.values())]
    changes = [_change(cell, head, train, {**parameters, **choice}) for choice in choices]
    best = 0
    if tried:
        scores = [cell.score(validation[1], softmax(change.logits(head, validation[0]))) for change in changes]
        best = int(np.argmax(scores))
    changes[best].make(head)
    return ", ".join(f"{key} = {value:g}" for key, value in choices[best].items())


@dataclass(frozen=True, eq=False)
class _Change:
    """What becomes of a head."""

    linear: tuple[NDArray[np.float64], NDArray[np.float64]] | None  #: weight (C, d) and bias (C,); None: as they are
    offsets: NDArray[np.float64] | None  #: (C,), that are added to the logits

    def logits(self, head: nn.Module, embeddings: Embedded) -> NDArray[np.floating]:
        """(n, C) of embeddings by the head as it would be."""
        logits = decide(head, embeddings) if self.linear is None else embeddings @ self.linear[0].T + self.linear[1]
        return logits if self.offsets is None else logits + self.offsets

    def make(self, head: nn.Module) -> None:
        if self.linear is not None:
            assert isinstance(head, nn.Linear)
            install_head(head, *self.linear)
        if self.offsets is not None:
            shift(head, torch.from_numpy(self.offsets))


def _change(cell: Cell, head: nn.Module, train: Known, parameters: Mapping[str, Value]) -> _Change:
    name, strategy, counts, linear, offsets = str(cell.spec.imbalance), cell.strategy, cell.train_counts, None, None
    if strategy.refit is not None:
        if not isinstance(head, nn.Linear) or isinstance(head, CosineHead):
            raise CellError(f"{name} changes a linear head, and this network has none.")
        given = [tensor.detach().double().cpu().numpy() for tensor in (head.weight, head.bias)]
        returned: object = strategy.refit(*given, *(one.copy() for one in train), **parameters)
        weight, bias = map(numbers, pair(returned))
        if not (_replaces(weight, given[0]) and _replaces(bias, given[1])):
            expected = f"a pair of finite weights {given[0].shape} and biases {given[1].shape}"
            raise refusal(f"{name}: refit", returned, expected)
        linear = weight, bias
    if strategy.adjust is not None:
        returned = strategy.adjust(counts, **parameters)
        offsets = numbers(returned)
        if not _replaces(offsets, counts):
            expected = f"a finite number for each of {len(counts)} classes, ({len(counts)},),"
            raise refusal(f"{name}: adjust", returned, expected)
    return _Change(linear, offsets)


def _replaces(made: NDArray[np.float64] | None, old: NDArray[np.generic]) -> TypeGuard[NDArray[np.float64]]:
    """Whether these are as many finite numbers as what they replace."""
    return made is not None and made.shape == old.shape and bool(np.isfinite(made).all())


def choose(cell: Cell, head: nn.Module, validation: Known) -> Iterator[str]:
    """Choose on the validation part what the strategy leaves to that; says what, in words."""
    embeddings, targets = validation
    if cell.strategy.chooses_offsets:
        offsets = choose_offsets(decide(head, embeddings), targets)
        shift(head, torch.from_numpy(offsets))
        of_class = zip(cell.spec.classes, offsets, strict=True)
        yield "added " + " ".join(f"{name} {value:+.3g}" for name, value in of_class)
    if cell.strategy.chooses_temperature:
        # A class without a train image is never meant, whatever the temperature.
        there = np.flatnonzero(cell.train_counts)
        known = np.isin(targets, there)
        logits = decide(head, embeddings[known])[:, there].astype(np.float64)
        temperature = choose_temperature(logits, np.searchsorted(there, targets[known]))
        cool(head, temperature)
        yield f"temperature {temperature:.4g}"
