"""A bench as Python shows it: in a few lines, and in a notebook as its main tables."""

from __future__ import annotations

from dataclasses import dataclass

from skineval.base.terms import PRIMARY
from skineval.report.bench.bench import comparisons
from skineval.report.bench.leaderboard import internal
from skineval.report.document import formatting
from skineval.report.document.notebook import fragments
from skineval.values.result import BenchResult


@dataclass(frozen=True, eq=False, repr=False)
class ShownBench(BenchResult):
    """A bench that says in a few lines what it is, and that a notebook shows as its main tables."""

    def __repr__(self) -> str:
        done = f"{len(self.finished)} of {formatting.plural(len(self.cells), 'cell')} done"
        board = internal(self)
        figures = board.figures(PRIMARY)
        first = [
            f"{system} is first, with a balanced accuracy of {formatting.format_estimate(figures[system])}"
            for system in board.ranked[:1]
        ]
        stamps = [formatting.stamp_word(stamp) for stamp in self.warnings]
        return formatting.plain(f"<BenchResult {self.folder}: {'; '.join([done, *first, *stamps])}>")

    def _repr_html_(self) -> str:
        return fragments(comparisons(self))
