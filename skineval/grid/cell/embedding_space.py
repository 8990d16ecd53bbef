"""Where the embeddings that a strategy made lie among those of the train and the test part: points of a picture."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skineval.grid.cell.cell import Cell
from skineval.grid.cell.finishing import Embedded, Known
from skineval.train.principal_axes import principal_plane
from skineval.values.embeddings import KINDS, SPACE
from skineval.values.runspec import derive_seed

MOST = 60  #: points of each class and kind, so that the file stays small
_PLACES = 4  # of a number, which is more than can be seen


def embedding_space(cell: Cell, embeddings: Embedded, taught: Known) -> pd.DataFrame | None:
    """Some points of each class and kind, with the columns `SPACE`, on the principal axes of the train part alone.

    `embeddings` (N, d) are of all images, `taught` is what the strategy made of those of the train part. None where
    that is nothing but rows of it, or where there is no plane. The order of points is random: some of the first ones
    are a sample as good as all. Cells with the same network and parts show the same points of both parts, whatever
    their strategies. Test labels are used here, of which no strategy knows, since all of them are done.
    """
    parts, targets = cell.parts, cell.targets
    train = embeddings[parts.train]
    made = synthetic(train, taught[0])
    plane = principal_plane(train) if len(made) else None
    if plane is None:
        return None
    given = (embeddings, targets, parts.train), (*taught, made), (embeddings, targets, parts.test)
    frames = []
    for kind, (rows, labels, places) in zip(KINDS, given, strict=True):
        for code in np.unique(labels[places]).tolist():
            mine, generator = places[labels[places] == code], np.random.default_rng(_seed(cell, kind, code))
            x, y = plane.project(rows[generator.permutation(mine)[:MOST]]).T
            name = cell.spec.classes[code]
            frames.append(pd.DataFrame({"x": x, "y": y, "class": name, "kind": kind, "of": len(mine)}))
    x_share, y_share = plane.shares
    return pd.concat(frames, ignore_index=True).assign(x_share=x_share, y_share=y_share).round(_PLACES)[[*SPACE]]


def _seed(cell: Cell, kind: str, code: int) -> int:
    """Of which points are drawn; by whatever name embeddings come, the same are drawn, as they are resampled alike."""
    whose = "" if cell.spec.is_probe else cell.spec.model
    return derive_seed("embedding space", whose, kind, cell.spec.classes[code], cell.spec.seed, cell.spec.fold)


def synthetic(train: Embedded, taught: Embedded) -> NDArray[np.int64]:
    """Which rows of `taught` (m, d) are no rows of `train` (n, d): they differ from each in a bit."""
    known = {row.tobytes() for row in train}
    return np.array([place for place, row in enumerate(taught) if row.tobytes() not in known], dtype=np.int64)
