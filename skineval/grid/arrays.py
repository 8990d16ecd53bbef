"""Predictions that are in memory: arrays and frames, as a table of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skineval.base.errors import UsageError


def table_of_arrays(
    probabilities: Any, targets: Any, groups: Any, classes: Sequence[str], *, logits: bool = False
) -> pd.DataFrame:
    """Probabilities (N, C) of images that are of the classes `targets` and of the lesions `groups` (N,), as a frame.

    Of two classes those (N,) of the last one are enough, and so are its `logits` above those of the other. `targets`
    are names of `classes`, or indices of them; `groups` may be None. The columns of a frame have names, whatever the
    order of `classes`; where nobody gives these, targets are indices of columns. Raises UsageError for other shapes,
    for frames whose rows are others, and where nobody names the classes.
    """
    counted, classes = classes, _classes(probabilities, classes)
    _refuse_other_rows(probabilities, targets, groups)
    try:
        scores, true = np.asarray(probabilities, dtype=np.float64), np.asarray(targets)
        lesions = None if groups is None else np.asarray(groups)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"Probabilities, targets or groups are no arrays: {error}.",
            "Files are given without targets, and a file of the truth as truth=FILE.",
        ) from error
    if scores.ndim == 1 and len(classes) == 2:
        scores = np.stack([np.zeros_like(scores) if logits else 1 - scores, scores], axis=1)
    if scores.ndim != 2 or true.shape != scores.shape[:1] or (lesions is not None and lesions.shape != true.shape):
        shapes = ", ".join(str(one.shape) for one in (scores, true, lesions) if one is not None)
        raise UsageError(
            f"Probabilities, targets and groups have the shapes {shapes}.",
            "They are (N, C), (N,) and (N,); of two classes that are named (N,) of the last one, too.",
        )
    if len(classes) != scores.shape[1]:
        named = f"{len(classes)} are named" if classes else "nobody names them"
        raise UsageError(
            f"Probabilities are of {scores.shape[1]} classes, and {named}.", 'Give classes="akiec,bcc,...".'
        )
    known = {"image_id": [f"row-{row}" for row in range(len(true))], "target": _named(true, counted or classes)}
    known |= {} if lesions is None else {"lesion_id": lesions.astype(str)}
    return pd.DataFrame(known).join(pd.DataFrame(scores, columns=list(classes)))


def _classes(probabilities: Any, classes: Sequence[str]) -> Sequence[str]:
    """The classes of the columns, in their order."""
    if not isinstance(probabilities, pd.DataFrame) or pd.api.types.is_integer_dtype(probabilities.columns.dtype):
        return classes
    own = tuple(map(str, probabilities.columns))
    if classes and set(classes) != set(own):
        raise UsageError(
            f"The columns are called {', '.join(own)}, and classes {', '.join(classes)}.",
            "Leave classes out, or give an array.",
        )
    return own


def _refuse_other_rows(probabilities: Any, targets: Any, groups: Any) -> None:
    """Raise UsageError where frames and series have their rows in another order, or others."""
    indexed = [one for one in (probabilities, targets, groups) if isinstance(one, pd.DataFrame | pd.Series)]
    if any(len(one) == len(indexed[0]) and not one.index.equals(indexed[0].index) for one in indexed[1:]):
        raise UsageError(
            "Probabilities, targets and groups have other rows, or the same in another order, by their indexes.",
            "Align them, or give arrays: .to_numpy().",
        )


def _named(targets: NDArray[Any], classes: Sequence[str]) -> NDArray[np.str_]:
    """The names of targets, which may be indices: whole numbers, or one of two that is True."""
    if targets.dtype.kind in "UO" and not {*map(str, targets)} & {*classes}:
        targets = targets.astype(np.int64) if all(str(one).isdecimal() for one in targets) else targets
    kind = targets.dtype.kind
    whole = (
        kind in "iu" or (kind == "b" and len(classes) == 2) or (kind == "f" and (targets == np.floor(targets)).all())
    )
    if not whole:
        return targets.astype(str)
    places = targets.astype(np.int64)
    if len(places) and not 0 <= places.min() <= places.max() < len(classes):
        raise UsageError(
            f"Targets reach from {places.min()} to {places.max()}.", f"Indices of classes are 0 to {len(classes) - 1}."
        )
    return np.array(classes, dtype=str)[places]
