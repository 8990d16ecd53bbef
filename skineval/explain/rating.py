"""Maps of many images, scored, beside those of what knows nothing of what a network learnt."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skineval.base.errors import NoMapError
from skineval.base.terms import Progress
from skineval.explain import faithfulness, sanity, scores, stability
from skineval.explain.asked import Asked, Batch, gaussian_noise
from skineval.explain.ledger import Ledger
from skineval.explain.panels import Explaining
from skineval.explain.scores import CENTRE, NOISE, SCORES, UNIFORM, Maps, Scores

OUTLINES, FAITHFULNESS, SANITY, STABILITY = "outlines", "faithfulness", "sanity", "stability"
#: The scores of each group, by the names of their columns.
GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        OUTLINES: tuple(SCORES),
        FAITHFULNESS: ("deletion", "insertion", "road"),
        SANITY: ("complexity_rise", "random_logit"),
        STABILITY: ("mirrored", "noisy"),
    }
)
UNTRAINED = "untrained"  #: what is added to the name of an explainer that is asked of an untrained network

_COMPLEXITY = "complexity"  # of maps, whose rise is a score
#: Of the noise that is a map, and decides ties; of noise in images; of classes.
_SEED, _SEED_IMAGES, _SEED_CLASSES = 0, 1, 2

#: maps (n, T, S, S): of the class that is asked about, and of another one where they were made along -> scores (n,)
Measure: TypeAlias = Callable[[Batch, Maps], Mapping[str, Scores]]
#: pixels (n, 3, S, S), classes (n,) or (n, T) -> maps (n, S, S) or (n, T, S, S)
Ask: TypeAlias = Callable[[Tensor, Tensor], Maps]


@dataclass(frozen=True, eq=False)
class Rated:
    """Scores of one way to make maps."""

    name: str
    scores: Mapping[str, NDArray[np.float64]]  #: by their columns, (N,) of each test image
    seconds: Mapping[str, float]  #: that each group took, and "" to make the maps
    of: str = ""  #: the explainer that it is a control of
    is_control: bool = False
    silence: str = ""  #: why it has no map of any image; its scores are NaN then
    class_blind: bool = False  #: its maps are the same whatever the class


def rate(
    asked: Asked,
    explainers: list[Explaining],
    untrained: nn.Module,
    groups: Collection[str],
    progress: Progress,
    ledger: Ledger,
) -> Iterator[Rated]:
    """Scores of each explainer, of the same asked of an `untrained` network, and of maps that have seen no network.

    `groups` are those of `GROUPS` that are asked for; without masks there are no `OUTLINES`. The untrained network is
    asked about the same classes; how faithful its maps are is asked of the trained one. Controls have no scores of
    sanity and stability. An explainer that has no map of such a network says why. What stands in `ledger` is not asked
    again. Raises Interrupted if the user asked to stop, DiskError where the ledger cannot be written.
    """
    rated = partial(_rated, asked, progress, ledger)
    of_maps: dict[str, Measure] = {}
    if OUTLINES in groups and asked.masks is not None:
        of_maps[OUTLINES] = partial(_outlines, asked.masks)
    if FAITHFULNESS in groups:
        of_maps[FAITHFULNESS] = partial(_faithfulness, asked)
    of_twin = {**of_maps, SANITY: _complexity} if SANITY in groups else of_maps
    for one in explainers:
        name, blind = str(one.selection), one.explainer.class_blind
        ask = partial(asked.maps, one, asked.seen.model)
        own, maps_of = dict(of_twin), _maps(ask)
        if SANITY in groups:
            own[SANITY] = partial(_sanity, asked, None if blind else ask)
            if one.explainer.several and not blind:
                maps_of = partial(_maps_of_both, asked, ask)
        if STABILITY in groups:
            own[STABILITY] = partial(_stability, asked, ask)
        try:
            found = replace(rated(name, maps_of, own), class_blind=blind)
        except NoMapError as error:
            nothing = np.full(len(asked.seen.test), np.nan)
            columns = [column for group in groups for column in GROUPS[group]]
            yield Rated(name, dict.fromkeys(columns, nothing), {}, silence=error.message)
            continue
        if not of_twin:
            yield found
            continue
        ask_twin = partial(asked.maps, one, untrained)
        twin = replace(rated(f"{name} ({UNTRAINED})", _maps(ask_twin), of_twin), of=name, is_control=True)
        yield _with_rise(found, twin) if SANITY in groups else found
        yield twin
    if of_maps:
        side = asked.side
        yield _centre(asked, progress, ledger, of_maps)
        if OUTLINES in of_maps:  # pixels of a uniform map have no order: it is as faithful as noise
            flat = {OUTLINES: of_maps[OUTLINES]}
            yield replace(rated(UNIFORM, lambda batch: scores.uniform(len(batch.places), side), flat), is_control=True)
        yield replace(rated(NOISE, lambda batch: scores.noise(batch.places, side, _SEED), of_maps), is_control=True)


def rate_outlines(asked: Asked, explaining: Explaining, progress: Progress) -> tuple[Rated, Rated] | None:
    """How well the maps of an explainer agree with outlines, and how well the map of the middle does.

    None without masks. Raises NoMapError where it has no map of such a network.
    """
    if asked.masks is None:
        return None
    of_maps = {OUTLINES: partial(_outlines, asked.masks)}
    maps = _maps(partial(asked.maps, explaining, asked.seen.model))
    found = _rated(asked, progress, Ledger(), str(explaining.selection), maps, of_maps)
    return found, _centre(asked, progress, Ledger(), of_maps)


def _centre(asked: Asked, progress: Progress, ledger: Ledger, of_maps: Mapping[str, Measure]) -> Rated:
    found = _rated(asked, progress, ledger, CENTRE, lambda batch: scores.centre(len(batch.places), asked.side), of_maps)
    return replace(found, is_control=True)


def _rated(
    asked: Asked,
    progress: Progress,
    ledger: Ledger,
    name: str,
    maps_of: Callable[[Batch], Maps],
    measures: Mapping[str, Measure],
) -> Rated:
    with ledger.entry(name) as entry:
        for batch in asked.batches(entry.tally.images):
            found: dict[str, Scores] = {}
            seconds: dict[str, float] = {}
            started = time.perf_counter()
            maps = maps_of(batch)
            maps = maps if maps.ndim == 4 else maps[:, None]
            seconds[""] = time.perf_counter() - started
            for group, measure in measures.items():
                started = time.perf_counter()
                found |= measure(batch, maps)
                seconds[group] = time.perf_counter() - started
            entry.add(found, seconds)
            progress(entry.tally.images, len(asked.seen.test))
    return Rated(name, entry.tally.scores, entry.tally.seconds)


def _maps(ask: Ask) -> Callable[[Batch], Maps]:
    return lambda batch: ask(batch.pixels, batch.targets)


def _maps_of_both(asked: Asked, ask: Ask, batch: Batch) -> Maps:
    """Of the classes that are asked about and of those that random logit compares them with, (n, 2, S, S)."""
    return ask(batch.pixels, torch.stack([batch.targets, _other_classes(asked, batch)], dim=1))


def _other_classes(asked: Asked, batch: Batch) -> Tensor:
    labels = [label for label, name in enumerate(asked.seen.test.classes) if name != asked.target.against]
    drawn = sanity.other_classes(batch.places, batch.targets.cpu().numpy(), labels, _SEED_CLASSES)
    return batch.targets.new_tensor(drawn)


def _with_rise(one: Rated, twin: Rated) -> Rated:
    rise = sanity.complexity_rise(one.scores[_COMPLEXITY], twin.scores[_COMPLEXITY])
    return replace(one, scores={**one.scores, "complexity_rise": rise})


def _outlines(masks: NDArray[np.bool_], batch: Batch, maps: Maps) -> Mapping[str, Scores]:
    return {column: score(maps[:, 0], masks[batch.places]) for column, score in SCORES.items()}


def _faithfulness(asked: Asked, batch: Batch, maps: Maps) -> Mapping[str, Scores]:
    ties = scores.noise(batch.places, asked.side, _SEED)
    about = asked.probability, batch.pixels, batch.targets
    deletion, insertion = faithfulness.deletion_and_insertion(*about, faithfulness.ranks(maps[:, 0], ties))
    noise = gaussian_noise(batch.places, asked.side, _SEED_IMAGES)
    return {"deletion": deletion, "insertion": insertion, "road": faithfulness.road(*about, maps[:, 0], ties, noise)}


def _complexity(batch: Batch, maps: Maps) -> Mapping[str, Scores]:
    return {_COMPLEXITY: sanity.complexity(maps[:, 0])}


def _sanity(asked: Asked, ask: Ask | None, batch: Batch, maps: Maps) -> Mapping[str, Scores]:
    """Without `ask`, maps are the same for every class."""
    if ask is None:
        return {**_complexity(batch, maps), "random_logit": sanity.similarity(maps[:, 0], maps[:, 0])}
    others = _other_classes(asked, batch)
    other = maps[:, 1] if maps.shape[1] > 1 else ask(batch.pixels, others)
    same = (others == batch.targets).cpu().numpy()
    return {**_complexity(batch, maps), "random_logit": np.where(same, np.nan, sanity.similarity(maps[:, 0], other))}


def _stability(asked: Asked, ask: Ask, batch: Batch, maps: Maps) -> Mapping[str, Scores]:
    mirrored = ask(batch.pixels.flip(3), batch.targets)[:, :, ::-1]
    noise = stability.NOISE * gaussian_noise(batch.places, asked.side, _SEED_IMAGES)
    noisy = ask(batch.pixels + batch.pixels.new_tensor(noise), batch.targets)
    return {
        "mirrored": stability.rank_correlation(maps[:, 0], mirrored),
        "noisy": stability.rank_correlation(maps[:, 0], noisy),
    }
