"""What all cells share crosses into a worker process as it is."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np

from skineval.base.codec import from_json, to_json
from skineval.data.splits.split import Parts
from skineval.grid.cell.workspace import ExternalImages, LabelledImages, Workspace
from skineval.grid.folder import BenchFolder
from skineval.train.weights import Weights


def images(path, n: int) -> LabelledImages:
    np.arange(n * 12, dtype=np.uint8).tofile(path)
    store = np.memmap(path, dtype=np.uint8, mode="r", shape=(n, 2, 2, 3))
    return LabelledImages(store, np.array(["ISIC_1", "ö"] * (n // 2)), np.array(["a", "b"] * (n // 2)), np.arange(n))


def same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return same(tuple(one.items()), tuple(other.items()))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def test_a_workspace_comes_back_as_it_was(tmp_path):
    external = ExternalImages("clinic", "clinic:0", images(tmp_path / "other", 2), np.array([1]))
    workspace = Workspace(
        folder=BenchFolder(tmp_path),
        images=images(tmp_path / "store", 4),
        parts={0: Parts(np.array([0, 1]), np.array([2]), np.array([3])), 1: Parts(*3 * [np.array([], dtype=np.int64)])},
        weights={"cnn": Weights("sha256:0", tmp_path / "file.safetensors")},
        device="cpu",
        threads=2,
        deterministic=True,
        stamps=("LEAKY",),
        externals=(external,),
    )
    back = from_json(Workspace, to_json(workspace), "a message")
    assert isinstance(back.images.store, np.memmap)
    assert same(astuple(workspace), astuple(back))
    assert not same(astuple(workspace), astuple(from_json(Workspace, to_json(workspace).replace("LEAKY", ""), "")))
