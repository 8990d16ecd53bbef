"""How a search goes, on standard error: bars on a terminal, a line a trial elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Remaining
from rich.text import Text

from skineval.cli.output import is_terminal

if TYPE_CHECKING:
    from skineval.tuning.trials import Trial


class Searching:
    """Shows a search on standard error; use as a context manager."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            Remaining(compact=True),
            console=Console(stderr=True, highlight=False),
            disable=quiet or not is_terminal(),
        )
        self._store: TaskID | None = None
        self._all: TaskID | None = None
        self._trial: TaskID | None = None

    def __enter__(self) -> Searching:
        self._progress.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._progress.stop()

    def images(self, done: int, total: int) -> None:
        """Images decoded into the pixel store."""
        if self._store is None:
            self._store = self._progress.add_task("preparing images", total=total, note="")
        self._progress.update(self._store, completed=done, total=total)

    def note(self, text: str) -> None:
        """Something one should know."""
        self._say(text)

    def begin(self, trials: int, ended: int) -> None:
        """Trials are about to run."""
        if ended:
            self._say(f"{ended} of {trials} trials are over already")
        self._all = self._progress.add_task("trials", total=trials, completed=ended, note="")

    def trial(self, trial: Trial, epochs: int) -> None:
        """A trial begins, or goes on."""
        self._trial = self._progress.add_task(f"trial {trial.number}", total=epochs, note=_setting(trial))

    def step(self, done: float) -> None:
        """Epochs of the trial that are done."""
        if self._trial is not None:
            self._progress.update(self._trial, completed=int(done))

    def epoch(self, best: float) -> None:
        """An epoch is over."""
        if self._trial is not None:
            self._progress.update(self._trial, note=f"validation balanced accuracy {best:.3f}")

    def ended(self, trial: Trial, best: Trial) -> None:
        """A trial is over."""
        if self._trial is not None:
            self._progress.remove_task(self._trial)
            self._trial = None
        if self._all is not None:
            self._progress.update(self._all, advance=1, note=f"best {best.score:.3f} (trial {best.number})")
        outcome = trial.reason or f"{trial.score:.3f}"
        colour = {"done": "green", "failed": "red"}.get(trial.state, "")
        self._say(f"{trial.state} trial {trial.number}: {outcome} ({_setting(trial)})", colour)

    def _say(self, text: str, style: str = "") -> None:
        if not self._quiet:
            self._progress.console.print(Text(text, style=style), soft_wrap=True)


def _setting(trial: Trial) -> str:
    return ", ".join(f"{key} {value}" for key, value in trial.parameters.items())
