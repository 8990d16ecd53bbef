from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from skineval.base.errors import DataError, PluginError, SkinevalError, UsageError
from skineval.base.files import DiskError
from skineval.base.places import cache_folder
from skineval.base.terms import Fit
from skineval.data.findings import LEAVE_OUT
from skineval.data.layouts import recognise
from skineval.data.pixels.resizing import accelerated
from skineval.data.pixels.store import open_store
from skineval.data.pixels.store_file import CHUNK_ROWS
from skineval.values.lesion_table import LesionTable
from tests.data.folders import IDS, JPEGS, Made, encoded, ham_folder, made_table

ROOT = Path(__file__).parents[3]
N = 300


def table(**images: object) -> LesionTable:
    return made_table([("nv", N)], Made(**images))  # type: ignore[arg-type]


def expected(size: int) -> np.ndarray:
    return Made().pixels(range(N), size)


def files(cache: Path) -> list[str]:
    return sorted(path.suffix for path in (cache / "pixels").iterdir() if path.suffix != ".lock")


def test_store_is_built_once_and_found_again(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    first = open_store(table(), 4, cache=tmp_path, progress=lambda done, total: calls.append((done, total)))
    again = open_store(table(broken=frozenset(range(N))), 4, cache=tmp_path)
    assert (first.built, again.built) == (True, False)
    assert first.path == again.path
    assert first.notes == again.notes == ()
    assert (again.array == expected(4)).all()
    assert again.array.dtype == np.uint8
    assert calls[-1] == (N, N)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert files(tmp_path) == [".json", ".uint8"]


def test_store_is_read_only(tmp_path: Path) -> None:
    store = open_store(table(), 4, cache=tmp_path)
    with pytest.raises(ValueError, match="read-only"):
        store.array[0] = 0


def test_every_other_content_is_another_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [open_store(table(), 4, cache=tmp_path).path, open_store(table(), 5, cache=tmp_path).path]
    paths.append(open_store(replace(table(), fingerprint="other"), 4, cache=tmp_path).path)
    monkeypatch.setattr("skineval.data.pixels.store.version", lambda name: "0" if name == "torch" else "1")
    paths.append(open_store(table(), 4, cache=tmp_path).path)
    monkeypatch.setattr("skineval.data.pixels.store.version", lambda name: "1")
    paths.append(open_store(table(), 4, cache=tmp_path).path)
    assert len(set(paths)) == 5


def test_store_holds_what_the_table_decodes(tmp_path: Path) -> None:
    loaded = recognise.load(ham_folder(tmp_path / "data"))
    store = open_store(loaded, 8, cache=tmp_path / "cache")
    with accelerated():
        assert (store.array == loaded.images.pixels(range(4), 8)).all()
    difference = store.array.astype(int) - loaded.images.pixels(range(4), 8)
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_every_fit_is_a_store_of_its_own(tmp_path: Path, fit: Fit) -> None:
    loaded = recognise.load(ham_folder(tmp_path / "data"))
    squashed = open_store(loaded, 8, cache=tmp_path / "cache")
    store = open_store(loaded, 8, fit=fit, cache=tmp_path / "cache")
    assert store.path != squashed.path
    assert np.abs(store.array.astype(int) - loaded.images.pixels(range(4), 8, fit)).max() <= 1
    assert not (store.array == squashed.array).all()
    part = loaded.take([2, 0])
    assert (open_store(part, 8, fit=fit, cache=tmp_path / "cache").array == store.array[[2, 0]]).all()


def test_images_that_can_only_be_squashed_say_so(tmp_path: Path) -> None:
    assert open_store(table(), 4, fit="squash", cache=tmp_path).built
    with pytest.raises(UsageError, match="--fit is crop, and the images of this data set can only be squashed"):
        open_store(table(), 4, fit="crop", cache=tmp_path)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def rewrite(path: Path, **fields: object) -> None:
    about = path.with_suffix(".json")
    about.write_text(json.dumps(json.loads(about.read_text()) | fields))


DAMAGE = {
    "flipped bit": flip,
    "cut": lambda path: os.truncate(path, 100),
    "emptied": lambda path: os.truncate(path, 0),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "no side file": lambda path: path.with_suffix(".json").unlink(),
    "broken side file": lambda path: path.with_suffix(".json").write_text("{"),
    "strange side file": lambda path: path.with_suffix(".json").write_text("[]"),
    "side file of another version": lambda path: rewrite(path, format=1),
    "other checksums": lambda path: rewrite(path, crc32=[1] * 5),
    "checksums of a wrong type": lambda path: rewrite(path, crc32=["1"]),
    "other size": lambda path: rewrite(path, size=5),
    "further field": lambda path: rewrite(path, more=5),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_store_is_built_again_and_says_so(tmp_path: Path, how: str) -> None:
    path = open_store(table(), 4, cache=tmp_path).path
    DAMAGE[how](path)
    store = open_store(table(), 4, cache=tmp_path)
    assert store.built
    assert "built again" in store.notes[0]
    assert str(path) in store.notes[0]
    assert (store.array == expected(4)).all()
    assert not open_store(table(), 4, cache=tmp_path).built


def test_missing_store_is_no_damage(tmp_path: Path) -> None:
    open_store(table(), 4, cache=tmp_path).path.unlink()
    store = open_store(table(), 4, cache=tmp_path)
    assert store.built
    assert store.notes == ()


def test_undecodable_images_stop_the_build_and_are_all_counted(tmp_path: Path) -> None:
    done: list[int] = []
    with pytest.raises(DataError) as caught:
        open_store(
            table(broken=frozenset(range(0, N, 20))), 4, cache=tmp_path, progress=lambda now, _: done.append(now)
        )
    assert caught.value.message.startswith(f"15 of {N} images cannot be decoded: image-0.jpg")
    assert "image-80.jpg" in caught.value.message
    assert "image-100.jpg" not in caught.value.message
    assert "and 10 more" in caught.value.message
    assert caught.value.hint
    assert done[-1] == N
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (
            lambda rows, size: np.zeros((len(rows), size, size), np.uint8),
            r"\(64, 4, 4\) of uint8 where \(64, 4, 4, 3\)",
        ),
        (lambda rows, size: np.zeros((len(rows), size, size, 3)), r"of float64"),
    ],
    ids=["shape", "type"],
)
def test_images_that_break_their_contract_are_no_store(tmp_path: Path, pixels: object, words: str) -> None:
    with pytest.raises(PluginError, match=words):
        open_store(made_table([("nv", N)], SimpleNamespace(pixels=pixels)), 4, cache=tmp_path)
    assert ".uint8" not in files(tmp_path)
    assert open_store(table(), 4, cache=tmp_path).built


def test_damaged_file_is_named(tmp_path: Path) -> None:
    sixteen_bits = Image.fromarray(np.full((8, 8), 40_000, np.uint16))
    images = JPEGS | {IDS[1]: JPEGS[IDS[1]][:200], IDS[2]: b"", IDS[3]: encoded(sixteen_bits, "PNG")}
    with pytest.raises(DataError) as caught:
        open_store(recognise.load(ham_folder(tmp_path / "data", images=images)), 8, cache=tmp_path / "cache")
    assert caught.value.message.startswith("3 of 4 images cannot be decoded")
    assert all(f"{id_}.jpg" in caught.value.message for id_ in IDS[1:])
    assert caught.value.hint == LEAVE_OUT  # to restore one of them is no help with the other


FILL = f"""
import resource, sys
from pathlib import Path
from skineval.data.pixels.store import open_store
from skineval.base.files import DiskError
from tests.data.folders import made_table
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
try:
    open_store(made_table([("nv", {N})]), 16, cache=Path(sys.argv[1]))
except DiskError as error:
    print(error)
"""


def test_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    process = python(FILL, tmp_path)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert re.search(r"Cannot write .*\.uint8: File too large", said)
    assert "Free some space" in said
    assert files(tmp_path) == []
    assert open_store(table(), 16, cache=tmp_path).notes == ()


def test_room_is_looked_for_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=N * 48 - 1))
    decoded: list[Sequence[int]] = []
    with pytest.raises(DiskError, match=r"0\.0 MB are needed, and 0\.0 MB are free") as caught:
        open_store(table(called=decoded.append), 4, cache=tmp_path)
    assert "SKINEVAL_CACHE" in caught.value.hint
    assert decoded == []
    assert files(tmp_path) == []
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=N * 48))
    assert open_store(table(), 4, cache=tmp_path).built


def test_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(SkinevalError, match=r"Cannot write .*file.pixels"):
        open_store(table(), 4, cache=blocked)


def test_finished_store_needs_no_writable_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store(table(), 4, cache=tmp_path)

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(FileLock, "acquire", read_only)
    assert not open_store(table(), 4, cache=tmp_path).built
    with pytest.raises(SkinevalError, match="Read-only file system"):
        open_store(table(), 5, cache=tmp_path)


def test_interrupted_build_goes_on(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 3 * CHUNK_ROWS:
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        open_store(table(), 4, cache=tmp_path, progress=interrupt)
    assert files(tmp_path) == [".journal", ".part"]
    assert threading.active_count() == before
    decoded: list[int] = []
    calls: list[tuple[int, int]] = []
    store = open_store(
        table(called=decoded.extend), 4, cache=tmp_path, progress=lambda done, total: calls.append((done, total))
    )
    assert decoded == list(range(3 * CHUNK_ROWS, N))
    assert calls[0] == (3 * CHUNK_ROWS, N)
    assert store.notes == (f"{3 * CHUNK_ROWS} of {N} images were prepared before an interruption",)
    assert (store.array == expected(4)).all()
    assert files(tmp_path) == [".json", ".uint8"]
    assert not open_store(table(), 4, cache=tmp_path).built


def flip_first_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


TORN = {  # what a crash of the machine may leave of the part and its journal, and how many chunks survive it
    "torn line": (lambda part, journal: journal.write_bytes(journal.read_bytes()[:-4]), 2),
    "zeros for a line": (lambda part, journal: journal.write_bytes(journal.read_bytes()[:-9] + bytes(9)), 2),
    "torn chunk": (lambda part, journal: os.truncate(part, 2 * CHUNK_ROWS * 48 + 5), 2),
    "lost chunk": (lambda part, journal: os.truncate(part, CHUNK_ROWS * 48), 1),
    "longer part": (lambda part, journal: part.write_bytes(part.read_bytes() + b"rest"), 3),
    "flipped bit": (lambda part, journal: flip_first_byte(part), 0),
    "no journal": (lambda part, journal: journal.unlink(), 0),
    "no part": (lambda part, journal: part.unlink(), 0),
    "strange journal": (lambda part, journal: journal.write_bytes(b"\xff" * 90 + b"\n"), 0),
    "longer journal": (lambda part, journal: journal.write_bytes(journal.read_bytes() + b"00000000\n" * 9), 3),
}


@pytest.mark.parametrize("how", TORN)
def test_what_an_interruption_tore_is_decoded_again(tmp_path: Path, how: str) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 3 * CHUNK_ROWS:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_store(table(), 4, cache=tmp_path, progress=interrupt)
    (part,) = (tmp_path / "pixels").glob("*.part")
    tear, whole = TORN[how]
    tear(part, part.with_suffix(".journal"))
    decoded: list[int] = []
    store = open_store(table(called=decoded.extend), 4, cache=tmp_path)
    assert decoded == list(range(whole * CHUNK_ROWS, N))
    assert (store.array == expected(4)).all()
    assert not open_store(table(), 4, cache=tmp_path).built


def test_builder_stopped_before_the_last_step_has_nothing_left_to_decode(tmp_path: Path) -> None:
    store = open_store(table(), 4, cache=tmp_path)
    known = json.loads(store.path.with_suffix(".json").read_text())
    store.path.rename(store.path.with_suffix(".part"))
    store.path.with_suffix(".journal").write_text("".join(f"{crc:08x}\n" for crc in known["crc32"]))
    again = open_store(table(broken=frozenset(range(N))), 4, cache=tmp_path)
    assert again.built
    assert (again.array == expected(4)).all()


def test_remains_of_a_killed_builder_are_swept(tmp_path: Path) -> None:
    path = open_store(table(), 4, cache=tmp_path).path
    path.unlink()
    (path.parent / f".{path.stem}.json.abc.part").write_bytes(b"half")
    open_store(table(), 4, cache=tmp_path)
    assert files(tmp_path) == [".json", ".uint8"]


def test_threads_that_want_one_store_build_it_once(tmp_path: Path) -> None:
    decoded: list[int] = []

    def note(rows: Sequence[int]) -> None:
        decoded.extend(rows)

    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: open_store(table(called=note), 4, cache=tmp_path), range(8)))
    assert sum(store.built for store in stores) == 1
    assert sorted(decoded) == list(range(N))
    assert all((store.array == expected(4)).all() for store in stores)


OPEN = f"""
import hashlib, sys
from pathlib import Path
from skineval.data.pixels.store import open_store
from tests.data.folders import made_table
print("ready", flush=True)
sys.stdin.readline()
store = open_store(made_table([("nv", {N})]), 16, cache=Path(sys.argv[1]))
print(store.built, hashlib.sha256(store.array.tobytes()).hexdigest(), "torch" in sys.modules)
"""

HOLD = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def python(code: str, argument: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, str(argument)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_processes_that_want_one_store_build_it_once(tmp_path: Path) -> None:
    running = [python(OPEN, tmp_path) for _ in range(2)]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    said = [process.communicate("go\n", timeout=30)[0].split() for process in running]
    assert sorted(built for built, *_ in said) == ["False", "True"]
    assert {torch for *_, torch in said} == {"False"}  # seconds that only decoding is worth
    assert {digest for _, digest, _ in said} == {hashlib.sha256(expected(16).tobytes()).hexdigest()}


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = open_store(table(), 4, cache=tmp_path).path
    path.unlink()
    process = python(HOLD, path.with_suffix(".lock"))
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with ThreadPoolExecutor(1) as pool:
        said: list[str] = []
        path.with_suffix(".builder").write_text("process 1 on elsewhere")
        waiting = pool.submit(open_store, table(), 4, cache=tmp_path, on_wait=said.append)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.3)
        process.kill()
        process.communicate()
        assert waiting.result(timeout=10).built
    assert said == ["waiting for process 1 on elsewhere, which prepares the same images"]
    assert files(tmp_path) == [".json", ".uint8"]


SLOW = f"""
import sys, time
from pathlib import Path
from skineval.data.pixels.store import open_store
from tests.data.folders import Made, made_table
def wait(rows):
    if rows[0] >= 128:
        print("decoding", flush=True)
        time.sleep(60)
open_store(made_table([("nv", {N})], Made(called=wait)), 4, cache=Path(sys.argv[1]))
"""


def test_killed_builder_loses_only_what_it_had_in_hand(tmp_path: Path) -> None:
    process = python(SLOW, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "decoding\n"
    (journal,) = (tmp_path / "pixels").glob("*.journal")
    with ThreadPoolExecutor(1) as pool:
        said: list[str] = []
        decoded: list[int] = []
        looked: list[int] = []
        waiting = pool.submit(
            open_store,
            table(called=decoded.extend),
            4,
            cache=tmp_path,
            on_wait=said.append,
            progress=lambda done, total: looked.append(done),
        )
        while not said or journal.stat().st_size < 18:
            time.sleep(0.01)
        while looked[-1:] != [128]:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        store = waiting.result(timeout=30)
    assert said == [f"waiting for process {process.pid} on {socket.gethostname()}, which prepares the same images"]
    assert decoded == list(range(128, N))
    assert store.notes == (f"128 of {N} images were prepared before an interruption",)
    assert (store.array == expected(4)).all()


def test_cache_folder_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SKINEVAL_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("SKINEVAL_CACHE")
    assert cache_folder().name == "skineval"


def test_real_data(real_table: LesionTable, tmp_path: Path) -> None:
    store = open_store(real_table, 32, cache=tmp_path)
    assert store.array.shape == (10_015, 32, 32, 3)
    rows = [0, 5_000, 10_014]
    assert np.abs(store.array[rows].astype(int) - real_table.images.pixels(rows, 32)).max() <= 1
    assert not open_store(real_table, 32, cache=tmp_path).built
