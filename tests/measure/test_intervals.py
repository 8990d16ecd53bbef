"""The lesion bootstrap: what it draws, what it covers, and when it says that it does not know."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from skineval.base.errors import DataError, PluginError
from skineval.catalog.specs import Metric
from skineval.measure.baselines import baselines
from skineval.measure.comparisons import differences
from skineval.measure.intervals import estimate, percentile_interval, pivoted
from skineval.measure.metrics import from_plain
from skineval.measure.names import METRICS
from skineval.measure.replicates import bootstrap
from skineval.measure.resampling import resample
from skineval.measure.shares import wilson
from skineval.values.predictions import Predictions
from skineval.values.task import DIAGNOSES
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


def test_draws_as_many_units_of_each_class_as_there_are():
    cell = classifier(60)
    drawn = resample([cell], 500, seed=3)
    assert drawn.units.tolist() == sorted(set(cell.groups.tolist()))
    class_of = dict(zip(cell.groups, cell.targets, strict=True))
    of_unit = np.array([class_of[unit] for unit in drawn.units])
    for label in range(7):
        of_class = drawn.counts[:, of_unit == label]
        assert (of_class.sum(axis=1) == (of_unit == label).sum()).all()
        assert of_class.mean(axis=0) == pytest.approx(np.ones(of_class.shape[1]), abs=0.2)


def test_folds_keep_their_lesions_of_each_class():
    """Two lesions of a class in each of three folds, and in other company in two more of a second repetition."""
    two = binary(np.ones(2), ["L0", "L1"])
    first = [replace(two, groups=np.array([f"L{2 * fold}", f"L{2 * fold + 1}"]), fold=fold) for fold in range(3)]
    again = [
        replace(binary(np.ones(3), range(3)), groups=np.array([f"L{k}", f"L{k + 2}", f"L{k + 4}"]), fold=3 + k)
        for k in (0, 1)
    ]
    counts = resample([*again, *first], 200, seed=0).counts
    assert all((counts[:, [k, k + 1]].sum(axis=1) == 2).all() for k in (0, 2, 4))
    assert (counts == 2).any()


def test_the_majority_rule_keeps_its_balanced_accuracy_over_folds():
    """Folds of two lesions of a class: a replicate without them averaged over the others, up from 1/7 to 1/5."""
    targets = np.repeat(np.arange(7), [2, 2, 2, 1, 2, 20, 1])
    probabilities = np.tile(np.eye(7)[5], (len(targets), 1))
    cells = []
    for fold in range(5):
        names = np.array([f"{fold}-{k}" for k in range(len(targets))])
        test = np.full(len(targets), "test")
        cells.append(Predictions(DIAGNOSES, names, names, names, test, targets, probabilities, fold))
    (row,) = estimate(cells, METRICS[:1], replicates=500)
    assert (row.value, row.low, row.high) == pytest.approx((1 / 7, 1 / 7, 1 / 7))


def of_two(right, targets, groups=None, fold=0):
    """Two classes, each image called right where `right` says so; each its own lesion without `groups`."""
    right, targets = np.asarray(right, dtype=bool), np.asarray(targets)
    names = np.array([f"{fold}-{k:03d}" for k in range(len(right))])
    groups = names if groups is None else np.array([f"{fold}-L{group}" for group in groups])
    answers = np.eye(2)[np.where(right, targets, 1 - targets)]
    return Predictions(("df", "nv"), names, groups, groups, np.full(len(right), "test"), targets, answers, fold)


def interval(cells, name, class_=""):
    (row,) = (one for one in estimate(cells, [BY_NAME[name]], replicates=500) if one.class_ == class_)
    return row.value, row.low, row.high


def wilson_of(share, size):
    (low,), (high,) = wilson(np.array([share]), np.array([size]), np.array([1.959964]))
    return pytest.approx((share, low, high), abs=1e-6)


def test_lesions_of_a_small_fold_weigh_more():
    """Five folds with 2, 2, 1, 1 and 1 lesions of four images: as sure as 6.25 lesions, 1 / (2/100 · 2 + 3/25 ...)."""
    right, cells = [[1, 1], [1, 1], [1], [1], [0]], []  # no replicate differs from another
    for fold, lesions in enumerate(right):
        groups = [*np.repeat(range(len(lesions)), 4), *range(10, 30)]
        targets = [*[0] * 4 * len(lesions), *[1] * 20]
        cells.append(of_two([*np.repeat(lesions, 4), *[1] * 20], targets, groups, fold))
    assert interval(cells, "recall", "df") == wilson_of(0.8, 6.25)


def test_what_a_rule_makes_certain_and_what_not():
    """The same answer for all: recalls are known, but not how frequent the classes are."""
    cells = [of_two([0, 1, 1, 1], [0, 1, 1, 1], fold=fold) for fold in range(2)]
    for name, value in (("balanced_accuracy", 0.5), ("macro_auc", 0.5), ("mcc", 0), ("kappa", 0)):
        assert interval(cells, name) == (value, value, value)
    assert interval(cells, "recall", "df") == (0, 0, 0)
    assert interval(cells, "accuracy") == wilson_of(0.75, 8)
    assert interval(cells, "precision", "nv") == wilson_of(0.75, 8)
    # What is never answered has an F1 of exactly 0: the mean over classes is as sure as that of nevi.
    nevi, mean = interval(cells, "f1", "nv"), interval(cells, "macro_f1")
    assert mean == pytest.approx([end / 2 for end in nevi])
    # A single answer is no rule.
    assert interval([of_two([1], [0])], "accuracy") == wilson_of(1, 1)


def test_replicates_that_all_agree_know_nothing():
    perfect = of_two(np.ones(20), [0, 1] * 10)
    assert interval([perfect], "accuracy") == interval([perfect], "weighted_f1") == wilson_of(1, 20)
    for name in ("mcc", "kappa", "nll", "ece"):
        value, low, high = interval([perfect], name)
        assert value in (0, 1)
        assert np.isnan([low, high]).all()
    one_each = classifier(7, images_per_lesion=1).take(np.arange(7))
    one_each = replace(one_each, targets=np.arange(7))
    assert all(np.isnan(interval([one_each], name)[1:]).all() for name in ("nll", "brier", "macro_auc"))


def test_a_network_that_collapsed_counts():
    """Three of four seeds answer nevus always: a mean over those where the coefficient is defined would be 0.816."""
    sound = of_two([0, *[1] * 9], [0] * 3 + [1] * 7)
    collapsed = of_two([0] * 3 + [1] * 7, [0] * 3 + [1] * 7)
    cells = [sound, *(replace(collapsed, seed=seed) for seed in (1, 2, 3))]
    wanted = sk.matthews_corrcoef(sound.targets, sound.probabilities.argmax(axis=1)) / 4
    assert interval(cells, "mcc")[0] == pytest.approx(wanted)


def test_a_mean_over_other_classes_in_each_fold_has_the_interval_of_its_replicates():
    """Half of balanced accuracy is the one class of the second fold: its interval is wider than that of two recalls."""
    rng = np.random.default_rng(0)
    first = of_two(rng.random(120) < 0.6, [0] * 20 + [1] * 100)
    second = of_two(rng.random(20) < 0.6, [0] * 20, fold=1)
    value, low, high = interval([first, second], "balanced_accuracy")
    recalls = [(first.probabilities.argmax(axis=1) == first.targets)[first.targets == k].mean() for k in (0, 1)]
    alone = (second.probabilities[:, 0] > 0.5).mean()
    assert value == pytest.approx(np.mean([np.mean(recalls), alone]))
    shares, sizes = np.array([*recalls, alone]), np.array([20, 100, 20])
    error = np.sqrt((np.array([0.25, 0.25, 0.5]) ** 2 * shares * (1 - shares) / sizes).sum())
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.15)


def test_shares_count_what_they_are_a_share_of():
    cell = of_two([1, 0, 1, 1, 1], [0, 0, 1, 1, 1])
    found = {(row.metric, row.class_): row.n_images for row in estimate([cell], METRICS, replicates=50)}
    assert (found["recall", "df"], found["specificity", "df"], found["precision", "df"]) == (2, 3, 1)
    assert found["precision", "nv"] == 4
    assert found["accuracy", ""] == 5


def test_a_replicate_that_lacks_a_class_is_not_the_mean_over_the_others():
    """Two lesions of different folds meet in one fold of a second repetition."""
    full = classifier(60, images_per_lesion=1, skill=2)
    rare, others = np.flatnonzero(full.targets == 3)[:4], np.flatnonzero(full.targets != 3)
    cells = [replace(full.take(np.r_[rare[k : k + 2], others]), fold=fold) for fold, k in enumerate((0, 2))]
    cells += [replace(full.take(np.r_[rare[k::2], others]), fold=2 + k) for k in (0, 1)]
    drawn = resample(cells, 200, seed=0)
    lacking = np.vstack(list(drawn.weights(cells[2].groups)))[:, :2].sum(axis=1) == 0
    assert 0.1 < lacking.mean() < 0.5
    np.testing.assert_array_equal(np.isnan(bootstrap(cells[2], METRICS[:1], drawn)[:, 0]), lacking)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6)), min_size=1, max_size=25), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_groups_of_several_classes_are_drawn_among_those_of_their_rarest(rows, seed):
    """As patients are; a replicate then has as many of each stratum, and of a class that only one group has, all."""
    targets, groups = np.array(rows).T
    cell = replace(classifier(60).take(np.arange(len(targets))), targets=targets, groups=groups.astype(str))
    drawn = resample([cell], 30, seed)
    holds = {unit: set(targets[groups == int(unit)].tolist()) for unit in drawn.units}
    frequency = {target: sum(target in classes for classes in holds.values()) for target in range(3)}
    rarest = [min(holds[unit], key=lambda target: (frequency[target], target)) for unit in drawn.units]
    assert len({*zip(rarest, drawn.strata.tolist(), strict=True)}) == len(set(rarest)) == len(set(drawn.strata))
    for stratum in set(drawn.strata):
        members = drawn.strata == stratum
        assert (drawn.counts[:, members].sum(axis=1) == members.sum()).all()


@pytest.mark.parametrize("n", [2, 3, 10])
def test_the_variance_of_a_mean_is_unbiased_even_for_two_lesions(n):
    values = np.random.default_rng(1).normal(size=n)
    drawn = resample([binary(np.ones(n), range(n))], 20_000, seed=0)
    means = drawn.counts @ values / n
    assert means.var() == pytest.approx(values.var(ddof=1) / n, rel=0.05)


def test_draw_depends_on_units_their_classes_and_seed_alone():
    cell = classifier(30)
    first = resample([cell], 20, seed=3)
    shuffled = cell.take(np.random.default_rng(0).permutation(len(cell)))
    order = [3, 1, 0, 2, 6, 5, 4]
    renamed = replace(cell, classes=tuple(cell.classes[c] for c in order), targets=np.argsort(order)[cell.targets])
    for again in ([shuffled, cell], [cell.take(cell.targets > 2), cell.take(cell.targets <= 2)], [renamed]):
        np.testing.assert_array_equal(first.counts, resample(again, 20, seed=3).counts)
    assert (first.counts != resample([cell], 20, seed=4).counts).any()


def test_images_weigh_what_their_lesion_was_drawn():
    cell = binary(np.ones(4), ["b", "a", "b", "c"])
    drawn = resample([cell], 20, seed=0)
    weights = np.vstack(list(drawn.weights(cell.groups)))
    np.testing.assert_array_equal(weights, drawn.counts[:, [1, 0, 1, 2]])


def test_interval_is_that_of_repeated_images():
    cell = classifier(30, skill=2)
    drawn = resample([cell], 300, seed=9)
    unit = np.searchsorted(drawn.units, cell.groups)
    said = cell.probabilities.argmax(axis=1)
    replicates = []
    for counts in drawn.counts:
        rows = np.repeat(np.arange(len(cell)), counts[unit])
        replicates.append(sk.matthews_corrcoef(cell.targets[rows], said[rows]))
    (found,) = estimate([cell], [BY_NAME["mcc"]], replicates=300, seed=9)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(replicates, [0.025, 0.975])))
    assert found.value == pytest.approx(sk.matthews_corrcoef(cell.targets, said))


def test_agrees_with_scipy_where_each_lesion_has_one_image():
    right = np.random.default_rng(2).random(150) < 0.7
    (found,) = estimate([binary(right, range(150))], [ACCURACY], replicates=8000)
    wanted = scipy.stats.binomtest(int(right.sum()), 150).proportion_ci(0.95, method="wilson")
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.003)


@pytest.mark.parametrize("hits", [0, 33])
def test_a_share_of_none_or_all_has_the_interval_that_its_lesions_allow(hits):
    wanted = scipy.stats.binomtest(hits, 33).proportion_ci(0.95, method="wilson")
    unit = np.repeat(np.arange(33), 3)  # three images of a lesion say no more than one where all agree
    cell = binary(np.full(99, hits > 0), unit)
    cell = replace(cell, probabilities=cell.probabilities + [[0.0, 1e-9]] * np.linspace(0, 1, 99)[:, None])  # no rule
    row = estimate([cell], [BY_NAME["recall"]], replicates=100)[1]
    assert (row.value, row.low, row.high) == pytest.approx((hits / 33, wanted.low, wanted.high))


def test_a_rule_is_known_and_not_estimated():
    """On 40 images of which one class is missing from many plain replicates, always "nv" stays at 1/7."""
    cell = classifier(20, images_per_lesion=2)
    assert set(cell.targets.tolist()) == set(range(7))
    for rule in baselines(HAM10000_COUNTS, cell).values():
        (row,) = estimate([rule], METRICS[:1], replicates=200)
        assert (row.value, row.low, row.high) == pytest.approx((1 / 7, 1 / 7, 1 / 7))


def test_equal_train_counts_leave_the_prior_where_majority_is():
    cell = classifier(40)
    rows = {name: estimate([one], METRICS, replicates=2) for name, one in baselines([5] * 7, cell).items()}
    wanted = {row.metric: row.value for row in rows["majority"] if row.metric in ("balanced_accuracy", "undecided")}
    assert wanted == {"balanced_accuracy": pytest.approx(1 / 7), "undecided": 0}
    assert {row.metric: row.value for row in rows["prior"] if row.metric in wanted} == wanted


@pytest.mark.parametrize(
    ("mean", "part"), [("balanced_accuracy", "recall"), ("macro_f1", "f1"), ("macro_auc", "auc"), ("macro_ap", "ap")]
)
def test_a_mean_over_classes_is_surer_than_its_classes_and_holds_its_figure(mean, part):
    cell = classifier(80)
    (whole,) = estimate([cell], [BY_NAME[mean]], replicates=300)
    parts = estimate([cell], [BY_NAME[part]], replicates=300)
    assert whole.low < whole.value < whole.high
    assert whole.high - whole.low < np.mean([row.high - row.low for row in parts])
    assert whole.value == pytest.approx(np.mean([row.value for row in parts]))


def test_the_area_under_the_curve_of_two_classes_has_one_interval():
    """Also where all replicates agree, so that nothing says how far the areas of the two classes go together."""
    targets = np.repeat([0, 1], [30, 8])
    for skill in (np.linspace(0, 1, 38), np.sin(np.arange(38))):
        cell = of_two(np.ones(38), targets)
        cell = replace(cell, probabilities=np.stack([1 - skill, skill], axis=1))
        found = {(row.metric, row.class_): row for row in estimate([cell], METRICS, replicates=300)}
        macro, own = found["macro_auc", ""], [found["auc", name] for name in cell.classes]
        for one in own:
            np.testing.assert_allclose([macro.value, macro.low, macro.high], [one.value, one.low, one.high])


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


def test_a_single_lesion_of_a_class_says_next_to_nothing():
    full = classifier(60, images_per_lesion=1)
    of_class = np.flatnonzero(full.targets == 3)
    cell = full.take(np.setdiff1d(np.arange(len(full)), of_class[1:]))
    row = estimate([cell], [BY_NAME["recall"]], replicates=200)[3]
    assert row.n_lesions == 1
    assert row.high - row.low > 0.75


def test_few_undefined_replicates_are_left_out():
    values = np.r_[np.full(5, np.nan), np.arange(95.0)]
    assert percentile_interval(values) == pytest.approx((0.025 * 94, 0.975 * 94))
    assert np.isnan(percentile_interval(np.r_[np.nan, values[:-1]])).all()


def test_interval_of_the_calibration_error_is_reflected():
    assert pivoted(0.03, 0.025, 0.05) == pytest.approx((0.01, 0.035))
    assert pivoted(0.03, 0.04, 0.08) == pytest.approx((0, 0.03))
    assert pivoted(-0.1, -0.08, 0) == pytest.approx((-0.1, -0.1))
    assert np.isnan(pivoted(0.03, np.nan, np.nan)).all()


def test_third_party_metrics_are_estimated():
    mine = from_plain(
        lambda t, p, classes: float((p.argmax(axis=1) == t).mean()), name="mine", summary="", share_of=ACCURACY.share_of
    )
    cell = classifier(20)
    found, wanted = estimate([cell], [mine, ACCURACY], replicates=100)
    assert (found.value, found.low, found.high) == pytest.approx((wanted.value, wanted.low, wanted.high))


@pytest.mark.parametrize(("malignant", "undefined"), [(25, 0), (15, 2), (9, 7)])
def test_a_quantile_of_few_lesions_has_no_interval_and_neither_has_its_difference(malignant, undefined):
    rng = np.random.default_rng(malignant)
    targets = np.repeat([0, 1], [60, malignant])
    ids = np.char.add("i", np.arange(len(targets)).astype(str))

    def system():
        score = 1 / (1 + np.exp(-rng.normal(2 * targets - 1)))
        both = np.stack([1 - score, score], axis=1)
        names, parts = ("benign", "malignant"), np.full(len(ids), "test")
        return Predictions(names, ids, ids, ids, parts, targets, both, malignant=("malignant",))

    one, other = system(), system()
    wanting = [metric for metric in METRICS if metric.least_lesions]
    assert len(wanting) == 7
    found = estimate([one], [*METRICS[:1], *wanting], replicates=200)
    assert not np.isnan([row.value for row in found]).any()
    assert np.isnan([row.low for row in found]).sum() == np.isnan([row.high for row in found]).sum() == undefined
    assert not np.isnan(found[0].low)
    gaps = differences([one], [other], wanting, replicates=200)
    assert np.isnan([gap.low for gap in gaps]).sum() == undefined
    assert not np.isnan([gap.p for gap in gaps]).any()


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
