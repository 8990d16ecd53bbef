"""Row 3: a disk that is full, at every file of a bench: said plainly, exit 1, and nothing lost once there is room."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.reliability import toy
from benchmarks.reliability.outcome import Outcome
from benchmarks.reliability.programs import Surroundings, ready, run

ROW = 3
ROOMS = 12  #: sizes of a file system that is too small
ENOUGH = 64_000_000  #: bytes
#: One of every kind of file that is written; the store of pixels, in the cache, is one of them.
KINDS = (
    "cache/pixels/*.uint8",
    "out/split.csv",
    "out/networks/*/network.safetensors",
    "out/cells/*-none-*/predictions.csv",
    "out/cells/*-none-*/explanations/*/*.svg",
    "out/cells/*-smote-*/model.safetensors",
    "out/results.csv",
    "out/figures/*.svg",
    "out/figures/*.png",
    "out/report.md",
    "out/report.html",
)
_NAMED = re.compile(r"Cannot write (\S+?): (File too large|No space left on device)")


@dataclass(frozen=True)
class Point:
    """A disk that is full at one size."""

    named: str  #: the file that the message names; "" where there is no such message, or more than that
    code: int
    unfinished: int  #: halves of files that stayed
    resumed: bool  #: once there is room, with the same hashes as ever

    @property
    def passed(self) -> bool:
        return bool(self.named) and self.code == 1 and not self.unfinished and self.resumed


def measure(most: int = ROOMS, reports: bool = True) -> list[Outcome]:
    """A limit just below the size of each kind of file; then so many small file systems, where root may mount any."""
    ready()
    with tempfile.TemporaryDirectory() as parent:
        whole = Surroundings(Path(parent, "whole"), reports=reports)
        code, said = run(toy.BENCH, whole)
        if code:
            raise RuntimeError(f"the bench does not work undisturbed: {said}")
        outcomes = [limited(whole, Path(parent), most)]
        if mountable():
            outcomes.append(crowded(whole, Path(parent), most))
        else:
            print("full_disk: only root can mount a small file system", file=sys.stderr)
    return outcomes


def limited(whole: Surroundings, parent: Path, most: int) -> Outcome:
    """No file may be larger than a limit (RLIMIT_FSIZE): the next larger one cannot be written."""
    found = [max((file.stat().st_size for file in whole.folder.glob(kind)), default=0) for kind in KINDS]
    # A little below: reports tell times, so that their size differs by a few bytes from run to run.
    sizes = sorted({size - 1 - size // 1000 for size in found if size})
    points = [
        point(whole, replace(whole, folder=parent / f"limit{size}", limits={resource.RLIMIT_FSIZE: size}))
        for size in sizes[:: -(-len(sizes) // most)]
    ]
    return _outcome("no file may be as large as one of each kind (RLIMIT_FSIZE)", points)


def crowded(whole: Surroundings, parent: Path, most: int) -> Outcome:
    """The folder of the bench is a file system with room for a part of it."""
    needed = sum(file.stat().st_size for file in (whole.folder / "out").rglob("*") if file.is_file())
    points = []
    for number in range(most):
        folder = parent / f"room{number}"
        # Closer together where files are small: all checkpoints are written in the first part.
        room = int(needed * ((number + 1) / (most + 1)) ** 2)
        with mounted(folder / "out", room):
            points.append(point(whole, replace(whole, folder=folder), roomy=folder / "out"))
    return _outcome(f"file systems (tmpfs) with room for a part of {needed / 1e6:.1f} MB", points)


def point(whole: Surroundings, surroundings: Surroundings, roomy: Path | None = None) -> Point:
    """Run into the limit, look, and go on without it."""
    code, said = run(toy.BENCH, surroundings)
    out = surroundings.folder / "out"
    text = " ".join(said.split())
    found = _NAMED.search(text)
    named = Path(found[1]).name if found and "Traceback" not in text and "Unexpected" not in text else ""
    unfinished = sum(1 for _ in out.rglob("*.part"))
    if roomy is not None:
        subprocess.run(["mount", "-o", f"remount,size={ENOUGH}", str(roomy)], check=True)
    again, said_again = run(toy.BENCH, replace(surroundings, limits={}))
    same = toy.hashes(surroundings.folder) == toy.hashes(whole.folder)
    left = toy.leftovers(surroundings.folder, whole.folder)
    made = Point(named, code, unfinished, again == 0 and same and not left)
    if not made.passed:
        print(f"{surroundings.folder.name}: {made}\n{said}\n{said_again}", file=sys.stderr)
    return made


def mountable() -> bool:
    """Whether this process may mount a file system."""
    if os.geteuid() or not shutil.which("mount"):
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            with mounted(Path(folder), 4096):
                return True
        except subprocess.CalledProcessError:
            return False


@contextmanager
def mounted(folder: Path, size: int) -> Iterator[None]:
    """An empty file system of so many bytes at `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "skineval-reliability", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _outcome(fault: str, points: list[Point]) -> Outcome:
    passed = sum(point.passed for point in points)
    files = ", ".join(dict.fromkeys(point.named or "NO FILE" for point in points))
    figure = f"{passed}/{len(points)} points passed: exit 1, file named ({files}), resumed with identical hashes"
    return Outcome(ROW, fault, figure, passed == len(points) > 0)
