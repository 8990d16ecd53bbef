"""How a search goes, on standard error: rows on a terminal, a line an epoch and a line a trial elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from skineval.cli.board import Board, Figures, Row

if TYPE_CHECKING:
    from skineval.train.fit import Step
    from skineval.tuning.trials import Trial


class Searching:
    """Shows a search on standard error; use as a context manager."""

    def __init__(self, quiet: bool) -> None:
        self._board = Board(quiet)
        self._store: Row | None = None
        self._all: Row | None = None
        self._trial: Row | None = None

    def __enter__(self) -> Searching:
        self._board.__enter__()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._board.__exit__()

    def images(self, done: int, total: int) -> None:
        """Images decoded into the pixel store."""
        if self._store is None:
            self._store = self._board.add(Row("preparing images", counted=True))
        self._store.count(done, total)

    def note(self, text: str) -> None:
        """Something one should know."""
        self._board.say(text)

    def begin(self, trials: int, ended: int) -> None:
        """Trials are about to run."""
        if self._store is not None:
            self._board.remove(self._store)
        if ended:
            self._board.say(f"{ended} of {trials} trials are over already")
        self._all = self._board.add(Row("trials", total=trials, done=ended, counted=True))

    def trial(self, trial: Trial, epochs: int) -> None:
        """A trial begins, or goes on."""
        self._trial = self._board.add(
            Row(f"trial {trial.number}", _setting(trial), total=epochs, figures=Figures(1, epochs))
        )

    def step(self, step: Step) -> None:
        """Where the trial stands."""
        self._train(step, None)

    def epoch(self, step: Step, score: float) -> None:
        """An epoch is over."""
        self._train(step, score)
        if self._trial is not None and not self._board.shown:
            self._board.say(f"{self._trial.name}: {self._trial.said()}")

    def ended(self, trial: Trial, best: Trial) -> None:
        """A trial is over."""
        if self._trial is not None:
            self._board.remove(self._trial)
            self._trial = None
        if self._all is not None:
            self._all.done += 1
            self._all.mark = f"best {best.score:.3f} (trial {best.number})"
        outcome = trial.reason or f"{trial.score:.3f}"
        colour = {"done": "green", "failed": "red"}.get(trial.state, "")
        self._board.say(f"{trial.state} trial {trial.number}: {outcome} ({_setting(trial)})", colour)

    def _train(self, step: Step, score: float | None) -> None:
        if self._trial is None or self._all is None or self._trial.total is None or self._all.total is None:
            return
        self._trial.train(step.done, step.loss, step.images_per_second, score)
        self._all.pace.at(self._all.done + min(step.done / self._trial.total, 0.999))
        self._all.left = self._all.pace.left(self._all.total)


def _setting(trial: Trial) -> str:
    return ", ".join(f"{key} {value}" for key, value in trial.parameters.items())
