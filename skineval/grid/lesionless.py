"""What a trained network says of images without their lesion, or with nothing else: controls of the network itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skineval.base.terms import PRIMARY, Progress
from skineval.explain.asked import Asked
from skineval.explain.removal import REMOVALS, Images, Masks
from skineval.measure.comparisons import differences, holm
from skineval.measure.intervals import estimate
from skineval.measure.names import METRICS
from skineval.train.classifier import Classifier
from skineval.values.measures import Difference, Score
from skineval.values.predictions import Predictions

WHOLE = "whole image"
_COLUMNS = (PRIMARY, "macro_auc")


@dataclass(frozen=True)
class Removed:
    """How well a network does on one kind of images."""

    name: str
    scores: tuple[Score, ...]  #: balanced accuracy and macro AUC
    difference: Difference | None = None  #: in balanced accuracy, less that on the whole images; None: of these


def without_lesions(classifier: Classifier, asked: Asked, replicates: int, progress: Progress) -> list[Removed]:
    """How well the network does on test images that have a mask and something around it, and without their lesion.

    As in a bench, turned and mirrored where it was trained to be tested so. Asks for masks, of which there must be
    some.
    """
    assert asked.masks is not None
    places = np.flatnonzero(asked.masks.any(axis=(1, 2)) & ~asked.masks.all(axis=(1, 2)))
    metrics = [metric for metric in METRICS if metric.name in _COLUMNS]
    found: dict[str, Predictions] = {}
    for name, removal in {WHOLE: lambda images, masks: images, **REMOVALS}.items():
        probabilities = _probabilities(classifier, asked, places, removal, progress)
        found[name] = replace(asked.seen.test.take(places), probabilities=probabilities)
    against = [
        replace(differences([one], [found[WHOLE]], metrics[:1], replicates=replicates)[0], a=name, b=WHOLE)
        for name, one in found.items()
        if name != WHOLE
    ]
    corrected = holm([one.p for one in against])
    gaps = [None, *(replace(one, p_holm=float(p)) for one, p in zip(against, corrected, strict=True))]
    return [
        Removed(name, tuple(estimate([one], metrics, replicates=replicates)), gap)
        for (name, one), gap in zip(found.items(), gaps, strict=True)
    ]


def _probabilities(
    classifier: Classifier,
    asked: Asked,
    places: NDArray[np.int64],
    removal: Callable[[Images, Masks], Images],
    progress: Progress,
) -> NDArray[np.float64]:
    """(n, C), of the test images at `places` (n,), after `removal`."""
    assert asked.masks is not None
    stage, found = asked.seen.stage, []
    for begin in range(0, len(places), stage.batch_size):
        stage.stop_if_asked()
        few = places[begin : begin + stage.batch_size]
        images = asked.shown(few).permute(0, 2, 3, 1).cpu().numpy()
        found.append(classifier.predict_squares(removal(images, asked.masks[few])))
        progress(begin + len(few), len(places))
    return np.concatenate(found)
