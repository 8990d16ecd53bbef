"""Lightning's way to train: a LightningModule and its Trainer, with torchvision's data loading."""

from __future__ import annotations

import contextlib
import gc
import logging
import time
import warnings
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from benchmarks.speed.case import Setting
from benchmarks.speed.loaders import torchvision_loader, words
from benchmarks.speed.side import Side, Turn, parameters, precision_words, synchronise

NAME = "Lightning"
WANTED = {"bf16": 1.0, "fp32": 1.25}  #: what the loop of skineval should at least be, by its own precision


class Classifier(LightningModule):
    """The network of the case, trained in channels_last."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.optimizer = torch.optim.AdamW(parameters(network), lr=1e-3)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """The loss of a batch."""
        images, targets = batch
        return F.cross_entropy(self.network(images.to(memory_format=torch.channels_last)), targets)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """One for all turns, so that its moments are made once."""
        return self.optimizer


class Clock(Callback):
    """Times an epoch from its first batch on, as the loops of `timed` are."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.images = 0
        self.started = self.ended = 0.0

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int) -> None:
        """The first batch is there."""
        if batch_idx == 0:
            synchronise(self.device)
            self.started = time.perf_counter()
        self.images += len(batch[0])

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """The last step is done."""
        synchronise(self.device)
        self.ended = time.perf_counter()


def make_side(setting: Setting) -> Side:
    """A Trainer for every turn, without loggers, checkpoints and progress bars: nothing but training."""
    module = Classifier(setting.build())
    loader = torchvision_loader(setting)
    kind = {"cuda": "gpu"}.get(setting.device.type, setting.device.type)

    def turn() -> Turn:
        clock = Clock(setting.device)
        with _quiet():
            trainer = Trainer(
                accelerator=kind,
                devices=[setting.device.index or 0] if kind == "gpu" else 1,
                precision="bf16-mixed" if setting.precision == "bf16" else "32-true",
                max_epochs=1,
                benchmark=True,
                callbacks=[clock],
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            trainer.fit(module, loader)
        del trainer
        gc.collect()  # a Trainer and its loops hold one another, and memory
        return Turn(clock.images, clock.ended - clock.started)

    return Side(
        NAME, precision_words(setting.precision), words(setting.components), turn, WANTED[setting.precision], peer=True
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's advice, which is about what is left out on purpose."""
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
