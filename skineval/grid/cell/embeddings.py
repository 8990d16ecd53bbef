"""What a frozen network makes of the images of a data set: once, for all folds, strategies and benches.

Embeddings lie in the cache beside the pixels that they are of, in a file that is named by all that they depend on, and
go when those go.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
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
from skineval.catalog.networks import find_head
from skineval.grid.cell.cell import Cell
from skineval.train.predict import SYMMETRIES, UNTURNED, Symmetry, decide, embed, put_on_device, softmax
from skineval.train.weights import read_tensors, write_tensors

_VERSION = 1  #: of the file, and of how embeddings are made
_VALUES, _CHECKSUM = "embeddings", "crc32"


def embeddings(
    cell: Cell, network: nn.Module, store: NDArray[np.uint8], symmetry: Symmetry = UNTURNED
) -> NDArray[np.float32]:
    """(N, d) of all images of a store, from its cache or made, in float32; a head that was put in does not count.

    Another process that makes the same is waited for. A damaged file is made anew; where the cache cannot be written,
    nothing is kept.
    """
    path = _path(cell, network, store, symmetry)
    with ExitStack() as held:
        if path is not None:
            with suppress(OSError):  # of a cache that is read-only, in which they may lie all the same
                held.enter_context(FileLock(path.with_suffix(".lock")))
            found = _read(path, len(store))
            if found is not None:
                return found
        head = find_head(network, cell.architecture, len(cell.spec.classes))
        staged = replace(cell.stage, images=put_on_device(store, cell.stage.device), precision="fp32")
        made = embed(network, head, staged, np.arange(len(store)), symmetry=symmetry)
        if path is not None:
            values = torch.from_numpy(made)
            try:
                write_tensors(path, {_VALUES: values, _CHECKSUM: torch.tensor(_crc(values))})
            except DiskError as error:
                cell.stage.on_note(f"Embeddings were not kept: {error.message}")
    return made


def probe_probabilities(
    cell: Cell, network: nn.Module, store: NDArray[np.uint8], rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Class probabilities (n, C) of the images `rows` of a store by a probe, as `predict_probabilities`."""
    head = find_head(network, cell.architecture, len(cell.spec.classes))
    turned = SYMMETRIES[cell.spec.tta]
    views = [softmax(decide(head, embeddings(cell, network, store, view)[rows])) for view in turned]
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


def _path(cell: Cell, network: nn.Module, store: NDArray[np.uint8], symmetry: Symmetry) -> Path | None:
    """Where they lie; None for images that do not lie in a cache."""
    file = getattr(store, "filename", None)
    if file is None:
        return None
    digest = hashlib.blake2b(digest_size=16)
    spec, architecture = cell.spec, cell.architecture
    known = (spec.model.name, sorted(spec.model.parameters.items()), spec.model_package, cell.stage.device.type)
    kind = (_VERSION, version("torch"), architecture.mean, architecture.std, symmetry)
    digest.update(to_json((known, kind)).encode())
    for part in _state(cell, network):
        digest.update(part)
    stored = Path(file)
    return stored.with_name(f"{stored.stem}-{digest.hexdigest()}.safetensors")


def _state(cell: Cell, network: nn.Module) -> Iterator[bytes]:
    """All numbers of a network but those of its head, with their names."""
    head = find_head(network, cell.architecture, len(cell.spec.classes))
    decides = {id(tensor) for tensor in head.parameters()}
    for name, tensor in network.state_dict(keep_vars=True).items():
        if id(tensor) not in decides:
            yield f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode()
            yield _bytes(tensor)


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _crc(values: Tensor) -> int:
    return zlib.crc32(_bytes(values))
