"""What stands under the tables of a bench: what a figure is of, and what an interval and a p-value mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import isnan
from typing import TYPE_CHECKING

from skineval.report.bench import rows
from skineval.report.bench.rows import PRIMARY, UNDECIDED, GridCell, Score
from skineval.report.document import formatting

if TYPE_CHECKING:
    import pandas as pd

    from skineval.values.result import EnsembleResult

OF_OVERLAP = (
    "Each interval is of one system: whether two of them differ is said by their paired difference, "
    "not by whether intervals overlap."
)
ON_FEWER_FOLDS = "What is not ranked is compared with the best on the folds that both have."


def of_results(
    results: pd.DataFrame,
    replicates: int | None = None,
    external: str = "",
    *,
    test: str = "Internal test",
    lesions_known: bool = True,
) -> list[str]:
    """What an interval in these results means, and how many images, lesions and cells stand behind a figure.

    `test` is what the images are called that are not those of the external test `external`.
    """
    from skineval.base.terms import OVERSAMPLE_FIRST  # numpy comes with it, which lists of names do without

    primary = [one for one in rows.scores(results) if one.metric == PRIMARY and not one.baseline]
    lines = [of_interval(lesions_known, replicates)]
    if primary:
        images = _span(one.n_images for one in primary)
        lesions = f" of {_span(one.n_lesions for one in primary)} lesions" if lesions_known else ""
        averaged = _span(one.n_cells for one in primary if not one.ensemble)
        several = f"is the mean over {averaged} cells, or those where it is defined"
        over = "comes from one cell" if averaged == "1" else several
        test = f"External test {formatting.plain(external)}" if external else test
        each = "each figure of a single model" if any(one.ensemble for one in primary) else "each figure"
        lines.append(f"{test}: {images} images{lesions}; {each} {over}.")
    if not external and OVERSAMPLE_FIRST in set(results["protocol"]):
        lines.append("An image counts as often as copies of it are tested.")
    scores = rows.scores(results)
    if any(isnan(one.estimate.low) and not isnan(one.estimate.value) for one in scores):
        lines.append("A figure without brackets has no interval: a class has a single lesion, or all replicates agree.")
    return lines + of_ties(scores)


def of_ties(scores: Iterable[Score]) -> list[str]:
    """Whose images were undecided, and how many; nothing where none was."""
    tied = [one for one in scores if one.metric == UNDECIDED and one.estimate.value > 0]
    if not tied:
        return []
    shares = formatting.listed(
        f"{formatting.percent(one.estimate.value)} of {formatting.plain(one.system)}" for one in tied
    )
    return [f"Undecided images, whose largest probability is tied, count as wrong: {shares}."]


def of_weights(lacking: Iterable[str]) -> list[str]:
    """What began with random values although ImageNet weights were asked for."""
    return [formatting.plain(note) for note in lacking]


def of_interval(lesions_known: bool, replicates: int | None = None) -> str:
    """What is resampled for an interval, and what is made of it."""
    what = "lesions, with all of their images," if lesions_known else "images"
    times = f" ({formatting.count(replicates)} replicates)" if replicates else ""
    doubt = "" if lesions_known else "; which of them show one lesion is not known, so intervals may be too narrow"
    return (
        f"Brackets: 95 % interval; {what} are resampled within their class and fold{times}. Shares (accuracy, recalls, "
        f"areas under curves and their means) have Wilson intervals, all else percentile intervals{doubt}."
    )


def of_test(lesions_known: bool) -> str:
    """What is permuted for a p-value, and why it need not agree with the interval beside it."""
    unit = "lesion" if lesions_known else "image"
    return (
        f"Differences are paired on the same images; p: {unit} randomisation test, by Holm's method for all "
        "comparisons of its metric together. An interval is for one comparison by itself and of another method, so "
        "that near 0 they may disagree."
    )


def why_unranked(folds: Sequence[int]) -> str:
    """Why a system that lacks these folds has no rank."""
    return (
        f"Not ranked: it lacks {formatting.numbered('fold', folds)}, so that its figures are not of what the "
        "others' are."
    )


def of_seeds(grid: Sequence[GridCell]) -> list[str]:
    """That one seed says nothing of the spread between several."""
    if len({cell.seed for cell in grid}) != 1:
        return []
    return ["One seed: how far results spread between seeds was not measured; small differences may be no more."]


def averaged_over(one: EnsembleResult) -> str:
    """Such as `all models and seeds`."""
    what = [word for word in ("models", "folds", "seeds") if word in one.over]
    return f"{'all' if 'models' in what else 'its'} {formatting.listed(what)}"


def of_ensembles(averaged: Sequence[EnsembleResult], timed: bool) -> Iterator[str]:
    """What an ensemble is, and which of them lack members."""
    if averaged:
        over = " or over ".join(dict.fromkeys(map(averaged_over, averaged)))
        yield (
            f"ensemble(...): the mean of the probabilities that several networks give an image, over {over}; nothing "
            "is chosen or fitted for it." + " Its time is that of all of them." * timed
        )
    for one in averaged:
        if one.predictions and len(one.members) < one.n_wanted:
            made = "made" if len(one.predictions) > 1 else "the mean"
            made_of = f"{made} of {len(one.members)} of {one.n_wanted} cells"
            yield f"{formatting.plain(one.system)} is {made_of}: others did not finish, or were left alone."


def _span(numbers: Iterable[int]) -> str:
    """`400`, or `380 to 400` where systems differ."""
    found = sorted(set(numbers))
    return (
        formatting.count(found[0])
        if len(found) == 1
        else f"{formatting.count(found[0])} to {formatting.count(found[-1])}"
    )
