"""Test images with what the best system says of them: a sample of each class, and the worst mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from skineval.base.errors import SkinevalError
from skineval.base.scheme import FAINT, INK, WARNING
from skineval.measure.metrics import predicted
from skineval.report.bench.systems import System
from skineval.report.document import formatting
from skineval.report.document.blocks import Figure, LeftOut, Topic
from skineval.report.figures import style
from skineval.report.figures.style import FOLDER, NARROW, Drawn, Page
from skineval.values.predictions import Predictions
from skineval.values.result import BenchResult

UNDECIDED = "undecided"

_SAMPLES_A_CLASS = 6
_MISTAKES = 12
_RIGHT, _WRONG = "✓", "✗"

Pictures = Mapping[int, NDArray[np.uint8]]  #: by place among the predictions


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
        chosen.append(draws.permutation(mine)[:_SAMPLES_A_CLASS].tolist())
    chosen = [places for places in chosen if places]
    everything = [place for places in chosen for place in places]
    pictures = dict(zip(everything, pixels(test.image_ids[everything].tolist()), strict=True))
    right = np.count_nonzero(predicted(test.probabilities)[everything] == test.targets[everything])
    figure = Figure(
        f"{FOLDER}/samples.svg",
        f"Sample predictions of {formatting.plain(system.name)}",
        f"What {formatting.plain(system.name)}, the best system, says of test images drawn at random from each "
        "class of the "
        f"reference standard (rows): the class predicted and its probability; {_RIGHT}: right, {_WRONG} in a red "
        "frame: wrong.",
        f"{formatting.plural(len(everything), 'test image')} with predictions, {right} of them right.",
        "samples",
        system.name,
    )
    return style.drawn(figure, partial(_paint_samples, system, test, chosen, pictures, stamps))


def _paint_samples(
    system: System,
    test: Predictions,
    chosen: Sequence[Sequence[int]],
    pictures: Pictures,
    stamps: Sequence[str],
    page: Page,
) -> Canvas:
    columns = _SAMPLES_A_CLASS // 2 if page is NARROW else _SAMPLES_A_CLASS
    side = (page.width - 0.4) / columns
    figure = style.canvas(
        page, len(chosen) * (side + 2.0 * page.letters / 72), f"Sample predictions of {system.name}", stamps
    )
    axes = figure.subplots(len(chosen), columns, squeeze=False)
    for line, places in zip(axes, chosen, strict=True):
        for panel, image in style.filled(line[None, :], places[:columns]):
            _show(panel, test, image, pictures[image])
        label = style.shortened(style.drawable(test.classes[test.targets[places[0]]]), 12)
        line[0].set_ylabel(label, weight="bold")
    return figure


def _mistakes(
    system: System, pixels: Callable[[Sequence[str]], NDArray[np.uint8]], stamps: Sequence[str]
) -> Drawn | LeftOut:
    test = system.first_seed
    chosen = _worst(test).tolist()
    if not chosen:
        return LeftOut("mistakes", "The most confident mistakes", "No test image was called wrong.")
    pictures = dict(zip(chosen, pixels(test.image_ids[chosen].tolist()), strict=True))
    figure = Figure(
        f"{FOLDER}/mistakes.svg",
        f"The most confident mistakes of {formatting.plain(system.name)}",
        f"Test images for which {formatting.plain(system.name)}, the best system, gives the highest probabilities "
        "to a wrong "
        "class, one image a lesion: what was predicted, how confidently, and the reference standard.",
        f"{formatting.plural(len(chosen), 'misclassified test image')}, the most confident first.",
        "mistakes",
        system.name,
    )
    return style.drawn(figure, partial(_paint_mistakes, system, test, chosen, pictures, stamps))


def _paint_mistakes(
    system: System, test: Predictions, chosen: Sequence[int], pictures: Pictures, stamps: Sequence[str], page: Page
) -> Canvas:
    columns = 2 if page is NARROW else 4
    lines = -(-len(chosen) // columns)
    side = (page.width - 0.2) / columns
    title = f"The most confident mistakes of {system.name}"
    figure = style.canvas(page, lines * (side + 4.6 * page.letters / 72), title, stamps)
    axes = figure.subplots(lines, columns, squeeze=False)
    for panel, image in style.filled(axes, chosen):
        _show(panel, test, image, pictures[image])
        reference = style.shortened(style.drawable(test.classes[test.targets[image]]), 12)
        name = style.shortened(style.drawable(test.image_ids[image]), page.name)
        panel.set_xlabel(f"reference: {reference}\n{name}", loc="left")
    return figure


_OF_IMAGES: Mapping[Topic, tuple[str, Callable[..., Drawn | LeftOut]]] = {
    "samples": ("Sample predictions", _samples),
    "mistakes": ("The most confident mistakes", _mistakes),
}


def _show(panel: Axes, test: Predictions, image: int, picture: NDArray[np.uint8]) -> None:
    """A photograph with what is said of it."""
    call = predicted(test.probabilities[[image]])[0]
    right = call == test.targets[image]
    style.photograph(panel, picture, FAINT if right else WARNING, 0.8 if right else 2.2)
    called = style.shortened(style.drawable([*test.classes, UNDECIDED][call]), 10)
    probability = formatting.decimal(test.probabilities[image].max(), 2)
    panel.set_title(
        f"{_RIGHT if right else _WRONG} {called} {probability}", color=INK if right else WARNING, loc="center"
    )


def _worst(test: Predictions) -> NDArray[np.int64]:
    """Places of the most confident mistakes, at most one a lesion."""
    calls = predicted(test.probabilities)
    wrong = np.flatnonzero((calls != test.targets) & (calls < len(test.classes)))
    order = wrong[np.argsort(-test.probabilities[wrong].max(axis=1), kind="stable")]
    _, first = np.unique(test.groups[order], return_index=True)
    return order[np.sort(first)][:_MISTAKES]
