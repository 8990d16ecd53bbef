"""The training loop: every epoch a function of the seed, the epoch and the weights it starts from."""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from skineval.train import checkpoint, faults, losses
from skineval.train.checkpoint import EpochRecord, Progress
from skineval.train.course import Course
from skineval.train.faults import NotFiniteError
from skineval.train.learner import Learner, make_learner
from skineval.train.objective import Objective
from skineval.train.predict import Stage, full_float32, predict_logits, softmax
from skineval.train.schedules import learning_rate
from skineval.train.weights import read_tensors
from skineval.values.runspec import RunSpec, Training, derive_seed

HISTORY = ("epoch", "learning_rate", "train_loss", "val_loss", "val_balanced_accuracy", "seconds")  #: of history.csv
LOOK_EVERY = 64  #: steps between looks at the loss on a GPU, each of which waits for it


@dataclass(frozen=True)
class Step:
    """Where training stands before a step."""

    done: float  #: epochs, with the fraction of the current one
    loss: float = math.nan  #: mean of the current epoch so far; NaN before its first step, and on a GPU
    images_per_second: float = math.nan  #: of the current epoch so far; NaN before its first step


@full_float32()
def train(
    model: nn.Module,
    spec: RunSpec,
    task: Objective,
    stage: Stage,
    folder: Path,
    on_epoch: Callable[[EpochRecord], None],
    on_step: Callable[[Step], None] = lambda step: None,
) -> Progress:
    """Train `model` until the last epoch or until patience runs out; it holds the best epoch's weights afterwards.

    Checkpoints go to `folder` and an interrupted training goes on from the last one. Where memory runs out, gradients
    are computed in smaller parts; a loss that is not finite lowers the learning rate, once: both are in the notes of
    what is returned. Raises CellError when that does not help and Interrupted when the stage says so.
    """
    learner = make_learner(model, spec.training, stage.device, task.head)
    found = checkpoint.restore(folder, learner)
    progress = found or Progress()
    initial = {} if found else {name: tensor.cpu().clone() for name, tensor in learner.tensors().items()}
    warms_up = True
    while not has_ended(progress, spec.training):
        record = None
        try:
            record = run_epoch(learner, spec, task, stage, progress, on_step)
        except (NotFiniteError, MemoryError, RuntimeError) as error:
            progress = faults.after(error, progress, spec.training)
        if record is None:  # by now the error, and with it the memory of the step, is gone
            learner.optimizer.zero_grad()
            if checkpoint.restore(folder, learner) is None:
                learner.load(initial)
            continue
        record, warms_up = dataclasses.replace(record, warms_up=warms_up), False
        better = record.val_balanced_accuracy > progress.best_score
        progress = dataclasses.replace(
            progress,
            history=(*progress.history, record),
            best_epoch=record.epoch if better else progress.best_epoch,
        )
        checkpoint.save(folder, learner, progress)
        initial = {}
        on_epoch(record)
    model.load_state_dict(read_tensors(checkpoint.best_file(folder, progress.best_epoch)))
    learner.prepare(frozen=False)
    return progress


def run_epoch(
    learner: Learner,
    spec: RunSpec,
    task: Objective,
    stage: Stage,
    progress: Progress,
    on_step: Callable[[Step], None] = lambda step: None,
) -> EpochRecord:
    """The epoch that comes after `progress`: one pass over the train part and one over the validation part.

    Raises NotFiniteError, naming the step, when the loss stops being finite.
    """
    started = time.perf_counter()
    training, epoch = spec.training, len(progress.history) + 1
    seed = derive_seed("epoch", spec.seed, spec.fold, epoch)
    torch.manual_seed(seed)  # dropout
    remedy = task.remedy(epoch)
    course = Course.drawn(task, remedy, seed, epoch, stage)
    steps = batch_bounds(len(course), training.batch_size)
    loss = losses.smoothed(remedy.loss, training.label_smoothing)
    lost = torch.zeros(len(steps), device=stage.device)
    past_losses = [record.val_loss for record in progress.history]
    rate = 0.0
    learner.prepare(frozen=epoch <= training.freeze_epochs)
    for step, (begin, end) in enumerate(steps):
        stage.stop_if_asked()
        done = epoch - 1 + step / len(steps)
        loss_so_far = float(lost[:step].mean()) if lost.device.type == "cpu" and step else math.nan
        on_step(Step(done, loss_so_far, begin / (time.perf_counter() - started) if step else math.nan))
        for part_begin, part_end in parts_of(begin, end, progress.splits):
            images, labels = course.batch(slice(part_begin, part_end))
            with stage.autocast():
                logits = learner.network(images)
            value = losses.of_labels(loss, logits.float(), labels).sum() / (end - begin)
            value.backward()  # type: ignore[no-untyped-call]
            lost[step] += value.detach()
        if training.gradient_clip:
            nn.utils.clip_grad_norm_(learner.network.parameters(), training.gradient_clip)
        rate = learning_rate(training, done, past_losses) * progress.rate_factor
        learner.optimizer.step(rate)
        learner.optimizer.zero_grad()
        if learner.average:
            learner.average.update((epoch - 1) * len(steps) + step)
        if is_looked_at(lost, step):
            course.check()
            look_at(lost, step, epoch)
    train_loss = float((lost * _sizes(steps, stage.device)).sum()) / len(course)
    trained = time.perf_counter()
    validation_loss, score = validate(learner.kept, task, stage, epoch)
    return EpochRecord(
        epoch=epoch,
        learning_rate=rate,
        train_loss=train_loss,
        val_loss=validation_loss,
        val_balanced_accuracy=score,
        seconds=time.perf_counter() - started,
        train_seconds=trained - started,
        images=len(course),
    )


def validate(model: nn.Module, task: Objective, stage: Stage, epoch: int) -> tuple[float, float]:
    """Cross-entropy and score on the validation part; raises NotFiniteError where a logit is not finite."""
    logits = predict_logits(model, stage, task.validation)
    if not np.isfinite(logits).all():
        raise NotFiniteError(f"After epoch {epoch} the network returns NaN or infinite logits for validation images.")
    probabilities = softmax(logits)
    targets = task.targets[task.validation]
    likelihood = np.maximum(probabilities[np.arange(len(targets)), targets], np.finfo(np.float64).tiny)
    return float(-np.log(likelihood).mean()), task.score(targets, probabilities)


def is_looked_at(lost: Tensor, step: int) -> bool:
    """Whether it is asked after `step` if all is well: on a GPU only now and then, and at the end."""
    return (step + 1) % _every(lost) == 0 or step + 1 == len(lost)


def look_at(lost: Tensor, step: int, epoch: int) -> None:
    """Raise NotFiniteError if a loss is not finite, of `step` or of those before it that have not been looked at."""
    since = step - step % _every(lost)
    values = lost[since : step + 1].tolist()
    wrong = next((place for place, value in enumerate(values) if not math.isfinite(value)), None)
    if wrong is not None:
        raise NotFiniteError(f"The training loss was {values[wrong]} in step {since + wrong + 1} of epoch {epoch}.")


def _every(lost: Tensor) -> int:
    return 1 if lost.device.type == "cpu" else LOOK_EVERY


def batch_bounds(n: int, batch_size: int) -> list[tuple[int, int]]:
    """Cut n draws into batches of nearly equal size, at most `batch_size` (2 and 3 may be exceeded by one).

    No batch holds a single image, on which batch normalisation cannot work.
    """
    count = max(1, min(math.ceil(n / batch_size), n // 2))
    edges = [n * i // count for i in range(count + 1)]
    return list(itertools.pairwise(edges))


def parts_of(begin: int, end: int, splits: int) -> list[tuple[int, int]]:
    """The parts of a batch whose gradients are summed: as many as `splits`, none of a single image."""
    size = end - begin
    return [(begin + a, begin + b) for a, b in batch_bounds(size, math.ceil(size / splits))]


def has_ended(progress: Progress, training: Training) -> bool:
    """Whether all epochs are done, or the validation score has not risen for as long as patience lasts."""
    epochs = len(progress.history)
    return epochs >= training.epochs or epochs - progress.best_epoch >= training.patience


def images_per_second(progress: Progress) -> float:
    """Training throughput of the median epoch, validation and checkpoints left out: what a long run would see.

    Epochs in which a process warmed up do not count where there are others. NaN before the first epoch.
    """
    warm = [record for record in progress.history if not record.warms_up] or progress.history
    return statistics.median(record.images / record.train_seconds for record in warm) if warm else math.nan


def history_rows(progress: Progress) -> list[dict[str, float]]:
    """The rows of history.csv."""
    return [{name: dataclasses.asdict(record)[name] for name in HISTORY} for record in progress.history]


def _sizes(bounds: list[tuple[int, int]], device: torch.device) -> Tensor:
    return torch.tensor([end - begin for begin, end in bounds], dtype=torch.float32, device=device)
