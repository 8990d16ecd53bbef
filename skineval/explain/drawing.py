"""Pictures of what anybody's images are taken for, and of why: a file each, in the order of the predictions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import torch

from skineval.base.errors import NoMapError, UsageError
from skineval.base.files import write_new
from skineval.explain.gallery import Example, gallery
from skineval.explain.panels import Explaining, Network
from skineval.explain.target import Target
from skineval.train.classifier import Classifier
from skineval.train.stream import Answers
from skineval.values.measures import system_name

_LONGEST = 80  #: characters of what is left of a name


@dataclass(eq=False)
class Drawing:
    """What writes `<row>-<name>.<explainer>.svg` of each image that a classifier has predicted."""

    folder: Path
    classifier: Classifier
    explaining: Sequence[Explaining]
    target: Target
    replace: bool  #: files of another content
    rows: int = 0  #: that are written

    def __call__(self, answers: Answers) -> None:
        """Draw images that were predicted after those before.

        Raises UsageError for an explainer that has no map of such a network, where maps are to be of what is right,
        which nobody knows, and for a file that is there; CellError where an explainer breaks its contract.
        """
        for one in self.explaining:
            try:
                for place, picture in enumerate(pictures(self.classifier, one, answers, self.target), self.rows + 1):
                    file = f"{place:05d}-{_name(answers.images[place - self.rows - 1])}.{_name(str(one.selection))}.svg"
                    write_new(self.folder / file, picture, replace=self.replace)
            except NoMapError as error:
                name = self.classifier.architecture.name
                raise UsageError(
                    f"{one.selection} has no map of {name}: {error.message}", "Use another: skineval list explainers."
                ) from error
        self.rows += len(answers.images)


def pictures(classifier: Classifier, explaining: Explaining, answers: Answers, target: Target) -> Iterator[bytes]:
    """A picture (SVG) of each image with its map."""
    network = Network(classifier.architecture, classifier.network)
    classes, predicted = classifier.classes, answers.probabilities.argmax(axis=1)
    targets = target.of_answers(answers.probabilities, classes)
    images = classifier.normalise(torch.from_numpy(answers.squares).to(classifier.device).permute(0, 3, 1, 2))
    with target.asked_of(classifier.network, classes):
        maps = explaining.maps(network, images, torch.from_numpy(targets).to(classifier.device))
    grid = explaining.grid(network, images)
    title = f"{explaining.selection} of {system_name(classifier.about.architecture, classifier.about.imbalance)}"
    for place, name in enumerate(answers.images):
        example = Example(
            name,
            classes[predicted[place]],
            float(answers.probabilities[place, predicted[place]]),
            answers.squares[place],
            maps[place],
            target.named(classes[targets[place]]),
        )
        yield gallery(title, {"": [example]}, grid, classifier.stamps, of=explaining.speaks(target))


def _name(text: str) -> str:
    """The last part of a name, without its suffix and what a file system might not take."""
    return re.sub(r"[^\w.-]+", "_", PurePath(text.replace("\\", "/")).stem)[:_LONGEST]
