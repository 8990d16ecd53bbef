"""The figures of a cell, and their replicates: on other lesions, drawn again and again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import PluginError
from skineval.catalog.specs import Metric
from skineval.measure.metrics import Floats, mean_where_defined
from skineval.measure.resampling import UnitCounts, resample
from skineval.values.predictions import Predictions

T = TypeVar("T", bound=np.generic)


def figures(cell: Predictions, metrics: Sequence[Metric], weights: Floats) -> Floats:
    """(B, K) float64: every metric of a cell under `weights` (B, N), one column a figure, C of them where per class.

    What is the mean of a figure that is among `metrics`, too, is made of that, which is not computed again.

    Raises PluginError for a metric that returns another shape.
    """
    found: dict[str, Floats] = {}
    for metric in sorted(metrics, key=lambda metric: metric.mean_of is not None):
        part = found.get(metric.mean_of.name) if metric.mean_of else None
        columns = _columns(metric, cell, weights) if part is None else mean_where_defined(part)[:, None]
        found[metric.name] = columns
    return np.hstack([found[metric.name] for metric in metrics])


def viewed(metric: Metric, cell: Predictions) -> Predictions:
    """What a metric looks at: see `Metric.view`."""
    return cell.malignancy if metric.view == "malignancy" else cell


def _columns(metric: Metric, cell: Predictions, weights: Floats) -> Floats:
    cell = viewed(metric, cell)
    values = np.asarray(metric.compute(cell.targets, cell.probabilities, weights, cell.classes), dtype=np.float64)
    expected = (len(weights), len(cell.classes)) if metric.per_class else (len(weights),)
    if values.shape != expected:
        raise PluginError(
            f"metric {metric.name} returned an array of shape {values.shape}, not {expected}",
            "compute returns one value for each row of weights, or one for each row and class where per_class is set.",
        )
    return values.reshape(len(weights), -1)


def by_metric(metrics: Sequence[Metric], classes: Sequence[str], columns: NDArray[T]) -> dict[str, NDArray[T]]:
    """The columns (..., K) of `figures`, those (..., 1) or (..., C) of each metric by its name."""
    widths = [len(classes) if metric.per_class else 1 for metric in metrics]
    parts = np.split(columns, np.cumsum(widths)[:-1], axis=-1)
    return {metric.name: part for metric, part in zip(metrics, parts, strict=True)}


def bootstrap(cell: Predictions, metrics: Sequence[Metric], drawn: UnitCounts) -> Floats:
    """(B, K): the figures of a cell on the units of each replicate; NaN where one lacks a class that the cell has.

    A mean over the classes that are left would be another figure. Only in the further folds of repeated ones can a
    replicate lack one.
    """
    is_of = (cell.targets[:, None] == np.unique(cell.targets)).astype(np.float64)
    replicates = []
    for weights in drawn.weights(cell.groups):
        figure = figures(cell, metrics, weights)
        figure[(weights @ is_of == 0).any(axis=1)] = np.nan
        replicates.append(figure)
    return np.vstack(replicates)


def mean_where(used: NDArray[np.bool_], values: Iterable[Floats], folds: Sequence[int]) -> Floats:
    """(..., K): the mean of `values`, one array (..., K) a cell, weighed by `cell_weights`.

    NaN where no cell is used, and where one that is used is NaN.
    """
    weights = cell_weights(used, folds)
    total = sum(np.where(of_cell > 0, value, 0) * of_cell for of_cell, value in zip(weights, values, strict=True))
    mean: Floats = np.where(used.any(axis=0), total, np.nan)
    return mean


def cell_weights(used: NDArray[np.bool_], folds: Sequence[int]) -> Floats:
    """(cells, K): of a mean over the cells of each fold and then over the folds; `folds` says which one each is of.

    Only cells where `used` (cells, K) says so count, and a fold weighs the same however many of its seeds count.
    """
    same_fold = np.equal.outer(folds, folds)
    beside = np.maximum(1, same_fold @ used.astype(np.int64))  # the used cells of the fold of each cell
    n_folds = sum(used[np.equal(folds, fold)].any(axis=0).astype(np.int64) for fold in set(folds))
    weights: Floats = used / (beside * np.maximum(1, n_folds))
    return weights


class Kept:
    """What measuring several systems on the same images has in common, made once: draws, and replicates of figures.

    Both are known by what they are made of, so that they are what they would be if they were made again. Metrics of one
    name are taken for the same. Of draws, which are large, the last one alone is kept.
    """

    def __init__(self) -> None:
        self._last: tuple[bytes, UnitCounts] | None = None
        self._found: dict[tuple[bytes, str], Floats] = {}

    def drawn(self, cells: Sequence[Predictions], replicates: int, seed: int) -> UnitCounts:
        """As `resample`."""
        drawn_of = ((cell.fold, cell.classes, cell.groups, cell.targets) for cell in map(_by_name, cells))
        key = _digest(replicates, seed, *drawn_of)
        if self._last is None or self._last[0] != key:
            self._last = key, resample(cells, replicates, seed)
        return self._last[1]

    def replicates(
        self,
        cells: Sequence[Predictions],
        metrics: Sequence[Metric],
        used: Mapping[str, NDArray[np.bool_]],
        folds: Sequence[int],
        drawn: UnitCounts,
    ) -> dict[str, Floats]:
        """(B, K) of each metric, by name: the means over `cells` as `mean_where` takes them, of their `bootstrap`.

        They are computed in the order of the names of images, whatever order these come in.
        """
        cells = list(map(_by_name, cells))
        of_cells = ((cell.classes, cell.malignant, cell.groups, cell.targets, cell.probabilities) for cell in cells)
        # The first replicate stands for all of them: the others follow from the same seed.
        content = _digest(len(drawn), drawn.units, drawn.strata, drawn.counts[0], tuple(folds), *of_cells)
        keys = {metric.name: (_digest(content, used[metric.name]), metric.name) for metric in metrics}
        missing = [metric for metric in metrics if keys[metric.name] not in self._found]
        if missing:
            columns = np.hstack([used[metric.name] for metric in missing])
            means = mean_where(columns, (bootstrap(cell, missing, drawn) for cell in cells), folds)
            found = by_metric(missing, cells[0].classes, means)
            self._found |= {keys[name]: values for name, values in found.items()}
        return {name: self._found[key] for name, key in keys.items()}


def _by_name(cell: Predictions) -> Predictions:
    return cell.take(np.argsort(cell.image_ids, kind="stable"))


def _digest(*values: object) -> bytes:
    """A hash of plain values and arrays, also in tuples."""
    digest = hashlib.blake2b(digest_size=16)
    for value in values:
        if isinstance(value, tuple):
            digest.update(_digest(*value))
        elif isinstance(value, np.ndarray):
            digest.update(f"{value.dtype}{value.shape}".encode() + value.tobytes())
        else:
            digest.update(repr(value).encode() + b"\0")
    return digest.digest()
