"""Bands of what is plausible: they warn of what lies outside, and of nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import pytest

from skineval.report.bench import sanity
from skineval.report.bench.bench import build, comparisons
from skineval.report.bench.leaderboard import internal
from skineval.values.result import BenchResult

FIRST = "densenet121"  # which has one strategy
LIKE = {"layout": "HAM10000 as on Kaggle, files", "licence": "CC BY-NC 4.0"}


def said(bench: BenchResult) -> str:
    return " ".join(sanity.remarks(bench, internal(bench)))


def valued(bench: BenchResult, model: str = FIRST, **values: float) -> BenchResult:
    """The bench with other figures of one model, by metric."""
    scores = [
        replace(one, value=values[one.metric], low=values[one.metric] - 0.02, high=values[one.metric] + 0.02)
        if one.model == model and one.metric in values
        else one
        for one in bench.scores
    ]
    return replace(bench, scores=scores)


def alike(bench: BenchResult, **recipe: object) -> BenchResult:
    """The bench as if ImageNet weights had been trained on HAM10000 at 224 pixels."""
    data = replace(bench.environment.data, **LIKE)  # type: ignore[arg-type]
    weights = {cell.model: "imagenet" for cell in bench.finished}
    environment = replace(bench.environment, data=data, initial_weights=weights)
    return replace(bench, environment=environment, recipe=bench.recipe.model_copy(update=recipe))


def with_history(bench: BenchResult, accuracy: Sequence[float], validation: float = 1.0) -> BenchResult:
    """The bench of which each cell was trained like this, with a train loss of 1."""
    history = pd.DataFrame({"train_loss": 1.0, "val_loss": validation, "val_balanced_accuracy": accuracy})
    recipe = bench.recipe.model_copy(update={"epochs": len(accuracy)})
    return replace(bench, recipe=recipe, finished=[replace(cell, history=history) for cell in bench.finished])


def test_what_is_too_good_is_doubted_wherever_it_is_read(bench: BenchResult) -> None:
    good = valued(bench, balanced_accuracy=0.93)
    words = f"{FIRST}/class_weights 0.930 [0.910, 0.950]: balanced accuracy above 0.85, which is more than is"
    verdict, comparison, *_ = build(good, [], {}).sections
    for where in (verdict, comparison, build(good, [], {}).sections[-3], comparisons(good)[0].footnotes):
        assert words in str(where)
        assert "skineval data audit" in str(where)
    assert "accuracy above 0.90" in said(valued(bench, accuracy=0.95))
    assert "LEAKY" not in words
    assert words in said(replace(good, warnings=("LEAKY",)))
    assert words not in said(replace(good, warnings=("SYNTHETIC",)))
    assert words not in said(replace(good, task=replace(good.task, classes=("benign", "malignant"))))
    single = valued(bench, model="ensemble(resnet34)", balanced_accuracy=0.93)
    assert "above 0.85" not in said(single)


@pytest.mark.parametrize(
    ("balanced", "words"),
    [(0.70, ""), (0.80, "more balanced accuracy than is usual"), (0.86, "balanced accuracy above 0.85")],
)
def test_models_like_those_of_the_band_are_set_beside_it(bench: BenchResult, balanced: float, words: str) -> None:
    inside = valued(alike(bench), balanced_accuracy=balanced, accuracy=0.8, macro_auc=0.95)
    told = said(inside)
    assert words in told
    assert ("usual" in told or "above 0.85" in told) == bool(words)


def test_only_where_none_reaches_the_band_are_models_said_to_be_below_it(bench: BenchResult) -> None:
    below = (
        "less macro AUC than is usual; on whole lesions of HAM10000 one network with ImageNet weights has 0.93 to 0.97"
    )
    poor = valued(valued(alike(bench), macro_auc=0.8), model="resnet34", macro_auc=0.85)
    assert below in said(poor)
    assert below not in said(valued(poor, macro_auc=0.94))


@pytest.mark.parametrize("change", [{"image_size": 64}, {"protocol": "image"}])
def test_the_band_is_of_nothing_else(bench: BenchResult, change: dict[str, object]) -> None:
    assert "usual" in said(valued(alike(bench), balanced_accuracy=0.8))
    assert "usual" not in said(valued(alike(bench, **change), balanced_accuracy=0.8))
    assert "usual" not in said(valued(bench, balanced_accuracy=0.8))
    assert "usual" not in said(replace(valued(alike(bench), balanced_accuracy=0.8), warnings=("NOT COMPARABLE",)))


def test_what_is_no_better_than_a_rule_is_named_with_it(bench: BenchResult) -> None:
    assert "looks at no image" not in said(bench)
    words = said(valued(bench, balanced_accuracy=1 / 7, nll=9.0))
    for metric, rule in (("balanced accuracy", "majority"), ("NLL", "prior")):
        assert re.search(
            rf"No better {metric} than {rule}, which looks at no image and has [^:]+: {FIRST}/\S+\.", words
        )


def test_training_that_ends_at_its_best_epoch_is_told(bench: BenchResult) -> None:
    words = (
        "6 of 6 trained networks (of resnet34/focal:gamma=1.5, densenet121/class_weights and resnet34/none): the last"
    )
    assert words in said(with_history(bench, [0.3, 0.5, 0.6]))
    assert "the last epoch" not in said(with_history(bench, [0.3, 0.6, 0.6]))
    patient = with_history(bench, [0.3, 0.5, 0.6])
    assert "the last epoch" not in said(replace(patient, recipe=bench.recipe.model_copy(update={"epochs": 4})))


def test_networks_that_several_strategies_share_count_once(bench: BenchResult) -> None:
    trained = with_history(bench, [0.3, 0.6])
    shared = replace(trained, finished=[replace(cell, network="one") for cell in trained.finished])
    assert "1 of 1 trained network (of resnet34/focal:gamma=1.5)" in said(shared)


def test_a_gap_of_losses_is_told_of_what_can_be_compared(bench: BenchResult) -> None:
    words = "2 of 2 trained networks (of resnet34/none): in the epoch that is kept"
    assert words in said(with_history(bench, [0.6, 0.5], validation=2.5))
    assert "in the epoch" not in said(with_history(bench, [0.6, 0.5], validation=1.9))
    smoothed = with_history(bench, [0.6, 0.5], validation=2.5)
    recipe = smoothed.recipe.model_copy(update={"label_smoothing": 0.1})
    assert "in the epoch" not in said(replace(smoothed, recipe=recipe))
