"""Strategies combined, written `a+b`: each acts where it acts alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from skineval.base.errors import UsageError
from skineval.base.terms import Value
from skineval.catalog.calls import CALLS
from skineval.catalog.hybrids import PLUS
from skineval.catalog.strategy import SLOTS, ImbalanceStrategy

_OF_EPOCHS = ("epoch", "epochs")


def combine(parts: Sequence[ImbalanceStrategy]) -> ImbalanceStrategy:
    """The combination of `parts`, whose names differ. Its parameters are theirs: `power` of `a` is `a.power`.

    Raises UsageError where two do the same thing, so that one would undo the other, and where one does nothing.
    """
    for part in parts:
        if not part.places:
            raise UsageError(f"{part.name} changes nothing.", "Leave it out of the combination.")
    for one, other in combinations(parts, 2):
        for slot in one.slots:
            if slot in other.slots:
                raise UsageError(
                    f"{one.name} and {other.name} both act on {SLOTS[slot][1]}.", "Bench each of them by itself."
                )
    parts = sorted(parts, key=lambda part: list(SLOTS).index(part.slots[0]))
    scaled = [part for part in parts if part.cosine_scale is not None]
    refits = [part for part in parts if part.refit is not None]
    if scaled and refits:
        raise UsageError(
            f"{refits[0].name} changes a linear head, and that of {scaled[0].name} is of cosines.",
            "Bench each of them by itself.",
        )
    return ImbalanceStrategy(
        PLUS.join(part.name for part in parts),
        "Several strategies, each where it acts alone.",
        **{name: _only(_own(part, getattr(part, name)) for part in parts) for name in CALLS[ImbalanceStrategy]},
        parameters={f"{part.name}.{key}": value for part in parts for key, value in part.parameters.items()},
        paper="; ".join(part.paper for part in parts if part.paper),
        chooses_offsets=any(part.chooses_offsets for part in parts),
        chooses_temperature=any(part.chooses_temperature for part in parts),
        estimates_prior=any(part.estimates_prior for part in parts),
        per_epoch=any(part.per_epoch for part in parts),
        cosine_scale=scaled[0].cosine_scale if scaled else None,
        balances=any(part.balances for part in parts),
        parts=tuple(parts),
    )


def own(part: ImbalanceStrategy, parameters: Mapping[str, Value]) -> dict[str, Value]:
    """Those parameters of a combination that belong to `part`, as that calls them."""
    return {key: parameters[f"{part.name}.{key}"] for key in part.parameters}


def _own(part: ImbalanceStrategy, function: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """A function of `part` as the combination calls it: with the parameters of all parts."""
    if function is None:
        return None

    def called(*given: Any, **keywords: Any) -> Any:
        unwanted = () if part.per_epoch else _OF_EPOCHS
        others = {key: value for key, value in keywords.items() if "." not in key and key not in unwanted}
        return function(*given, **others, **own(part, keywords))

    return called


def _only(functions: Iterable[Callable[..., Any] | None]) -> Callable[..., Any] | None:
    """The one that is there, if any."""
    return next((function for function in functions if function is not None), None)
