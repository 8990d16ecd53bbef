"""Head and tail: the classes that a data set is full of, and those of which it has few images."""

from __future__ import annotations

from collections.abc import Sequence

HEAD_RECALL, TAIL_RECALL = "head_recall", "tail_recall"  #: mean recalls over the classes of each side, in results.csv
#: What the sides are, for readers.
OF_SIDES = (
    "Tail classes have fewer train images than the geometric mean of the largest and the smallest class. "
    "Head classes are the others"
)


def sides(classes: Sequence[str], counts: Sequence[int]) -> dict[str, tuple[str, ...]]:
    """The classes of head and tail, by the name of their mean recall; `counts` are the train images of each class.

    See `OF_SIDES`. A class without a train image is in the tail, and not the smallest. Where all that have some are
    equally large, there are no sides.
    """
    there = [n for n in counts if n]
    squared_mean = max(there, default=0) * min(there, default=0)
    if max(there, default=0) == min(there, default=0):
        return {}
    tail = tuple(name for name, n in zip(classes, counts, strict=True) if n**2 < squared_mean)
    head = tuple(name for name in classes if name not in tail)
    return {HEAD_RECALL: head, TAIL_RECALL: tail}
