"""What became of one injected fault."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """One line of the table that `python -m benchmarks.reliability` prints."""

    row: int  #: of the list of faults
    fault: str  #: what was injected
    figure: str  #: what was counted or measured
    passed: bool  #: whether the promise held
