"""Which finished cells are averaged into which ensemble: pure, nothing is read or written."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from skineval.base.errors import UsageError
from skineval.measure.ensembles import mean_of
from skineval.measure.names import ensemble_name
from skineval.values.keys import PROBE
from skineval.values.predictions import EVERY_FOLD, Predictions
from skineval.values.recipe import Recipe
from skineval.values.result import CellResult, EnsembleResult
from skineval.values.runspec import names_file

SEEDS, MODELS, FOLDS = "seeds", "models", "folds"
FEWEST = 2  #: members of a mean


def check_members(over: Collection[str], models: Sequence[str], folds: int) -> None:
    """Raises UsageError where an ensemble is asked for of which there can only be one member."""
    if MODELS in over and len(models) < FEWEST:
        raise UsageError(
            f"--ensemble is over models and the bench has one, {models[0]}.", "Name several models, or leave it out."
        )
    if FOLDS in over and folds < FEWEST:
        raise UsageError("--ensemble is over folds and the bench has one.", "Give --folds 5, or leave it out.")


def ensembles(
    recipe: Recipe, cells: Sequence[CellResult], predictions: Mapping[str, Predictions], over: Collection[str]
) -> tuple[EnsembleResult, ...]:
    """The ensembles of a bench on what its cells have predicted, by run id; `recipe` is a resolved one.

    For each strategy, over seeds if these are chosen: one of each model; and if models are chosen, one of all models.
    What is not averaged over stays apart: without seeds there is a mean for each seed. If folds are chosen, each of
    these comes once more, over folds, too, and by another name: what has the same name on the internal test, where
    folds stay apart, has the same members. A mean needs `FEWEST` members that have finished.
    """
    # Probes, and networks that begin with several things, have names of their own.
    there = dict.fromkeys(cell.model for cell in cells)
    plain = recipe.freeze != PROBE and len(recipe.weights) == 1 and not any(map(names_file, recipe.models))
    models = tuple(dict.fromkeys((*recipe.models, *there) if plain else there))
    asked: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
    for averaged in ({*over} - {FOLDS}, {*over}) if FOLDS in over else ({*over},):
        alone = tuple(sorted(averaged - {MODELS}))
        asked += [((model,), alone) for model in models if alone]
        if MODELS in averaged:
            asked.append((models, tuple(sorted(averaged))))
    return tuple(
        _ensemble(recipe, members, imbalance, averaged, cells, predictions)
        for imbalance in recipe.imbalance
        for members, averaged in asked
    )


def _ensemble(
    recipe: Recipe,
    models: Sequence[str],
    imbalance: str,
    over: tuple[str, ...],
    cells: Sequence[CellResult],
    predictions: Mapping[str, Predictions],
) -> EnsembleResult:
    together: dict[tuple[int, int], list[str]] = {}
    for cell in cells:
        if cell.model in models and cell.imbalance == imbalance and cell.run_id in predictions:
            apart = (EVERY_FOLD if FOLDS in over else cell.fold, 0 if SEEDS in over else cell.seed)
            together.setdefault(apart, []).append(cell.run_id)
    enough = {apart: members for apart, members in together.items() if len(members) >= FEWEST}
    return EnsembleResult(
        model=ensemble_name(models, over_folds=FOLDS in over),
        imbalance=imbalance,
        over=over,
        members=tuple(run_id for members in enough.values() for run_id in members),
        n_wanted=len(models) * len(recipe.seeds) * recipe.folds * recipe.repeats,
        predictions=tuple(
            # Those of all folds stay so where the others of a fold have failed.
            replace(mean_of([predictions[run_id] for run_id in members]), fold=fold)
            for (fold, _), members in enough.items()
        ),
    )
