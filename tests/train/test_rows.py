from __future__ import annotations

import gc
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skineval.base.errors import DataError
from skineval.train.predict import Stage, put_on_device
from skineval.train.rows import FileRows

SHAPE = (20, 4, 5, 3)
STORE = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> np.memmap:
    path = tmp_path_factory.mktemp("store") / "x.uint8"
    path.write_bytes(STORE.tobytes())
    return np.memmap(path, dtype=np.uint8, mode="r", shape=SHAPE)


@given(rows=st.lists(st.integers(0, 19), max_size=30))
def test_rows_are_those_of_the_map(mapped: np.memmap, rows: list[int]) -> None:
    images = FileRows(mapped)[torch.tensor(rows, dtype=torch.int64)]
    assert images.dtype == torch.uint8
    assert images.shape == (len(rows), *SHAPE[1:])
    assert (images.numpy() == STORE[rows]).all()


@given(kept=st.lists(st.integers(0, 19), min_size=1, max_size=30), data=st.data())
def test_rows_that_are_not_kept_cannot_be_had(mapped: np.memmap, kept: list[int], data: st.DataObject) -> None:
    rows = np.array(kept, dtype=np.int64)
    images = put_on_device(mapped, torch.device("cpu"), rows)
    assert images.shape == (len(kept), *SHAPE[1:])
    assert (images[:].numpy() == STORE[kept]).all()
    wanted = data.draw(st.lists(st.integers(0, len(kept) - 1)))
    assert (images[torch.tensor(wanted, dtype=torch.int64)].numpy() == STORE[rows[wanted]]).all()
    with pytest.raises(IndexError):
        images[torch.tensor([len(kept)])]
    assert (put_on_device(STORE, torch.device("cpu"), rows).numpy() == STORE[kept]).all()


def test_slices(mapped: np.memmap) -> None:
    rows = FileRows(mapped)
    assert (rows[3:7].numpy() == STORE[3:7]).all()
    assert (rows[15:99].numpy() == STORE[15:]).all()


@pytest.mark.parametrize("row", [-1, 20])
def test_rows_that_are_not_there(mapped: np.memmap, row: int) -> None:
    with pytest.raises(IndexError, match=f"no row {row} in a store of 20"):
        FileRows(mapped)[torch.tensor([row])]


def test_part_of_a_map(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"header" + STORE.tobytes())
    mapped = np.memmap(path, dtype=np.uint8, mode="r", shape=SHAPE, offset=6)
    assert (FileRows(mapped)[torch.arange(20)].numpy() == STORE).all()


def test_file_that_was_cut_is_named_and_kills_nobody(tmp_path: Path) -> None:
    path = tmp_path / "x.uint8"
    path.write_bytes(STORE.tobytes())
    rows = FileRows(np.memmap(path, dtype=np.uint8, mode="r", shape=SHAPE))
    os.truncate(path, 100)
    with pytest.raises(DataError, match=r"x\.uint8 is shorter"):
        rows[torch.tensor([5])]


def open_files() -> int:
    """Of this process; 0 where the system does not tell."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def test_file_that_was_removed_is_still_read_and_closed_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "x.uint8"
    path.write_bytes(STORE.tobytes())
    mapped = np.memmap(path, dtype=np.uint8, mode="r", shape=SHAPE)
    before = open_files()
    rows = FileRows(mapped)
    path.unlink()
    assert (rows[torch.tensor([5])].numpy() == STORE[[5]]).all()
    del rows
    gc.collect()
    assert open_files() == before


def test_cpu_reads_from_the_file_and_other_arrays_are_copied(mapped: np.memmap) -> None:
    assert isinstance(put_on_device(mapped, torch.device("cpu")), FileRows)
    copied = put_on_device(STORE, torch.device("cpu"))
    assert isinstance(copied, torch.Tensor)
    assert (copied.numpy() == STORE).all()


def test_other_devices_get_the_whole_store(mapped: np.memmap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skineval.train.predict.COPIED", 8)
    images = put_on_device(mapped, torch.device("meta"))
    assert images.shape == SHAPE
    assert images.device.type == "meta"


def test_a_store_that_a_gpu_cannot_hold_is_read_from_the_file(
    mapped: np.memmap, monkeypatch: pytest.MonkeyPatch
) -> None:
    def empty(*shape: object, **options: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 8.00 GiB.")

    notes: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr("skineval.train.predict.torch.empty", empty)
        images = put_on_device(mapped, torch.device("meta"), on_note=notes.append)
    assert isinstance(images, FileRows)
    assert "do not fit into the memory of meta" in notes[0]
    stage = Stage(images, torch.device("meta"), "fp32", lambda batch: batch)
    batch = stage.take(torch.tensor([3, 1]).to(images.device))
    assert batch.device.type == "meta"
    assert batch.shape == (2, SHAPE[3], *SHAPE[1:3])
