"""How long `skineval evaluate` takes on one core, from the start of the program to its table, and in how much memory.

    python -m benchmarks.evaluate_speed [--turns 3] [--without-largest]

Each turn is a process of its own that reads a file of made-up predictions of seven classes, as other programs write
them: every figure of `skineval list metrics`, of each class and over all.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.bootstrap_speed import made_up
from benchmarks.machine import Watch, description
from benchmarks.store_speed import RESULTS, spread
from skineval.base.files import atomic_write


class Task(NamedTuple):
    """So many images and replicates, and what it should take at most."""

    images: int
    replicates: int
    seconds: float


class Turn(NamedTuple):
    """What one process took."""

    seconds: float
    cpu: float  #: seconds
    peak: float  #: MB


LARGEST = Task(400_000, 2_000, 180)
TASKS = (Task(10_015, 0, 2.5), Task(10_015, 2_000, 6), LARGEST)


def main() -> None:
    """Measure, print, and write the table to benchmarks/results/."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=3, help="of each but the largest, which has one")
    parser.add_argument("--without-largest", action="store_true", help="that is of 400,000 images")
    parser.add_argument("--out", type=Path, default=RESULTS / "evaluate-speed.md")
    arguments = parser.parse_args()
    where = description()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # which the processes inherit
    lines = [
        f"{where}, of which one is used; median (min to max)\n",
        "| images | replicates | seconds; at most | CPU seconds | peak MB |",
        "|---:|---:|---:|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for task in TASKS:
            if not (task is LARGEST and arguments.without_largest):
                file = Path(folder) / f"{task.images}.csv"
                if not file.exists():
                    made_up(task.images).to_frame().to_csv(file, index=False)
                found = [turn(file, task.replicates) for _ in range(1 if task is LARGEST else arguments.turns)]
                lines.append(row(task, found))
                print(lines[-1], flush=True)
    text = "\n".join(lines) + "\n"
    print(f"\n{text}")
    atomic_write(arguments.out, text)


def turn(file: Path, replicates: int) -> Turn:
    """One evaluation of a file."""
    command = [sys.executable, "-m", "skineval", "evaluate", str(file), f"--replicates={replicates}", "--format=csv"]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with Watch() as watch:
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Turn(seconds, cpu, watch.peaks["skineval"]["peak"])


def row(task: Task, found: list[Turn]) -> str:
    """What all turns of a task took."""
    seconds, cpu, peak = ([one[place] for one in found] for place in range(3))
    met = "met" if sorted(seconds)[len(seconds) // 2] <= task.seconds else "missed"
    times = f"{spread(seconds, '.1f')}; {task.seconds:g}: {met}"
    return f"| {task.images:,} | {task.replicates:,} | {times} | {spread(cpu, '.1f')} | {spread(peak, ',.0f')} |"


if __name__ == "__main__":
    main()
