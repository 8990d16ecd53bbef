"""Where the networks of a bench look: how well maps of the same test images agree with the outlines of lesions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skineval.explain.scores import CENTRE, PRIMARY
from skineval.measure.comparisons import best_first, holm
from skineval.measure.means import mean_difference, mean_gap, mean_score
from skineval.measure.metrics import predicted
from skineval.measure.resampling import UnitCounts, resample
from skineval.values.measures import Difference, Estimate, Score, system_name
from skineval.values.predictions import Predictions, concatenated
from skineval.values.result import BenchResult, CellResult

RIGHT = "right_minus_wrong"


@dataclass(frozen=True)
class Look:
    """Where one system looks, by one explainer."""

    explainer: str
    score: Score  #: `PRIMARY` of its maps, on average
    minus_centre: Difference  #: of the maps of this system and the map of the middle, on the same images
    right_minus_wrong: Estimate  #: of images that it takes for what they are and of the others
    behind: Difference | None  #: of the system whose maps agree best, less this one, on the images of both

    @property
    def system(self) -> str:
        """Whose maps they are."""
        return self.score.system


@dataclass(frozen=True, eq=False)
class _Maps:
    """The scores of the maps of one system."""

    cells: Sequence[Predictions]  #: of the images, each once, fold by fold
    own: NDArray[np.float64]  #: (N,) in the order of the images of `cells`: the mean over what each was tested by
    centre: NDArray[np.float64]  #: (N,)
    answers: Predictions  #: of every cell
    of_answers: NDArray[np.float64]  #: (M,): the score of each map

    @property
    def images(self) -> Predictions:
        """All of them."""
        return concatenated(self.cells)


def looks(bench: BenchResult) -> tuple[Look, ...]:
    """Of every explainer whose maps were scored, every system that it has maps of, the best first.

    Holm's correction is over all comparisons of an explainer.
    """
    return tuple(look for explainer in bench.recipe.explainers for look in _of(bench, explainer))


def frame(found: Sequence[Look]) -> pd.DataFrame:
    """explanations.csv."""
    return pd.DataFrame([_row(one) for one in found], columns=_COLUMNS)


_FIGURES = ("", "minus_centre_", f"{RIGHT}_", "behind_")
_COLUMNS = [
    *("model", "imbalance", "explainer", "metric", "n_images", "n_lesions"),
    *(f"{figure}{part}" for figure in _FIGURES for part in ("value", "low", "high")),
    *("minus_centre_p_holm", "behind_p_holm"),
]


def _row(one: Look) -> dict[str, object]:
    score = one.score
    figures = zip(_FIGURES, (score, one.minus_centre, one.right_minus_wrong, one.behind), strict=True)
    return {
        **{key: getattr(score, key) for key in ("model", "imbalance", "metric", "n_images", "n_lesions")},
        "explainer": one.explainer,
        **{f"{figure}{part}": getattr(of, part, np.nan) for figure, of in figures for part in ("value", "low", "high")},
        "minus_centre_p_holm": one.minus_centre.p_holm,
        "behind_p_holm": one.behind.p_holm if one.behind else np.nan,
    }


def _of(bench: BenchResult, explainer: str) -> Iterator[Look]:
    cells: dict[tuple[str, str], list[CellResult]] = {}
    for cell in bench.finished:
        if explainer in cell.map_scores:
            cells.setdefault((cell.model, cell.imbalance), []).append(cell)
    replicates, seed = bench.recipe.replicates, bench.recipe.split_seed
    maps = {names: _maps(mine, explainer) for names, mine in cells.items()}
    found = {names: _look(explainer, names, one, resample(one.cells, replicates, seed)) for names, one in maps.items()}
    order = best_first({system_name(*names): look.score.value for names, look in found.items()})
    # What lacks folds of others is behind them: its images are fewer, and may be the easier ones.
    ranked = sorted(found, key=lambda names: (-len(maps[names].images), order.index(system_name(*names))))
    compared = {
        names: _difference(maps[ranked[0]], maps[names], ranked[0], names, replicates, seed) for names in ranked[1:]
    }
    kept = [found[names].minus_centre for names in ranked] + list(compared.values())
    corrected = [replace(one, p_holm=float(p)) for one, p in zip(kept, holm([one.p for one in kept]), strict=True)]
    behind: Mapping[tuple[str, str], Difference] = dict(zip(compared, corrected[len(ranked) :], strict=True))
    for names, minus_centre in zip(ranked, corrected, strict=False):
        yield replace(found[names], minus_centre=minus_centre, behind=behind.get(names))


def _maps(cells: Sequence[CellResult], explainer: str) -> _Maps:
    """Of an image that several cells have tested, in repeats or with other seeds, the mean of those that have a map."""
    cells = sorted(cells, key=lambda cell: (cell.fold, cell.seed))
    scores = pd.concat([cell.map_scores[explainer] for cell in cells]).groupby("image_id").mean()
    images: list[Predictions] = []
    known = np.array([], dtype=np.str_)
    for cell in cells:
        ids = np.setdiff1d(_ids(cell, explainer), known)
        known = np.union1d(known, ids)
        if len(ids):
            images.append(_taken(cell.predictions.select("test"), ids))
    order = np.searchsorted(scores.index.to_numpy(dtype=np.str_), concatenated(images).image_ids)
    own, centre = (scores[column].to_numpy(dtype=np.float64)[order] for column in (PRIMARY, CENTRE))
    answers = [_taken(cell.predictions.select("test"), _ids(cell, explainer)) for cell in cells]
    of_answers = [cell.map_scores[explainer][PRIMARY].to_numpy(dtype=np.float64) for cell in cells]
    return _Maps(images, own, centre, concatenated(answers), np.concatenate(of_answers))


def _ids(cell: CellResult, explainer: str) -> NDArray[np.str_]:
    """The images that have been asked about, in the order of their scores."""
    found: NDArray[np.str_] = cell.map_scores[explainer]["image_id"].to_numpy(dtype=np.str_)
    return found


def _taken(test: Predictions, ids: NDArray[np.str_]) -> Predictions:
    """The images of these ids, in this order, each once."""
    _, once = np.unique(test.image_ids, return_index=True)
    test = test.take(once)
    return test.take(np.searchsorted(test.image_ids, ids))


def _look(explainer: str, names: tuple[str, str], maps: _Maps, drawn: UnitCounts) -> Look:
    score = mean_score(PRIMARY, maps.own, maps.images, drawn)
    centre = mean_difference(PRIMARY, maps.own, maps.centre, maps.images, drawn)
    answers = maps.answers
    right = predicted(answers.probabilities) == answers.targets
    return Look(
        explainer,
        replace(score, model=names[0], imbalance=names[1]),
        replace(centre, a=system_name(*names), b=CENTRE),
        mean_gap(maps.of_answers, right, answers, drawn),
        None,
    )


def _difference(
    best: _Maps, other: _Maps, a: tuple[str, str], b: tuple[str, str], replicates: int, seed: int
) -> Difference:
    """On the images that both have maps of."""
    both = np.intersect1d(best.images.image_ids, other.images.image_ids)
    cells = [one.take(np.isin(one.image_ids, both)) for one in best.cells]
    images = concatenated(cells)
    ours, theirs = (_of_images(one, images.image_ids) for one in (best, other))
    found = mean_difference(PRIMARY, ours, theirs, images, resample(cells, replicates, seed))
    return replace(found, a=system_name(*a), b=system_name(*b))


def _of_images(maps: _Maps, ids: NDArray[np.str_]) -> NDArray[np.float64]:
    """The scores of these images, in this order."""
    order = np.argsort(maps.images.image_ids)
    found: NDArray[np.float64] = maps.own[order][np.searchsorted(maps.images.image_ids[order], ids)]
    return found
