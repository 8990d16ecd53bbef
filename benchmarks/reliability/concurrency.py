"""Several processes want the same decoded images at once, and the one that makes them is killed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.reliability.outcome import Outcome
from skineval.base.terms import Fit
from skineval.data.pixels.store import open_store
from skineval.data.pixels.store_file import CHUNK_ROWS
from skineval.data.pixels.threads import cores
from skineval.values.lesion_table import COLUMNS, LesionTable

ROW = 15
PROCESSES = 8
IMAGES = 20 * CHUNK_ROWS
SIZE = 16
DECODING = 0.1  #: seconds that a chunk takes to decode
PATIENCE = 120.0  #: seconds after which a process counts as deadlocked


class Noted:
    """Images that take their time and write down, in a file that all processes share, which were decoded."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def pixels(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> NDArray[np.uint8]:
        """(n, size, size, 3) noise."""
        time.sleep(DECODING)
        with self.log.open("a") as log:
            log.write("".join(f"{row}\n" for row in rows))  # one write: lines of two processes do not mix
        return noise(rows, size)

    def masks(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> None:
        """There are none."""


def noise(rows: Sequence[int], size: int) -> NDArray[np.uint8]:
    """(n, size, size, 3) that depends on the rows alone."""
    shape = (size, size, 3)
    return np.stack([np.random.default_rng(row).integers(0, 256, shape, dtype=np.uint8) for row in rows])


def expected() -> str:
    """The hash of what every process has to find in its store."""
    return hashlib.sha256(noise(range(IMAGES), SIZE).tobytes()).hexdigest()


def measure() -> list[Outcome]:
    """All at once; then the same with the one that holds the lock killed halfway."""
    return [undisturbed(), killed()]


def undisturbed() -> Outcome:
    """One prepares, the others wait and share."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "decoded"
        results = ended(begin(Path(folder), log))
        decoded = log.read_text().split()
    built = sum(result["built"] for result in results)
    waited = sum(bool(result["waited"]) for result in results)
    hashes = {result["hash"] for result in results}
    figure = (
        f"prepares done {built}, {len(hashes)} hash, {waited} waited and knew for whom, "
        f"{max(result['seconds'] for result in results):.1f} s for the slowest"
    )
    once = sorted(map(int, decoded)) == list(range(IMAGES))
    passed = built == 1 and len(results) == PROCESSES and hashes == {expected()} and waited == PROCESSES - 1 and once
    return Outcome(ROW, f"{PROCESSES} processes prepare the same images at once", figure, passed)


def killed() -> Outcome:
    """The next one takes over what the killed one had finished."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "decoded"
        processes = begin(Path(folder), log)
        victim = holder(Path(folder), chunks=IMAGES // CHUNK_ROWS // 2)
        os.kill(victim, signal.SIGKILL)
        at = time.perf_counter()
        results = ended(processes)
        seconds = time.perf_counter() - at
        decoded = [int(row) for row in log.read_text().split()]
    built = sum(result["built"] for result in results)
    hashes = {result["hash"] for result in results}
    twice = len(decoded) - IMAGES
    in_hand = (2 * cores() + 2) * CHUNK_ROWS  # what threads work on and what waits to be written
    figure = (
        f"prepares done {built}, {len(hashes)} hash, {len(results)} of {PROCESSES - 1} others done "
        f"{seconds:.1f} s after the kill, {twice} of {IMAGES} images decoded twice"
    )
    passed = (
        built == 1
        and len(results) == PROCESSES - 1
        and hashes == {expected()}
        and set(decoded) == set(range(IMAGES))
        and twice <= in_hand
    )
    return Outcome(ROW, f"the one of {PROCESSES} that holds the lock is killed", figure, passed)


def begin(folder: Path, log: Path) -> list[subprocess.Popen[str]]:
    """Processes that have imported everything and have just been told to go."""
    command = [sys.executable, "-m", __name__, str(folder / "cache"), str(log)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(PROCESSES)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return processes


def holder(folder: Path, chunks: int) -> int:
    """The process that prepares, once so many chunks are finished."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        journals = list((folder / "cache" / "pixels").glob("*.journal"))
        if journals and journals[0].read_bytes().count(b"\n") >= chunks:
            found = re.match(r"process (\d+) on ", journals[0].with_suffix(".builder").read_text())
            assert found is not None
            return int(found[1])
        time.sleep(0.01)
    raise TimeoutError("no process has prepared anything")


def ended(processes: Sequence[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    """What the processes say that end by themselves; one that does not end in time is missing."""
    results = []
    ends = time.monotonic() + PATIENCE
    for process in processes:
        try:
            said, _ = process.communicate(timeout=max(ends - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            continue
        if process.returncode == 0:
            results.append(json.loads(said))
    return results


def prepare(cache: Path, log: Path) -> None:
    """What each of the processes does."""
    frame = pd.DataFrame({column: [f"I{row}" for row in range(IMAGES)] for column in COLUMNS})
    table = LesionTable("noise", frame, Noted(log), fingerprint="noise")
    print("ready", flush=True)
    sys.stdin.readline()
    waited: list[str] = []
    started = time.perf_counter()
    store = open_store(table, SIZE, cache=cache, on_wait=waited.append)
    seconds = time.perf_counter() - started
    digest = hashlib.sha256(store.array.tobytes()).hexdigest()
    print(json.dumps({"built": store.built, "hash": digest, "seconds": seconds, "waited": waited}))


if __name__ == "__main__":
    prepare(Path(sys.argv[1]), Path(sys.argv[2]))
