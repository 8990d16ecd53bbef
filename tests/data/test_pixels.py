from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from skineval.data import layouts, pixels
from skineval.data.lesions import LesionTable
from skineval.data.pixels import cache_folder, open_store
from skineval.errors import DataError, SkinevalError
from tests.data.folders import IDS, JPEGS, Made, encoded, ham_folder, made_table, picture

ROOT = Path(__file__).parents[2]
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
    monkeypatch.setattr("PIL.__version__", "0")
    paths.append(open_store(table(), 4, cache=tmp_path).path)
    assert len(set(paths)) == 4


def test_store_holds_what_the_table_decodes(tmp_path: Path) -> None:
    loaded = layouts.load(ham_folder(tmp_path / "data"))
    store = open_store(loaded, 8, cache=tmp_path / "cache")
    assert (store.array == loaded.images.pixels(range(4), 8)).all()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "flipped bit": flip,
    "cut": lambda path: os.truncate(path, 100),
    "emptied": lambda path: os.truncate(path, 0),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "no side file": lambda path: path.with_suffix(".json").unlink(),
    "broken side file": lambda path: path.with_suffix(".json").write_text("{"),
    "strange side file": lambda path: path.with_suffix(".json").write_text("[]"),
    "other side file": lambda path: path.with_suffix(".json").write_text(json.dumps({"bytes": N * 48, "crc32": [1]})),
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


def test_damaged_file_is_named(tmp_path: Path) -> None:
    images = JPEGS | {IDS[1]: JPEGS[IDS[1]][:200], IDS[2]: b"", IDS[3]: encoded(picture(3), "GIF")}
    with pytest.raises(DataError) as caught:
        open_store(layouts.load(ham_folder(tmp_path / "data", images=images)), 8, cache=tmp_path / "cache")
    assert caught.value.message.startswith("3 of 4 images cannot be decoded")
    assert all(f"{id_}.jpg" in caught.value.message for id_ in IDS[1:])


def test_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        """A file on a disk with room for two chunks."""

        def __init__(self, file: object) -> None:
            self.file, self.left = file, 2

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()  # type: ignore[attr-defined]

        def write(self, data: bytes) -> None:
            if not self.left:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.left -= 1
            self.file.write(data)  # type: ignore[attr-defined]

    plain = Path.open
    monkeypatch.setattr(Path, "open", lambda path, mode="r", **rest: Full(plain(path, mode, **rest)))
    with pytest.raises(SkinevalError, match=r"Cannot write .*\.uint8.*No space left") as caught:
        open_store(table(), 4, cache=tmp_path)
    assert "space" in caught.value.hint
    assert files(tmp_path) == []
    monkeypatch.undo()
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


def test_interrupted_build_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_store(table(), 4, cache=tmp_path, progress=interrupt)
    assert files(tmp_path) == []
    assert threading.active_count() == 1


def test_remains_of_a_killed_builder_are_swept(tmp_path: Path) -> None:
    path = open_store(table(), 4, cache=tmp_path).path
    path.unlink()
    (path.parent / f".{path.name}.abc.part").write_bytes(b"half")
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
from skineval.data.pixels import open_store
from tests.data.folders import made_table
print("ready", flush=True)
sys.stdin.readline()
store = open_store(made_table([("nv", {N})]), 16, cache=Path(sys.argv[1]))
print(store.built, hashlib.sha256(store.array.tobytes()).hexdigest())
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
    assert sorted(built for built, _ in said) == ["False", "True"]
    assert {digest for _, digest in said} == {hashlib.sha256(expected(16).tobytes()).hexdigest()}


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = open_store(table(), 4, cache=tmp_path).path
    path.unlink()
    process = python(HOLD, path.with_suffix(".lock"))
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(open_store, table(), 4, cache=tmp_path)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.2)
        process.kill()
        process.communicate()
        assert waiting.result(timeout=10).built


def test_work_runs_only_a_little_ahead() -> None:
    started: list[int] = []
    results = pixels._in_order(lambda item: started.append(item) or item, range(1000))
    assert [next(results) for _ in range(10)] == list(range(10))
    assert len(started) <= 10 + 2 * pixels._cores() + 1
    results.close()  # type: ignore[attr-defined]


def test_cache_folder_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SKINEVAL_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("SKINEVAL_CACHE")
    assert cache_folder().name == "skineval"


def test_real_data(real_table: LesionTable, tmp_path: Path) -> None:
    store = open_store(real_table, 32, cache=tmp_path)
    assert store.array.shape == (10_015, 32, 32, 3)
    rows = [0, 5_000, 10_014]
    assert (store.array[rows] == real_table.images.pixels(rows, 32)).all()
    assert not open_store(real_table, 32, cache=tmp_path).built
