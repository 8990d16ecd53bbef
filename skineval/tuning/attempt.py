"""One trial: its networks are trained as those of a bench, on images among which there is no test image."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skineval.catalog.catalog import Catalog
from skineval.grid.cell.cell import make_task, refit_head
from skineval.grid.cell.workspace import Workspace
from skineval.grid.folder import BenchFolder
from skineval.grid.prepare import Prepared
from skineval.train import checkpoint
from skineval.train.augment import normaliser
from skineval.train.checkpoint import EpochRecord
from skineval.train.fit import Step, train, validate
from skineval.train.network import build_network
from skineval.train.predict import Stage, put_on_device
from skineval.train.weights import Weights
from skineval.tuning.curves import curve
from skineval.tuning.trials import DONE, PRUNED, State, Trial
from skineval.tuning.visible import without_test
from skineval.values.runspec import RunSpec, derive_seed


class Pruned(Exception):  # noqa: N818 - not an error: the trial has been judged
    """Raised after the epoch, or the cell, in which a trial turned out to be hopeless."""


@dataclass(frozen=True)
class Observer:
    """Who is told how a trial goes, and who judges it."""

    on_step: Callable[[Step], None]  #: cells are counted as one training
    on_epoch: Callable[[Step, float], None]  #: where it stands after an epoch, and the validation score of that
    is_hopeless: Callable[[Sequence[float]], bool]  #: from a curve; asked after every epoch or cell but the last
    should_stop: Callable[[], bool]


@dataclass(eq=False)
class Ground:
    """What every trial stands on: images, labels, parts and device."""

    prepared: Prepared
    store: NDArray[np.uint8]  #: (N, S, S, 3), of all images
    catalog: Catalog
    should_stop: Callable[[], bool]
    _staged: tuple[int, Workspace, Stage] | None = field(default=None, init=False)

    def staged(self, spec: RunSpec) -> tuple[Workspace, Stage]:
        """The fold of a cell without its test part, and its images on the device; kept until another fold is wanted."""
        if self._staged is None or self._staged[0] != spec.fold:
            self._staged = None  # on a GPU there is no room for two
            self._staged = (spec.fold, *self._stage(spec))
        return self._staged[1:]

    def _stage(self, spec: RunSpec) -> tuple[Workspace, Stage]:
        prepared = self.prepared
        seen = without_test(prepared.targets, prepared.parts[spec.fold])
        device = prepared.device.torch
        architecture = self.catalog.architecture(spec.model)
        workspace = Workspace(
            folder=BenchFolder(Path()),  # nothing of a cell is written
            store=self.store[:0],
            image_ids=np.empty(0, dtype=np.str_),
            lesion_ids=np.empty(0, dtype=np.str_),
            targets=seen.targets,
            classes=prepared.classes,
            parts={spec.fold: seen.parts},
            device=prepared.device.name,
            threads=prepared.threads,
            weights=prepared.weights,
        )
        stage = Stage(
            put_on_device(self.store, device, seen.rows),
            device,
            spec.precision,
            normaliser(architecture.mean, architecture.std, device),
            self.should_stop,
        )
        return workspace, stage


class _Log:
    """The epochs of a trial, judged as they come in; those before an interruption are judged once more.

    Where a head is refitted, an epoch says nothing of the score that is searched for, which is that of the new head:
    such a trial is judged between its cells, and its curve holds what they ended with.
    """

    def __init__(self, cells: int, epochs: int, refits: bool, is_hopeless: Callable[[Sequence[float]], bool]) -> None:
        self._cells, self._epochs, self._refits, self._is_hopeless = cells, epochs, refits, is_hopeless
        self.histories: list[list[EpochRecord]] = []
        self._values: list[float] = []  # of the cells that have ended

    def begin(self) -> None:
        """Another cell begins."""
        self.histories.append([])

    def add(self, record: EpochRecord) -> None:
        """An epoch is over; raises Pruned where the next one would be wasted."""
        self.histories[-1].append(record)
        is_last = len(self.histories) == self._cells and record.epoch == self._epochs
        if not self._refits and not is_last:
            self._judge()

    def end(self, value: float) -> None:
        """The cell is over, and this is what a bench would keep of it; raises Pruned as `add` does."""
        self._values.append(value)
        if self._refits and len(self._values) < self._cells:
            self._judge()

    def best(self) -> float:
        """The best score so far of the current cell."""
        return max(record.val_balanced_accuracy for record in self.histories[-1])

    def ended(self, trial: Trial, state: State) -> Trial:
        """The trial as it ended: its value is the mean over the cells that began."""
        records = [record for history in self.histories for record in history]
        is_within = len(self._values) < len(self.histories)
        return dataclasses.replace(
            trial,
            state=state,
            value=statistics.fmean([*self._values, self.best()] if is_within else self._values),
            curve=self._curve(),
            epochs=len(records),
            seconds=round(sum(record.seconds for record in records), 3),
        )

    def _judge(self) -> None:
        if self._is_hopeless(self._curve()):
            raise Pruned

    def _curve(self) -> tuple[float, ...]:
        """The curve so far."""
        ended = len(self._values)
        if self._refits:  # as if a cell were one epoch
            return curve([[value] for value in self._values], ended, 1, self._cells)
        scores = [[record.val_balanced_accuracy for record in history] for history in self.histories]
        return curve(scores, ended, self._epochs, self._cells)


def attempt(trial: Trial, cells: Sequence[RunSpec], ground: Ground, folder: Path, observer: Observer) -> Trial:
    """Train the cells of a trial, one after the other, and return it as it ended: done, or pruned.

    Checkpoints go to `folder`, and a trial that was interrupted goes on from them. Raises CellError where a network
    cannot be trained with this setting, whatever a plugin raises, and Interrupted when the ground is told to stop.
    """
    refits = ground.catalog.imbalance[cells[0].imbalance.name].resample is not None
    log = _Log(len(cells), cells[0].training.epochs, refits, observer.is_hopeless)
    try:
        for cell in cells:
            log.end(_train(cell, ground, folder / cell.run_id, log, observer))
    except Pruned:
        return log.ended(trial, PRUNED)
    return log.ended(trial, DONE)


def _train(spec: RunSpec, ground: Ground, folder: Path, log: _Log, observer: Observer) -> float:
    """Train one cell and return the validation score of what a bench would keep of it."""
    before = spec.training.epochs * len(log.histories)
    log.begin()
    found = checkpoint.read_progress(folder)
    for record in found.history if found else ():
        log.add(record)

    def on_epoch(record: EpochRecord) -> None:
        log.add(record)
        step = Step(before + record.epoch, record.train_loss, record.images / record.train_seconds)
        observer.on_epoch(step, record.val_balanced_accuracy)

    def on_step(step: Step) -> None:
        observer.on_step(dataclasses.replace(step, done=before + step.done))

    workspace, stage = ground.staged(spec)
    architecture = ground.catalog.architecture(spec.model)
    strategy = ground.catalog.imbalance[spec.imbalance.name]
    network, _ = build_network(
        architecture,
        spec.model,
        len(spec.classes),
        Weights(spec.weights, workspace.weights.path),
        spec.image_size,
        derive_seed("initial weights", spec.model, spec.seed, spec.fold),
    )
    task = make_task(spec, workspace, architecture, strategy, network, stage.device)
    progress = train(network, spec, task, stage, folder, on_epoch, on_step)
    if strategy.resample is None:
        return progress.best_score
    refit_head(spec, workspace, architecture, strategy, stage, network)
    return validate(network, task, stage, progress.best_epoch)[1]
