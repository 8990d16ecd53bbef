"""The measures of a bench: every figure of every system, and the best one against the others. Nothing is read here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import nan
from typing import TypeAlias

import numpy as np

from skineval.base.terms import PRIMARY, UNCHANGED
from skineval.catalog.specs import Metric
from skineval.data.attributes import UNKNOWN
from skineval.grid.choosing import choices
from skineval.grid.ensembles import ensembles
from skineval.grid.ladders import behind_best, minus_none
from skineval.measure.baselines import baselines
from skineval.measure.comparisons import against, against_best, best_of
from skineval.measure.intervals import estimate
from skineval.measure.names import METRICS
from skineval.measure.ranks import RANK_KEPT, complete, places
from skineval.measure.rarity import sides
from skineval.measure.rejection import rejection
from skineval.measure.replicates import Kept
from skineval.measure.subgroups import subgroups
from skineval.values.measures import Difference, Score, Subgroup, system_name
from skineval.values.predictions import Predictions, concatenated
from skineval.values.result import BenchResult, CellResult, ExternalTest

Systems: TypeAlias = dict[tuple[str, str], list[Predictions]]  #: by model and imbalance strategy

COMPARED = ("balanced_accuracy", "macro_auc", "malignancy_auc", "macro_f1", "accuracy", "nll", "reject_auroc")


def measured(bench: BenchResult, known: Iterable[Metric]) -> BenchResult:
    """The bench with what the `known` metrics of its task say of its finished cells, on every test."""
    known = tuple(known)
    metrics = [metric for metric in known if metric.suits(bench.task)]
    of_rejection = [metric for metric in known if metric.suits(bench.task, rejecting=True)]
    externals = []
    for one in bench.externals:
        kept = Kept()
        scores = measure(bench, metrics, one, kept)
        differences = compare(bench, metrics, one, kept)
        externals.append(replace(one, scores=(*scores, *_of_ranks(bench, scores, kept, one)), differences=differences))
    kept = Kept()
    scores = measure(bench, metrics, kept=kept)
    differences, of_models = compare(bench, metrics, kept=kept), remedies(bench)
    of_order = (*_of_ranks(bench, scores, kept), *behind_best(of_models, bench.recipe, scores, kept))
    return replace(
        bench,
        scores=(*scores, *_of_sides(bench, scores), *of_order),
        differences=differences,
        ladders=tuple(minus_none(of_models, bench.recipe, metrics, kept)),
        subgroups=tuple(_subgroups(bench)),
        choices=tuple(choices(bench)),
        externals=[_with_rejection(bench, of_rejection, one) if one.outside else one for one in externals],
    )


def measure(
    bench: BenchResult, metrics: Sequence[Metric], external: ExternalTest | None = None, kept: Kept | None = None
) -> tuple[Score, ...]:
    """Every metric of every system and of the trivial baselines on the internal test, or on an external one."""
    return _scores(bench, metrics, {**systems(bench, external), **trivial(bench, external)}, kept)


def _scores(bench: BenchResult, metrics: Sequence[Metric], of: Systems, kept: Kept | None = None) -> tuple[Score, ...]:
    recipe = bench.recipe
    return tuple(
        replace(one, model=model, imbalance=imbalance, task=bench.task.name, protocol=recipe.protocol)
        for (model, imbalance), found in of.items()
        for one in estimate(found, metrics, replicates=recipe.replicates, seed=recipe.split_seed, kept=kept)
    )


def _of_sides(bench: BenchResult, scores: Sequence[Score]) -> Iterator[Score]:
    """The mean recalls of head and tail on the internal test, of every system and the trivial baselines."""
    of = {**systems(bench), **trivial(bench)}
    for name, chosen in sides(bench.classes, train_counts(bench)).items():
        if len(chosen) == 1:  # where it is the recall of that class
            recalls = (one for one in scores if (one.metric, one.class_) == ("recall", *chosen))
            yield from (replace(one, metric=name, class_="") for one in recalls)
        else:
            there = {names: images for names, found in of.items() if (images := images_of(chosen, found))}
            yield from _scores(bench, [replace(METRICS[0], name=name)], there, Kept())


def _of_ranks(
    bench: BenchResult, scores: Sequence[Score], kept: Kept, external: ExternalTest | None = None
) -> Iterator[Score]:
    named = {system_name(*names): found for names, found in systems(bench, external).items()}
    return of_ranks(named, scores, kept, replicates=bench.recipe.replicates, seed=bench.recipe.split_seed)


def of_ranks(
    named: Mapping[str, Sequence[Predictions]], scores: Sequence[Score], kept: Kept, *, replicates: int, seed: int = 0
) -> Iterator[Score]:
    """How often each system keeps its rank by the primary metric, of several that are ranked."""
    ranked = complete(named)
    primary = {one.system: one for one in scores if one.metric == PRIMARY}
    for place in places(ranked, replicates=replicates, seed=seed, kept=kept) if len(ranked) > 1 else ():
        yield replace(primary[place.system], metric=RANK_KEPT, value=place.kept, low=nan, high=nan)


def _subgroups(bench: BenchResult) -> Iterator[Subgroup]:
    """How good the best system is on parts of the test images, all of its folds and seeds together."""
    named = {system_name(*names): found for names, found in systems(bench).items()}
    best = best_of(named, METRICS[0])
    if bench.attributes is None or not best:
        return
    test = concatenated(named[best])
    known = bench.attributes.set_index("image_id").reindex(test.image_ids.tolist(), fill_value=UNKNOWN)
    values = {str(name): column.to_numpy(dtype=str) for name, column in known.items()}
    yield from subgroups(best, test, values, replicates=bench.recipe.replicates, seed=bench.recipe.split_seed)


def compare(
    bench: BenchResult, metrics: Sequence[Metric], external: ExternalTest | None = None, kept: Kept | None = None
) -> tuple[Difference, ...]:
    """The best system against every other one, paired on the same images."""
    named = {system_name(*names): found for names, found in systems(bench, external).items()}
    compared = [metric for metric in metrics if metric.name in COMPARED]
    replicates, seed = bench.recipe.replicates, bench.recipe.split_seed
    rows = against_best(named, compared, replicates=replicates, seed=seed, kept=kept) if len(named) > 1 else []
    label = bench.task.sought
    of_class = {name: images for name, found in named.items() if label and (images := images_of([label], found))}
    if rows and rows[0].a in of_class:
        # Of the images of one class, the share that is called right is the recall of the class.
        recall = [replace(metric, name=f"recall_{label}") for metric in metrics if metric.name == "accuracy"]
        rows += against(rows[0].a, of_class, recall, replicates=replicates, seed=seed)
    return tuple(rows)


def _with_rejection(bench: BenchResult, metrics: Sequence[Metric], external: ExternalTest) -> ExternalTest:
    """An external test with what `metrics` say of how its images of no class are told from the others.

    Of the cells that have predicted both. The system that is the best on the test is compared with the others here,
    too.
    """
    outside = external.outside or {}
    both = {
        run_id: concatenated([inside, outside[run_id]])
        for run_id, inside in external.predictions.items()
        if run_id in outside
    }
    averaged = ensembles(bench.recipe, bench.finished, both, bench.recipe.ensemble)
    mixed = replace(external, predictions=both, ensembles=averaged)
    found, rules = (
        {names: list(map(rejection, cells)) for names, cells in of.items()}
        for of in (systems(bench, mixed), trivial(bench, mixed))
    )
    scores, differences = [*external.scores, *_scores(bench, metrics, {**found, **rules})], [*external.differences]
    named = {system_name(*names): cells for names, cells in found.items()}
    if differences and differences[0].a in named:
        compared = [metric for metric in metrics if metric.name in COMPARED]
        replicates, seed = bench.recipe.replicates, bench.recipe.split_seed
        differences += against(differences[0].a, named, compared, replicates=replicates, seed=seed)
    return replace(external, scores=scores, differences=differences)


def systems(bench: BenchResult, external: ExternalTest | None = None) -> Systems:
    """What every system has predicted of the images of the internal test, or of an external one."""
    found: Systems = {}
    tested = _tested(bench, external)
    for cell in bench.finished:
        if cell.run_id in tested:
            found.setdefault((cell.model, cell.imbalance), []).append(tested[cell.run_id])
    for one in (external or bench).ensembles:
        if one.predictions:
            found[one.model, one.imbalance] = [mean if external else mean.select("test") for mean in one.predictions]
    return found


def remedies(bench: BenchResult) -> dict[str, dict[str, list[Predictions]]]:
    """What each strategy of a model has predicted of the test images, `none` first; of models with more than that."""
    found: dict[str, dict[str, list[Predictions]]] = {}
    of_cells = {(cell.model, cell.imbalance) for cell in bench.finished}
    for (model, imbalance), predicted in systems(bench).items():
        if (model, imbalance) in of_cells and (model, UNCHANGED) in of_cells:
            found.setdefault(model, {UNCHANGED: []})[imbalance] = predicted
    return {model: strategies for model, strategies in found.items() if len(strategies) > 1}


def train_counts(bench: BenchResult) -> tuple[int, ...]:
    """Train images of each class, of all folds together."""
    of_folds = {cell.fold: cell.train_counts for cell in bench.finished}
    return tuple(sum(counts[place] for counts in of_folds.values()) for place in range(len(bench.classes)))


def trivial(bench: BenchResult, external: ExternalTest | None = None) -> Systems:
    """What predicting the majority class, or the class frequencies, of the train part would have given."""
    found: Systems = {}
    tested = _tested(bench, external)
    firsts: dict[int, CellResult] = {}
    for cell in bench.finished:
        if cell.run_id in tested:
            firsts.setdefault(cell.fold, cell)
    for cell in firsts.values():
        for name, predictions in baselines(np.array(cell.train_counts), tested[cell.run_id]).items():
            found.setdefault((name, ""), []).append(predictions)
    return found


def _tested(bench: BenchResult, external: ExternalTest | None) -> Mapping[str, Predictions]:
    """The predictions of each finished cell that are measured, by run id."""
    if external is not None:
        return external.predictions
    return {cell.run_id: cell.predictions.select("test") for cell in bench.finished}


def images_of(labels: Collection[str], cells: Sequence[Predictions]) -> list[Predictions]:
    """The predictions of the images of some classes, of the cells that have any."""
    found = [cell.take(np.isin(cell.targets, [cell.classes.index(label) for label in labels])) for cell in cells]
    return [cell for cell in found if len(cell)]
