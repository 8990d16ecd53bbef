"""Where training stands after an epoch: written atomically, resumed bit for bit.

Two files. `best-EEEE.safetensors` holds the network of the best epoch so far and is written first;
`last.safetensors` holds the network, the optimizer and, in its header, the history and the name of the best file.
Whatever moment the process dies at, the last file on disk names a best file that is there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim import Optimizer

from skineval.train.weights import write_tensors

LAST = "last.safetensors"


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


@dataclass(frozen=True)
class Progress:
    """What a resumed training starts from."""

    history: tuple[EpochRecord, ...] = ()
    best_epoch: int = 0  #: 0: none yet

    @property
    def best_score(self) -> float:
        """The best validation balanced accuracy so far."""
        return self.history[self.best_epoch - 1].val_balanced_accuracy if self.best_epoch else float("-inf")


def save(folder: Path, model: nn.Module, optimizer: Optimizer, progress: Progress) -> None:
    """Write the checkpoint of the epoch that just ended."""
    folder.mkdir(parents=True, exist_ok=True)
    if progress.best_epoch == len(progress.history):
        write_tensors(best_file(folder, progress.best_epoch), model.state_dict())
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": torch.as_tensor(value) for key, value in state.items()}
    about = {"history": [asdict(record) for record in progress.history], "best_epoch": progress.best_epoch}
    header = {"progress": json.dumps(about)}
    write_tensors(folder / LAST, tensors, header)
    for stale in set(folder.glob("best-*.safetensors")) - {best_file(folder, progress.best_epoch)}:
        stale.unlink()


def restore(folder: Path, model: nn.Module, optimizer: Optimizer, device: torch.device) -> Progress:
    """Load the last checkpoint into `model` and `optimizer`; a fresh `Progress` where none can be read."""
    path = folder / LAST
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["progress"])
        tensors = load_file(path, device=str(device))
    except (OSError, SafetensorError, KeyError, ValueError):
        return Progress()
    progress = Progress(tuple(EpochRecord(**record) for record in about["history"]), about["best_epoch"])
    if not best_file(folder, progress.best_epoch).is_file():
        return Progress()
    model.load_state_dict(_under("model.", tensors))
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _under("optimizer.", tensors).items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = _laid_out_like(parameters[int(index)], tensor)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return progress


def load_best(folder: Path, model: nn.Module, progress: Progress, device: torch.device) -> None:
    """Load the network of the best epoch into `model`."""
    model.load_state_dict(load_file(best_file(folder, progress.best_epoch), device=str(device)))


def best_file(folder: Path, epoch: int) -> Path:
    """Where the network of the best epoch lies."""
    return folder / f"best-{epoch:04d}.safetensors"


def _laid_out_like(parameter: Tensor, tensor: Tensor) -> Tensor:
    # Fused optimizers walk through memory: a moment must lie there in the order of its parameter (channels_last).
    return torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
