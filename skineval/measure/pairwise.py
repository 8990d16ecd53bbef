"""Every two of several systems against each other, and which of them cannot be told apart."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from skineval.catalog.specs import Metric
from skineval.measure.comparisons import differences, holm
from skineval.measure.intervals import REPLICATES
from skineval.measure.replicates import Kept
from skineval.values.measures import Difference
from skineval.values.predictions import Predictions


def pairwise(
    systems: Mapping[str, Sequence[Predictions]],
    metric: Metric,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    kept: Kept | None = None,
) -> list[Difference]:
    """The difference of every two systems, the one that comes first minus the other, in the order of `systems`.

    Holm's correction is over all of these: S (S - 1) / 2 comparisons, where `against_best` has S - 1. What `kept` holds
    of other comparisons of the same metric is not made again. Raises what `differences` raises.
    """
    kept = kept or Kept()
    found = [
        replace(difference, a=a, b=b)
        for a, b in combinations(systems, 2)
        for difference in differences(systems[a], systems[b], [metric], replicates=replicates, seed=seed, kept=kept)
    ]
    corrected = holm([one.p for one in found])
    return [replace(one, p_holm=float(p)) for one, p in zip(found, corrected, strict=True)]


def alike(names: Sequence[str], pairs: Collection[Difference]) -> list[tuple[str, ...]]:
    """The groups of two systems or more of which no two can be told apart, and to which no further one can be added.

    Of `names`, whose order groups and their members have; `pairs` holds the difference of every two. A system may be in
    several groups: that two cannot be told apart from a third does not make them alike. So a group is not all that
    stands between its ends, as where one critical difference holds for all pairs (Demšar, Journal of Machine Learning
    Research 7:1, 2006). These are the maximal cliques of a graph, found after Bron and Kerbosch (Communications of the
    ACM 16:575, 1973); of n systems there are 3^(n/3) at most.
    """
    joined: dict[str, set[str]] = {name: set() for name in names}
    for one in pairs:
        if not one.is_certain:
            joined[one.a].add(one.b)
            joined[one.b].add(one.a)
    place = {name: at for at, name in enumerate(names)}
    found = (sorted(group, key=place.__getitem__) for group in _cliques(joined, set(), set(names), set()))
    return sorted(
        (tuple(group) for group in found if len(group) > 1), key=lambda group: [place[name] for name in group]
    )


def _cliques(joined: Mapping[str, set[str]], group: set[str], open_: set[str], done: set[str]) -> Iterator[set[str]]:
    """The largest groups that hold `group`, some of what is `open_`, and nothing of what is `done`."""
    if not open_ and not done:
        yield group
    while open_:
        name = open_.pop()
        yield from _cliques(joined, group | {name}, open_ & joined[name], done & joined[name])
        done = done | {name}
