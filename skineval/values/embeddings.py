"""Embeddings: what stands for images in front of a linear head, whatever network made it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError, first_few
from skineval.base.terms import STILL
from skineval.values.learnt import UNKNOWN, Learnt

#: What a picture of embeddings shows: the train part, what a strategy made of it, and the test part.
KINDS = ("train", "synthetic", "test")
#: Its columns: where a point lies, whose it is, how many of its class and kind there are, and what part of the variance
#: of the train part each axis holds.
SPACE = ("x", "y", "class", "kind", "of", "x_share", "y_share")


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Embeddings of images, a row each.

    `ids` are (N,) text, each once, and `values` (N, d) float32 and finite. `learnt` are the images on which the network
    that made them was trained, or by which it was chosen: a head must not be tested on those.
    """

    name: str  #: what errors call it, such as its file
    ids: NDArray[np.str_]
    values: NDArray[np.float32]
    learnt: Learnt = UNKNOWN
    made_by: str = ""  #: what made them, in words, such as a network with random weights; "" where nobody says

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"<Embeddings of {len(self)} images, {self.width} numbers each: {self.name}>"

    @property
    def width(self) -> int:
        """Numbers an image."""
        return int(self.values.shape[1])

    @property
    def fingerprint(self) -> str:
        """The same for the same numbers of the same images, in whatever order and kind of file: "sha256:..."."""
        order = np.argsort(self.ids)
        digest = hashlib.sha256("\n".join(self.ids[order].tolist()).encode())
        digest.update(self.values[order].tobytes())
        return f"sha256:{digest.hexdigest()}"

    @property
    def constant(self) -> list[int]:
        """The dimensions, from 0, in which all images are alike, but for a millionth of what numbers are there."""
        spread = self.values.std(axis=0, dtype=np.float64)
        return [int(place) for place in np.flatnonzero(spread <= STILL * np.abs(self.values).max(axis=0))]

    def of(self, image_ids: Sequence[str] | NDArray[np.str_], whose: str) -> NDArray[np.float32]:
        """(n, d) the embeddings of some images, in their order; raises DataError naming those that are missing.

        `whose` is what to call the data set that they are of.
        """
        places = {id_: place for place, id_ in enumerate(self.ids.tolist())}
        missing = [id_ for id_ in map(str, image_ids) if id_ not in places]
        if missing:
            none = " Not one of its ids is known there." if len(missing) == len(image_ids) else ""
            raise DataError(
                f"{self.name} holds no embeddings of {len(missing)} of the {len(image_ids)} images of {whose}: "
                f"{first_few(missing)}.{none}",
                f"Its ids are such as {first_few(self.ids.tolist())}. Embed all images, or leave out those that have "
                "none: --quarantine takes a list of their ids.",
                missing,
            )
        return self.values[[places[id_] for id_ in map(str, image_ids)]]

    def besides(self, known: Collection[str]) -> list[str]:
        """The ids of images that are none of the `known`."""
        return [id_ for id_ in self.ids.tolist() if id_ not in known]
