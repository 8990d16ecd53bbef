"""Every metric against an independent implementation, under weights, ties and missing classes."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from skineval.measure import metrics, ranking
from skineval.measure.curves import confusion, reliability, roc
from skineval.measure.metrics import from_plain
from skineval.measure.names import METRICS
from skineval.values.predictions import Predictions
from skineval.values.task import DIAGNOSES
from tests.measure.oracles import FURTHER, weighted
from tests.measure.samples import HAM10000_COUNTS, classifier, compute, tied_cells

BY_NAME = {metric.name: metric for metric in METRICS}
LABELS = np.arange(7)


def plain(name, targets, probabilities, classes=DIAGNOSES):
    return BY_NAME[name].compute(targets, probabilities, np.ones((1, len(targets))), classes)[0]


def one_vs_rest(figure):
    return lambda t, p, w: [figure(t == c, p[:, c], w) for c in LABELS]


def label_metric(figure, **options):
    return lambda t, p, w: figure(t, p.argmax(axis=1), sample_weight=w, **options)


PER_CLASS = {"labels": LABELS, "average": None, "zero_division": np.nan}
ORACLES = {
    "balanced_accuracy": label_metric(sk.balanced_accuracy_score),
    "macro_auc": lambda t, p, w: np.mean(one_vs_rest(lambda y, s, w: sk.roc_auc_score(y, s, sample_weight=w))(t, p, w)),
    "macro_f1": label_metric(sk.f1_score, average="macro"),
    "malignancy_auc": lambda t, p, w: sk.roc_auc_score(
        np.isin(t, (0, 1, 4)), p[:, [0, 1, 4]].sum(axis=1), sample_weight=w
    ),
    "mcc": label_metric(sk.matthews_corrcoef),
    "kappa": label_metric(sk.cohen_kappa_score),
    "accuracy": label_metric(sk.accuracy_score),
    "weighted_f1": label_metric(sk.f1_score, average="weighted"),
    "nll": lambda t, p, w: sk.log_loss(t, p, sample_weight=w, labels=LABELS),
    "brier": lambda t, p, w: sk.brier_score_loss(t, p, sample_weight=w, labels=LABELS, scale_by_half=False),
    "ece": lambda t, p, w: slow_ece(t, p, w),
    "undecided": lambda t, p, w: np.average([sum(row == row.max()) > 1 for row in p], weights=w),
    "recall": label_metric(sk.recall_score, **PER_CLASS),
    "specificity": lambda t, p, w: [
        sk.recall_score(t != c, p.argmax(axis=1) != c, sample_weight=w, zero_division=np.nan) for c in LABELS
    ],
    "precision": label_metric(sk.precision_score, **PER_CLASS),
    "f1": label_metric(sk.f1_score, **PER_CLASS),
    "auc": one_vs_rest(lambda y, s, w: sk.roc_auc_score(y, s, sample_weight=w)),
    **{name: weighted(oracle, [0, 1, 4]) for name, oracle in FURTHER.items()},
}


def slow_ece(targets, probabilities, weights):
    """Equation 3 of Guo et al. 2017, image by image."""
    sums = {}
    for target, row, weight in zip(targets, probabilities, weights, strict=True):
        place = int(np.ceil(row.max() * 15))
        right, confidence, count = sums.get(place, (0.0, 0.0, 0.0))
        sums[place] = (right + weight * (row.argmax() == target), confidence + weight * row.max(), count + weight)
    return sum(abs(right - confidence) for right, confidence, _ in sums.values()) / weights.sum()


def test_every_metric_has_an_oracle():
    assert set(ORACLES) == set(BY_NAME)
    assert METRICS[0].name == "balanced_accuracy"


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("skill", [0.2, 3])
def test_agrees_with_the_oracle_under_weights(name, skill):
    cell = classifier(80, skill=skill)
    if name == "undecided":
        cell = replace(cell, probabilities=np.round(cell.probabilities, 1))
    weights = np.random.default_rng(5).integers(0, 4, size=(6, len(cell))).astype(float)
    found = compute(BY_NAME[name], cell, weights)
    wanted = [ORACLES[name](cell.targets, cell.probabilities, row) for row in weights]
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_always_nevus_on_ham10000():
    targets = np.repeat(LABELS, HAM10000_COUNTS)
    probabilities = np.tile(np.eye(7)[DIAGNOSES.index("nv")], (len(targets), 1))
    assert len(targets) == 10015
    assert plain("accuracy", targets, probabilities) == pytest.approx(0.6695, abs=5e-5)
    assert plain("balanced_accuracy", targets, probabilities) == pytest.approx(1 / 7)
    assert plain("macro_auc", targets, probabilities) == 0.5
    assert plain("mcc", targets, probabilities) == 0 == sk.matthews_corrcoef(targets, probabilities.argmax(axis=1))
    precision = plain("precision", targets, probabilities)
    assert np.isnan(np.delete(precision, 5)).all()
    assert precision[5] == pytest.approx(0.6695, abs=5e-5)


def test_a_tie_for_the_largest_is_wrong_even_between_right_and_wrong():
    targets = np.array([0, 0, 1])
    probabilities = np.array([[0.5, 0.5], [0.9, 0.1], [0.5, 0.5]])
    classes = ("benign", "malignant")
    assert metrics.predicted(probabilities).tolist() == [2, 0, 2]
    assert plain("accuracy", targets, probabilities, classes) == pytest.approx(1 / 3)
    assert plain("balanced_accuracy", targets, probabilities, classes) == pytest.approx(0.25)
    assert plain("specificity", targets, probabilities, classes).tolist() == [1, 1]
    # Scikit-learn knows undecided as a further label.
    said = [2, 0, 2]
    assert plain("mcc", targets, probabilities, classes) == pytest.approx(sk.matthews_corrcoef(targets, said))
    assert plain("kappa", targets, probabilities, classes) == pytest.approx(sk.cohen_kappa_score(targets, said))


def test_a_tie_below_the_largest_is_no_tie():
    assert metrics.predicted(np.array([[0.25, 0.25, 0.5]])).tolist() == [2]


@pytest.mark.parametrize("n_positive", [1, 4, 16, 19])
def test_auc_counts_ties_as_one_half(n_positive):
    rng = np.random.default_rng(n_positive)
    positive = rng.permutation(np.arange(20) < n_positive)
    scores = rng.integers(4, size=20) / 4
    pairs = [np.sign(a - b) / 2 + 0.5 for a in scores[positive] for b in scores[~positive]]
    found = ranking.areas(positive, scores, np.ones((1, 20)))[0]
    assert found == pytest.approx(np.mean(pairs), abs=1e-15)


@pytest.mark.parametrize("positive", [True, False])
def test_auc_of_one_side_alone_is_undefined(positive):
    assert np.isnan(ranking.areas(np.full(4, positive), np.arange(4.0), np.ones((1, 4)))[0]).all()


def test_a_class_without_images_is_undefined_and_left_out_of_means():
    cell = classifier(40, skill=3)
    without = (cell.targets != 3).astype(float)[None]
    recall = BY_NAME["recall"].compute(cell.targets, cell.probabilities, without, cell.classes)[0]
    balanced = BY_NAME["balanced_accuracy"].compute(cell.targets, cell.probabilities, without, cell.classes)[0]
    assert np.isnan(recall).tolist() == [c == 3 for c in LABELS]
    assert balanced == pytest.approx(np.nanmean(recall))


def test_f1_of_a_class_never_predicted_is_zero_and_its_precision_undefined():
    targets, probabilities = np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]])
    classes = ("benign", "malignant")
    assert plain("f1", targets, probabilities, classes)[1] == 0
    assert np.isnan(plain("precision", targets, probabilities, classes)[1])


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_no_weight_at_all_is_undefined(metric):
    cell = classifier(10)
    values = metric.compute(cell.targets, cell.probabilities, np.zeros((2, len(cell))), cell.classes)
    assert values.shape == ((2, 7) if metric.per_class else (2,))
    assert np.isnan(values).all()


def test_scores_that_are_no_probabilities_rank_and_are_not_calibrated():
    cell = classifier(40)
    assert np.isnan([plain(name, cell.targets, cell.probabilities / 2) for name in ("nll", "brier", "ece")]).all()
    assert plain("macro_auc", cell.targets, cell.probabilities / 2) == pytest.approx(
        plain("macro_auc", cell.targets, cell.probabilities)
    )


def test_nll_of_an_impossible_truth_is_finite():
    assert plain("nll", np.array([1]), np.array([[1.0, 0.0]]), ("benign", "malignant")) == pytest.approx(
        36.04, abs=0.01
    )


def test_brier_ranges_to_two():
    assert plain("brier", np.array([1]), np.array([[1.0, 0.0]]), ("benign", "malignant")) == 2


def test_malignancy_auc_of_either_task():
    cell = classifier(40)
    p = cell.probabilities[:, [0, 1, 4]].sum(axis=1)
    reference = np.isin(cell.targets, (0, 1, 4)).astype(np.int64)
    binary = replace(
        cell,
        classes=("benign", "malignant"),
        targets=reference,
        probabilities=np.stack([1 - p, p], axis=1),
        malignant=("malignant",),
    )
    metric, once = BY_NAME["malignancy_auc"], np.ones((1, len(cell)))
    assert compute(metric, binary, once) == pytest.approx(compute(metric, cell, once))
    assert np.isnan(compute(metric, replace(cell, malignant=()), once)).all()


def malignancy_auc(targets, probabilities, classes, malignant):
    names, n = np.array([f"I{k}" for k in range(len(targets))]), len(targets)
    parts = np.full(n, "test")
    cell = Predictions(classes, names, names, names, parts, targets, probabilities, malignant=malignant)
    return compute(BY_NAME["malignancy_auc"], cell, np.ones((1, n)))[0]


@pytest.mark.parametrize("classes", [("benign", "malignant"), ("nv", "mel"), ("nv", "mel", "bcc")])
def test_malignancy_is_ranked_however_sure_a_network_is(classes):
    """Twenty malignant images score some 1e-13, twenty benign ones less: they are told apart."""
    scores = 10.0 ** np.r_[np.linspace(-18, -15, 20), np.linspace(-13.9, -12.5, 20)]
    others = [scores / 3] * (len(classes) - 2)
    probabilities = np.column_stack([1 - scores, scores, *others])
    targets = np.repeat([0, 1], 20)
    assert malignancy_auc(targets, probabilities, classes, classes[1:]) == 1
    turned = 1 - probabilities[:, :2]
    assert malignancy_auc(targets, turned, classes[:2], classes[1:2]) == sk.roc_auc_score(targets, turned[:, 1])


def test_sums_that_are_equal_tie():
    probabilities = np.array([[0.1, 0.2, 0.7], [0.3, 0.0, 0.7], [0.15, 0.15, 0.7]])
    assert malignancy_auc(np.array([0, 2, 2]), probabilities, ("mel", "bcc", "nv"), ("mel", "bcc")) == 0.5


def test_reliability_has_the_bins_of_ece():
    cell = classifier(80)
    curve = reliability(cell.targets, cell.probabilities)
    used = curve.count > 0
    gaps = np.abs(curve.accuracy - curve.confidence)[used] * curve.count[used]
    assert curve.count.sum() == len(cell)
    assert np.isnan(curve.accuracy[~used]).all()
    assert gaps.sum() / len(cell) == pytest.approx(plain("ece", cell.targets, cell.probabilities))


def test_bins_hold_their_upper_edge():
    probabilities = np.array([[0.6, 0.4], [0.6 + 1e-9, 0.4 - 1e-9], [1.0, 0.0]])
    assert metrics.confidence_bins(probabilities, 5).tolist() == [2, 3, 4]


def test_confusion_counts_the_undecided_apart():
    names = np.array(["a", "b", "c"])
    cell = Predictions(
        ("benign", "malignant"),
        names,
        names,
        names,
        names,
        np.array([0, 1, 1]),
        np.array([[0.9, 0.1], [0.5, 0.5], [1, 0]]),
    )
    assert confusion(cell).tolist() == [[1, 0, 0], [1, 0, 1]]


def test_roc_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    positive, scores = rng.random(50) < 0.3, rng.integers(12, size=50) / 12
    found = roc(positive, scores)
    wanted = sk.roc_curve(positive, scores, drop_intermediate=False)
    np.testing.assert_allclose(found, wanted[:2])
    area = np.trapezoid(found[1], found[0])
    assert area == pytest.approx(ranking.areas(positive, scores, np.ones((1, 50)))[0][0])


def test_roc_without_positives_is_undefined():
    false_positive, true_positive = roc(np.zeros(3, dtype=bool), np.arange(3.0))
    assert false_positive.tolist() == [0, 1 / 3, 2 / 3, 1]
    assert np.isnan(true_positive).all()


def test_a_plain_function_becomes_a_metric():
    metric = from_plain(
        lambda targets, probabilities, classes: sk.balanced_accuracy_score(targets, probabilities.argmax(axis=1)),
        name="mine",
        summary="as scikit-learn",
    )
    cell = classifier(30)
    weights = np.random.default_rng(1).integers(0, 3, size=(5, len(cell))).astype(float)
    weights[2] = 0
    found = metric.compute(cell.targets, cell.probabilities, weights, cell.classes)
    wanted = BY_NAME["balanced_accuracy"].compute(cell.targets, cell.probabilities, weights, cell.classes)
    np.testing.assert_allclose(found, wanted)
    with pytest.raises(ValueError, match="mine takes whole weights only"):
        metric.compute(cell.targets, cell.probabilities, weights / 2, cell.classes)


def test_a_plain_function_may_be_per_class():
    metric = from_plain(lambda t, p, classes: p.mean(axis=0), name="mean", summary="mean", per_class=True)
    cell = classifier(10)
    found = metric.compute(cell.targets, cell.probabilities, np.ones((2, len(cell))), cell.classes)
    np.testing.assert_allclose(found, np.tile(cell.probabilities.mean(axis=0), (2, 1)))


@given(tied_cells())
@settings(max_examples=60, deadline=None)
def test_a_weight_is_a_repetition(cell):
    cell, weights = cell
    rows = np.repeat(np.arange(len(cell)), weights[0].astype(int))
    for metric in METRICS:
        weighted = compute(metric, cell, weights)[0]
        if len(rows):
            repeated = compute(metric, cell.take(rows), np.ones((1, len(rows))))[0]
            np.testing.assert_allclose(weighted, repeated, rtol=1e-9, atol=1e-12, err_msg=metric.name)


@given(tied_cells(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_order_of_images_and_of_classes_does_not_matter(cell, random):
    cell, weights = cell
    rows = random.sample(range(len(cell)), len(cell))
    columns = random.sample(range(3), 3)
    turned = cell.take(np.array(rows)).with_classes(tuple(cell.classes[c] for c in columns))
    for metric in METRICS:
        found = compute(metric, cell, weights)
        moved = compute(metric, turned, weights[:, rows])
        wanted = found[:, columns] if metric.per_class else found
        np.testing.assert_allclose(moved, wanted, rtol=1e-9, atol=1e-12, err_msg=metric.name)


@given(tied_cells())
@settings(max_examples=60, deadline=None)
def test_figures_stay_in_their_range(cell):
    cell, weights = cell
    lowest = {"mcc": -1, "kappa": -1, "net_benefit": -1 / 9, "brier_resolution": -2}
    highest = {"nll": 36.05, "brier": 2, "brier_reliability": 2, "number_needed_to_biopsy": 36, "malignancy_pauc": 0.2}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for metric in METRICS:
            values = compute(metric, cell, weights)
            values = values[~np.isnan(values)]
            assert (values >= lowest.get(metric.name, 0) - 1e-12).all(), metric.name
            assert (values <= highest.get(metric.name, 1) + 1e-12).all(), metric.name
