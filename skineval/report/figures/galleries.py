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
from skineval.base.terms import UNDECIDED, Unit
from skineval.measure.metrics import predicted
from skineval.report.bench.systems import System
from skineval.report.document import formatting
from skineval.report.document.blocks import LeftOut, Topic
from skineval.report.document.excerpt import Shown
from skineval.report.figures import style
from skineval.report.figures.scene import Scene
from skineval.report.figures.style import NARROW, Drawn, Page
from skineval.values.predictions import Predictions
from skineval.values.result import BenchResult

_SAMPLES_A_CLASS = 6
_MISTAKES = 12
_SHORT = 10  # letters of a class's name that stands beside its probability
_RIGHT, _WRONG = "✓", "✗"


@dataclass(frozen=True, eq=False)
class _Gallery:
    """Photographs of what a system has said something of, and what it said."""

    system: System
    test: Predictions  #: its answers, each image once
    pixels: Callable[[Sequence[str]], NDArray[np.uint8]]
    stamps: Sequence[str]
    shown: Shown  #: the classes of which there are samples
    unit: Unit  #: of which the mistakes show one image each

    def pictures(self, places: Sequence[int]) -> dict[int, NDArray[np.uint8]]:
        """The photographs at these places among the predictions."""
        return dict(zip(places, self.pixels(self.test.image_ids[places].tolist()), strict=True))

    def show(self, panel: Axes, place: int, picture: NDArray[np.uint8], letters: int) -> None:
        """A photograph with what is said of it; the name of a class has so many letters at most."""
        test = self.test
        call = predicted(test.probabilities[[place]])[0]
        right = call == test.targets[place]
        style.photograph(panel, picture, FAINT if right else WARNING, 0.8 if right else 2.2)
        called = style.drawable([*test.classes, UNDECIDED][call])
        probability = formatting.decimal(test.probabilities[place].max(), 2)
        name = f"{shortened(called, letters)}\n" if self.long else f"{called} "
        panel.set_title(
            f"{_RIGHT if right else _WRONG} {name}{probability}", color=INK if right else WARNING, loc="center"
        )

    @property
    def long(self) -> bool:
        """Whether names of classes need a line of their own."""
        return max(map(len, self.test.classes)) > _SHORT

    def reference(self, place: int) -> str:
        """The class of the reference standard."""
        return style.drawable(self.test.classes[self.test.targets[place]])


def photographs(scene: Scene, bench: BenchResult) -> Iterator[Drawn | LeftOut]:
    """The figures that show images, of the best system; left out where the images cannot be had."""
    best, shown = scene.systems[0], scene.board.shown
    for topic, (title, make) in _OF_IMAGES.items():
        if bench.pixels is None:
            yield LeftOut(topic, title, "The images are no longer where they were when the bench ran.")
            continue
        try:
            yield make(_Gallery(best, best.first_seed, bench.pixels, bench.warnings, shown, bench.unit))
        except SkinevalError as error:
            yield LeftOut(topic, title, error.message)


def _samples(gallery: _Gallery) -> Drawn:
    test, name = gallery.test, formatting.plain(gallery.system.name)
    draws = np.random.default_rng(0)
    chosen = []
    for label in gallery.shown.classes:
        mine = np.flatnonzero(test.targets == test.classes.index(label))
        chosen.append(draws.permutation(mine)[:_SAMPLES_A_CLASS].tolist())
    chosen = [places for places in chosen if places]
    everything = [place for places in chosen for place in places]
    right = np.count_nonzero(predicted(test.probabilities)[everything] == test.targets[everything])
    return style.drawn(
        "samples",
        f"Sample predictions of {name}",
        f"What {name}, the best system, says of test images drawn at random from each class of the reference standard "
        f"(rows): the class predicted and its probability; {_RIGHT}: right, {_WRONG} in a red frame: wrong."
        f"{f' {gallery.shown.words}' * bool(gallery.shown.others)}",
        f"{formatting.plural(len(everything), 'test image')} with predictions, {right} of them right.",
        partial(_paint_samples, gallery, chosen, gallery.pictures(everything)),
    )


def _paint_samples(
    gallery: _Gallery, chosen: Sequence[Sequence[int]], pictures: Mapping[int, NDArray[np.uint8]], page: Page
) -> Canvas:
    columns = _SAMPLES_A_CLASS // 2 if page is NARROW else _SAMPLES_A_CLASS
    side = (page.width - 0.4) / columns
    height = len(chosen) * (side + (3.3 if gallery.long else 2.0) * page.letters / 72)
    figure = style.canvas(page, height, f"Sample predictions of {gallery.system.name}", gallery.stamps)
    axes = figure.subplots(len(chosen), columns, squeeze=False)
    for line, places in zip(axes, chosen, strict=True):
        for panel, place in style.filled(line[None, :], places[:columns]):
            gallery.show(panel, place, pictures[place], 12)
        line[0].set_ylabel(style.class_lines(gallery.reference(places[0]), 0.85 * side, page.letters), weight="bold")
    return figure


def _mistakes(gallery: _Gallery) -> Drawn | LeftOut:
    name = formatting.plain(gallery.system.name)
    chosen = _worst(gallery.test).tolist()
    if not chosen:
        return LeftOut("mistakes", "The most confident mistakes", "No test image was called wrong.")
    once = f", one image a {gallery.unit}" if gallery.unit != "image" else ""
    return style.drawn(
        "mistakes",
        f"The most confident mistakes of {name}",
        f"Test images for which {name}, the best system, gives the highest probabilities to a wrong class"
        f"{once}: what was predicted, how confidently, and the reference standard.",
        f"{formatting.plural(len(chosen), 'misclassified test image')}, the most confident first.",
        partial(_paint_mistakes, gallery, gallery.pictures(chosen)),
    )


def _paint_mistakes(gallery: _Gallery, pictures: Mapping[int, NDArray[np.uint8]], page: Page) -> Canvas:
    columns = 2 if page is NARROW else 4
    lines = -(-len(pictures) // columns)
    height = lines * ((page.width - 0.2) / columns + (5.9 if gallery.long else 4.6) * page.letters / 72)
    figure = style.canvas(page, height, f"The most confident mistakes of {gallery.system.name}", gallery.stamps)
    axes = figure.subplots(lines, columns, squeeze=False)
    for panel, place in style.filled(axes, list(pictures)):
        gallery.show(panel, place, pictures[place], 22)
        name = shortened(style.drawable(gallery.test.image_ids[place]), page.name)
        panel.set_xlabel(f"reference: {shortened(gallery.reference(place), 17)}\n{name}", loc="left")
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
