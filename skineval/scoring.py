"""Scores and differences of predictions of any origin, as documented Python functions. Needs no torch."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
from numpy.typing import ArrayLike

from skineval.base.errors import UsageError, hint_for
from skineval.catalog.catalog import load_catalog
from skineval.grid.arrays import table_of_arrays
from skineval.grid.evaluation import Evaluation, Question
from skineval.grid.evaluation import evaluate as judge
from skineval.measure.class_columns import Reading
from skineval.report.document import formatting
from skineval.values.keys import READ_BY

#: A file of predictions, the folder of a trained cell or of a bench, or a frame.
Predicted: TypeAlias = "str | Path | pd.DataFrame"


def evaluate(
    predictions: Predicted | Sequence[Predicted] | ArrayLike,
    targets: ArrayLike | None = None,
    *,
    groups: ArrayLike | None = None,
    preset: str = "",
    truth: str | Path | pd.DataFrame | None = None,
    data: str | Path | None = None,
    part: str = "test",
    classes: str | Sequence[str] = (),
    map: str = "",
    logits: bool = False,
    allow_missing: bool = False,
    protocol: str = "",
    replicates: int = 2000,
    **keys: object,
) -> pd.DataFrame:
    """Score predictions of any origin: one row a figure, in the columns of results.csv.

    `predictions` are a file or a frame, the folder of a trained cell or of a bench, or a list of such, which are then
    scored on the images that all of them have. A table has an image id, a column of probabilities for each class, and
    `target`, the class; `fold`, `seed`, `part` and `lesion_id` where they are known, as predictions.csv. Where `target`
    is missing, `truth` holds the reference labels: one-hot as in ISIC 2018, or with `dx` as the metadata of HAM10000;
    or `data` is the data set that the images are of, which also knows which show one lesion; the recipe keys `columns`,
    `table` and `group_by` say how it is read. With either, scores need not sum to 1, as in a submission to ISIC 2018.
    Files may be separated by commas, semicolons or tabs. Columns, classes and parts are read as people call them
    ("MEL", "Melanoma", "val"), and of an image id neither path nor suffix counts; `classes` names those that the file
    only numbers, in their order. A class that the reference standard does not know stays, and a warning says so: an
    answer of it is wrong. `map`, such as "other=bkl+df+vasc", makes one class of several; with `logits` the softmax of
    the scores is meant, and with `allow_missing` images are left out that one side lacks.

    `preset` "isic2018" gives the figures of that challenge's official scorer in place of all others.

    With `targets`, `predictions` are the probabilities themselves, (N, C) in the order of `classes`, of images that are
    of the classes `targets`, by name or by index, and of the lesions `groups`, both (N,).

    Intervals resample lesions, or images where no lesion is known; with 0 `replicates` there are none. `protocol` says
    how the parts were made, where that is known: as for `bench`; only "oversample-first" lets an image be tested
    several times. Raises DataError naming file and row of what is wrong, also where the file's own targets contradict
    `truth`; UsageError for an unknown protocol.
    """
    _refuse_unknown(keys)
    reading = Reading.of(classes or (), map, logits=logits)
    question = Question(truth, data, keys, part, reading, allow_missing, protocol, replicates, preset)
    if targets is not None:
        sources: list[Predicted] = [table_of_arrays(predictions, targets, groups, reading.numbered, logits=logits)]
        question = replace(question, reading=replace(reading, numbered=()))
    else:
        sources = _listed(predictions)
    return _told(judge(sources, question, load_catalog())).results


def compare(
    *predictions: Predicted | Sequence[Predicted],
    truth: str | Path | pd.DataFrame | None = None,
    data: str | Path | None = None,
    part: str = "test",
    classes: str | Sequence[str] = (),
    map: str = "",
    logits: bool = False,
    allow_missing: bool = False,
    protocol: str = "",
    replicates: int = 2000,
    **keys: object,
) -> pd.DataFrame:
    """Set the best of several systems against each other one: one row a difference, in the columns of comparisons.csv.

    Everything else is as for `evaluate`. Raises UsageError where there is one system alone, and DataError where they
    have no image in common, tell other classes apart, or take an image for of two classes.
    """
    _refuse_unknown(keys)
    reading = Reading.of(classes or (), map, logits=logits)
    question = Question(truth, data, keys, part, reading, allow_missing, protocol, replicates)
    sources = [source for one in predictions for source in _listed(one)]
    return _told(judge(sources, question, load_catalog()).of_several()).comparisons


def _refuse_unknown(keys: Mapping[str, object]) -> None:
    """Raise UsageError for a keyword that nothing takes."""
    for name in keys:
        if name not in READ_BY:
            known = [*inspect.signature(evaluate).parameters][1:-1]
            raise UsageError(f"There is no keyword {name}.", hint_for(name, [*known, *READ_BY]))


def _listed(predictions: Any) -> list[Predicted]:
    return [predictions] if isinstance(predictions, str | Path | pd.DataFrame) else list(predictions)


def told(found: Evaluation) -> tuple[str, ...]:
    """What has to be said of an evaluation beside its figures: what its stamps mean, its remarks, absent classes."""
    from skineval.report.bench.leaderboard import scored
    from skineval.report.bench.notes import of_absent

    return (*map(formatting.stamp_meaning, found.stamps), *found.remarks, *of_absent(scored(found)))


def _told(found: Evaluation) -> Evaluation:
    for words in told(found):
        warnings.warn(words, stacklevel=3)
    return found
