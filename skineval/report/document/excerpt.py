"""Which classes are shown where there are more than a reader can take in; all tables and figures show the same ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan, nan

from skineval.report.document import formatting
from skineval.report.document.tables import Table

MOST = 12  #: classes of which all are shown
FREQUENT, WORST = 6, 5  #: of more of them, how many are shown for what; one more is that of all others


@dataclass(frozen=True)
class Shown:
    """The classes that are shown: all in their order, or the most frequent, and then the worst of the others."""

    classes: tuple[str, ...]
    everything: tuple[str, ...]  #: all there are, in their order
    why: str = ""  #: what those that are shown have in common; empty where all are

    @property
    def others(self) -> tuple[str, ...]:
        """The classes that are not shown, in their order."""
        return tuple(name for name in self.everything if name not in self.classes)

    @property
    def words(self) -> str:
        """Which classes these are, and how many are left; empty where all are shown."""
        if not self.others:
            return ""
        return f"Of {len(self.everything)} classes, shown are {self.why}; the other {len(self.others)} are left out."


def shown_classes(counts: Mapping[str, int], values: Mapping[str, float], worst: str) -> Shown:
    """Which of the classes of `counts` (images of each, in their order) are shown.

    `values` are low where a class is worst, NaN where nothing is known of it; `worst` says of what they are. Of those
    that are alike, the one with more images is worse.
    """
    everything = tuple(counts)
    if len(everything) <= MOST:
        return Shown(everything, everything)
    by_count = sorted(everything, key=lambda name: -counts[name])
    known = [name for name in by_count[FREQUENT:] if not isnan(values.get(name, nan))]
    found = sorted(known, key=values.__getitem__)[:WORST]
    why = f"the {FREQUENT} with the most images" + (f" and the {len(found)} others with {worst}" if found else "")
    return Shown((*by_count[:FREQUENT], *found), everything, why)


def excerpt(make: Callable[[Sequence[str]], Table], shown: Shown, where: str) -> Table:
    """The table of the classes that are shown; that of all stands behind it, and `where` else a reader finds it."""
    if not shown.others:
        return make(shown.everything)
    table = make(shown.classes)
    return replace(table, footnotes=(f"{shown.words} {where}", *table.footnotes), whole=make(shown.everything))


def listed(names: Sequence[str], noun: str) -> str:
    """`a, b and c`; of many the first, and how many more."""
    few = names if len(names) <= MOST else [*names[:FREQUENT], f"{len(names) - FREQUENT} further {noun}"]
    return formatting.listed(few)
