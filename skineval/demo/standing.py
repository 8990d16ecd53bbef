"""What a trained cell was trained and tested on, as its bench recorded it."""

from __future__ import annotations

from dataclasses import dataclass

from skineval.base.terms import PRIMARY, VALIDATION, Unit
from skineval.grid.trained import Trained
from skineval.measure.intervals import estimate
from skineval.measure.names import METRICS
from skineval.measure.operating import OperatingPoint, choose_threshold, operating_point
from skineval.values.measures import Score
from skineval.values.predictions import Predictions
from skineval.values.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Standing:
    """How far the answers of a cell can be trusted, and on what its bench has tested it."""

    data: str  #: the name of the data set
    licence: str  #: "" where nothing is known of it
    fingerprint: str  #: of the data set
    unit: Unit
    train_images: int
    train_lesions: int  #: or patients, as `unit` says
    recipe: Recipe
    test: Predictions
    score: Score  #: balanced accuracy on the test part
    point: OperatingPoint | None  #: None where no class is known to be malignant, or none was in validation


def standing_of(trained: Trained) -> Standing | None:
    """What the bench around a model says of it; None where there is none. Raises DataError where that is damaged."""
    around = trained.surroundings()
    if around is None:
        return None
    bench, own = around.bench, around.own
    split, replicates = bench.split, bench.recipe.replicates
    learnt_from = split[(split["fold"] == own.fold) & (split["part"] == "train")]
    test = own.predictions.select("test")
    (score,) = estimate([test], [one for one in METRICS if one.name == PRIMARY], replicates=replicates)
    threshold = choose_threshold(own.predictions.select(VALIDATION))
    return Standing(
        data=bench.environment.data.name,
        licence=bench.environment.data.licence,
        fingerprint=around.spec.data,
        unit=bench.unit,
        train_images=learnt_from["image_id"].nunique(),
        train_lesions=learnt_from["group"].nunique(),
        recipe=bench.recipe,
        test=test,
        score=score,
        point=None if threshold is None else operating_point(threshold, test, replicates=replicates),
    )
