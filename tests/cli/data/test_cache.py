"""`skineval data cache` as a user meets it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from filelock import FileLock

from skineval.data.pixels.store import open_store
from skineval.data.pixels.store_file import StoreFile
from tests.conftest import Skineval
from tests.data.folders import made_table


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setenv("SKINEVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def made(folder: Path, size: int, days: float = 0, name: str = "made") -> StoreFile:
    """A store that was used `days` ago."""
    store = StoreFile(open_store(made_table([("nv", 70)], name=name), size, cache=folder).path)
    for path in store.path.parent.glob(f"{store.path.stem}.*"):
        os.utime(path, (time.time() - days * 86_400,) * 2)
    return store


def interrupted(folder: Path, size: int) -> StoreFile:
    """A store whose builder was stopped after the first chunk."""

    def stop(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_store(made_table([("nv", 70)]), size, cache=folder, progress=stop)
    (part,) = (folder / "pixels").glob(f"{size}px-*.part")
    return StoreFile(part.with_suffix(".uint8"))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)


def rows(skineval_program: Skineval, *arguments: str, code: int = 0) -> list[dict[str, object]]:
    done = skineval_program("data", "cache", "--format", "json", *arguments)
    assert done.returncode == code, done.stderr
    return list(json.loads(done.stdout)["rows"])


def left(folder: Path) -> list[str]:
    """Every file but the locks, which stay."""
    return sorted(path.name for path in (folder / "pixels").rglob("*") if path.suffix != ".lock")


def test_no_cache_is_an_empty_list(folder: Path, skineval_program: Skineval) -> None:
    assert rows(skineval_program) == []
    assert rows(skineval_program, "--clear") == []
    assert not folder.exists()
    said = skineval_program("data", "cache", "--older-than=30").stdout.split()
    assert said == f"No pixel stores that were not used for 30 days in {folder}".split()


def test_stores_are_listed_by_last_use(folder: Path, skineval_program: Skineval) -> None:
    older, newer, unfinished = made(folder, 4, days=2), made(folder, 5, days=1), interrupted(folder, 6)
    listed = rows(skineval_program)
    assert [row["file"] for row in listed] == [unfinished.path.name, newer.path.name, older.path.name]
    assert [row["state"] for row in listed] == ["unfinished", "complete", "complete"]
    assert {key: listed[2][key] for key in ("data", "images", "size", "fit", "fingerprint")} == {
        "data": "made",
        "images": 70,
        "size": 4,
        "fit": "squash",
        "fingerprint": "made-70",
    }
    assert listed[2]["megabytes"] == pytest.approx(70 * 48 / 1e6, abs=0.001)
    table = skineval_program("data", "cache").stdout
    assert "3 stores of decoded images, 0 MB" in table


def test_opening_is_using(folder: Path, skineval_program: Skineval) -> None:
    made(folder, 4, days=9)
    assert rows(skineval_program, "--older-than", "8")
    made(folder, 4)
    assert rows(skineval_program, "--older-than", "8") == []


def test_damage_is_found_and_named(folder: Path, skineval_program: Skineval) -> None:
    whole, damaged = made(folder, 4, days=1), made(folder, 5)
    interrupted(folder, 6)
    flip(damaged.path)
    assert {row["state"] for row in rows(skineval_program)} == {"complete", "unfinished"}
    verified = rows(skineval_program, "--verify", code=3)
    assert [row["state"] for row in verified] == ["unfinished", "damaged", "complete"]
    done = skineval_program("data", "cache", "--verify")
    assert "1 of 3 pixel stores are damaged" in done.stderr
    assert damaged.path.name in "".join(done.stderr.split())
    assert whole.path.name not in "".join(done.stderr.split())


def test_everything_is_cleared_that_is_a_store(folder: Path, skineval_program: Skineval) -> None:
    store = made(folder, 4)
    interrupted(folder, 5)
    old = folder / "pixels" / f"64px-{'a' * 32}.uint8"  # of an earlier version
    old.write_bytes(b"12")
    (folder / "pixels" / f".{store.path.stem}.json.x1.part").write_bytes(b"half")
    assert {row["state"] for row in rows(skineval_program)} == {"complete", "unfinished", "not of this version"}
    assert [row["state"] for row in rows(skineval_program, "--clear")] == ["removed"] * 3
    assert left(folder) == []
    assert rows(skineval_program) == []
    assert made(folder, 4).path.exists()


def test_only_what_was_not_used_for_long_is_cleared(folder: Path, skineval_program: Skineval) -> None:
    made(folder, 4, days=40)
    recent = made(folder, 5, days=20)
    assert [row["size"] for row in rows(skineval_program, "--clear", "--older-than", "30")] == [4]
    assert left(folder) == sorted([recent.path.name, recent.about.name])


def test_what_is_not_skinevals_stays(folder: Path, tmp_path: Path, skineval_program: Skineval) -> None:
    made(folder, 4)
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "photo.jpg").write_text("mine")
    pixels = folder / "pixels"
    (pixels / "notes.txt").write_text("mine")
    (pixels / "64px.uint8").write_text("mine")
    (pixels / f"5px-squash-{'b' * 32}.uint8").symlink_to(outside / "photo.jpg")
    (pixels / f"6px-squash-{'c' * 32}.uint8").mkdir()
    (pixels / "folder").symlink_to(outside)
    (folder / "models").mkdir()
    kept = [*left(folder)]
    assert len(rows(skineval_program, "--clear")) == 1
    assert left(folder) == [name for name in kept if not name.startswith("4px")]
    assert (outside / "photo.jpg").read_text() == "mine"
    assert (folder / "models").is_dir()


def test_link_out_of_the_cache_is_not_followed(folder: Path, tmp_path: Path, skineval_program: Skineval) -> None:
    store = made(tmp_path / "elsewhere", 4)
    folder.mkdir()
    (folder / "pixels").symlink_to(store.path.parent)
    done = skineval_program("data", "cache", "--clear")
    assert done.returncode == 2
    assert "is a link to" in done.stderr
    assert store.path.exists()


def test_cache_that_is_a_link_itself_is_cleared(folder: Path, tmp_path: Path, skineval_program: Skineval) -> None:
    store = made(tmp_path / "elsewhere", 4)
    folder.symlink_to(tmp_path / "elsewhere")
    assert [row["state"] for row in rows(skineval_program, "--clear")] == ["removed"]
    assert not store.path.exists()


def test_store_that_is_being_made_stays(folder: Path, skineval_program: Skineval) -> None:
    store = interrupted(folder, 4)
    store.builder.write_text("process 7 on \x1b[31melsewhere")
    with FileLock(store.lock):
        (row,) = rows(skineval_program, "--clear")
        assert str(row["state"]).startswith("kept: being prepared by process 7 on ")
        assert "\x1b" not in str(row["state"])
        assert store.part.exists()
        assert [row["state"] for row in rows(skineval_program, "--verify")] == [str(row["state"])[6:]]
    assert [row["state"] for row in rows(skineval_program, "--clear")] == ["removed"]


def test_store_that_is_in_use_can_be_cleared(folder: Path, skineval_program: Skineval) -> None:
    store = open_store(made_table([("nv", 70)]), 4, cache=folder)
    rows(skineval_program, "--clear")
    assert store.array[3, 0, 0].tolist() == [3, 3, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--verify", "--clear"), "--verify and --clear were given together"),
        (("--older-than", "-1"), "--older-than"),
        (("--older-than", "soon"), "--older-than"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], message: str, folder: Path, skineval_program: Skineval) -> None:
    done = skineval_program("data", "cache", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
