"""Who is shown how a search goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from skineval.tuning.trials import Trial

if TYPE_CHECKING:
    from skineval.train.fit import Step  # which imports torch


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

    def step(self, step: Step) -> None:
        """Where the trial stands, its cells counted as one training."""

    def epoch(self, step: Step, score: float) -> None:
        """An epoch is over, with this loss, rate and validation score."""

    def ended(self, trial: Trial, best: Trial) -> None:
        """A trial is over, and which is now the best."""


class Silent:
    """Shows nothing."""

    def images(self, done: int, total: int) -> None: ...
    def note(self, text: str) -> None: ...
    def begin(self, trials: int, ended: int) -> None: ...
    def trial(self, trial: Trial, epochs: int) -> None: ...
    def step(self, step: Step) -> None: ...
    def epoch(self, step: Step, score: float) -> None: ...
    def ended(self, trial: Trial, best: Trial) -> None: ...
