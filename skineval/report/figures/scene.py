"""What all figures of a bench share: its systems in one order, and one look for each."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skineval.report.bench import rows
from skineval.report.bench.rows import Score, Unranked
from skineval.report.bench.systems import System, ranked, unranked
from skineval.report.figures import style
from skineval.report.figures.style import FOLDER, Look
from skineval.values.result import BenchResult


@dataclass(frozen=True, eq=False)
class Scene:
    """A bench as its figures see it."""

    systems: Sequence[System]  #: with their predictions, the best first
    names: Sequence[str]  #: of all systems that have scores, in the order of the tables
    scores: Sequence[Score]
    beside: Unranked  #: those whose figures cannot be set beside the others'
    looks: Mapping[str, Look]  #: the same in every figure
    classes: Sequence[str]
    stamps: Sequence[str]
    lesions_known: bool

    @property
    def not_ranked(self) -> str:
        """What grey names mean, for a caption; empty where there is none."""
        return " Grey: not ranked, for want of a fold that others have." if self.beside else ""


def scene_of(bench: BenchResult) -> Scene:
    """All that the figures of `bench` need."""
    systems, scores, beside = ranked(bench), rows.scores(bench.results), unranked(bench)
    names = rows.ranking(scores, beside)
    looks = style.looks(list(dict.fromkeys([*names, *(system.name for system in systems)])))
    return Scene(systems, names, scores, beside, looks, bench.classes, bench.warnings, bench.lesions_known)


def grid(n: int, columns: int) -> tuple[int, int]:
    """Lines and columns for `n` panels of which at most `columns` stand side by side."""
    return math.ceil(n / min(n, columns)), min(n, columns)


def file_of(noun: str, system: str = "") -> str:
    """Where a figure lies; a hash keeps apart names that differ only in what a file name cannot hold."""
    if not system:
        return f"{FOLDER}/{noun}.svg"
    digest = hashlib.sha256(system.encode()).hexdigest()[:6]
    return f"{FOLDER}/{noun}-{re.sub(r'[^a-z0-9._]+', '-', system.lower()).strip('-.')[:60]}-{digest}.svg"
