"""The figures there are, in the order of every table, and the names of ensembles, without the numpy behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from skineval.base.terms import PRIMARY, UNDECIDED
from skineval.catalog.specs import Metric, View


@dataclass(frozen=True)
class Figure:
    """One metric by name; the function of that name in a module of `skineval.measure` computes it."""

    name: str
    summary: str
    per_class: bool = False
    higher_is_better: bool = True
    exchange: Literal["answers", "ranks"] = "answers"
    view: View = "classes"
    share_of: str = ""  #: the function of that name there
    mean_of: str = ""  #: the figure of that name here
    least_lesions: int = 0
    module: str = "metrics"
    detail: bool = False  #: results.csv has it, and tables that readers look through leave it out


#: Of fewer lesions 90 % of a class are all of it, and 95 % of twice as many: what depends on a quantile of a class, or
#: on each class alike without being a mean over classes, has no interval then. With 1, 2, 3, 5 and 10 simulated
#: malignant lesions percentile intervals of `gmean` held the truth in 0, 30, 52, 69 and 92 % of samples.
FEW = 10

FIGURES = (
    Figure(PRIMARY, "mean recall over classes; the metric of ISIC 2018, ranks systems", mean_of="recall"),
    Figure(
        "macro_auc",
        "mean over classes of the one-vs-rest area under the ROC curve",
        exchange="ranks",
        mean_of="auc",
        module="ranking",
    ),
    Figure("macro_f1", "mean F1 over classes", mean_of="f1"),
    Figure(
        "malignancy_auc",
        "area under the ROC curve of malignant against benign",
        exchange="ranks",
        view="malignancy",
        share_of="malignant_or_rarer",
        module="ranking",
    ),
    Figure("mcc", "Matthews' correlation coefficient over all classes"),
    Figure("kappa", "Cohen's kappa: agreement beyond chance"),
    Figure("accuracy", "share of images classified right; never ranks, nevi dominate it", share_of="any_image"),
    Figure("weighted_f1", "mean F1 over classes, weighted by images", share_of="any_image"),
    Figure("nll", "negative log-likelihood, in nats", higher_is_better=False),
    Figure("brier", "Brier score summed over classes, 0 to 2", higher_is_better=False),
    Figure("ece", "expected calibration error in 15 bins; read nll and brier first", higher_is_better=False),
    Figure(
        UNDECIDED,
        "share of images whose largest probability is tied, which counts as wrong",
        higher_is_better=False,
        share_of="any_image",
    ),
    Figure(
        "macro_ap",
        "mean over classes of the average precision of each against the rest",
        exchange="ranks",
        mean_of="ap",
        module="ranking",
    ),
    Figure(
        "malignancy_pauc",
        "malignant against benign: area under the ROC curve above a sensitivity of 0.80, 0 to 0.2; ISIC 2024's metric",
        exchange="ranks",
        view="malignancy",
        module="ranking",
        least_lesions=FEW,
    ),
    Figure("worst_recall", "recall of the class that is found least", share_of="of_worst_class", module="recalls"),
    Figure(
        "gmean",
        "geometric mean of the recalls of all classes; 0 where one is never found",
        module="recalls",
        detail=True,
        least_lesions=FEW,
    ),
    Figure(
        "top2_accuracy",
        "share of images whose class is among the two of largest probability; of three classes or more",
        share_of="any_image",
        detail=True,
    ),
    Figure(
        "sensitivity_at_90_specificity",
        "share of malignant images found where 90 % of the benign ones are spared, not interpolated",
        exchange="ranks",
        view="malignancy",
        share_of="malignant",
        module="ranking",
        detail=True,
        least_lesions=FEW,
    ),
    Figure(
        "sensitivity_at_95_specificity",
        "share of malignant images found where 95 % of the benign ones are spared, not interpolated",
        exchange="ranks",
        view="malignancy",
        share_of="malignant",
        module="ranking",
        detail=True,
        least_lesions=2 * FEW,
    ),
    Figure(
        "specificity_at_90_sensitivity",
        "share of benign images spared where 90 % of the malignant ones are found, not interpolated",
        exchange="ranks",
        view="malignancy",
        share_of="benign",
        module="ranking",
        detail=True,
        least_lesions=FEW,
    ),
    Figure(
        "specificity_at_95_sensitivity",
        "share of benign images spared where 95 % of the malignant ones are found, not interpolated",
        exchange="ranks",
        view="malignancy",
        share_of="benign",
        module="ranking",
        detail=True,
        least_lesions=2 * FEW,
    ),
    Figure(
        "net_benefit",
        "decision curve at 10 %: malignant images found less a ninth of the false alarms, as shares of all images",
        view="malignancy",
        module="decisions",
        detail=True,
    ),
    Figure(
        "number_needed_to_biopsy",
        "images called malignant (more probably than benign) for each that is: 1 / precision",
        higher_is_better=False,
        view="malignancy",
        module="decisions",
        detail=True,
        least_lesions=FEW,
    ),
    Figure(
        "brier_reliability",
        "part of the Brier score that calibration would remove; brier = reliability - resolution + uncertainty",
        higher_is_better=False,
        module="calibration_error",
        detail=True,
    ),
    Figure(
        "brier_resolution",
        "part of the Brier uncertainty that the probabilities resolve, with what they resolve within the 15 bins",
        module="calibration_error",
        detail=True,
    ),
    Figure(
        "brier_uncertainty",
        "Brier score of the class frequencies of the images: no merit of a classifier",
        higher_is_better=False,
        module="calibration_error",
        detail=True,
    ),
    Figure(
        "classwise_ece",
        "calibration error of the probability of each class in 15 bins of equal width, mean over classes",
        higher_is_better=False,
        module="calibration_error",
        detail=True,
    ),
    Figure(
        "adaptive_ece",
        "expected calibration error in 15 bins of equally many images",
        higher_is_better=False,
        module="calibration_error",
        detail=True,
    ),
    Figure(
        "aurc",
        "area under the risk-coverage curve: mean share of errors among the surest images, over all coverages",
        higher_is_better=False,
        module="ranking",
        detail=True,
    ),
    Figure("recall", "share of a class that is found (sensitivity)", per_class=True, share_of="of_class"),
    Figure(
        "specificity",
        "share of the other classes that is not taken for the class",
        per_class=True,
        share_of="of_other_classes",
    ),
    Figure("precision", "share of a class's predictions that are right", per_class=True, share_of="taken_for_class"),
    Figure("f1", "harmonic mean of precision and recall", per_class=True, share_of="of_class_or_taken_for_it"),
    Figure(
        "auc",
        "one-vs-rest area under the ROC curve",
        per_class=True,
        exchange="ranks",
        share_of="rarer_side",
        module="ranking",
    ),
    Figure(
        "npv",
        "share of what is not taken for a class that is of others (negative predictive value)",
        per_class=True,
        share_of="not_taken_for_class",
        detail=True,
    ),
    Figure(
        "ap",
        "average precision of a class against the rest (area under the precision-recall curve, in steps)",
        per_class=True,
        exchange="ranks",
        share_of="of_class",
        module="ranking",
        detail=True,
    ),
    Figure(
        "reject_auroc",
        "external tests, --reject: area under the ROC curve of images of the classes against others, by confidence",
        exchange="ranks",
        view="rejection",
        share_of="smaller_side",
        module="rejection",
    ),
    Figure(
        "reject_fpr95",
        "external tests, --reject: share of images of other classes kept where 95 % of those of the classes are",
        higher_is_better=False,
        exchange="ranks",
        view="rejection",
        share_of="outside",
        module="rejection",
    ),
)


def _computed(name: str, module: str) -> Callable[..., Any]:
    """The function of that name in a module of `skineval.measure`, which is loaded when it is called."""

    def function(*arguments: Any) -> Any:
        return getattr(import_module(f"skineval.measure.{module}"), name)(*arguments)

    return function


def _made_of_figures() -> list[Metric]:
    made: dict[str, Metric] = {}
    for figure in sorted(FIGURES, key=lambda figure: bool(figure.mean_of)):
        made[figure.name] = Metric(
            figure.name,
            _computed(figure.name, figure.module),
            figure.summary,
            per_class=figure.per_class,
            higher_is_better=figure.higher_is_better,
            exchange=figure.exchange,
            view=figure.view,
            share_of=_computed(figure.share_of, figure.module) if figure.share_of else None,
            mean_of=made[figure.mean_of] if figure.mean_of else None,
            least_lesions=figure.least_lesions,
        )
    return [made[figure.name] for figure in FIGURES]


_MADE = _made_of_figures()
#: What comes with skineval to say how well classes are told apart; the first is the primary one.
METRICS = tuple(metric for metric in _MADE if metric.view != "rejection")
#: What comes with skineval to say how well images of other classes are rejected.
OF_REJECTION = tuple(metric for metric in _MADE if metric.view == "rejection")

#: What can be said of answers without scores.
OF_ANSWERS = frozenset(
    (
        *(PRIMARY, "macro_f1", "mcc", "kappa", "accuracy", "weighted_f1", "worst_recall", "gmean"),
        *("number_needed_to_biopsy", "recall", "specificity", "precision", "f1", "npv"),
    )
)
#: Those that results.csv has and tables leave out.
DETAILS = frozenset(figure.name for figure in FIGURES if figure.detail)
LOWER_IS_BETTER = frozenset(figure.name for figure in FIGURES if not figure.higher_is_better)

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
