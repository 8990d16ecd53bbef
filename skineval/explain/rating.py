"""Maps of many images, scored against the outlines of lesions, and of what knows nothing of what a network learnt."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from skineval.base.errors import DataError, NoMapError
from skineval.base.terms import Progress
from skineval.explain import scores
from skineval.explain.panels import Explaining, Seen
from skineval.explain.scores import SCORES
from skineval.explain.target import Target

UNIFORM, CENTRE, NOISE = "uniform", "centre", "noise"
UNTRAINED = "untrained"  #: what is added to the name of an explainer that is asked of an untrained network
_SEED = 0  #: of noise

MapsOf = Callable[[NDArray[np.int64]], NDArray[np.floating]]  #: places among the test images (n,) -> maps (n, S, S)


@dataclass(frozen=True, eq=False)
class Rated:
    """Scores of one way to make maps."""

    name: str
    scores: Mapping[str, NDArray[np.float64]]  #: by the names of `SCORES`, (N,) of each test image
    seconds: float
    of: str = ""  #: the explainer that it is a control of
    is_control: bool = False
    silence: str = ""  #: why it has no map of any image; its scores are NaN then


def rate(
    seen: Seen, explainers: list[Explaining], untrained: nn.Module, target: Target, progress: Progress
) -> Iterator[Rated]:
    """Scores of each explainer, of the same asked of an `untrained` network, and of maps that have seen no network.

    The untrained one is asked about the same classes. An explainer that has no map of such a network says why. Raises
    DataError where no image has a mask.
    """
    side = int(seen.stage.images.shape[1])
    masks = seen.masks(seen.test.image_ids.tolist(), side)
    if masks is None or not masks.any():
        raise DataError("There is no mask of any test image.", "Maps can only be scored where somebody drew lesions.")
    targets = target.of_images(seen.test)
    rated = partial(_rated, masks=masks, size=seen.stage.batch_size, progress=progress)
    for one in explainers:
        name = str(one.selection)
        try:
            yield rated(name, partial(_maps, one, seen, targets, target))
        except NoMapError as error:
            yield Rated(name, {score: np.full(len(masks), np.nan) for score in SCORES}, 0.0, silence=error.message)
            continue
        other = replace(seen, model=untrained)
        control = rated(f"{name} ({UNTRAINED})", partial(_maps, one, other, targets, target))
        yield replace(control, of=name, is_control=True)
    nothing = {
        CENTRE: lambda places: scores.centre(len(places), side),
        UNIFORM: lambda places: scores.uniform(len(places), side),
        NOISE: lambda places: scores.noise(places, side, _SEED),
    }
    for name, made in nothing.items():
        yield replace(rated(name, made), is_control=True)


def _maps(
    explaining: Explaining, seen: Seen, targets: NDArray[np.int64], target: Target, places: NDArray[np.int64]
) -> NDArray[np.float32]:
    stage = seen.stage
    stage.stop_if_asked()
    images = stage.normalise(stage.take(torch.from_numpy(seen.rows[places])))
    with target.asked_of(seen.model, seen.test.classes):
        return explaining.maps(seen, images, torch.from_numpy(targets[places]).to(stage.device))


def _rated(name: str, maps_of: MapsOf, masks: NDArray[np.bool_], size: int, progress: Progress) -> Rated:
    found: dict[str, list[NDArray[np.float64]]] = {score: [] for score in SCORES}
    seconds, n = 0.0, len(masks)
    for begin in range(0, n, size):
        places = np.arange(begin, min(begin + size, n))
        started = time.perf_counter()
        maps = maps_of(places)
        seconds += time.perf_counter() - started
        for score, values in found.items():
            values.append(SCORES[score](maps, masks[places]))
        progress(int(places[-1]) + 1, n)
    return Rated(name, {score: np.concatenate(values) for score, values in found.items()}, seconds)
