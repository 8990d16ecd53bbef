"""What all figures of a bench share: its systems in one order, and one look for each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skineval.report.bench.leaderboard import Leaderboard, internal
from skineval.report.bench.systems import System, ranked
from skineval.report.figures import style
from skineval.report.figures.style import Look
from skineval.values.result import BenchResult
from skineval.values.task import Task


@dataclass(frozen=True, eq=False)
class Scene:
    """A bench as its figures see it."""

    board: Leaderboard
    systems: Sequence[System]  #: with their predictions, the best first
    looks: Mapping[str, Look]  #: of all systems, the same in every figure
    task: Task

    @property
    def not_ranked(self) -> str:
        """What grey names mean, for a caption; empty where there is none."""
        return " Grey: not ranked, for want of a fold that others have." if self.board.unranked else ""


def scene_of(bench: BenchResult) -> Scene:
    """All that the figures of `bench` need."""
    board = internal(bench)
    systems = ranked(bench, board)
    looks = style.looks(list(dict.fromkeys([*board.systems, *(system.name for system in systems)])))
    return Scene(board, systems, looks, bench.task)


def grid(n: int, columns: int) -> tuple[int, int]:
    """Lines and columns for `n` panels of which at most `columns` stand side by side."""
    return math.ceil(n / min(n, columns)), min(n, columns)
