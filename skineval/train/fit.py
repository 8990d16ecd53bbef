"""The training loop: every epoch a function of the seed, the epoch and the weights it starts from."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from skineval.errors import CellError
from skineval.runspec import RunSpec, derive_seed
from skineval.train import checkpoint
from skineval.train.augment import Transform, epoch_draws
from skineval.train.checkpoint import EpochRecord, Progress
from skineval.train.predict import Stage, predict_logits, softmax

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Task:
    """What is trained on, what it is validated on, and how."""

    train: NDArray[np.int64]  #: rows of the store
    validation: NDArray[np.int64]
    targets: NDArray[np.int64]  #: of every row of the store
    loss: Loss  #: logits (N, C) float32, targets (N,) -> losses (N,)
    draw_weights: NDArray[np.float64] | None  #: of the train rows, or None for each once an epoch
    transform: Transform
    score: Callable[[NDArray[np.int64], NDArray[np.float64]], float]  #: targets, probabilities -> validation score


def train(
    model: nn.Module,
    spec: RunSpec,
    task: Task,
    stage: Stage,
    folder: Path,
    on_epoch: Callable[[EpochRecord], None],
    on_step: Callable[[float], None] = lambda done: None,
) -> Progress:
    """Train `model` until the last epoch or until patience runs out; it holds the best epoch's weights afterwards.

    Checkpoints go to `folder` and an interrupted training goes on from the last one. Raises CellError when the loss
    stops being finite and Interrupted when the stage says so.
    """
    model.to(stage.device).to(memory_format=torch.channels_last)
    optimizer = make_optimizer(model, spec)
    progress = checkpoint.restore(folder, model, optimizer, stage.device)
    while len(progress.history) < spec.training.epochs and not out_of_patience(progress, spec.training.patience):
        record = run_epoch(model, optimizer, spec, task, stage, len(progress.history) + 1, on_step)
        better = record.val_balanced_accuracy > progress.best_score
        progress = Progress((*progress.history, record), record.epoch if better else progress.best_epoch)
        checkpoint.save(folder, model, optimizer, progress)
        on_epoch(record)
    checkpoint.load_best(folder, model, progress, stage.device)
    return progress


def run_epoch(
    model: nn.Module,
    optimizer: Optimizer,
    spec: RunSpec,
    task: Task,
    stage: Stage,
    epoch: int,
    on_step: Callable[[float], None],
) -> EpochRecord:
    """One pass over the train part and one over the validation part."""
    started = time.perf_counter()
    seed = derive_seed("epoch", spec.seed, spec.fold, epoch)
    torch.manual_seed(seed)  # dropout
    order = draw_order(task, seed)
    draws = torch.from_numpy(epoch_draws(seed, epoch, len(order), task.transform.draws))
    steps = batch_bounds(len(order), spec.training.batch_size)
    targets = torch.from_numpy(task.targets[order]).to(stage.device)
    rows = torch.from_numpy(order).to(stage.images.device)
    draws = draws.to(stage.device)
    total = torch.zeros((), device=stage.device)
    model.train()
    for step, (begin, end) in enumerate(steps):
        stage.stop_if_asked()
        done = epoch - 1 + step / len(steps)
        on_step(done)
        set_learning_rate(optimizer, learning_rate(spec, done))
        batch = task.transform(stage.take(rows[begin:end]), draws[begin:end])
        with stage.autocast():
            logits = model(batch.images)
        loss = task.loss(logits.float(), targets[begin:end]).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        total += loss.detach() * (end - begin)
    train_loss = float(total) / len(order)  # the only synchronisation of the epoch
    trained = time.perf_counter()
    if not math.isfinite(train_loss):
        raise CellError(f"The training loss of epoch {epoch} is {train_loss}. A lower --learning-rate may help.")
    validation_loss, score = validate(model, task, stage)
    return EpochRecord(
        epoch=epoch,
        learning_rate=float(optimizer.param_groups[0]["lr"]),
        train_loss=train_loss,
        val_loss=validation_loss,
        val_balanced_accuracy=score,
        seconds=time.perf_counter() - started,
        train_seconds=trained - started,
        images=len(order),
    )


def validate(model: nn.Module, task: Task, stage: Stage) -> tuple[float, float]:
    """Cross-entropy and score on the validation part."""
    probabilities = softmax(predict_logits(model, stage, task.validation))
    targets = task.targets[task.validation]
    likelihood = np.maximum(probabilities[np.arange(len(targets)), targets], np.finfo(np.float64).tiny)
    return float(-np.log(likelihood).mean()), task.score(targets, probabilities)


def draw_order(task: Task, seed: int) -> NDArray[np.int64]:
    """The train rows of an epoch in order: a permutation, or as many weighted draws with replacement."""
    generator = np.random.Generator(np.random.Philox(key=[seed, 0]))
    if task.draw_weights is None:
        return generator.permutation(task.train)
    return generator.choice(task.train, size=len(task.train), p=task.draw_weights / task.draw_weights.sum())


def batch_bounds(n: int, batch_size: int) -> list[tuple[int, int]]:
    """Cut n draws into batches of nearly equal size, at most `batch_size` (2 and 3 may be exceeded by one).

    No batch holds a single image, on which batch normalisation cannot work.
    """
    count = max(1, min(math.ceil(n / batch_size), n // 2))
    edges = [n * i // count for i in range(count + 1)]
    return list(itertools.pairwise(edges))


def learning_rate(spec: RunSpec, done: float) -> float:
    """The rate after `done` epochs (a fraction allowed): linear warm-up, then a half cosine to zero, or constant."""
    training = spec.training
    if done < training.warmup:
        # From a tenth, so that the first step already learns.
        return training.learning_rate * (0.1 + 0.9 * done / training.warmup)
    if training.schedule == "constant":
        return training.learning_rate
    fraction = (done - training.warmup) / max(training.epochs - training.warmup, 1e-9)
    return training.learning_rate * 0.5 * (1 + math.cos(math.pi * min(fraction, 1.0)))


def make_optimizer(model: nn.Module, spec: RunSpec) -> Optimizer:
    """AdamW (Loshchilov, Hutter, arXiv 1711.05101); vectors (biases, normalisation) are not decayed."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": spec.training.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = all(p.device.type in ("cpu", "cuda") for p in trainable)
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=spec.training.learning_rate, fused=fused)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def out_of_patience(progress: Progress, patience: int) -> bool:
    """Whether the validation score has not risen for `patience` epochs."""
    return len(progress.history) - progress.best_epoch >= patience


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of strategies that do not change it: (N, C), (N,) -> (N,)."""
    return F.cross_entropy(logits, targets, reduction="none")


def images_per_second(progress: Progress) -> float:
    """Training throughput over all epochs, validation and checkpoints left out."""
    seconds = sum(record.train_seconds for record in progress.history)
    return sum(record.images for record in progress.history) / seconds if seconds else float("nan")


def history_rows(progress: Progress) -> list[dict[str, float]]:
    """The rows of history.csv."""
    names = ("epoch", "learning_rate", "train_loss", "val_loss", "val_balanced_accuracy", "seconds")
    return [{name: dataclasses.asdict(record)[name] for name in names} for record in progress.history]
