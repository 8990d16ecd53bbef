"""Where training stands after an epoch: written atomically, resumed bit for bit.

Two files. `best-EEEE.safetensors` holds the network of the best epoch so far and is written first;
`last.safetensors` holds the network, the optimizer, the average of weights where one is kept and, in its header, the
history and the name of the best file.
Whatever moment the process dies at, the last file on disk names a best file that is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from skineval.base.codec import from_json, to_json
from skineval.base.errors import DataError, ModelFileError
from skineval.train.learner import Learner
from skineval.train.weights import Loaded, read_tensors, write_tensors

LAST, BEST = "last.safetensors", "best-*.safetensors"


@dataclass(frozen=True)
class EpochRecord:
    """One row of history.csv."""

    epoch: int  #: from 1
    learning_rate: float  #: after the epoch's last step
    train_loss: float
    val_loss: float
    val_balanced_accuracy: float
    seconds: float
    train_seconds: float  #: of `seconds`, those spent in training steps
    images: int  #: trained on
    warms_up: bool = False  #: the first of those that were trained without a break


@dataclass(frozen=True)
class Progress:
    """What a resumed training starts from."""

    history: tuple[EpochRecord, ...] = ()
    best_epoch: int = 0  #: 0: none yet
    rate_factor: float = 1.0  #: below 1 once the rate had to be lowered
    splits: int = 1  #: parts in which the gradient of a batch is computed, for want of memory
    notes: tuple[str, ...] = ()  #: what went wrong and was mended

    @property
    def best_score(self) -> float:
        """The best validation balanced accuracy so far."""
        return self.history[self.best_epoch - 1].val_balanced_accuracy if self.best_epoch else float("-inf")


@dataclass(frozen=True)
class TrainedNetwork:
    """network.json: how the network beside it was trained."""

    progress: Progress
    weights: tuple[Loaded, ...]  #: what it began with
    stamps: tuple[str, ...]  #: SYNTHETIC, LEAKY, NOT COMPARABLE


def save(folder: Path, learner: Learner, progress: Progress) -> None:
    """Write the checkpoint of the epoch that just ended."""
    folder.mkdir(parents=True, exist_ok=True)
    if progress.best_epoch == len(progress.history):
        write_tensors(best_file(folder, progress.best_epoch), learner.kept.state_dict())
    write_tensors(folder / LAST, learner.tensors(), {"progress": to_json(progress)})
    for stale in set(folder.glob(BEST)) - {best_file(folder, progress.best_epoch)}:
        stale.unlink()


def discard(folder: Path) -> None:
    """Delete what is there of a checkpoint."""
    for file in (folder / LAST, *folder.glob(BEST)):
        file.unlink(missing_ok=True)


def read_progress(folder: Path) -> Progress | None:
    """How far the last checkpoint is, without its tensors; None where there is none that can be read."""
    try:
        with safe_open(folder / LAST, framework="pt") as file:
            progress = from_json(Progress, (file.metadata() or {})["progress"], folder / LAST)
    except (OSError, SafetensorError, KeyError, DataError):
        return None
    return progress if best_file(folder, progress.best_epoch).is_file() else None


def restore(folder: Path, learner: Learner) -> Progress | None:
    """Load the last checkpoint into `learner`; None, and nothing changed, where there is none that can be read."""
    progress = read_progress(folder)
    if progress is None:
        return None
    try:
        learner.load(read_tensors(folder / LAST))
    except ModelFileError:
        return None
    return progress


def best_file(folder: Path, epoch: int) -> Path:
    """Where the network of the best epoch lies."""
    return folder / f"best-{epoch:04d}.safetensors"
