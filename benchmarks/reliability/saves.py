"""Row 2: death inside the save of a checkpoint, before every system call and in the middle of what is written."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.reliability import tracing
from benchmarks.reliability.outcome import Outcome
from benchmarks.reliability.programs import apart
from skineval.train import checkpoint
from skineval.train.checkpoint import EpochRecord, Progress
from skineval.train.learner import Learner, make_learner
from skineval.train.weights import read_tensors
from skineval.values.runspec import Training

ROW = 2
CPU = torch.device("cpu")
SIZES = 16  #: of files within which the process dies
SCORES = {"first epoch": (0.5,), "better epoch": (0.5, 0.6), "worse epoch": (0.5, 0.4)}


@dataclass(frozen=True)
class Saved:
    """A checkpoint as it is found on disk: what training goes on from."""

    progress: Progress | None
    learner: Mapping[str, Tensor]
    best: Mapping[str, Tensor]

    def is_like(self, other: Saved) -> bool:
        """Whether both are the same to the last bit."""
        return self.progress == other.progress and _equal(self.learner, other.learner) and _equal(self.best, other.best)


@dataclass(frozen=True)
class Deaths:
    """What was found after each of them."""

    old: int = 0
    new: int = 0
    neither: int = 0

    def __add__(self, other: Deaths) -> Deaths:
        return Deaths(self.old + other.old, self.new + other.new, self.neither + other.neither)

    def __len__(self) -> int:
        return self.old + self.new + self.neither


def measure(most: int = 10_000) -> list[Outcome]:
    """The save of a first, a better and a worse epoch; so many of all system calls, evenly spaced, in each."""
    return apart(measured, most)


def measured(most: int) -> list[Outcome]:
    """As `measure`, in a process that has one thread."""
    outcomes = []
    if tracing.possible():
        outcomes = [outcome(f"kill before each system call of a save: {name}", died(name, most)) for name in SCORES]
    else:
        print("saves: this system does not let one process trace another", file=sys.stderr)
    return [*outcomes, outcome("death in the middle of writing a file", cut(most))]


def outcome(fault: str, deaths: Deaths) -> Outcome:
    figure = (
        f"{deaths.old + deaths.new}/{len(deaths)} points passed: the old checkpoint {deaths.old} times, "
        f"the new one {deaths.new} times, neither {deaths.neither} times"
    )
    return Outcome(ROW, fault, figure, len(deaths) > 0 and not deaths.neither)


def died(name: str, most: int) -> Deaths:
    """Killed before each system call, in turn."""
    scores = SCORES[name]
    with tempfile.TemporaryDirectory() as parent:
        before, after = prepared(Path(parent), scores)
        save = saving(scores)
        calls = tracing.run(partial(save, _copy(before, Path(parent, "counted")))).calls
        found = Deaths()
        for call in _spread(calls, most):
            folder = _copy(before, Path(parent, "cut"))
            tracing.run(partial(save, folder), kill_at=call)
            found += judge(folder, before, after)
        return found


def cut(most: int) -> Deaths:
    """Killed by the system in the middle of writing, at sizes between nothing and the whole file."""
    found = Deaths()
    for scores in SCORES.values():
        with tempfile.TemporaryDirectory() as parent:
            before, after = prepared(Path(parent), scores)
            save = saving(scores)
            whole = max(file.stat().st_size for file in after.iterdir())
            for size in _spread(whole, min(most, SIZES)):
                folder = _copy(before, Path(parent, "cut"))
                if not tracing.run_with_room(partial(save, folder), size):
                    raise RuntimeError(f"a file of {whole} bytes was written where {size} are allowed")
                found += judge(folder, before, after)
    return found


def judge(folder: Path, before: Path, after: Path) -> Deaths:
    """Which of both a training would go on from; before the first save there is none, and it would begin anew."""
    found = read(folder)
    if found.is_like(read(before)):
        return Deaths(old=1)
    return Deaths(new=1) if found.is_like(read(after)) else Deaths(neither=1)


def prepared(parent: Path, scores: Sequence[float]) -> tuple[Path, Path]:
    """The folder before the last of these epochs is saved, and after it."""
    before, after = parent / "before", parent / "after"
    before.mkdir()
    for epochs in range(1, len(scores)):
        saving(scores[:epochs])(before)
    shutil.copytree(before, after)
    saving(scores)(after)
    return before, after


def saving(scores: Sequence[float]) -> Callable[[Path], None]:
    """What saves the checkpoint after epochs with these scores, everything computed beforehand."""
    learner, progress = learned(len(scores)), progressed(scores)
    return lambda folder: checkpoint.save(folder, learner, progress)


def learned(epochs: int) -> Learner:
    """A network and an optimizer that have made so many steps."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.Flatten(), nn.Linear(16 * 36, 7))
    learner = make_learner(network, Training(epochs=3, batch_size=8, learning_rate=0.01, ema=0.9), CPU)
    for _ in range(epochs):
        learner.network(torch.randn(8, 3, 8, 8)).square().sum().backward()
        learner.optimizer.step(0.01)
        learner.optimizer.zero_grad()
        assert learner.average is not None
        learner.average.update(0)
    return learner


def progressed(scores: Sequence[float]) -> Progress:
    """As after epochs with these validation scores."""
    record = EpochRecord(0, 0.01, 1.0, 1.0, 0.0, 1.0, 1.0, 8)
    history = tuple(
        replace(record, epoch=epoch, val_balanced_accuracy=score) for epoch, score in enumerate(scores, start=1)
    )
    return Progress(history, best_epoch=scores.index(max(scores)) + 1)


def read(folder: Path) -> Saved:
    """What a training would find there."""
    learner = learned(0)
    progress = checkpoint.restore(folder, learner)
    if progress is None:
        return Saved(None, {}, {})
    best = read_tensors(checkpoint.best_file(folder, progress.best_epoch))
    return Saved(progress, learner.tensors(), best)


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def _copy(folder: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    return Path(shutil.copytree(folder, to))


def _spread(n: int, most: int) -> list[int]:
    """Numbers from 0 to n - 1, at most so many."""
    return sorted({place * n // min(n, most) for place in range(min(n, most))})
