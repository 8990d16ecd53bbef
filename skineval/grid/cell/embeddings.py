"""What a network that stays as it is makes of the images of a data set: once, for all folds, strategies and benches.

Embeddings lie in the cache beside the pixels that they are of, in a file that is named by all that they depend on, and
go when those go; those of a trained network lie beside it.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor, nn

from skineval.base.codec import to_json
from skineval.base.errors import ModelFileError
from skineval.base.files import DiskError
from skineval.base.terms import Value
from skineval.catalog.specs import Architecture
from skineval.grid.cell.cell import Cell
from skineval.grid.cell.workspace import LabelledImages
from skineval.grid.events import EMBEDDING
from skineval.train.deciding import deciding
from skineval.train.predict import (
    SYMMETRIES,
    UNTURNED,
    Stage,
    Symmetry,
    decide,
    embed,
    ignore_note,
    ignore_progress,
    put_on_device,
    softmax,
)
from skineval.train.weights import read_tensors, write_tensors

_VERSION = 1  #: of the file, and of how embeddings are made
_VALUES, _CHECKSUM = "embeddings", "crc32"
_NEAR = 1e-3  #: how far embeddings of one image by one network may differ


@dataclass(frozen=True, eq=False)
class Frozen:
    """A network that embeds images, as it is."""

    network: nn.Module
    head: nn.Module  #: what decides, and is no part of it
    architecture: Architecture
    parameters: Mapping[str, Value]  #: of the architecture
    package: str  #: the third-party package, with version, that the architecture comes from
    stage: Stage

    @classmethod
    def of(cls, cell: Cell, network: nn.Module) -> Frozen:
        """The network of a cell that is a probe, or is trained."""
        spec, architecture = cell.spec, cell.architecture
        head = deciding(network, architecture, len(spec.classes))
        return cls(network, head, architecture, spec.model.parameters, spec.model_package, cell.stage)


def embeddings(
    frozen: Frozen,
    store: NDArray[np.uint8],
    symmetry: Symmetry = UNTURNED,
    tell: Callable[[str], None] = ignore_note,
    folder: Path | None = None,
) -> NDArray[np.float32]:
    """(N, d) of all images of a store, from the cache or made, in float32; `tell` is told which.

    They are kept in `folder`, where that is not None, or beside the pixels. Another process that makes the same is
    waited for. A damaged file is made anew, and so is one that does not hold what the network makes of two of the
    images: code that embeds may have changed under one name. Where nothing can be written, nothing is kept.
    """
    stage = frozen.stage
    path = _path(frozen, store, symmetry, folder)
    with ExitStack() as held:
        if path is not None:
            with suppress(OSError):  # of a cache that is read-only, in which they may lie all the same
                held.enter_context(FileLock(path.with_suffix(".lock")))
            found = _read(path, len(store))
            if found is not None and _still_made(frozen, store, symmetry, found):
                tell(f"{EMBEDDING}s are in the cache")
                return found
        tell(f"{EMBEDDING} {len(store):,} images")
        staged = replace(stage, images=put_on_device(store, stage.device), precision="fp32")
        made = embed(frozen.network, frozen.head, staged, np.arange(len(store)), symmetry=symmetry)
        if path is not None:
            values = torch.from_numpy(made)
            try:
                write_tensors(path, {_VALUES: values, _CHECKSUM: torch.tensor(_crc(values))})
            except DiskError as error:
                stage.on_note(f"Embeddings were not kept: {error.message}")
    return made


def _still_made(frozen: Frozen, store: NDArray[np.uint8], symmetry: Symmetry, found: NDArray[np.float32]) -> bool:
    """Whether the network makes what was `found` (N, d) of the first and the last image of a store.

    To three digits: how many images are embedded together changes the last ones.
    """
    rows = np.array([0, len(store) - 1])
    device = frozen.stage.device
    stage = replace(frozen.stage, images=put_on_device(store, device, rows), precision="fp32", progress=ignore_progress)
    made = embed(frozen.network, frozen.head, stage, np.arange(len(rows)), symmetry=symmetry)
    kept = found[rows]
    return made.shape == kept.shape and np.allclose(made, kept, rtol=_NEAR, atol=_NEAR * float(np.abs(kept).max()))


def of_images(
    cell: Cell,
    network: nn.Module,
    images: LabelledImages,
    symmetry: Symmetry = UNTURNED,
    tell: Callable[[str], None] = ignore_note,
) -> NDArray[np.float32]:
    """(N, d) embeddings of all images, as the head of a cell sees them: made by its network, or elsewhere."""
    if cell.embedded is not None:
        return cell.embedded.of(images.image_ids, "the bench")
    return embeddings(Frozen.of(cell, network), images.store, symmetry, tell, cell.kept)


def head_probabilities(
    cell: Cell, network: nn.Module, images: LabelledImages, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Class probabilities (n, C) of the images `rows` by a head on embeddings, as `predict_probabilities`."""
    head = deciding(network, cell.architecture, len(cell.spec.classes))
    turned = SYMMETRIES[cell.spec.tta]
    views = [softmax(decide(head, of_images(cell, network, images, view)[rows])) for view in turned]
    mean: NDArray[np.float64] = np.mean(views, axis=0)
    return mean


def _read(path: Path, n: int) -> NDArray[np.float32] | None:
    """What a file holds; None where it is not there, or not what was written."""
    try:
        found = read_tensors(path)
    except ModelFileError:
        return None
    values, checksum = found.get(_VALUES), found.get(_CHECKSUM)
    if values is None or checksum is None or len(values) != n or checksum.item() != _crc(values):
        return None
    kept: NDArray[np.float32] = values.numpy()
    return kept


def _path(frozen: Frozen, store: NDArray[np.uint8], symmetry: Symmetry, folder: Path | None) -> Path | None:
    """Where they lie; None for images that do not lie in a cache."""
    file = getattr(store, "filename", None)
    if file is None:
        return None
    digest = hashlib.blake2b(digest_size=16)
    architecture = frozen.architecture
    known = (architecture.name, sorted(frozen.parameters.items()), frozen.package, frozen.stage.device.type)
    kind = (_VERSION, version("torch"), architecture.mean, architecture.std, symmetry)
    digest.update(to_json((known, kind)).encode())
    for part in _state(frozen):
        digest.update(part)
    stored = Path(file)
    return (folder or stored.parent) / f"{stored.stem}-{digest.hexdigest()}.safetensors"


def _state(frozen: Frozen) -> Iterator[bytes]:
    """All numbers of a network but those of its head, with their names."""
    decides = {id(tensor) for tensor in frozen.head.state_dict(keep_vars=True).values()}
    for name, tensor in frozen.network.state_dict(keep_vars=True).items():
        if id(tensor) not in decides:
            yield f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode()
            yield _bytes(tensor)


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _crc(values: Tensor) -> int:
    return zlib.crc32(_bytes(values))
