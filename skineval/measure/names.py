"""The figures there are, in the order of every table, and the names of ensembles, without the numpy behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One metric by name; the function of that name in `skineval.measure.metrics` computes it."""

    name: str
    summary: str
    per_class: bool = False
    higher_is_better: bool = True


FIGURES = (
    Figure("balanced_accuracy", "mean recall over classes; the metric of ISIC 2018, ranks systems"),
    Figure("macro_auc", "mean over classes of the one-vs-rest area under the ROC curve"),
    Figure("macro_f1", "mean F1 over classes"),
    Figure("malignancy_auc", "area under the ROC curve of malignant against benign"),
    Figure("mcc", "Matthews' correlation coefficient over all classes"),
    Figure("kappa", "Cohen's kappa: agreement beyond chance"),
    Figure("accuracy", "share of images classified right; never ranks, nevi dominate it"),
    Figure("weighted_f1", "mean F1 over classes, weighted by images"),
    Figure("nll", "negative log-likelihood, in nats", higher_is_better=False),
    Figure("brier", "Brier score summed over classes, 0 to 2", higher_is_better=False),
    Figure("ece", "expected calibration error in 15 bins; read nll and brier first", higher_is_better=False),
    Figure("recall", "share of a class that is found (sensitivity)", per_class=True),
    Figure("specificity", "share of the other classes that is not taken for the class", per_class=True),
    Figure("precision", "share of a class's predictions that are right", per_class=True),
    Figure("f1", "harmonic mean of precision and recall", per_class=True),
    Figure("auc", "one-vs-rest area under the ROC curve", per_class=True),
)

_ENSEMBLE = "ensemble("


def ensemble_name(models: Sequence[str], *, over_folds: bool = False) -> str:
    """What an ensemble of the networks of `models` is called where a model's name stands: `ensemble(resnet18,cnn)`.

    Over folds, which makes another system of it, `ensemble(resnet18,cnn;folds)`. No architecture can be called so: the
    names of specifications hold neither brackets nor commas.
    """
    return f"{_ENSEMBLE}{','.join(models)}{';folds' if over_folds else ''})"


def is_ensemble(name: str) -> bool:
    """Whether a model's name, or a system's, is that of an ensemble."""
    return name.startswith(_ENSEMBLE)
