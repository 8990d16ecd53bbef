"""The trials of a search as values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from skineval.base.terms import Value
from skineval.grid.events import Event
from skineval.values.runspec import RunSpec

State: TypeAlias = Literal["running", "done", "pruned", "failed"]
RUNNING: State = "running"
DONE: State = "done"
PRUNED: State = "pruned"  #: given up before its end
FAILED: State = "failed"


@dataclass(frozen=True)
class Trial:
    """One setting and what came of it."""

    number: int  #: from 0, which is the recipe's own setting
    parameters: Mapping[str, Value]
    state: State = RUNNING
    value: float | None = None  #: validation balanced accuracy; the best so far where it was pruned
    curve: tuple[float, ...] = ()  #: see `skineval.tuning.attempt`; what pruning goes by
    epochs: int = 0  #: trained, over all cells
    seconds: float = 0.0  #: spent in epochs, over all interruptions
    reason: str = ""  #: why it failed

    @property
    def score(self) -> float:
        """The value, NaN where there is none."""
        return math.nan if self.value is None else self.value


@dataclass(frozen=True)
class TrialsPlanned:
    """So many trials are wanted."""

    wanted: int
    ended: int  #: of which so many were over before


@dataclass(frozen=True)
class TrialBegan:
    """A trial begins, or goes on."""

    trial: Trial
    cells: tuple[RunSpec, ...]  #: which are trained one after the other


@dataclass(frozen=True)
class TrialEnded:
    """A trial is over."""

    trial: Trial
    best: Trial  #: of all that are over


SearchEvent: TypeAlias = Event | TrialsPlanned | TrialBegan | TrialEnded
SearchReport: TypeAlias = Callable[[SearchEvent], None]  #: who is told how a search goes


def winner(trials: Sequence[Trial]) -> Trial:
    """The best of the trials that reached their end; of equal ones the first, so that the recipe's own wins a tie."""
    return max((trial for trial in trials if trial.state == DONE), key=lambda trial: (trial.score, -trial.number))
