"""The lesion bootstrap: what it draws, what it covers, and when it says that it does not know."""

import time
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics as sk

from skineval.data.lesions import DIAGNOSES
from skineval.errors import DataError, PluginError
from skineval.measure.baselines import baselines
from skineval.measure.intervals import estimate, percentile_interval, pivoted, resample
from skineval.measure.metrics import METRICS, from_plain
from skineval.measure.predictions import Predictions
from skineval.specs import Metric
from tests.measure.samples import HAM10000_COUNTS, classifier

BY_NAME = {metric.name: metric for metric in METRICS}
ACCURACY = BY_NAME["accuracy"]


def binary(right, groups):
    """Two classes, all images malignant, those called right where `right` (N,) says so."""
    right = np.asarray(right, dtype=float)
    names = np.array([f"{k:05d}" for k in range(len(right))])
    groups = np.asarray(groups).astype(str)
    probabilities = np.stack([1 - right, right], axis=1)
    return Predictions(
        ("benign", "malignant"),
        names,
        groups,
        groups,
        np.full(len(right), "test"),
        np.ones(len(right), int),
        probabilities,
    )


def test_draws_as_many_units_as_there_are():
    drawn = resample([np.array(["b", "a", "a"]), np.array(["c", "b"])], 500, seed=3)
    assert drawn.units.tolist() == ["a", "b", "c"]
    assert (drawn.counts.sum(axis=1) == 3).all()
    assert drawn.counts.mean(axis=0) == pytest.approx([1, 1, 1], abs=0.15)


def test_draw_depends_on_units_and_seed_alone():
    first = resample([np.array(["b", "a", "c"])], 20, seed=3)
    again = resample([np.array(["c", "c", "a"]), np.array(["b"])], 20, seed=3)
    np.testing.assert_array_equal(first.counts, again.counts)
    assert (first.counts != resample([first.units], 20, seed=4).counts).any()


def test_images_weigh_what_their_lesion_was_drawn():
    groups = np.array(["b", "a", "b", "c"])
    drawn = resample([groups], 20, seed=0)
    weights = np.vstack(list(drawn.weights(groups)))
    np.testing.assert_array_equal(weights, drawn.counts[:, [1, 0, 1, 2]])


def test_interval_is_that_of_repeated_images():
    cell = classifier(30, skill=2)
    drawn = resample([cell.groups], 300, seed=9)
    unit = np.searchsorted(drawn.units, cell.groups)
    said = cell.probabilities.argmax(axis=1)
    replicates = []
    for counts in drawn.counts:
        rows = np.repeat(np.arange(len(cell)), counts[unit])
        replicates.append(sk.f1_score(cell.targets[rows], said[rows], average="macro", zero_division=np.nan))
    (found,) = estimate([cell], [BY_NAME["macro_f1"]], replicates=300, seed=9)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(replicates, [0.025, 0.975])))
    assert found.value == pytest.approx(sk.f1_score(cell.targets, said, average="macro"))


def test_agrees_with_scipy_where_each_lesion_has_one_image():
    right = np.random.default_rng(2).random(150) < 0.7
    (found,) = estimate([binary(right, range(150))], [ACCURACY], replicates=8000, confidence=0.9)
    wanted = scipy.stats.bootstrap(
        (right,), np.mean, n_resamples=8000, confidence_level=0.9, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.008)


def test_covers_the_truth_where_images_of_a_lesion_agree():
    """All images of a lesion are right or wrong together: drawing images, as most papers do, covers far too little."""
    rng = np.random.default_rng(0)
    by_lesion = by_image = 0
    for _ in range(300):
        of_lesion = rng.random(60) < 0.7
        unit = np.repeat(np.arange(60), 4)
        cell = binary(of_lesion[unit], unit)
        (lesions,) = estimate([cell], [ACCURACY], replicates=400)
        (images,) = estimate([replace(cell, groups=cell.image_ids)], [ACCURACY], replicates=400)
        by_lesion += lesions.low <= 0.7 <= lesions.high
        by_image += images.low <= 0.7 <= images.high
    assert by_lesion / 300 > 0.90
    assert by_image / 300 < 0.75


def test_rows_follow_metrics_and_classes_with_their_numbers():
    cell = classifier(40)
    rows = estimate([cell], [ACCURACY, BY_NAME["recall"]], replicates=50)
    assert [(row.metric, row.class_) for row in rows] == [("accuracy", ""), *(("recall", name) for name in DIAGNOSES)]
    assert (rows[0].n_images, rows[0].n_lesions, rows[0].n_cells) == (len(cell), 40, 1)
    assert sum(row.n_images for row in rows[1:]) == len(cell)
    assert sum(row.n_lesions for row in rows[1:]) == 40


def test_order_of_images_and_cells_does_not_matter():
    cells = [classifier(30, seed=seed, train_seed=seed) for seed in range(2)]
    shuffled = [cell.take(np.random.default_rng(1).permutation(len(cell))) for cell in reversed(cells)]
    for one, other in zip(
        estimate(cells, METRICS, replicates=60), estimate(shuffled, METRICS, replicates=60), strict=True
    ):
        assert list(vars(one).values())[2:] == pytest.approx(list(vars(other).values())[2:], nan_ok=True)


def test_more_seeds_of_the_same_answers_do_not_narrow_the_interval():
    cell = classifier(50)
    (once,) = estimate([cell], [ACCURACY], replicates=200)
    (thrice,) = estimate([replace(cell, seed=seed) for seed in range(3)], [ACCURACY], replicates=200)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))
    assert (thrice.n_cells, thrice.n_images, thrice.n_lesions) == (3, once.n_images, once.n_lesions)


def test_folds_average_and_add_up():
    cells = [classifier(30, seed=fold, fold=fold, truth_seed=fold) for fold in range(3)]
    (found,) = estimate(cells, [ACCURACY], replicates=50)
    values = [(cell.probabilities.argmax(axis=1) == cell.targets).mean() for cell in cells]
    assert found.value == pytest.approx(np.mean(values))
    assert (found.n_images, found.n_lesions) == (sum(map(len, cells)), 90)


def test_a_fold_weighs_the_same_however_many_of_its_seeds_there_are():
    """Three copies of fold 0 say no more of it than one does."""
    first, second = (classifier(30, seed=fold, fold=fold, truth_seed=fold) for fold in range(2))
    wanted = estimate([first, second], METRICS, replicates=60)
    found = estimate([first, replace(first, seed=1), second, replace(first, seed=2)], METRICS, replicates=60)
    for one, other in zip(found, wanted, strict=True):
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), nan_ok=True)


def test_seeds_are_averaged_within_each_fold_and_then_folds():
    cells = [
        classifier(30, seed=7 * fold + seed, fold=fold, train_seed=seed, truth_seed=fold)
        for fold, seeds in enumerate((1, 3))
        for seed in range(seeds)
    ]
    values = [sk.accuracy_score(cell.targets, cell.probabilities.argmax(axis=1)) for cell in cells]
    (found,) = estimate(cells, [ACCURACY], replicates=20)
    assert found.value == pytest.approx((values[0] + np.mean(values[1:])) / 2)
    assert found.n_cells == 4


def test_a_cell_without_the_class_is_left_out():
    full = classifier(60)
    without = replace(full.take(full.targets != 3), fold=1)
    row = estimate([full, without], [BY_NAME["recall"]], replicates=50)[3]
    assert row.n_cells == 1
    assert row.value == pytest.approx((full.probabilities.argmax(axis=1) == 3)[full.targets == 3].mean())


def test_an_empty_fold_changes_nothing():
    cell = classifier(20)
    empty = replace(cell.select("none"), fold=1)
    for one, other in zip(
        estimate([cell, empty], METRICS, replicates=20), estimate([cell], METRICS, replicates=20), strict=True
    ):
        assert list(vars(one).values())[2:] == pytest.approx(list(vars(other).values())[2:], nan_ok=True)


def test_a_class_that_nobody_has_has_no_figure():
    full = classifier(60)
    row = estimate([full.take(full.targets != 3)], [BY_NAME["recall"]], replicates=50)[3]
    assert (row.n_images, row.n_lesions, row.n_cells) == (0, 0, 0)
    assert np.isnan([row.value, row.low, row.high]).all()


def test_a_single_lesion_of_a_class_has_no_interval():
    """It is missing from 1/e of the replicates."""
    full = classifier(60, images_per_lesion=1)
    of_class = np.flatnonzero(full.targets == 3)
    row = estimate([full.take(np.setdiff1d(np.arange(len(full)), of_class[1:]))], [BY_NAME["recall"]], replicates=200)[
        3
    ]
    assert row.n_lesions == 1
    assert not np.isnan(row.value)
    assert np.isnan([row.low, row.high]).all()


def test_few_undefined_replicates_are_left_out():
    values = np.r_[np.full(5, np.nan), np.arange(95.0)]
    assert percentile_interval(values, 0.5) == pytest.approx((23.5, 70.5))
    assert np.isnan(percentile_interval(np.r_[np.nan, values[:-1]], 0.5)).all()


def test_interval_of_the_calibration_error_is_reflected():
    assert pivoted(0.03, 0.025, 0.05) == pytest.approx((0.01, 0.035))
    assert pivoted(0.03, 0.04, 0.08) == pytest.approx((0, 0.03))
    assert np.isnan(pivoted(0.03, np.nan, np.nan)).all()


def test_third_party_metrics_are_estimated():
    mine = from_plain(lambda t, p, classes: float((p.argmax(axis=1) == t).mean()), name="mine", summary="")
    cell = classifier(20)
    found, wanted = estimate([cell], [mine, ACCURACY], replicates=100)
    assert (found.value, found.low, found.high) == pytest.approx((wanted.value, wanted.low, wanted.high))


def test_a_metric_of_the_wrong_shape_is_named():
    wrong = Metric("wrong", lambda t, p, w, c: np.zeros(3), "")
    with pytest.raises(PluginError, match=r"metric wrong returned an array of shape \(3,\), not \(1,\)"):
        estimate([classifier(10)], [wrong], replicates=10)


def test_refuses_what_cannot_be_averaged():
    cell = classifier(10)
    with pytest.raises(DataError, match="no predictions"):
        estimate([cell.select("train")], METRICS)
    with pytest.raises(DataError, match="holds images of test, validation"):
        estimate([replace(cell, parts=np.where(np.arange(len(cell)) < 3, "validation", "test"))], METRICS)
    with pytest.raises(DataError, match="fold 0 seed 1 has classes"):
        estimate([cell, replace(cell, seed=1, classes=cell.classes[::-1])], METRICS)


def test_baselines_have_the_figures_of_ham10000():
    targets = np.repeat(np.arange(7), HAM10000_COUNTS)
    names = np.array([f"ISIC_{k:07d}" for k in range(len(targets))])
    cell = Predictions(DIAGNOSES, names, names, names, np.full(len(names), "test"), targets, np.eye(7)[targets])
    for name, system in baselines(HAM10000_COUNTS, cell).items():
        rows = {row.metric: row for row in estimate([system], METRICS[:7], replicates=20)}
        assert rows["accuracy"].value == pytest.approx(0.6695, abs=5e-5), name
        assert rows["balanced_accuracy"].value == pytest.approx(1 / 7), name
        assert rows["macro_auc"].value == 0.5, name
    with pytest.raises(DataError, match="train counts"):
        baselines([1, 2], cell)


def test_two_thousand_replicates_of_ham10000_take_seconds():
    rng = np.random.default_rng(0)
    targets = np.repeat(np.arange(7), HAM10000_COUNTS)
    lesions = np.array([f"HAM_{k:07d}" for k in rng.integers(7470, size=len(targets))])
    names = np.array([f"ISIC_{k:07d}" for k in range(len(targets))])
    probabilities = rng.dirichlet(np.ones(7), size=len(targets))
    cell = Predictions(DIAGNOSES, names, lesions, lesions, np.full(len(names), "test"), targets, probabilities)
    start = time.process_time()
    estimate([cell], METRICS, replicates=2000)
    assert time.process_time() - start < 20  # about 1.7 on one quiet core
