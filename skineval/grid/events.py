"""What is told of a run while it runs: frozen events, for one callable that takes them all.

Those of a cell name it by its run id. A search tells the same of the cells of its trials; what it tells besides is in
`skineval.tuning.trials`. Of a worker process they come as JSON.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from skineval.base.terms import DONE
from skineval.catalog.specs import EpochEnded
from skineval.values.runspec import RunSpec

EMBEDDING = "embedding"  #: how the phases begin in which embeddings are made, or found in the cache
TRAINING = "training"  #: the phase of a cell in which there are steps and epochs


@dataclass(frozen=True)
class ImagesDecoded:
    """Of the images of a pixel store so many are decoded."""

    done: int
    total: int


@dataclass(frozen=True)
class CellsPlanned:
    """Cells are about to run."""

    cells: tuple[RunSpec, ...]
    finished: int  #: others of the bench, which were done before


@dataclass(frozen=True)
class CellBegan:
    """A cell was handed to a worker, which may have to start first."""

    run_id: str


@dataclass(frozen=True)
class PhaseBegan:
    """Something else takes its time from now on."""

    phase: str
    run_id: str = ""  #: of the cell that does it; "": the whole run does


@dataclass(frozen=True)
class StepDone:
    """Where the training of a cell stands."""

    run_id: str
    done: float  #: epochs, with the fraction of the current one
    loss: float = math.nan  #: mean of the current epoch so far; NaN where it is not known
    images_per_second: float = math.nan  #: of the current epoch so far; NaN where it is not known


@dataclass(frozen=True)
class CellFinished:
    """A cell is done, or failed; its record is on disk."""

    run_id: str
    status: str  #: "done" or "failed"
    reason: str
    lacking: str = ""  #: what could not be added to a cell that is done, and why

    @property
    def is_failure(self) -> bool:
        """Whether it, or an addition to it, failed."""
        return self.status != DONE or self.lacking != ""


@dataclass(frozen=True)
class Noted:
    """Something that one should know of the data, or of how the run goes."""

    text: str


@dataclass(frozen=True)
class Warned:
    """Something was set aside."""

    text: str


CellEvent: TypeAlias = PhaseBegan | StepDone | EpochEnded | CellFinished | Warned  #: what a worker process tells
Event: TypeAlias = ImagesDecoded | CellsPlanned | CellBegan | CellEvent | Noted
Report: TypeAlias = Callable[[Event], None]  #: who is told

_TOLD = {kind.__name__: kind for kind in (PhaseBegan, StepDone, EpochEnded, CellFinished, Warned)}


def ignore_event(event: object) -> None:
    """Tell nobody."""


def to_message(event: CellEvent) -> dict[str, Any]:
    """JSON, in which NaN stays NaN; its `kind` is the name of the event."""
    return {"kind": type(event).__name__, **asdict(event)}


def from_message(message: Mapping[str, Any]) -> CellEvent:
    """The inverse of `to_message`; raises KeyError where the message is no event."""
    fields = dict(message)
    return _TOLD[fields.pop("kind")](**fields)
