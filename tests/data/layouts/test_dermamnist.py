from __future__ import annotations

import io
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from skineval.base.errors import DataError
from skineval.data.layouts import recognise
from skineval.values.lesion_table import LesionTable
from tests.data.folders import refused, seven_classes, write_zip
from tests.data.layouts import relayout

PARTS = tuple(np.resize(["train", "train", "validation", "test"], 28).tolist())
#: Index -> diagnosis, as MedMNIST's description gives it.
ORDER = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> LesionTable:
    return recognise.load(seven_classes(tmp_path_factory.mktemp("seven")))


def arrays(n: int = 2, side: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(n)
    return {
        f"{part}_{kind}": (
            rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8)
            if kind == "images"
            else rng.integers(0, 7, (n, 1), dtype=np.uint8)
        )
        for part in ("train", "val", "test")
        for kind in ("images", "labels")
    }


def saved(folder: Path, content: Mapping[str, object], name: str = "dermamnist.npz") -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    np.savez_compressed(folder / name, allow_pickle=True, **content)  # type: ignore[arg-type]
    return folder / name


def npy(array: np.ndarray, **header: object) -> bytes:
    """An npy file, of which the header may lie."""
    buffer = io.BytesIO()
    described = np.lib.format.header_data_from_array_1_0(array) | header
    np.lib.format.write_array_header_1_0(buffer, described)
    return buffer.getvalue() + array.tobytes()


@pytest.mark.parametrize("side", [28, 64])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_labels_parts_and_pixels_are_those_of_ham10000(
    tmp_path: Path, table: LesionTable, side: int, kind: str
) -> None:
    file = relayout.dermamnist(table, tmp_path / f"dermamnist_{side}.npz", side, PARTS)
    path = file if kind == "file" else tmp_path
    found = recognise.recognise(path)
    assert found is not None
    assert found.name == "dermamnist"
    read = found.load(path)
    # Rows stand by part, then as in the table.
    order = [row for part in ("test", "train", "validation") for row in range(28) if PARTS[row] == part]
    assert read.frame["dx"].tolist() == table.frame["dx"].iloc[order].tolist()
    assert read.official == tuple(PARTS[row] for row in order)
    assert (read.images.pixels(range(28), side) == table.images.pixels(order, side)).all()
    assert read.frame["image_id"].is_monotonic_increasing
    assert read.frame["image_id"].is_unique
    assert not read.lesions_known
    assert read.images.masks([0], 8) is None
    assert read.licence == "CC BY-NC 4.0"
    assert read.layout == f"DermaMNIST npz, {side} x {side} RGB"
    assert any("the official split has images of one lesion in several parts" in note for note in read.notes)
    assert any("not DermaMNIST as published: 14 train, 7 validation, 7 test" in note for note in read.notes)


def test_label_order(tmp_path: Path) -> None:
    content = arrays(7) | {"train_labels": np.arange(7, dtype=np.int64)[:, np.newaxis]}
    read = recognise.load(saved(tmp_path, content))
    assert read.frame["dx"][7:14].tolist() == list(ORDER)


def test_grey_images_and_flat_labels(tmp_path: Path) -> None:
    content = {key: array[..., 0] for key, array in arrays(3).items()}
    read = recognise.load(saved(tmp_path, content))
    assert "grey" in read.layout
    expected = np.repeat(content["test_images"][1][..., np.newaxis], 3, axis=2)
    assert (read.images.pixels([1], 4)[0] == expected).all()


def test_uncompressed_files_are_the_same_data(tmp_path: Path) -> None:
    packed = recognise.load(saved(tmp_path / "a", arrays()))
    np.savez(tmp_path / "dermamnist.npz", **arrays())
    assert recognise.load(tmp_path / "dermamnist.npz").fingerprint == packed.fingerprint
    changed = arrays()
    changed["val_images"][1, 0, 0, 0] ^= 1
    assert recognise.load(saved(tmp_path / "b", changed)).fingerprint != packed.fingerprint


def test_threads_and_pickles_read_the_same_pixels(tmp_path: Path) -> None:
    content = arrays(50, 8)
    read = recognise.load(saved(tmp_path, content))
    with ThreadPoolExecutor(8) as pool:
        for row, pixels in pool.map(lambda n: (n % 50, read.images.pixels([n % 50], 8)), range(400)):
            assert (pixels[0] == content["test_images"][row]).all()
    sent = pickle.dumps(read.images)
    assert len(sent) < content["test_images"].nbytes
    assert (pickle.loads(sent).pixels(range(150), 8) == read.images.pixels(range(150), 8)).all()


def test_nothing_is_left_in_the_cache(tmp_path: Path, cache: Path) -> None:
    before = set(cache.rglob("*"))
    recognise.load(saved(tmp_path, arrays())).images.pixels([0], 4)
    assert set(cache.rglob("*")) == before


def test_a_file_that_changed_after_loading_is_noticed(tmp_path: Path) -> None:
    read = recognise.load(saved(tmp_path, arrays()))
    changed = arrays()
    changed["train_images"] ^= 1
    saved(tmp_path, changed)
    with pytest.raises(DataError, match=r"dermamnist\.npz does not have the content"):
        read.images.pixels([2], 4)
    assert (read.images.pixels([0], 4)[0] == arrays()["test_images"][0]).all()


def test_memory_stays_small(tmp_path: Path) -> None:
    """300 MB of pixels are read and unpacked by a process that may take 120 MB beyond its modules."""
    images = np.zeros((2000, 224, 224, 3), dtype=np.uint8)
    content = arrays(1, 224) | {"train_images": images, "train_labels": np.zeros((2000, 1), dtype=np.uint8)}
    path = saved(tmp_path, content)
    program = f"""
import resource
from pathlib import Path
from skineval.data.layouts import recognise
import pandas
free = int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (free + 120_000_000, resource.RLIM_INFINITY))
table = recognise.load(Path({str(path)!r}))
print(len(table), table.images.pixels([0, 1000, 2001], 224).shape)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "2002 (3, 224, 224, 3)\n", done.stderr


class _Flag:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_pickled_objects_are_not_read(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    for key in ("train_images", "val_labels"):
        content = arrays() | {key: np.array([_Flag(flag), _Flag(flag)], dtype=object)}
        message = refused(saved(tmp_path, content))
        assert f"{key} holds pickled Python objects" in message
    assert not flag.exists()


BAD: dict[str, tuple[str, np.ndarray, str]] = {
    "float images": (
        "train_images",
        np.zeros((2, 4, 4, 3), np.float32),
        "float32 of the shape (2, 4, 4, 3): no images",
    ),
    "16-bit images": ("train_images", np.zeros((2, 4, 4, 3), np.uint16), "uint16 of the shape"),
    "four channels": ("val_images", np.zeros((2, 4, 4, 4), np.uint8), "no images (N, H, W, 3)"),
    "channels first": ("val_images", np.zeros((2, 3, 4, 4), np.uint8), "no images (N, H, W, 3)"),
    "flat": ("val_images", np.zeros((2, 48), np.uint8), "no images (N, H, W, 3)"),
    "no images": ("val_images", np.zeros((0, 4, 4, 3), np.uint8), "no images (N, H, W, 3)"),
    "another size": ("test_images", np.zeros((2, 5, 5, 3), np.uint8), "images of several shapes"),
    "too many images": ("train_images", np.zeros((1_000_001, 1, 1, 3), np.uint8), "has 1000001 images, too many"),
    "too few labels": ("train_labels", np.zeros((1, 1), np.uint8), "not one whole number an image, of 2"),
    "one-hot labels": ("train_labels", np.zeros((2, 7), np.uint8), "not one whole number an image"),
    "float labels": ("train_labels", np.zeros((2, 1)), "float64 of the shape (2, 1)"),
    "label 7": ("train_labels", np.array([[0], [7]], np.uint8), "1 label is none of 0 to 6: 7 at 1"),
    "label below 0": ("val_labels", np.array([[-1], [3]], np.int64), "-1 at 0"),
    "endless label": ("val_labels", np.array([[2**64 - 1], [3]], np.uint64), "1 label is none of 0 to 6"),
    "columns first": ("train_images", np.asfortranarray(arrays()["train_images"]), "stored column by column"),
}


@pytest.mark.parametrize("case", BAD)
def test_arrays_of_another_kind_are_refused(tmp_path: Path, case: str) -> None:
    key, array, words = BAD[case]
    path = saved(tmp_path, arrays() | {key: array})
    message = refused(path)
    assert str(path) in message
    assert words in message


LIES = {
    "larger shape": npy(np.zeros((2, 4, 4, 3), np.uint8), shape=(2_000_000, 224, 224, 3)),
    "smaller shape": npy(np.zeros((2, 4, 4, 3), np.uint8), shape=(1, 4, 4, 3)),
    "shape below 0": npy(np.zeros((2, 4, 4, 3), np.uint8), shape=(-2, -4, 4, 3)),
    "no npy": b"<html>not found</html>",
    "empty": b"",
    "npy 9.9": b"\x93NUMPY\x09\x09" + npy(np.zeros(1))[8:],
    "cut header": npy(np.zeros((2, 4, 4, 3), np.uint8))[:40],
    "header that calls": npy(np.zeros(1)).replace(b"'<f8'", b"f(1) "),
}


@pytest.mark.parametrize("case", LIES)
def test_headers_that_lie_are_refused(tmp_path: Path, case: str) -> None:
    files = {f"{key}.npy": npy(array) for key, array in arrays().items()} | {"train_images.npy": LIES[case]}
    assert "train_images" in refused(write_zip(tmp_path / "dermamnist.npz", files))


@pytest.mark.parametrize("claimed", [10, 1_000_000, 2**31])
def test_members_that_lie_about_their_size_are_refused(tmp_path: Path, claimed: int) -> None:
    begin = len(npy(np.zeros((2, 4, 4, 3), np.uint8))) - 96
    described = npy(np.zeros((2, 4, 4, 3), np.uint8), shape=(2, max(claimed - begin, 96) // 6, 1, 3))
    others = {f"{key}.npy": npy(array) for key, array in arrays().items() if key != "train_images"}
    path = write_zip(tmp_path / "dermamnist.npz", {"train_images.npy": described} | others)
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", claimed)
    path.write_bytes(content)
    assert "train_images" in refused(path)


def test_cut_and_damaged_files_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, arrays(20, 8))
    whole = path.read_bytes()
    for end in np.linspace(1, len(whole) - 1, 20).astype(int):
        path.write_bytes(whole[:end])
        refused(path)
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        info = archive.getinfo("train_images.npy")
    for position in rng.integers(info.header_offset + 100, info.header_offset + info.compress_size, 50):
        content = bytearray(whole)
        content[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(content)
        assert "train_images" in refused(path)


def test_missing_and_repeated_arrays_are_no_dermamnist(tmp_path: Path) -> None:
    content = arrays()
    del content["val_labels"]
    assert recognise.recognise(saved(tmp_path, content)) is None
    files = {f"{key}.npy": npy(array) for key, array in arrays().items()}
    path = write_zip(tmp_path / "dermamnist.npz", files)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("test_images.npy", files["test_images.npy"])
    assert "holds 2 arrays called test_images" in refused(path)


def test_other_sets_of_medmnist_are_refused(tmp_path: Path) -> None:
    assert "laid out like any set of MedMNIST (2 test, 2 train, 2 validation images)" in refused(
        saved(tmp_path, arrays(), "retinamnist.npz")
    )


def test_several_files_in_a_folder_are_ambiguous(tmp_path: Path) -> None:
    saved(tmp_path, arrays())
    saved(tmp_path, arrays(), "dermamnist_64.npz")
    assert "holds several (dermamnist.npz, dermamnist_64.npz)" in refused(tmp_path)
