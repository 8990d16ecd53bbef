"""Initial weights: found before anything is trained, and never unpickled."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skineval.errors import ModelFileError, WeightsError
from skineval.files import atomic_produce
from skineval.specs import Architecture

if TYPE_CHECKING:
    from torch import Tensor, nn

NONE, IMAGENET = "none", "imagenet"


@dataclass(frozen=True)
class Weights:
    """Where initial weights come from."""

    identity: str  #: "none", "imagenet" or "sha256:..."; part of what identifies a cell
    path: Path | None = None


@dataclass(frozen=True)
class Loaded:
    """What a weights file gave a network; kept in model.json."""

    loaded: tuple[str, ...]
    missing: tuple[str, ...]  #: tensors of the network that stayed as initialised
    unused: tuple[str, ...]  #: tensors of the file that fit nothing


def resolve_weights(text: str, architectures: list[Architecture]) -> Weights:
    """Make sure that `text` (none, imagenet, or a file) can be had for all `architectures`, downloading if need be.

    Raises WeightsError when weights cannot be had and ModelFileError for a file that is not safetensors.
    """
    if text == NONE:
        return Weights(NONE)
    if text == IMAGENET:
        for architecture in architectures:
            if architecture.fetch_weights is None:
                raise WeightsError(f"{architecture.name} has no ImageNet weights.", "Use --weights none for it.")
            architecture.fetch_weights()
        return Weights(IMAGENET)
    path = Path(text).expanduser().resolve()
    if not path.is_file():
        raise WeightsError(f"--weights is {text!r}: there is no such file ({path}).", "Use imagenet, none, or a file.")
    if path.suffix != ".safetensors":
        raise ModelFileError(
            f"{path} is not a .safetensors file.", "Pickled weights can run code; convert them to safetensors first."
        )
    read_tensors(path)
    return Weights(f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}", path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file; raises ModelFileError naming a file that is damaged or something else."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file  # which imports torch

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(f"{path} cannot be read as safetensors: {error}.", "Fetch or write it again.") from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: dict[str, str] | None = None) -> None:
    """Write a safetensors file, atomically; raises DiskError naming `path` when it cannot be written."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    # safetensors stores contiguous tensors; channels_last weights are made so, and back when they are loaded.
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    def write(temporary: Path) -> None:
        try:
            save_file(plain, temporary, metadata=header)
        except SafetensorError as error:  # it wraps the errors of the system
            number = re.search(r"os error (\d+)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from error

    atomic_produce(path, write)


def load_into(model: nn.Module, path: Path) -> Loaded:
    """Copy every tensor of the file at `path` that has the name and shape of one of `model`'s.

    A file of a backbone without its head is what fine-tuning starts from; raises ModelFileError, with the names that
    did not fit, when nothing fits.
    """
    tensors = read_tensors(path)
    state = model.state_dict()
    fitting = {name: tensor for name, tensor in tensors.items() if _fits(tensor, state.get(name))}
    unused = tuple(sorted(tensors.keys() - fitting.keys()))
    if not fitting:
        raise ModelFileError(
            f"No tensor of {path} fits the network. Did not fit: {_listed(unused, tensors)}.",
            f"The network has, for example: {_listed(tuple(sorted(state)), state)}.",
        )
    model.load_state_dict(fitting, strict=False)
    return Loaded(tuple(sorted(fitting)), tuple(sorted(state.keys() - fitting.keys())), unused)


def _fits(tensor: Tensor, own: Tensor | None) -> bool:
    return own is not None and own.shape == tensor.shape


def _listed(names: tuple[str, ...], tensors: dict[str, Tensor], most: int = 8) -> str:
    shown = [f"{name} {tuple(tensors[name].shape)}" for name in names[:most]]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")
