"""The ladder of a model that was trained with `none` and with other imbalance strategies: what each gains, or lacks.

Expected calibration errors have no place in it: noise raises them, the more so the better calibrated a system is, so
that their differences are off by what no replicate shows. In 200 samples of 1,000 lesions percentile intervals held the
true difference 14 to 99 % of the time, pivotal ones 69 to 93 %, depending on the pair of simulated systems.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import nan
from typing import TypeAlias

from skineval.base.terms import PRIMARY, UNCHANGED
from skineval.catalog.specs import Metric
from skineval.measure.comparisons import against
from skineval.measure.ranks import LAG_P, complete, lags
from skineval.measure.replicates import Kept
from skineval.values.measures import Difference, Score, system_name
from skineval.values.predictions import Predictions
from skineval.values.recipe import Recipe

#: What each strategy of a model has predicted of the test images, `none` first.
Remedies: TypeAlias = Mapping[str, Mapping[str, Sequence[Predictions]]]

CLIMBED = (PRIMARY, "macro_auc", "nll")  #: in which strategies are compared with `none`


def minus_none(of_models: Remedies, recipe: Recipe, metrics: Sequence[Metric], kept: Kept) -> Iterator[Difference]:
    """The strategies of each model minus `none`, on the same images.

    Holm's correction is over those of a model in the same metric. Strategies that lack all folds of `none` cannot be
    compared with it.
    """
    compared = [metric for metric in metrics if metric.name in CLIMBED]
    for model, strategies in of_models.items():
        named = {system_name(model, name): found for name, found in strategies.items()}
        none = system_name(model, UNCHANGED)
        folds = {cell.fold for cell in named[none]}
        beside = {name: found for name, found in named.items() if folds & {cell.fold for cell in found}}
        rows = against(none, beside, compared, replicates=recipe.replicates, seed=recipe.split_seed, kept=kept)
        yield from (row.turned for row in rows)


def behind_best(of_models: Remedies, recipe: Recipe, scores: Sequence[Score], kept: Kept) -> Iterator[Score]:
    """The p of how far each strategy of a model is behind the best of them in the primary metric."""
    primary = {one.system: one for one in scores if one.metric == PRIMARY}
    for model, strategies in of_models.items():
        ranked = complete({system_name(model, name): found for name, found in strategies.items()})
        if len(ranked) > 1:
            found = lags(ranked, replicates=recipe.replicates, seed=recipe.split_seed, kept=kept)
            yield from (replace(primary[name], metric=LAG_P, value=p, low=nan, high=nan) for name, p in found.items())
