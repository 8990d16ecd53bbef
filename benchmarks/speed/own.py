"""skineval's loop: whole epochs of it, timed as `images_per_second` in cells.csv is."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.speed.case import Setting
from benchmarks.speed.side import Side, Turn, precision_words
from skineval.data.pixels.store import open_store
from skineval.train.augment import make_transform, normaliser
from skineval.train.checkpoint import Progress
from skineval.train.fit import run_epoch
from skineval.train.learner import make_learner
from skineval.train.objective import Objective
from skineval.train.predict import Stage, put_on_device
from skineval.train.remedy import Remedy
from skineval.values.runspec import RunSpec, Selection, Training, derive_seed
from skineval.values.task import DX7

NAME = "skineval"
EPOCHS = 1000  #: more than any measurement has: the schedule must not end


def make_own(setting: Setting, cache: Path) -> Side:
    """The loop as a cell runs it, on a pixel store that is built in `cache` before the first turn."""
    targets, classes = DX7.targets(setting.table.frame["dx"]), DX7.classes
    spec = example_spec(setting, classes)
    mean, std, device = setting.architecture.mean, setting.architecture.std, setting.device
    started = time.perf_counter()
    store = open_store(setting.table, setting.case.image_size, cache=cache)
    before = f"decoded {setting.images} images in {time.perf_counter() - started:.1f} s, once for all epochs and cells"
    stage = Stage(put_on_device(store.array, device), device, setting.precision, normaliser(mean, std, device))
    task = Objective(
        train=np.arange(setting.images),
        validation=np.arange(setting.batch_size),  # of no interest here, and not timed
        targets=targets,
        remedy=lambda epoch: Remedy(),
        transform=make_transform(setting.case.augment, mean, std, device),
        score=lambda targets, probabilities: 0.0,
    )
    learner = make_learner(setting.build(), spec.training, device)
    progress = Progress()

    def turn() -> Turn:
        nonlocal progress
        record = run_epoch(learner, spec, task, stage, progress)
        progress = replace(progress, history=(*progress.history, record))
        return Turn(record.images, record.train_seconds)

    augmentation = ", ".join(setting.components) or "none"
    return Side(NAME, precision_words(setting.precision), augmentation, turn, before=before)


def example_spec(setting: Setting, classes: tuple[str, ...]) -> RunSpec:
    """A cell like those of the recipe ham10000."""
    return RunSpec(
        model=setting.selection,
        imbalance=Selection("none"),
        fold=0,
        seed=derive_seed("benchmark") % 1000,
        task="dx7",
        classes=classes,
        data="",
        split="",
        image_size=setting.case.image_size,
        training=Training(
            epochs=EPOCHS,
            batch_size=setting.batch_size,
            learning_rate=1e-3,
            patience=EPOCHS,
            augment=setting.case.augment,
        ),
        weights="none",
        precision=setting.precision,
    )
