"""Test images with what the best system says of them, as PNG: a sample of each class, and the worst mistakes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from skineval.errors import SkinevalError
from skineval.grid.result import BenchResult
from skineval.measure.metrics import predicted
from skineval.measure.predictions import Predictions
from skineval.report import style, text
from skineval.report.document import Figure, LeftOut, Topic
from skineval.report.style import FOLDER, GREEN, VERMILLION, Drawn, filled
from skineval.report.systems import System

UNDECIDED = "undecided"

_SAMPLES_A_CLASS = 6
_MISTAKES = 12
_COLUMNS = 4
_RIGHT, _WRONG = "✓", "✗"


def photographs(system: System, bench: BenchResult) -> Iterator[Drawn | LeftOut]:
    """The figures that show images, of the best system; left out where the images cannot be had."""
    for topic, (title, make) in _OF_IMAGES.items():
        if bench.pixels is None:
            yield LeftOut(topic, title, "The images are no longer where they were when the bench ran.")
            continue
        try:
            yield make(system, bench.pixels, bench.warnings)
        except SkinevalError as error:
            yield LeftOut(topic, title, error.message)


def _samples(
    system: System, pixels: Callable[[Sequence[str]], NDArray[np.uint8]], stamps: Sequence[str]
) -> Drawn | LeftOut:
    test = system.first_seed
    draws = np.random.default_rng(0)
    chosen = []
    for place in range(len(test.classes)):
        mine = np.flatnonzero(test.targets == place)
        chosen.append(np.sort(draws.choice(mine, min(_SAMPLES_A_CLASS, len(mine)), replace=False)))
    chosen = [places for places in chosen if len(places)]
    everything = np.concatenate(chosen)
    pictures = dict(zip(everything.tolist(), pixels(test.image_ids[everything].tolist()), strict=True))
    names, calls = [*test.classes, UNDECIDED], predicted(test.probabilities)
    figure = style.canvas(1.35 * _SAMPLES_A_CLASS + 0.8, 0.8 + 1.5 * len(chosen), "Sample predictions", stamps)
    axes = figure.subplots(len(chosen), _SAMPLES_A_CLASS, squeeze=False)
    for line, places in zip(axes, chosen, strict=True):
        for panel, image in filled(line[None, :], places.tolist()):
            right = calls[image] == test.targets[image]
            probability = text.decimal(test.probabilities[image].max(), 2)
            panel.imshow(pictures[image])
            style.framed(panel, GREEN if right else VERMILLION)
            called = style.shortened(style.drawable(names[calls[image]]), 10)
            panel.set_title(
                f"{_RIGHT if right else _WRONG} {called} {probability}",
                color="#00704f" if right else "#b04a00",
                fontsize=8,
                loc="center",
            )
        label = style.shortened(style.drawable(test.classes[test.targets[places[0]]]), 12)
        line[0].set_ylabel(label, fontsize=10, weight="bold", labelpad=8)
    return Drawn(
        Figure(
            f"{FOLDER}/samples.png",
            f"Sample predictions of {text.plain(system.name)}",
            f"Test images drawn at random from each class of the reference standard (rows), with the class predicted "
            f"and its probability; {_RIGHT} and green: right, {_WRONG} and orange: wrong.",
            f"{text.plural(len(everything), 'test image')} with predictions, "
            f"{np.count_nonzero(calls[everything] == test.targets[everything])} of them right.",
            "samples",
            system.name,
        ),
        style.encoded(figure, "png"),
    )


def _mistakes(
    system: System, pixels: Callable[[Sequence[str]], NDArray[np.uint8]], stamps: Sequence[str]
) -> Drawn | LeftOut:
    test = system.first_seed
    chosen = _worst(test)
    if not len(chosen):
        return LeftOut("mistakes", "The most confident mistakes", "No test image was called wrong.")
    names, calls = [*test.classes, UNDECIDED], predicted(test.probabilities)
    lines = math.ceil(len(chosen) / _COLUMNS)
    figure = style.canvas(2.0 * _COLUMNS, 0.8 + 2.45 * lines, "The most confident mistakes", stamps)
    axes = figure.subplots(lines, _COLUMNS, squeeze=False)
    pictures = pixels(test.image_ids[chosen].tolist())
    for (panel, image), picture in zip(filled(axes, chosen.tolist()), pictures, strict=True):
        panel.imshow(picture)
        style.framed(panel, VERMILLION)
        probability = text.decimal(test.probabilities[image].max())
        panel.set_title(style.shortened(style.drawable(test.image_ids[image]), 20), fontsize=8)
        reference, called = (style.shortened(style.drawable(names[i]), 12) for i in (test.targets[image], calls[image]))
        panel.set_xlabel(f"{_WRONG} {called} {probability}\nreference: {reference}", fontsize=8, loc="left")
    return Drawn(
        Figure(
            f"{FOLDER}/mistakes.png",
            f"The most confident mistakes of {text.plain(system.name)}",
            "Test images with the highest probability for a wrong class, one image a lesion: what was predicted, how "
            "confidently, and the reference standard.",
            f"{text.plural(len(chosen), 'misclassified test image')}, the most confident first.",
            "mistakes",
            system.name,
        ),
        style.encoded(figure, "png"),
    )


_OF_IMAGES: Mapping[Topic, tuple[str, Callable[..., Drawn | LeftOut]]] = {
    "samples": ("Sample predictions", _samples),
    "mistakes": ("The most confident mistakes", _mistakes),
}


def _worst(test: Predictions) -> NDArray[np.int64]:
    """Places of the most confident mistakes, at most one a lesion."""
    calls = predicted(test.probabilities)
    wrong = np.flatnonzero((calls != test.targets) & (calls < len(test.classes)))
    order = wrong[np.argsort(-test.probabilities[wrong].max(axis=1), kind="stable")]
    _, first = np.unique(test.groups[order], return_index=True)
    return order[np.sort(first)][:_MISTAKES]
