"""Row 13: memory that runs out in training, validation and prediction: for an invented reason, and for a real one."""

from __future__ import annotations

import contextlib
import math
import re
import resource
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.reliability.outcome import Outcome
from benchmarks.reliability.programs import apart
from skineval.base.errors import CellError, Interrupted
from skineval.measure.metrics import balanced_accuracy
from skineval.train import checkpoint
from skineval.train.augment import make_transform, normaliser
from skineval.train.checkpoint import Progress
from skineval.train.fit import train
from skineval.train.learner import make_learner
from skineval.train.objective import Objective
from skineval.train.predict import Stage, predict_logits
from skineval.train.remedy import Remedy
from skineval.values.runspec import RunSpec, Selection, Training

ROW = 13
CPU = torch.device("cpu")
IMAGES, SIZE, BATCH, CLASSES = 192, 32, 64, ("a", "b", "c")
HELD = (64, 40, 16, 5, 2)  #: images that an invented memory holds
ROOMS = (96, 64, 128, 48, 32, 16)  #: MB that are left to the process
WIDTH = 64
DIED = "the process died"

_SPEC = RunSpec(
    model=Selection("toy"),
    imbalance=Selection("none"),
    fold=0,
    seed=0,
    task="toy",
    classes=CLASSES,
    data="",
    split="",
    image_size=SIZE,
    training=Training(epochs=2, batch_size=BATCH, learning_rate=1e-2),
    weights="none",
    precision="fp32",
)


@dataclass(frozen=True)
class Want:
    """How memory is short."""

    held: int = 10**9  #: images that the network can be given
    room: int | None = None  #: bytes of addresses beyond those in use
    splits: tuple[int, ...] = ()  #: parts of a batch in each epoch, where that is known beforehand
    batch_size: int = BATCH  #: of predictions


@dataclass(frozen=True)
class Done:
    """What a training and its predictions gave."""

    state: Mapping[str, NDArray[np.generic]]
    logits: NDArray[np.float32]
    splits: tuple[int, ...]  #: parts of a batch in each epoch
    batch_size: int  #: of predictions, in the end
    notes: tuple[str, ...]

    def is_like(self, other: Done) -> bool:
        """Whether both are the same to the last bit."""
        same = all(np.array_equal(value, other.state[name]) for name, value in self.state.items())
        return same and np.array_equal(self.logits, other.logits)


@dataclass(frozen=True)
class End:
    """What became of one of them."""

    right: bool  #: recorded, and equal to a direct run
    splits: int
    refusal: str = ""


class Network(nn.Module):
    """A small network that refuses more images than a memory holds."""

    def __init__(self, held: int) -> None:
        super().__init__()
        self.held = held
        self.layers = nn.Sequential(
            nn.Conv2d(3, WIDTH, 3, padding=1),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(),
            nn.Conv2d(WIDTH, 8, 3, padding=1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, len(CLASSES)),
        )

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > self.held:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        logits: Tensor = self.layers(images)
        return logits


def measure(most: int = len(ROOMS)) -> list[Outcome]:
    """An invented memory that holds so many images; a process that may have so many bytes more."""
    return [invented(HELD[:most]), real(ROOMS[:most])]


def invented(held: Sequence[int]) -> Outcome:
    """torch.OutOfMemoryError: every training ends, with what a training gives that knows what fits."""
    ends = [end(Want(held=images)) for images in held]
    retries = sum(int(math.log2(one.splits)) for one in ends)
    told = ", ".join(f"{images}: {one.splits}" for images, one in zip(held, ends, strict=True))
    figure = (
        f"{sum(one.right for one in ends)}/{len(held)} recorded and equal to a direct run in as many parts, {retries} "
        f"retries (images that fit: parts of a batch of {BATCH}; {told})"
    )
    return Outcome(ROW, "torch.OutOfMemoryError above N images", figure, all(one.right for one in ends) and retries > 0)


def real(rooms: Sequence[int]) -> Outcome:
    """RLIMIT_AS: every training ends like that, or says that memory ran out, or dies in code that is not Python.

    What was freed stays in the heap, where the code that oneDNN writes for each size of batch cannot lie: with little
    room no batch is small enough any more. A process that dies costs its cell.
    """
    ends = [end(Want(room=megabytes * 1_000_000)) for megabytes in rooms]
    done = [one for one in ends if not one.refusal]
    refused = [one for one in ends if one.refusal not in ("", DIED)]
    died = sum(one.refusal == DIED for one in ends)
    retries = sum(int(math.log2(one.splits)) for one in done)
    told = ", ".join(f"{megabytes} MB: {one.splits or 'failed'}" for megabytes, one in zip(rooms, ends, strict=True))
    figure = (
        f"{sum(one.right for one in done)}/{len(done)} recorded and equal to a direct run in as many parts, {retries} "
        f"retries; {len(refused)} failed for want of memory and said so, {died} died (room: parts; {told})"
    )
    happened = retries + len(refused) + died
    passed = all(one.right for one in done) and all("emory" in one.refusal for one in refused) and happened > 0
    return Outcome(ROW, "a process that may have N MB more (RLIMIT_AS)", figure, passed)


def end(want: Want) -> End:
    """How a training ends, compared with one that knows from the start what fits."""
    try:
        done = apart(train_and_predict, want)
    except BrokenProcessPool:
        return End(right=False, splits=0, refusal=DIED)
    except (CellError, MemoryError, RuntimeError) as error:
        return End(right=False, splits=0, refusal=f"{type(error).__name__}: {error}")
    direct = apart(train_and_predict, Want(splits=done.splits, batch_size=done.batch_size))
    recorded = bool(done.notes) == (done.splits[-1] > 1 or done.batch_size < BATCH)
    return End(done.is_like(direct) and recorded, done.splits[-1])


def train_and_predict(want: Want) -> Done:
    """Two epochs and the predictions of all images."""
    torch.set_num_threads(1)
    generator = np.random.default_rng(0)
    images = torch.from_numpy(generator.integers(0, 256, (IMAGES, SIZE, SIZE, 3), dtype=np.uint8))
    labels = np.arange(IMAGES) % len(CLASSES)
    notes: list[str] = []
    stage = Stage(images, CPU, "fp32", normaliser((0.5,) * 3, (0.25,) * 3, CPU), on_note=notes.append)
    torch.manual_seed(0)
    network = Network(want.held)
    spec = replace(_SPEC, training=replace(_SPEC.training, batch_size=BATCH))
    with tempfile.TemporaryDirectory() as folder:
        for epoch, splits in enumerate(want.splits):  # as if it had been found out before each epoch
            split_from(epoch, splits, network, spec, task(labels), stage, Path(folder))
        if want.room is not None:
            limit = addresses() + want.room
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        progress = train(network, spec, task(labels), stage, Path(folder), lambda record: None)
        logits = predict_logits(network, stage, np.arange(IMAGES), want.batch_size)
    sizes = [int(size) for note in notes for size in re.findall(r"(\d+) images at a time", note)]
    state = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    predicted = min([want.batch_size, *sizes])
    return Done(state, logits, splits_by_epoch(progress), predicted, (*progress.notes, *notes))


def split_from(
    epoch: int, splits: int, network: nn.Module, spec: RunSpec, given: Objective, stage: Stage, folder: Path
) -> None:
    """Train so many epochs and leave a checkpoint that goes on with so many parts of a batch."""

    def should_stop() -> bool:
        found = checkpoint.read_progress(folder)
        return found is not None and len(found.history) >= epoch

    if epoch:
        with contextlib.suppress(Interrupted):
            train(network, spec, given, replace(stage, should_stop=should_stop), folder, lambda record: None)
    learner = make_learner(network, spec.training, CPU)
    progress = checkpoint.restore(folder, learner) or Progress()
    checkpoint.save(folder, learner, replace(progress, splits=splits))


def splits_by_epoch(progress: Progress) -> tuple[int, ...]:
    """Parts of a batch in each epoch, as the notes have it."""
    told = re.findall(r"in epoch (\d+): .* over (\d+) parts", "\n".join(progress.notes))
    epochs = range(1, len(progress.history) + 1)
    return tuple(max([int(parts) for since, parts in told if int(since) <= epoch], default=1) for epoch in epochs)


def task(labels: NDArray[np.int64]) -> Objective:
    """Two thirds to train on, the last third to validate on."""
    rows = np.arange(IMAGES)
    return Objective(
        train=rows[: 2 * IMAGES // 3],
        validation=rows[2 * IMAGES // 3 :],
        targets=labels,
        remedy=lambda epoch: Remedy(),
        transform=make_transform("basic", (0.5,) * 3, (0.25,) * 3, CPU),
        score=lambda targets, found: float(balanced_accuracy(targets, found, np.ones((1, len(targets))), CLASSES)[0]),
    )


def addresses() -> int:
    """Bytes of addresses that this process has in use."""
    found = re.search(r"VmSize:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024
