"""The search: one trial after the other, each proposed from all before it, each on disk before the next begins."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from skineval.catalog import Catalog
from skineval.data.pixels import cache_folder, open_store
from skineval.errors import CellError, Interrupted, SkinevalError, UsageError
from skineval.files import atomic_write
from skineval.grid.prepare import stamps
from skineval.grid.run import RUNS
from skineval.grid.worker import one_line
from skineval.recipe import Recipe
from skineval.runspec import derive_seed
from skineval.train.determinism import make_deterministic
from skineval.tuning.advice import Adviser
from skineval.tuning.attempt import Ground, Observer, attempt
from skineval.tuning.folder import (
    SearchFolder,
    alone_in,
    open_folder,
    read_ended,
    read_trial,
    write_about,
    write_table,
    write_trial,
)
from skineval.tuning.plan import Plan
from skineval.tuning.space import Space, applied
from skineval.tuning.trials import DONE, FAILED, RUNNING, Trial, winner


class Display(Protocol):
    """Who is shown how a search goes; see `Silent` for one that shows nothing."""

    def images(self, done: int, total: int) -> None:
        """Images decoded into the pixel store."""

    def note(self, text: str) -> None:
        """Something one should know."""

    def begin(self, trials: int, ended: int) -> None:
        """So many trials are wanted, of which `ended` were over before."""

    def trial(self, trial: Trial, epochs: int) -> None:
        """A trial begins, or goes on: at most `epochs` epochs over all of its cells."""

    def step(self, done: float) -> None:
        """Epochs of the trial that are done, with the fraction of the current one."""

    def epoch(self, best: float) -> None:
        """An epoch is over; the best validation score so far of the cell."""

    def ended(self, trial: Trial, best: Trial) -> None:
        """A trial is over, and which is now the best."""


class Silent:
    """Shows nothing."""

    def images(self, done: int, total: int) -> None: ...
    def note(self, text: str) -> None: ...
    def begin(self, trials: int, ended: int) -> None: ...
    def trial(self, trial: Trial, epochs: int) -> None: ...
    def step(self, done: float) -> None: ...
    def epoch(self, best: float) -> None: ...
    def ended(self, trial: Trial, best: Trial) -> None: ...


@dataclass(frozen=True)
class Options:
    """How a search is run."""

    trials: int = 20  #: in all, those of earlier runs included
    out: Path | None = None  #: default: a folder under runs/ that is this search's alone
    fresh: bool = False  #: discard what an earlier run left in `out`

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise UsageError(
                f"--trials is {self.trials}, which should be 1 or more.", "The first trial is the recipe's own setting."
            )


@dataclass(frozen=True, eq=False)
class Search:
    """A search as it ended."""

    folder: Path
    recipe: Recipe  #: the winning one, resolved
    space: Space
    trials: tuple[Trial, ...]  #: in their order; the first is the recipe's own setting
    system: str  #: the model and its imbalance strategy, as `model/imbalance`
    cells: int  #: networks behind every value, one for each fold and seed
    n_images: int  #: of the validation parts
    n_lesions: int
    stamps: tuple[str, ...]

    @property
    def own(self) -> Trial:
        """The recipe's own setting."""
        return self.trials[0]

    @property
    def best(self) -> Trial:
        """The trial with the best validation balanced accuracy."""
        return winner(self.trials)


def search(plan: Plan, options: Options, catalog: Catalog, display: Display) -> Search:
    """Run the trials that are missing, and write the table of all of them and the winning recipe.

    The test part is never read: networks, strategies and scores are handed rows of which none leads to it. A trial that
    fails is a row with its reason; the recipe's own setting must not fail. Raises CellError where it does, UsageError
    where the folder holds something else, and Interrupted on Ctrl-C, with everything finished on disk.
    """
    folder = open_folder(options.out or RUNS / plan.folder_name, plan, options.fresh)
    with alone_in(folder):
        write_about(folder, plan, catalog)
        trials = list(read_ended(folder))
        for trial in trials:  # one killed between its last file and this
            shutil.rmtree(folder.checkpoints(trial.number), ignore_errors=True)
        if len(trials) < options.trials:
            run_trials(trials, plan, options.trials, folder, catalog, display)
        conclude(folder, plan, trials)
    prepared = plan.prepared
    cell = prepared.cells[0]
    validation = np.unique(np.concatenate([parts.validation for parts in prepared.parts.values()]))
    return Search(
        folder=folder.path,
        recipe=winning_recipe(plan, trials),
        space=plan.space,
        trials=tuple(trials),
        system=f"{cell.model}/{cell.imbalance}",
        cells=len(prepared.cells),
        n_images=len(validation),
        n_lesions=int(prepared.table.frame["lesion_id"].iloc[validation].nunique()),
        stamps=stamps(prepared),
    )


def run_trials(
    trials: list[Trial], plan: Plan, wanted: int, folder: SearchFolder, catalog: Catalog, display: Display
) -> None:
    """Run trials until `wanted` have ended, appending them to `trials`."""
    recipe = plan.recipe
    pixels = open_store(
        plan.prepared.table,
        recipe.image_size,
        fit=recipe.fit,
        cache=cache_folder(),
        progress=display.images,
        on_wait=display.note,
    )
    for note in (*plan.prepared.table.notes, *pixels.notes, *caveats(plan)):
        display.note(note)
    display.begin(wanted, len(trials))
    with _stoppable() as should_stop, _as_in_a_bench(plan):
        ground = Ground(plan.prepared, pixels.array, catalog, should_stop)
        while len(trials) < wanted:
            trials.append(run_trial(trials, plan, ground, folder, display))
            conclude(folder, plan, trials)
            display.ended(trials[-1], winner(trials))


def run_trial(ended: Sequence[Trial], plan: Plan, ground: Ground, folder: SearchFolder, display: Display) -> Trial:
    """Run the trial that comes after those that have `ended`; it is on disk when it is returned."""
    number = len(ended)
    adviser = Adviser(plan.space, ended, derive_seed("proposal", *plan.recipe.seeds, number))
    trial = read_trial(folder, number)
    if trial is not None and trial.state != RUNNING:  # it came after one whose file was removed
        return trial
    if trial is None:
        trial = Trial(number, plan.own if number == 0 else adviser.propose())
        write_trial(folder, trial)
    cells = plan.cells(trial.parameters)
    display.trial(trial, cells[0].training.epochs * len(cells))
    observer = Observer(display.step, display.epoch, adviser.is_hopeless, ground.should_stop)
    checkpoints = folder.checkpoints(number)
    try:
        trial = attempt(trial, cells, ground, checkpoints, observer)
    except Exception as error:
        if isinstance(error, Interrupted) or (isinstance(error, SkinevalError) and not isinstance(error, CellError)):
            raise  # neither says anything of the setting
        if number == 0:
            raise CellError(
                f"The recipe's own setting cannot be trained: {one_line(error)}",
                "A search begins with it and is measured against it: correct the recipe.",
            ) from error
        trial = dataclasses.replace(trial, state=FAILED, reason=one_line(error))
    write_trial(folder, trial)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return trial


def conclude(folder: SearchFolder, plan: Plan, trials: Sequence[Trial]) -> None:
    """trials.csv and the winning recipe."""
    write_table(folder, trials, [one.key for one in plan.space])
    best = winner(trials)
    done = sum(trial.state == DONE for trial in trials)
    lines = [
        f"Trial {best.number} of `skineval tune`, the best of {done} that reached their end.",
        f"Its validation balanced accuracy is {best.score:.3f}, which is optimistic for that reason;",
        "the test part was not read.",
    ]
    atomic_write(folder.recipe, "".join(f"# {line}\n" for line in lines) + winning_recipe(plan, trials).to_toml())


def winning_recipe(plan: Plan, trials: Sequence[Trial]) -> Recipe:
    """The recipe with the setting of the best trial."""
    return applied(plan.recipe, winner(trials).parameters)


def caveats(plan: Plan) -> Iterator[str]:
    """What a user should know before the search begins."""
    if plan.prepared.split.folds > 1:
        yield (
            f"with {plan.prepared.split.folds} folds every image is in the test part of one and in the train or "
            "validation part of another: the choice will have seen them all, and only an external test, or --folds 1, "
            "judges it fairly"
        )


@contextlib.contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """Ctrl-C asks for a stop at the next step; a second one stops at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # which alone may say what a signal does
        yield asked.is_set
        return

    def ask(*_: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    previous = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, previous)


@contextlib.contextmanager
def _as_in_a_bench(plan: Plan) -> Iterator[None]:
    """The number of threads of a bench's worker, on which results depend, and its silence on standard output."""
    threads = torch.get_num_threads()
    torch.set_num_threads(plan.prepared.threads)
    if plan.recipe.deterministic and plan.prepared.device.kind == "cuda":
        make_deterministic()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        torch.set_num_threads(threads)
