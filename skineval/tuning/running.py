"""Running the trials of a search: this is where torch is needed."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import sys
from collections.abc import Iterator, Sequence

import torch

from skineval.base.errors import CellError, Interrupted, SkinevalError, one_line
from skineval.base.interrupts import stoppable
from skineval.grid.events import Noted
from skineval.grid.opening import open_pixels
from skineval.train.cpu import use_cpu
from skineval.train.determinism import make_deterministic
from skineval.train.faults import is_poisoned
from skineval.tuning.advice import Judge, exhaustion, new_setting
from skineval.tuning.attempt import Grounds, attempt
from skineval.tuning.folder import SearchFolder, conclude, read_trial, write_trial
from skineval.tuning.plan import Plan
from skineval.tuning.trials import FAILED, RUNNING, SearchReport, Trial, TrialBegan, TrialEnded, TrialsPlanned, winner

CUBLAS = "CUBLAS_WORKSPACE_CONFIG"  #: the variable that `make_deterministic` sets


def run_trials(trials: list[Trial], plan: Plan, wanted: int, folder: SearchFolder, report: SearchReport) -> str:
    """Run trials until `wanted` have ended, appending them to `trials`; returns why there are fewer, if there are."""
    pixels = open_pixels(plan.prepared.table, plan.recipe, report)
    for note in (*plan.prepared.table.notes, *pixels.notes, *plan.prepared.remarks, plan.caveat):
        if note:
            report(Noted(note))
    report(TrialsPlanned(wanted, len(trials)))
    with stoppable() as should_stop, _as_in_a_bench(plan):
        grounds = Grounds(plan.prepared, pixels.array, should_stop)
        while len(trials) < wanted:
            trial = next_trial(trials, plan, folder)
            if trial is None:
                return exhaustion(plan, trials)
            trials.append(run_trial(trial, trials, plan, grounds, folder, report))
            conclude(folder, plan, trials)
            report(TrialEnded(trials[-1], winner(trials)))
    return ""


def next_trial(ended: Sequence[Trial], plan: Plan, folder: SearchFolder) -> Trial | None:
    """The trial that comes after those that have `ended`, which is on disk; None where there is nothing left to try."""
    number = len(ended)
    trial = read_trial(folder, number)
    if trial is None:
        setting = new_setting(plan, ended) if ended else plan.own
        if setting is None:
            return None
        trial = Trial(number, setting)
        write_trial(folder, trial)
    return trial


def run_trial(
    trial: Trial, ended: Sequence[Trial], plan: Plan, grounds: Grounds, folder: SearchFolder, report: SearchReport
) -> Trial:
    """Run a trial after those that have `ended`; how it ended is on disk when it is returned.

    Raises CellError where it is the recipe's own setting that fails, SkinevalError where a GPU does, and what says
    nothing of the setting.
    """
    if trial.state != RUNNING:  # it came after one whose file was removed
        return trial
    number = trial.number
    cells = plan.cells(trial.parameters)
    report(TrialBegan(trial, cells))
    checkpoints = folder.checkpoints(number)
    try:
        trial = attempt(trial, cells, grounds, checkpoints, Judge(ended).is_hopeless, report)
    except (Exception, SystemExit) as error:
        if is_poisoned(error):
            raise SkinevalError(
                f"The GPU failed in trial {number}, and in this process it computes nothing more: {one_line(error)}",
                "Run the same command again: it goes on from the last epoch.",
            ) from error
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


@contextlib.contextmanager
def _as_in_a_bench(plan: Plan) -> Iterator[None]:
    """The threads and algorithms of a bench's worker, on which results depend, and its silence on standard output.

    The process may be somebody's notebook: all is given back.
    """
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warns_only = torch.is_deterministic_algorithms_warn_only_enabled()
    workspace = os.environ.get(CUBLAS)
    use_cpu(plan.prepared.threads)
    try:
        if plan.recipe.deterministic and plan.prepared.device.kind == "cuda":
            make_deterministic()
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic, warn_only=warns_only)
        if workspace is None:
            os.environ.pop(CUBLAS, None)
        else:
            os.environ[CUBLAS] = workspace
