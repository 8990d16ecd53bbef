"""Who is shown how a search goes."""

from __future__ import annotations

from typing import Protocol

from skineval.tuning.trials import Trial


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
