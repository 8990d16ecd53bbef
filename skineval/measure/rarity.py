"""Head and tail: which classes a data set is full of, and of which it has few images."""

from __future__ import annotations

from collections.abc import Sequence

HEAD_RECALL, TAIL_RECALL = "head_recall", "tail_recall"  #: mean recalls over the classes of each side, in results.csv
#: What the sides are, for readers.
OF_SIDES = (
    "Tail classes have fewer train images than the geometric mean of the largest and the smallest class, so that they "
    "are nearer to the smallest, as a multiple; head classes are the others."
)


def in_tail(counts: Sequence[int]) -> tuple[bool, ...]:
    """Whether each class, of which there are `counts` train images, belongs to the tail; see `OF_SIDES`.

    A class without a train image does, and is not the smallest. Where all classes are equally large, none does.
    """
    there = [n for n in counts if n]
    middle_squared = max(there, default=0) * min(there, default=0)
    return tuple(n**2 < middle_squared for n in counts)
