"""Row 1: `kill -9` of a bench at random moments; the same command again ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.reliability import toy
from benchmarks.reliability.outcome import Outcome
from benchmarks.reliability.programs import Program, Surroundings, ready, run, run_whole

ROW = 1
TRIALS, SEED = 200, 0
PHASES = (
    "starting",
    "preparing images",
    "training",
    "saving a checkpoint",
    "predicting",
    "explaining",
    "measuring",
    "writing reports",
    "printing",
)


@dataclass(frozen=True)
class Uninterrupted:
    """A bench that nobody disturbs."""

    folder: Path
    hashes: Mapping[str, str]
    seconds: float
    cells_done: float  #: seconds until the last cell has ended


@dataclass(frozen=True)
class Trial:
    """One SIGKILL, and what became of the bench."""

    moment: float  #: seconds after the start
    phase: str
    code: int  #: of the same command again
    identical: bool
    again: int  #: epochs that were begun once more
    leftovers: int  #: files that nobody needs, when all is done


def measure(most: int = TRIALS) -> list[Outcome]:
    """So many kills; and the bench once as users start it, since what is killed was forked."""
    with tempfile.TemporaryDirectory() as folder:
        trials, reference = killed(most, Path(folder))
        user = Surroundings(Path(folder, "user"), (_cores()[0],))
        code, _ = run_whole(toy.BENCH, user)
        as_users_do = code == 0 and toy.hashes(user.folder) == reference.hashes
    return [outcome(trials, reference, as_users_do), moments(trials)]


def killed(most: int, parent: Path, reports: bool = True) -> tuple[list[Trial], Uninterrupted]:
    """So many kills, each of a bench of its own: of program and workers, or, every fourth time, of the program alone.

    Figures and reports take most of the time: every other moment is drawn from the time before them.
    """
    print(f"kills: seed {SEED}", file=sys.stderr)
    ready()
    places = _cores()
    with ThreadPoolExecutor(len(places)) as pool:
        # Side by side, as the trials run.
        wholes = list(
            pool.map(
                lambda core: uninterrupted(Surroundings(parent / f"whole{core}", (core,), reports=reports)), places
            )
        )
        reference = replace(
            wholes[0],
            seconds=statistics.mean(whole.seconds for whole in wholes),
            cells_done=statistics.mean(whole.cells_done for whole in wholes),
        )
        if any(whole.hashes != reference.hashes for whole in wholes):
            raise RuntimeError("two undisturbed benches do not agree")
        return list(pool.map(lambda number: trial(number, reference, parent, reports), range(most))), reference


def uninterrupted(surroundings: Surroundings) -> Uninterrupted:
    """The bench from start to end."""
    surroundings.folder.mkdir()
    started = time.perf_counter()
    program = Program(toy.BENCH, surroundings)
    cells_done = None
    while not program.ends_within(0.005):
        if cells_done is None and _count(surroundings.folder, "out/cells/*/cell.json") == 2:
            cells_done = time.perf_counter() - started
    seconds = time.perf_counter() - started
    if program.wait() or cells_done is None or toy.leftovers(surroundings.folder):
        raise RuntimeError(f"the bench does not work undisturbed: {surroundings.log.read_text()}")
    return Uninterrupted(surroundings.folder, toy.hashes(surroundings.folder), seconds, cells_done)


def trial(number: int, reference: Uninterrupted, parent: Path, reports: bool) -> Trial:
    """Start, kill, look, start again, compare."""
    places = _cores()
    generator = random.Random(f"{SEED} {number}")
    alone = number % 4 == 3
    while True:
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            surroundings = Surroundings(Path(folder), (places[number % len(places)],), reports=reports)
            moment = generator.uniform(0, reference.cells_done if number % 2 else reference.seconds)
            program = Program(toy.BENCH, surroundings)
            ended = program.ends_within(moment)
            if ended or not program.kill(alone=alone):  # this time it was faster
                continue
            found = aftermath(program, moment, reference)
            if found.code or not found.identical or found.leftovers:
                print(f"trial {number}, killed at {moment:.3f} s, {found.phase}: exit {found.code}", file=sys.stderr)
                print(surroundings.log.read_text(), file=sys.stderr)
            return found


def aftermath(program: Program, moment: float, reference: Uninterrupted) -> Trial:
    """What a bench was at that was killed, and what the same command makes of it."""
    surroundings = program.surroundings
    hit = phase(surroundings.folder)
    code, _ = run(toy.BENCH, surroundings)
    program.orphans_gone()
    identical = toy.hashes(surroundings.folder) == reference.hashes
    left = toy.leftovers(surroundings.folder, reference.folder)
    return Trial(moment, hit, code, identical, surroundings.epochs - toy.EPOCHS, len(left))


def phase(folder: Path) -> str:
    """What a bench was at when it stopped, by what is on disk."""
    out = folder / "out"
    if not (out / "cells.csv").is_file():
        return "starting"
    if not _count(folder, "cache/pixels/*.json"):
        return "preparing images"
    if not _count(folder, "out/networks/*/network.safetensors"):
        return "saving a checkpoint" if _count(folder, "out/networks/*/*.part") else "training"
    cells = [json.loads(file.read_text()) for file in out.glob("cells/*/cell.json")]
    if any(cell["adding"] for cell in cells):
        return "explaining"
    if len(cells) < 2:
        return "predicting"
    if not (out / "comparisons.csv").is_file():
        return "measuring"
    return "printing" if (out / ".measured").is_file() else "writing reports"


def outcome(trials: Sequence[Trial], reference: Uninterrupted, as_users_do: bool) -> Outcome:
    """Whether every bench ended, and as it should."""
    resumed = sum(trial.code == 0 for trial in trials)
    identical = sum(trial.identical for trial in trials)
    again = max(trial.again for trial in trials)
    left = sum(trial.leftovers for trial in trials)
    figure = (
        f"{resumed}/{len(trials)} resumed, {identical}/{len(trials)} with identical hashes of {len(reference.hashes)} "
        f"files, at most {again} epoch trained again, {left} files left over; "
        f"{'the same hashes' if as_users_do else 'OTHER HASHES'} where a user starts it"
    )
    passed = resumed == identical == len(trials) and again <= 1 and not left and as_users_do
    return Outcome(ROW, f"kill -9 of a bench at {len(trials)} random moments", figure, passed)


def moments(trials: Sequence[Trial]) -> Outcome:
    """What the kills hit."""
    hit = Counter(trial.phase for trial in trials)
    figure = ", ".join(f"{name} {hit[name]}" for name in PHASES)
    return Outcome(ROW, "what these kills hit", figure, sum(hit.values()) == len(trials))


def _count(folder: Path, pattern: str) -> int:
    return len(list(folder.glob(pattern)))


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))
