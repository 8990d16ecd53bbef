"""Test images with what the best system says of them: a sample of each class, and the worst mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from skineval.base.errors import SkinevalError
from skineval.base.scheme import FAINT, INK, WARNING
from skineval.base.svg import shortened
from skineval.base.terms import UNDECIDED
from skineval.measure.metrics import predicted
from skineval.report.bench.systems import System
from skineval.report.document import formatting
from skineval.report.document.blocks import LeftOut, Topic
from skineval.report.figures import style
from skineval.report.figures.style import NARROW, Drawn, Page
from skineval.values.predictions import Predictions
from skineval.values.result import BenchResult

_SAMPLES_A_CLASS = 6
_MISTAKES = 12
_RIGHT, _WRONG = "✓", "✗"


@dataclass(frozen=True, eq=False)
class _Gallery:
    """Photographs of what a system has said something of, and what it said."""

    system: System
    test: Predictions  #: its answers, each image once
    pixels: Callable[[Sequence[str]], NDArray[np.uint8]]
    stamps: Sequence[str]

    def pictures(self, places: Sequence[int]) -> dict[int, NDArray[np.uint8]]:
        """The photographs at these places among the predictions."""
        return dict(zip(places, self.pixels(self.test.image_ids[places].tolist()), strict=True))

    def show(self, panel: Axes, place: int, picture: NDArray[np.uint8]) -> None:
        """A photograph with what is said of it."""
        test = self.test
        call = predicted(test.probabilities[[place]])[0]
        right = call == test.targets[place]
        style.photograph(panel, picture, FAINT if right else WARNING, 0.8 if right else 2.2)
        called = shortened(style.drawable([*test.classes, UNDECIDED][call]), 10)
        probability = formatting.decimal(test.probabilities[place].max(), 2)
        panel.set_title(
            f"{_RIGHT if right else _WRONG} {called} {probability}", color=INK if right else WARNING, loc="center"
        )

    def reference(self, place: int) -> str:
        """The class of the reference standard."""
        return shortened(style.drawable(self.test.classes[self.test.targets[place]]), 12)


def photographs(system: System, bench: BenchResult) -> Iterator[Drawn | LeftOut]:
    """The figures that show images, of the best system; left out where the images cannot be had."""
    for topic, (title, make) in _OF_IMAGES.items():
        if bench.pixels is None:
            yield LeftOut(topic, title, "The images are no longer where they were when the bench ran.")
            continue
        try:
            yield make(_Gallery(system, system.first_seed, bench.pixels, bench.warnings))
        except SkinevalError as error:
            yield LeftOut(topic, title, error.message)


def _samples(gallery: _Gallery) -> Drawn:
    test, name = gallery.test, formatting.plain(gallery.system.name)
    draws = np.random.default_rng(0)
    chosen = []
    for class_ in range(len(test.classes)):
        mine = np.flatnonzero(test.targets == class_)
        chosen.append(draws.permutation(mine)[:_SAMPLES_A_CLASS].tolist())
    chosen = [places for places in chosen if places]
    everything = [place for places in chosen for place in places]
    right = np.count_nonzero(predicted(test.probabilities)[everything] == test.targets[everything])
    return style.drawn(
        "samples",
        f"Sample predictions of {name}",
        f"What {name}, the best system, says of test images drawn at random from each class of the reference standard "
        f"(rows): the class predicted and its probability; {_RIGHT}: right, {_WRONG} in a red frame: wrong.",
        f"{formatting.plural(len(everything), 'test image')} with predictions, {right} of them right.",
        partial(_paint_samples, gallery, chosen, gallery.pictures(everything)),
    )


def _paint_samples(
    gallery: _Gallery, chosen: Sequence[Sequence[int]], pictures: Mapping[int, NDArray[np.uint8]], page: Page
) -> Canvas:
    columns = _SAMPLES_A_CLASS // 2 if page is NARROW else _SAMPLES_A_CLASS
    height = len(chosen) * ((page.width - 0.4) / columns + 2.0 * page.letters / 72)
    figure = style.canvas(page, height, f"Sample predictions of {gallery.system.name}", gallery.stamps)
    axes = figure.subplots(len(chosen), columns, squeeze=False)
    for line, places in zip(axes, chosen, strict=True):
        for panel, place in style.filled(line[None, :], places[:columns]):
            gallery.show(panel, place, pictures[place])
        line[0].set_ylabel(gallery.reference(places[0]), weight="bold")
    return figure


def _mistakes(gallery: _Gallery) -> Drawn | LeftOut:
    name = formatting.plain(gallery.system.name)
    chosen = _worst(gallery.test).tolist()
    if not chosen:
        return LeftOut("mistakes", "The most confident mistakes", "No test image was called wrong.")
    return style.drawn(
        "mistakes",
        f"The most confident mistakes of {name}",
        f"Test images for which {name}, the best system, gives the highest probabilities to a wrong class, one image a "
        "lesion: what was predicted, how confidently, and the reference standard.",
        f"{formatting.plural(len(chosen), 'misclassified test image')}, the most confident first.",
        partial(_paint_mistakes, gallery, gallery.pictures(chosen)),
    )


def _paint_mistakes(gallery: _Gallery, pictures: Mapping[int, NDArray[np.uint8]], page: Page) -> Canvas:
    columns = 2 if page is NARROW else 4
    lines = -(-len(pictures) // columns)
    height = lines * ((page.width - 0.2) / columns + 4.6 * page.letters / 72)
    figure = style.canvas(page, height, f"The most confident mistakes of {gallery.system.name}", gallery.stamps)
    axes = figure.subplots(lines, columns, squeeze=False)
    for panel, place in style.filled(axes, list(pictures)):
        gallery.show(panel, place, pictures[place])
        name = shortened(style.drawable(gallery.test.image_ids[place]), page.name)
        panel.set_xlabel(f"reference: {gallery.reference(place)}\n{name}", loc="left")
    return figure


_OF_IMAGES: Mapping[Topic, tuple[str, Callable[[_Gallery], Drawn | LeftOut]]] = {
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
