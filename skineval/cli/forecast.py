"""How long it will take: one training, judged by its own epochs, and all cells, judged by those that are known."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skineval.values.runspec import RunSpec

now = time.monotonic  #: seconds by a clock that is never set back


@dataclass(eq=False)
class Pace:
    """How fast one training, or anything else that is counted, goes."""

    _began: tuple[float, float] | None = None  # when, with how much done
    _at: tuple[float, float] = (0.0, 0.0)
    _whole: float | None = None  # when the current epoch began
    _epochs: list[float] = field(default_factory=list)  # seconds of those that were seen from their begin to their end

    def at(self, done: float) -> None:
        """So many epochs are done now."""
        moment = now()
        if self._began is None or done < self._at[1]:  # or it went back to an earlier epoch
            self._began = (moment, done)
            self._whole = moment if float(done).is_integer() else None
        elif int(done) > int(self._at[1]):
            if self._whole is not None and int(done) == int(self._at[1]) + 1:
                self._epochs.append(moment - self._whole)
            self._whole = moment
        self._at = (moment, done)

    def left(self, total: float) -> float:
        """Seconds until `total` are done, from the median epoch, the first left out where there are others.

        Within the first one it goes by the part of it that is done; NaN before there is any.
        """
        if self._epochs:
            epoch = statistics.median(self._epochs[1:] or self._epochs)
        elif self._began and self._at[1] > self._began[1]:
            epoch = (self._at[0] - self._began[0]) / (self._at[1] - self._began[1])
        else:
            return math.nan
        return max(total - self._at[1], 0.0) * epoch


class Forecast:
    """How long all cells of a bench will take."""

    def __init__(self, cells: Sequence[RunSpec]) -> None:
        self._waiting = {cell.run_id: cell for cell in cells}
        self._running: dict[str, tuple[RunSpec, float]] = {}
        self._known: dict[tuple[str, bool], list[float]] = {}  # seconds of cells that have ended
        self._jobs = 1
        first = {cell.network_id: cell.run_id for cell in reversed(cells)}
        self._sharing = {cell.run_id for cell in cells}.difference(
            first.values()
        )  # whose network an earlier one trains

    def started(self, cell: RunSpec) -> None:
        """A cell begins to run."""
        self._waiting.pop(cell.run_id, None)
        self._running[cell.run_id] = (cell, now())
        self._jobs = max(self._jobs, len(self._running))

    def ended(self, cell: RunSpec, done: bool = True) -> float:
        """A cell runs no longer; seconds that it did. Of one that failed nothing is learnt."""
        _, began = self._running.pop(cell.run_id, (cell, now()))
        seconds = now() - began
        if done:
            self._known.setdefault(self._kind(cell), []).append(seconds)
        return seconds

    def left(self, running: Mapping[str, float]) -> float:
        """Seconds until all cells have ended; NaN as long as nothing is known of a cell.

        `running` are the seconds that cells which run still have, by run id, NaN where these are not known. Such a
        cell, and one that waits, will take as long as the median one of its model, or as the mean one where there is
        none; that of a strategy which finds its network trained takes a share of that, until one of them has ended.
        """
        from skineval.grid.plan import HEAD_SHARE  # which imports pydantic

        known = {kind: list(seconds) for kind, seconds in self._known.items()}
        for run_id, seconds in running.items():
            cell, began = self._running[run_id]
            if math.isfinite(seconds):
                known.setdefault(self._kind(cell), []).append(now() - began + seconds)
        typical = {kind: statistics.median(seconds) for kind, seconds in known.items()}
        networks = [seconds for (_, shares), seconds in typical.items() if not shares]
        other = statistics.fmean(networks) if networks else math.nan

        def expected(cell: RunSpec) -> float:
            model, shares = self._kind(cell)
            network = typical.get((model, False), other)
            return typical.get((model, True), HEAD_SHARE * network) if shares else network

        busy = []
        for run_id, (cell, began) in self._running.items():
            seconds = running.get(run_id, math.nan)
            busy.append(seconds if math.isfinite(seconds) else max(expected(cell) - (now() - began), 0.0))
        return max([(sum(busy) + sum(map(expected, self._waiting.values()))) / self._jobs, *busy])

    def _kind(self, cell: RunSpec) -> tuple[str, bool]:
        return str(cell.model), cell.run_id in self._sharing
