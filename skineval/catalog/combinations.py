"""Strategies combined, written `a+b`: each acts where it acts alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from skineval.base.errors import UsageError
from skineval.base.terms import VALIDATION, Value
from skineval.catalog.calls import CALLS
from skineval.catalog.hybrids import PLUS
from skineval.catalog.strategy import SLOTS, ImbalanceStrategy

_OF_EPOCHS = ("epoch", "epochs")
_SHIFTING = frozenset(("loss", "draws", "mixing", "head"))  #: slots that may change what a network expects of a class


def combine(parts: Sequence[ImbalanceStrategy]) -> ImbalanceStrategy:
    """The combination of `parts`, whose names differ. Its parameters are theirs: `power` of `a` is `a.power`.

    Raises UsageError where two do the same thing, so that one would undo the other, where one does nothing, and where
    one needs to know what another changes.
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
    estimating = [part for part in parts if part.estimates_prior]
    shifting = [part for part in parts if _SHIFTING.intersection(part.slots)]
    if estimating and shifting:
        raise UsageError(
            f"{estimating[0].name} starts from the class shares that the network goes by, which are those of the train "
            f"part no more once {shifting[0].name} has acted on {SLOTS[shifting[0].slots[0]][1]}.",
            "Bench each of them by itself.",
        )
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
        balances_unless={},  # which only parts are asked
        heeds=False,
        parts=tuple(parts),
    )


def own(part: ImbalanceStrategy, parameters: Mapping[str, Value]) -> dict[str, Value]:
    """Those parameters of a combination that belong to `part`, as that calls them."""
    return {key: parameters[f"{part.name}.{key}"] for key in part.parameters}


def overdone(combined: ImbalanceStrategy, parameters: Mapping[str, Value], *, on_probe: bool) -> tuple[str, ...]:
    """Which parts of a combination, two or more, make up for class frequencies without regard to each other.

    `on_probe`: of which the head is fitted once, by all of them.
    """
    names: list[str] = []
    for part in combined.parts:
        given = own(part, parameters)
        chosen = part.chooses_offsets or VALIDATION in given.values()
        if part.heeds or chosen or (part.fits_head and not on_probe):
            names = []  # what those before it made up for is forgotten, or taken into account
        if part.balances and not any(given[key] == off for key, off in part.balances_unless.items()):
            names.append(part.name)
    return tuple(names) if len(names) > 1 else ()


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
