"""Predictions of any number of image files, in little memory: threads decode what the network is to look at."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError
from skineval.data.given_images import GivenImage
from skineval.data.pixels.decoding import decode_bytes
from skineval.data.pixels.resizing import accelerated
from skineval.data.pixels.threads import in_order
from skineval.train.classifier import Classifier
from skineval.train.predict import ignore_note


@dataclass(frozen=True, eq=False)
class Answers:
    """What a classifier says of some images."""

    images: tuple[str, ...]  #: (n,) what they are called
    squares: NDArray[np.uint8]  #: (n, image_size, image_size, 3) RGB, as the network sees them
    probabilities: NDArray[np.float64]  #: (n, C), rows sum to 1


def predict_stream(
    classifier: Classifier,
    images: Iterable[GivenImage],
    on_refused: Callable[[DataError], None],
    on_note: Callable[[str], None] = ignore_note,
) -> Generator[Answers]:
    """What `classifier` says of `images`, in their order and batch by batch, as `Classifier.predict_proba` says it.

    A few batches are in memory, however many images there are. Those that cannot be decoded are left out, and
    `on_refused` is told of each; `on_note` as for `Classifier.predict_squares`, whose errors are raised.
    """

    def square(image: GivenImage) -> tuple[str, NDArray[np.uint8]] | DataError:
        size, fit = classifier.image_size, classifier.about.fit
        try:
            return image.name, decode_bytes(image.file.read(), size, image.name, fit=fit)
        except DataError as error:
            return error
        except MemoryError:
            return DataError(f"{image.name} does not fit into memory.", "Scale it down.")

    size = classifier.batch_size
    # On a CPU, whoever decodes takes cores from the network.
    ahead = 0 if classifier.device.type == "cpu" else size
    with accelerated(), closing(in_order(square, images, ahead=ahead)) as squares:
        batch: list[tuple[str, NDArray[np.uint8]]] = []
        for one in squares:
            if isinstance(one, DataError):
                on_refused(one)
                continue
            batch.append(one)
            if len(batch) == size:
                yield _answers(classifier, batch, on_note)
                batch = []
        if batch:
            yield _answers(classifier, batch, on_note)


def _answers(
    classifier: Classifier, batch: list[tuple[str, NDArray[np.uint8]]], on_note: Callable[[str], None]
) -> Answers:
    names, squares = zip(*batch, strict=True)
    stacked = np.stack(squares)
    return Answers(names, stacked, classifier.predict_squares(stacked, on_note=on_note))
