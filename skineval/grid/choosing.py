"""What is chosen on validation images, and what it does to test images: of every system of a bench.

Each cell has choices of its own, made on its own validation part; the figures are those of the system as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np

from skineval.base.terms import PRIMARY
from skineval.catalog.specs import Metric
from skineval.measure.abstention import KEPT, kept, least_confidence, right_where
from skineval.measure.conformal import COVERAGE, SIZES, as_answers, as_sizes, least_probabilities, sets
from skineval.measure.intervals import estimate
from skineval.measure.names import METRICS
from skineval.measure.operating import SENSITIVITY, choose_threshold, decided
from skineval.measure.replicates import Kept
from skineval.measure.scaling import choose_temperature, choose_vectors, logits_of, scaled
from skineval.values.measures import Choice, Score
from skineval.values.predictions import Predictions
from skineval.values.result import BenchResult
from skineval.values.task import BINARY

TEMPERATURE = "temperature"
VECTORS = "vector-scaling"
AT_SENSITIVITY = f"sensitivity={SENSITIVITY:g}"
AT_COVERAGE = f"coverage={COVERAGE:g}"
AT_KEPT = f"kept={KEPT:g}"

_CALIBRATION = ("nll", "brier", "ece")
#: Of answers that are malignant or benign: a metric of one of the two, and what it is called.
_OF_DECISIONS = {
    ("recall", BINARY[1]): "sensitivity",
    ("recall", BINARY[0]): "specificity",
    ("precision", BINARY[1]): "ppv",
    ("npv", BINARY[1]): "npv",
}


@dataclass(frozen=True, eq=False)
class _Cell:
    """What a cell has predicted of the images on which is chosen, and of those that it is judged on."""

    validation: Predictions
    test: Predictions


#: The figures of the cells of a system once something was chosen; empty where that is not possible in every cell.
_Chooser = Callable[[Sequence[_Cell], "_Estimate"], Iterator[Score]]
_Estimate = Callable[[Sequence[Predictions], Sequence[Metric]], Sequence[Score]]


def choices(bench: BenchResult) -> Iterator[Choice]:
    """The figures of every system with an image to choose on, by system and by what is chosen."""
    measure = partial(estimate, replicates=bench.recipe.replicates, seed=bench.recipe.split_seed, kept=Kept())
    for (model, imbalance), cells in _systems(bench).items():
        if all(len(cell.validation) and len(cell.test) and cell.test.normalised for cell in cells):
            for chosen, chooser in _CHOOSERS.items():
                for one in chooser(cells, measure):
                    yield Choice(**asdict(one) | {"model": model, "imbalance": imbalance, "chosen": chosen})


def _systems(bench: BenchResult) -> dict[tuple[str, str], list[_Cell]]:
    found: dict[tuple[str, str], list[_Cell]] = {}
    whole = [(cell.model, cell.imbalance, cell.predictions) for cell in bench.finished]
    whole += [(one.model, one.imbalance, mean) for one in bench.ensembles for mean in one.predictions]
    for model, imbalance, predictions in whole:
        cell = _Cell(predictions.select("validation"), predictions.select("test"))
        found.setdefault((model, imbalance), []).append(cell)
    return found


def _metrics(*names: str) -> list[Metric]:
    return [metric for metric in METRICS if metric.name in names]


def _mean(name: str, values: Sequence[float], like: Score) -> Score:
    """What was chosen, the mean over cells; of the images that `like` is of."""
    return Score(
        float(np.mean(values)), metric=name, n_images=like.n_images, n_lesions=like.n_lesions, n_cells=like.n_cells
    )


def _by_temperature(cells: Sequence[_Cell], measure: _Estimate) -> Iterator[Score]:
    chosen = [choose_temperature(logits_of(cell.validation), cell.validation.targets) for cell in cells]
    changed = [scaled(cell.test, 1 / one) for cell, one in zip(cells, chosen, strict=True)]
    found = measure(changed, _metrics(*_CALIBRATION))
    # The geometric mean: to divide by 2 and to multiply by 2 are as far apart from doing nothing.
    yield _mean("temperature", [float(np.exp(np.log(chosen).mean()))], found[0])
    yield from found


def _by_vectors(cells: Sequence[_Cell], measure: _Estimate) -> Iterator[Score]:
    chosen = [choose_vectors(logits_of(cell.validation), cell.validation.targets) for cell in cells]
    changed = [scaled(cell.test, *both) for cell, both in zip(cells, chosen, strict=True)]
    yield from measure(changed, _metrics(PRIMARY, *_CALIBRATION))


def _at_sensitivity(cells: Sequence[_Cell], measure: _Estimate) -> Iterator[Score]:
    chosen = [choose_threshold(cell.validation) for cell in cells if cell.test.malignant is not None]
    thresholds = [one for one in chosen if one is not None]
    if len(thresholds) < len(cells):
        return
    changed = [decided(cell.test, one) for cell, one in zip(cells, thresholds, strict=True)]
    found = {(one.metric, one.class_): one for one in measure(changed, _metrics("recall", "precision", "npv"))}
    yield _mean("threshold", thresholds, next(iter(found.values())))
    for names, called in _OF_DECISIONS.items():
        yield _renamed(found[names], called)


def _at_coverage(cells: Sequence[_Cell], measure: _Estimate) -> Iterator[Score]:
    held = [sets(cell.test, least_probabilities(cell.validation)) for cell in cells]
    tests = [cell.test for cell in cells]
    covered = measure(list(map(as_answers, tests, held)), _metrics(PRIMARY, "recall"))
    yield from (_renamed(one, "set_coverage", one.class_) for one in covered)
    for one in measure(list(map(as_sizes, tests, held)), SIZES):
        yield _renamed(one, one.metric.removeprefix("class_"), one.class_)


def _at_kept(cells: Sequence[_Cell], measure: _Estimate) -> Iterator[Score]:
    masks = [kept(cell.test, least_confidence(cell.validation)) for cell in cells]
    tests = [cell.test for cell in cells]
    (share,) = measure(list(map(right_where, tests, masks)), _metrics("accuracy"))
    yield _renamed(share, "kept")
    if all(mask.any() for mask in masks):
        of_kept = [test.take(mask) for test, mask in zip(tests, masks, strict=True)]
        # Without a class that is tested a mean over classes is another one, and the worst class is what is missing.
        whole = all({*some.targets} == {*test.targets} for some, test in zip(of_kept, tests, strict=True))
        yield from measure(of_kept, _metrics("accuracy", *([PRIMARY] if whole else [])))


def _renamed(score: Score, name: str, class_: str = "") -> Score:
    return replace(score, metric=name, class_=class_)


_CHOOSERS: dict[str, _Chooser] = {
    TEMPERATURE: _by_temperature,
    VECTORS: _by_vectors,
    AT_SENSITIVITY: _at_sensitivity,
    AT_COVERAGE: _at_coverage,
    AT_KEPT: _at_kept,
}
