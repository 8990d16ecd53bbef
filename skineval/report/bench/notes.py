"""What stands under the tables of a bench: what a figure is of, and what an interval and a p-value mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import isnan

from skineval.base.errors import first_few
from skineval.base.terms import OVERSAMPLE_FIRST, PRIMARY, UNDECIDED, Unit
from skineval.grid.cell.record import GridCell
from skineval.measure.names import LOWER_IS_BETTER, is_ensemble
from skineval.measure.ranks import LAG_P, RANK_KEPT
from skineval.measure.resolution import POWER, resolution
from skineval.report.bench.leaderboard import Leaderboard
from skineval.report.document import formatting
from skineval.report.document.excerpt import listed
from skineval.report.document.tables import Column
from skineval.values.measures import SIGNIFICANT, Score
from skineval.values.result import CellResult, EnsembleResult

OF_OVERLAP = (
    "Each interval is of one system: whether two of them differ is said by their paired difference, "
    "not by whether intervals overlap."
)
_PLACES = 12  # decimals beyond which figures differ by rounding
_FIRST = ("first", "second", "third")  #: the places of which it is said how often they are kept
_NO_ESTIMATES = (RANK_KEPT, LAG_P)  #: figures that have no interval
ON_FEWER_FOLDS = "What is not ranked is compared with the best on the folds that both have."


def of_system(names: Iterable[str]) -> Column:
    """The column of systems of these names, which files of predictions give no strategy."""
    return Column("system", "System", note="model/imbalance strategy" if any("/" in name for name in names) else "")


def of_results(board: Leaderboard, replicates: int | None = None) -> list[str]:
    """What an interval in these results means, and how many images, lesions and cells stand behind a figure."""
    measured = board.replicates != 0  # intervals may have been left out
    lines = [of_interval(board.unit, replicates)] if measured else []
    primary = board.figures(PRIMARY).values()
    if primary:
        images = _span(one.n_images for one in primary)
        groups = f" of {_span(one.n_lesions for one in primary)} {board.unit}s" if board.unit != "image" else ""
        averaged = _span(one.n_cells for one in primary if not is_ensemble(one.system))
        several = f"is the mean over {averaged} cells, or those where it is defined"
        over = "comes from one cell" if averaged == "1" else several
        each = "each figure of a single model" if any(is_ensemble(one.system) for one in primary) else "each figure"
        lines.append(f"{board.test}: {images} images{groups}; {each} {over}.")
    if not board.external and any(one.protocol == OVERSAMPLE_FIRST for one in board.scores):
        lines.append("An image counts as often as copies of it are tested.")
    lines += [*of_absent(board), *(without_interval(board.scores, board.unit) if measured else [])]
    return lines + of_ties(board)


def of_cells(scores: Iterable[Score]) -> list[str]:
    """What figures of classes are means over, where they are of several cells."""
    cells = [one.n_cells for one in scores if one.class_ and one.n_cells]
    if max(cells, default=1) < 2:
        return []
    over = f"Each figure is the mean over {_span(cells)} cells, those in which it is defined"
    return [f"{over}: F1 is the mean of that of cells, and not what the recall and precision beside it would give."]


def of_absent(board: Leaderboard) -> list[str]:
    """Which classes have no test image, or none in some folds, so that figures are not of all of them."""
    recalls = {name: board.everyone("recall", name) for name in board.classes}
    absent = [name for name, of in recalls.items() if of and all(isnan(one.value) for one in of.values())]
    most = Counter[str]()
    for of in recalls.values():
        for system, one in of.items():
            most[system] = max(most[system], one.n_cells)
    partly = [name for name, of in recalls.items() if any(one.n_cells < most[system] for system, one in of.items())]
    told = []
    if absent:
        told.append(
            f"No test image is of {_listed(absent)}: means over classes are over the others, of F1 also over those "
            "that are predicted, and not to be set beside those of all."
        )
    if partly := [name for name in partly if name not in absent]:
        told.append(
            f"Not every cell has a test image of {_listed(partly)}: means over classes are over the others there, and "
            "what stands here is no mean of the figures of classes."
        )
    return told


def _listed(classes: Sequence[str]) -> str:
    return listed([formatting.plain(name) for name in classes], "classes")


def without_interval(scores: Iterable[Score], unit: Unit) -> list[str]:
    """Why figures have no interval; nothing where all have one."""
    if not any(isnan(one.low) and not isnan(one.value) for one in scores if one.metric not in _NO_ESTIMATES):
        return []
    why = f"a class has a single {unit}, or too few for such a figure, or too many replicates lack it, or all agree"
    return [f"A figure without brackets has no interval: {why}."]


def of_ties(board: Leaderboard) -> list[str]:
    """Whose images were undecided, and how many; nothing where none was."""
    tied = [one for one in board.scores if one.metric == UNDECIDED and one.value > 0]
    if not tied:
        return []
    shares = formatting.listed(f"{formatting.percent(one.value)} of {formatting.plain(one.system)}" for one in tied)
    return [f"Undecided images, whose largest probability is tied, count as wrong: {shares}."]


#: Why the intervals of baselines may have no width.
OF_RULES = (
    "Baselines look at no image: what they score whatever the frequencies of classes is known, and its interval has no "
    "width."
)


def of_interval(unit: Unit, replicates: int | None = None, within: str = "class") -> str:
    """What is resampled for an interval, and what is made of it."""
    what = "images" if unit == "image" else f"{unit}s, with all of their images,"
    times = f" ({formatting.count(replicates)} replicates)" if replicates else ""
    doubt = "" if unit != "image" else "; which of them show one lesion is not known, so intervals may be too narrow"
    return (
        f"Brackets: 95 % interval; {what} are resampled within their {within} and fold{times}. Shares (accuracy, "
        "recall, precision, F1, AUC and their means) have Wilson intervals, all else percentile intervals, those of "
        f"calibration errors, which noise only raises, reflected at the figure{doubt}."
    )


def of_rejection(board: Leaderboard) -> list[str]:
    """What images of no class are rejected by, and how many there are."""
    both = board.figures("reject_auroc").values()
    images = f"{_span(one.n_images for one in both)} images"
    groups = f" of {_span(one.n_lesions for one in both)} {board.unit}s" if board.unit != "image" else ""
    return [
        f"{images}{groups}: those of the test, and those of classes that the task does not have.",
        "Confidence is the largest probability of an image; what has less than a threshold is rejected.",
        "FPR at 95 % TPR: at the highest threshold that keeps 95 % of the images of the classes, of these very images.",
        "Chance has an AUROC of .5 and keeps 95 %; baselines say the same of every image, and keep all.",
        of_interval(board.unit, board.replicates, "side"),
    ]


#: Over which comparisons Holm's correction is.
OF_METRIC = "all comparisons of its metric together"
IN_LADDERS = "all strategies of a model in its metric together"


def of_test(unit: Unit, together: str = OF_METRIC) -> str:
    """What is permuted for a p-value, and why it need not agree with the interval beside it."""
    return (
        f"Differences are paired on the same images; p: {unit} randomisation test, ties counted half, by Holm's method "
        f"for {together}. An interval is for one comparison by itself and of another method, so that near 0 they may "
        "disagree."
    )


def of_direction(metrics: Iterable[str]) -> list[str]:
    """For whom a difference speaks, where that is not the same in all of these metrics."""
    lower = [metric for metric in dict.fromkeys(metrics) if metric in LOWER_IS_BETTER]
    return [f"A is better where a difference is above 0, in {formatting.listed(lower)} below 0."] if lower else []


def of_few_replicates(comparisons: int, replicates: int | None) -> list[str]:
    """That no p can be small enough, where replicates are too few for so many comparisons."""
    least = comparisons / (1 + replicates) if replicates else 0.0
    if least < SIGNIFICANT:
        return []
    words = f"With {replicates:,} replicates the smallest Holm p of {comparisons} comparisons is {least:.3f}"
    return [f"{words}: none can be told apart. That takes {round(comparisons / SIGNIFICANT):,} replicates."]


def of_resolution(board: Leaderboard) -> list[str]:
    """What the test set can tell apart, and how often the first places are kept: one line, or none of one system."""
    smallest, kept = resolution(board.behind.values()), board.figures(RANK_KEPT)
    shared = _sharing(board)
    places = [
        f"the {place} in {_nearly_all(kept[system].value)}"
        for place, system in zip(_FIRST, board.ranked, strict=False)
        if system in kept and not isnan(kept[system].value) and system not in shared
    ]
    what = []
    if smallest:
        what.append(
            f"this test set can tell two such systems apart (power {formatting.percent(POWER, 0)}, p < {SIGNIFICANT}, "
            f"one comparison) if they differ by about {formatting.decimal(smallest.value)} in balanced accuracy"
        )
    if places:
        what.append(f"ranks are kept in resamples of it: {formatting.listed(places)}")
    if shared:
        what.append(f"{first_few(list(map(formatting.plain, shared)))} score the same, and share their ranks")
    line = "; ".join(what)
    return [f"{line[:1].upper()}{line[1:]}."] if line else []


def _nearly_all(share: float) -> str:
    """A share in whole percent, of which neither 0 nor 100 is said where it is not."""
    rounded = formatting.percent(share, 0)
    return {"100 %": "more than 99 %", "0 %": "less than 1 %"}.get(rounded, rounded) if 0 < share < 1 else rounded


def _sharing(board: Leaderboard) -> list[str]:
    """The systems whose primary figure another one has, too: they share a rank, and are no first and second."""
    figures = board.figures(PRIMARY)
    values = {system: round(figures[system].value, _PLACES) for system in board.ranked if system in figures}
    times = Counter(values.values())
    return [system for system, value in values.items() if times[value] > 1]


def why_unranked(folds: Sequence[int]) -> str:
    """Why a system that lacks these folds has no rank."""
    return (
        f"Not ranked: it lacks {formatting.numbered('fold', folds)}, so that its figures are not of what the "
        "others' are."
    )


def of_seeds(cells: Sequence[GridCell]) -> list[str]:
    """That one seed says nothing of the spread between several."""
    if len({cell.seed for cell in cells}) != 1:
        return []
    return ["One seed: how far results spread between seeds was not measured; small differences may be no more."]


def averaged_over(one: EnsembleResult) -> str:
    """Such as `all models and seeds`."""
    what = [word for word in ("models", "folds", "seeds") if word in one.over]
    return f"{'all' if 'models' in what else 'its'} {formatting.listed(what)}"


def each_of(ensemble: EnsembleResult) -> str:
    """Of what it has a mean each, such as ` in each of 5 folds`; empty where it has a single one."""
    n_seeds = 1 if "seeds" in ensemble.over else len({one.seed for one in ensemble.predictions})
    n_folds = 1 if "folds" in ensemble.over else len({one.fold for one in ensemble.predictions})
    of_seeds = f" of each of {formatting.plural(n_seeds, 'seed')}" if n_seeds > 1 else ""
    return of_seeds + (f" in each of {formatting.plural(n_folds, 'fold')}" if n_folds > 1 else "")


def members(ensemble: EnsembleResult) -> str:
    """Of how many cells each of its means is: `3 cells in each of 5 folds`, `2 to 3 cells` where some have failed."""
    sizes = [one.n_cells for one in ensemble.predictions]
    fewest, most = min(sizes), max(sizes)
    n = formatting.plural(most, "cell") if fewest == most else f"{fewest} to {formatting.plural(most, 'cell')}"
    return n + each_of(ensemble)


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
    found = list(numbers)
    return " to ".join(dict.fromkeys(formatting.count(end) for end in (min(found), max(found))))


def lacking(cell: CellResult, what: str) -> str:
    """That a finished cell lacks something that was to be added to it, and why."""
    where = f"{formatting.plain(cell.system)}, fold {cell.fold}, seed {cell.seed}"
    return f"{where} has no {what}: {formatting.plain(cell.lacking) or 'not made yet'}."
