"""The measures of a bench: every figure of every system, and the best one against the others. Nothing is read here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from skineval.catalog.specs import Metric
from skineval.grid.ensembles import ensembles
from skineval.measure.baselines import baselines
from skineval.measure.comparisons import against, against_best
from skineval.measure.intervals import estimate
from skineval.measure.rejection import rejection
from skineval.values.measures import Difference, Score, system_name
from skineval.values.predictions import Predictions, concatenated
from skineval.values.result import BenchResult, CellResult, ExternalTest

Systems: TypeAlias = dict[tuple[str, str], list[Predictions]]  #: by model and imbalance strategy

COMPARED = ("balanced_accuracy", "macro_auc", "malignancy_auc", "macro_f1", "accuracy", "nll", "reject_auroc")


def measured(bench: BenchResult, known: Iterable[Metric]) -> BenchResult:
    """The bench with what the `known` metrics of its task say of its finished cells, on every test."""
    known = tuple(known)
    metrics = [metric for metric in known if metric.suits(bench.task)]
    of_rejection = [metric for metric in known if metric.suits(bench.task, rejecting=True)]
    externals = [
        replace(one, scores=measure(bench, metrics, one), differences=compare(bench, metrics, one))
        for one in bench.externals
    ]
    return replace(
        bench,
        scores=measure(bench, metrics),
        differences=compare(bench, metrics),
        externals=[_with_rejection(bench, of_rejection, one) if one.outside else one for one in externals],
    )


def measure(bench: BenchResult, metrics: Sequence[Metric], external: ExternalTest | None = None) -> tuple[Score, ...]:
    """Every metric of every system and of the trivial baselines on the internal test, or on an external one."""
    return _scores(bench, metrics, {**systems(bench, external), **trivial(bench, external)})


def _scores(bench: BenchResult, metrics: Sequence[Metric], of: Systems) -> tuple[Score, ...]:
    recipe = bench.recipe
    return tuple(
        replace(one, model=model, imbalance=imbalance, task=bench.task.name, protocol=recipe.protocol)
        for (model, imbalance), found in of.items()
        for one in estimate(found, metrics, replicates=recipe.replicates, seed=recipe.split_seed)
    )


def compare(
    bench: BenchResult, metrics: Sequence[Metric], external: ExternalTest | None = None
) -> tuple[Difference, ...]:
    """The best system against every other one, paired on the same images."""
    named = {system_name(*names): found for names, found in systems(bench, external).items()}
    compared = [metric for metric in metrics if metric.name in COMPARED]
    replicates, seed = bench.recipe.replicates, bench.recipe.split_seed
    rows = against_best(named, compared, replicates=replicates, seed=seed) if len(named) > 1 else []
    label = bench.task.sought
    of_class = {name: images for name, found in named.items() if label and (images := _images_of(label, found))}
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


def _images_of(label: str, cells: Sequence[Predictions]) -> list[Predictions]:
    """The predictions of the images of one class, of the cells that have any."""
    found = [cell.take(cell.targets == cell.classes.index(label)) for cell in cells]
    return [cell for cell in found if len(cell)]
