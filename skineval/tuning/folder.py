"""The folder of a search: every trial is a file of its own, so that an interruption loses none and doubles none."""

from __future__ import annotations

import contextlib
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout

from skineval.base.codec import read_json, write_json
from skineval.base.errors import DataError, UsageError
from skineval.base.files import atomic_write
from skineval.base.places import File, Folder
from skineval.grid.prepare import environment
from skineval.grid.tables import write_frame
from skineval.tuning.plan import Plan
from skineval.tuning.space import changed, described
from skineval.tuning.trials import DONE, RUNNING, Trial, winner
from skineval.values.environment import Environment
from skineval.values.keys import ANY, KEYS
from skineval.values.recipe import make_recipe

_OF_A_BENCH = ("environment.json", "cells")  #: what a bench leaves in its folder, and a search does not


@dataclass(frozen=True)
class About:
    """search.json: what is searched, and in which environment."""

    recipe: Mapping[str, object]
    space: Mapping[str, Mapping[str, object]]  #: as `described` gives it
    cells: tuple[str, ...]  #: run ids of the recipe's own setting
    environment: Environment


@dataclass(frozen=True)
class SearchFolder(Folder):
    """The folder of a search."""

    about = File("search.json")  #: what is searched: the recipe, the space, the cells
    table = File("trials.csv")  #: every trial that has ended, one row each
    recipe = File("recipe.toml")  #: the winning recipe, which `skineval bench` takes
    plot = File("search.svg")  #: the search as a picture
    lock = File(".lock")  #: held by the process that searches

    def trial(self, number: int) -> Path:
        """The file of one trial."""
        return self.path / "trials" / f"{number:04d}.json"

    def checkpoints(self, number: int) -> Path:
        """Where a trial that has not ended stands; gone when it has."""
        return self.path / "trials" / f"{number:04d}"


def write_trial(folder: SearchFolder, trial: Trial) -> None:
    """Write the file of one trial."""
    write_json(folder.trial(trial.number), trial)


def read_trial(folder: SearchFolder, number: int) -> Trial | None:
    """The trial with that number, None where there is none yet; raises DataError for a file that is damaged."""
    path = folder.trial(number)
    if not path.is_file():
        return None
    hint = "Remove it: the trial is then run again."
    trial = read_json(Trial, path, hint)
    if trial.number != number:
        raise DataError(f"{path} is not trial {number}.", hint)
    return trial


def read_ended(folder: SearchFolder) -> tuple[Trial, ...]:
    """The trials that have ended: those before the first that is missing or still running."""
    ended: list[Trial] = []
    while (trial := read_trial(folder, len(ended))) is not None and trial.state != RUNNING:
        ended.append(trial)
    return tuple(ended)


def conclude(folder: SearchFolder, plan: Plan, trials: Sequence[Trial]) -> None:
    """trials.csv, with one row a trial that has ended and a column for each key that varies, and the winning recipe."""
    keys = [one.key for one in plan.space]
    rows = [
        (one.number, one.state, one.value, one.seconds, one.epochs, *(one.parameters[key] for key in keys), one.reason)
        for one in trials
    ]
    columns = ["number", "state", "value", "seconds", "epochs_trained", *keys, "reason"]
    write_frame(folder.table, pd.DataFrame(rows, columns=columns))
    best = winner(trials)
    done = sum(trial.state == DONE for trial in trials)
    stamps = plan.prepared.stamps
    marks = f" [{'; '.join(stamps)}]" if stamps else ""
    text = (
        f"Trial {best.number} of `skineval tune`{marks}, the best of {done} that reached their end. "
        f"Its validation balanced accuracy is {best.score:.3f}, which is optimistic for that reason. "
        + (plan.caveat or "The test part was not read.")
    )
    lines = textwrap.wrap(text, 98, break_on_hyphens=False)
    atomic_write(folder.recipe, "".join(f"# {line}\n" for line in lines) + plan.with_values(best.parameters).to_toml())


@contextlib.contextmanager
def open_folder(path: Path, plan: Plan, fresh: bool) -> Iterator[SearchFolder]:
    """The folder of this search, with other processes kept out; emptied first where it is to be `fresh`.

    Raises UsageError where it holds anything but a search, or another one, naming the keys that differ, and where
    another process is in.
    """
    folder = SearchFolder(path)
    _check(folder)  # before a lock is put there
    with _alone_in(folder):
        _check(folder)
        if fresh:
            _empty(folder)
        if folder.about.is_file():
            about = read_json(About, folder.about, "Use --fresh.", extra="ignore")
            differences = list(_differences(plan, about, folder))
            if differences:
                raise UsageError(
                    f"{path} holds the search of another recipe: {'; '.join(differences)}.",
                    "Use another --out, or --fresh to discard what is there.",
                )
        yield folder


def write_about(folder: SearchFolder, plan: Plan) -> None:
    """search.json: what is searched, and in which environment."""
    found = environment(plan.prepared)
    about = About(
        recipe=plan.recipe.model_dump(mode="json", exclude_none=True),
        space=described(plan.space),
        cells=tuple(cell.run_id for cell in plan.prepared.cells),
        environment=replace(found, versions={**found.versions, "optuna": version("optuna")}),
    )
    write_json(folder.about, about)


def _check(folder: SearchFolder) -> None:
    """Raise UsageError unless the path of a folder is free, or that of a search."""
    path = folder.path
    if path.exists() and not path.is_dir():
        raise UsageError(f"--out is {path}, which is a file.", "Use a new or an empty folder.")
    if folder.about.is_file() or not path.is_dir():
        return
    if any(not file.name.startswith(".") for file in path.iterdir()):  # as the lock does
        raise UsageError(f"--out is {path}, a folder that holds something else.", "Use a new or an empty folder.")


def _empty(folder: SearchFolder) -> None:
    """Delete a search, but for the lock, which is held; raises UsageError where a bench is in the same folder."""
    if not folder.about.is_file():  # only what is a search is ever deleted
        return
    if any((folder.path / name).exists() for name in _OF_A_BENCH):
        raise UsageError(
            f"{folder.path} holds a bench as well as a search, and --fresh would discard both.",
            "Use another --out, or move the bench elsewhere.",
        )
    # What says that it is a search goes last: if this is cut off, it is one that lacks trials.
    for file in sorted(folder.path.iterdir(), key=lambda file: file == folder.about):
        if file == folder.lock:
            continue
        if file.is_dir() and not file.is_symlink():
            shutil.rmtree(file)
        else:
            file.unlink()


@contextlib.contextmanager
def _alone_in(folder: SearchFolder) -> Iterator[None]:
    """Keep other processes out; raises UsageError where one is in."""
    folder.path.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder.lock, timeout=0):
            yield
    except Timeout:
        raise UsageError(
            f"Another process is searching in {folder.path}.", "Wait for it, or use another --out."
        ) from None


def _differences(plan: Plan, about: About, folder: SearchFolder) -> Iterator[str]:
    """What this search and that of `about` do not share, of all that can change a trial."""
    there = make_recipe(about.recipe, str(folder.about))
    keys = [key for key in plan.recipe.differences(there) if KEYS[key].keeps != ANY]
    for key in keys:
        yield f"{key} is {getattr(there, key)!r} there, {getattr(plan.recipe, key)!r} here"
    for key in changed(plan.space, about.space):
        here = next((str(one) for one in plan.space if one.key == key), "not searched")
        yield (
            f"{key} is searched otherwise there, and here: {here}"
            if key in about.space
            else f"{key} is not searched there"
        )
    if not keys and about.cells != tuple(cell.run_id for cell in plan.prepared.cells):
        yield "the data, the split, a package or the precision has changed since"
