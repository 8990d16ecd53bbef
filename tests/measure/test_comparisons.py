"""Paired differences: their interval, their p-value, and the correction for several of them."""

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import recall_score

from skineval.base.errors import DataError, UsageError
from skineval.measure.comparisons import against_best, best_first, differences, holm, missing_folds, p_value
from skineval.measure.delong import delong
from skineval.measure.intervals import estimate
from skineval.measure.metrics import from_plain
from skineval.measure.names import METRICS
from skineval.measure.replicates import viewed
from skineval.report.bench.leaderboard import Leaderboard
from skineval.values.predictions import EVERY_FOLD, Predictions
from tests.measure.samples import classifier, compute, difference

BY_NAME = {metric.name: metric for metric in METRICS}
ACCURACY = BY_NAME["accuracy"]
OVERALL = [metric for metric in METRICS if not metric.per_class]


def right(cell):
    return (cell.probabilities.argmax(axis=1) == cell.targets).astype(float)


def test_difference_is_that_of_the_figures():
    a, b = classifier(seed=1, skill=2), classifier(seed=2)
    found = differences([a], [b], OVERALL, replicates=50)
    figures = zip(estimate([a], OVERALL, replicates=2), estimate([b], OVERALL, replicates=2), strict=True)
    assert [row.value for row in found] == pytest.approx([one.value - other.value for one, other in figures])
    assert [row.metric for row in found] == [metric.name for metric in OVERALL]
    assert (found[0].n_images, found[0].n_lesions) == (len(a), 60)


def test_sides_change_sign():
    a, b = classifier(seed=1, skill=2), classifier(seed=2)
    one, other = difference([a], [b], ACCURACY, replicates=200), difference([b], [a], ACCURACY, replicates=200)
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))
    assert one.p == other.p


def test_p_is_the_mid_p_of_mcnemar_where_each_lesion_has_one_image():
    """Fagerland, Lydersen and Laake (2013): twice the binomial tail of the rarer kind, what is seen counted half."""
    for seed in (4, 5, 6):
        a, b = (classifier(60, seed=seed, images_per_lesion=1) for seed in (1, seed))
        ours, theirs = int((right(a) > right(b)).sum()), int((right(b) > right(a)).sum())
        rarer, both = min(ours, theirs), ours + theirs
        wanted = 2 * scipy.stats.binom.cdf(rarer, both, 0.5) - scipy.stats.binom.pmf(rarer, both, 0.5)
        assert ours != theirs
        assert 0.02 < wanted < 0.98
        assert difference([a], [b], ACCURACY, replicates=20_000).p == pytest.approx(wanted, abs=0.015)


def test_without_ties_p_is_that_of_scipy():
    a, b = (classifier(60, seed=seed, images_per_lesion=1) for seed in (1, 4))
    found = difference([a], [b], BY_NAME["nll"], replicates=5000)
    wanted = scipy.stats.permutation_test(
        tuple(np.log(cell.probabilities[np.arange(len(cell)), cell.targets]) for cell in (a, b)),
        lambda x, y: np.mean(x) - np.mean(y),
        permutation_type="samples",
        n_resamples=5000,
        vectorized=False,
        rng=np.random.default_rng(0),
    )
    assert 0.02 < wanted.pvalue < 0.98
    assert found.p == pytest.approx(wanted.pvalue, abs=0.03)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8))
def test_ties_count_half_and_no_difference_has_p_1(gaps):
    """Of all signs there are: what differs more, and half of what differs as much, on both sides."""
    signs = np.array(list(product([1, -1], repeat=len(gaps))))
    sums = signs @ np.array(gaps, dtype=float)
    observed = sums[0]
    above, same = np.mean(sums > abs(observed)), np.mean(sums == abs(observed))
    wanted = (1 + len(sums) * 2 * (above + same / 2)) / (1 + len(sums))
    assert p_value(observed, sums) == pytest.approx(wanted)
    assert p_value(0.0, np.zeros(50)) == 1


def test_interval_is_that_of_the_paired_scores():
    a, b = (classifier(120, seed=seed, images_per_lesion=1) for seed in (1, 4))
    found = difference([a], [b], ACCURACY, replicates=5000)
    wanted = scipy.stats.bootstrap(
        (right(a) - right(b),), np.mean, method="percentile", n_resamples=5000, rng=np.random.default_rng(0)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.015)


def test_p_is_uniform_where_systems_are_equally_good():
    p = [
        difference(
            [classifier(30, seed=2 * k, truth_seed=k)], [classifier(30, seed=2 * k + 1, truth_seed=k)],
            BY_NAME["macro_f1"], replicates=99,
        ).p
        for k in range(200)
    ]  # fmt: skip
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.01
    assert np.mean(np.array(p) <= 0.05) < 0.1


def rescaled(cell):
    """The same order of images in every class, by scores that are closer to each other and higher."""
    return replace(cell, probabilities=0.3 * cell.probabilities + 0.7 / len(cell.classes))


@pytest.mark.parametrize("name", ["macro_auc", "malignancy_auc"])
def test_the_scale_of_scores_is_nothing_to_a_test_of_ranks(name):
    """A strategy that shifts all scores changes no order, and could hide a difference where scores were exchanged."""
    a, b = classifier(80, seed=1, skill=3), classifier(80, seed=2, skill=1)
    plain, moved = (difference([a], [one], BY_NAME[name], replicates=400) for one in (b, rescaled(b)))
    assert (moved.value, moved.low, moved.high, moved.p) == pytest.approx(
        (plain.value, plain.low, plain.high, plain.p), abs=1e-9
    )
    assert plain.p < 0.02
    itself = difference([a], [rescaled(a)], BY_NAME[name], replicates=100)
    assert (itself.value, itself.p) == pytest.approx((0, 1), abs=1e-9)


def test_p_of_equal_ranks_is_uniform_whatever_the_scale():
    p = [
        difference(
            [classifier(40, seed=2 * k, truth_seed=k)], [rescaled(classifier(40, seed=2 * k + 1, truth_seed=k))],
            BY_NAME["malignancy_auc"], replicates=99,
        ).p
        for k in range(150)
    ]  # fmt: skip
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.01


def test_what_is_exchanged_makes_the_same_figure():
    cell, weights = classifier(50), np.random.default_rng(0).integers(3, size=(5, 96)).astype(float)
    weights = weights[:, np.arange(len(cell)) % 96]
    for name in ("auc", "macro_auc", "malignancy_auc"):
        metric = BY_NAME[name]
        seen = viewed(metric, cell)
        exchanged = replace(seen, probabilities=scipy.stats.rankdata(seen.probabilities, axis=0))
        np.testing.assert_allclose(compute(metric, exchanged, weights), compute(metric, cell, weights))


def test_two_systems_that_agree_on_all_of_a_small_class_may_still_differ_there():
    """Both find both dermatofibromas: of a difference in recall that says little, and not that there is none."""
    truth = classifier(40, images_per_lesion=1)
    answers = np.eye(7)[truth.targets]
    other = answers.copy()
    other[:5] = np.roll(answers[:5], 1, axis=1)
    found = difference(
        [replace(truth, probabilities=answers)], [replace(truth, probabilities=other)], METRICS[0], replicates=200
    )
    few = np.bincount(truth.targets).min()
    assert found.low < found.value - 1 / (7 * few)
    assert found.high > found.value


def test_a_clear_lead_is_seen():
    found = difference([classifier(seed=1, skill=4)], [classifier(seed=2, skill=1)], METRICS[0], replicates=199)
    assert found.low > 0
    assert found.p == 1 / 200


def test_a_system_equals_itself():
    cell = classifier()
    for row in differences([cell], [cell], OVERALL, replicates=50):
        assert (row.value, row.low, row.high, row.p) == pytest.approx((0, 0, 0, 1), abs=1e-12)


def test_third_party_metrics_are_compared():
    mine = from_plain(
        lambda t, p, classes: float((p.argmax(axis=1) == t).mean()), name="mine", summary="", share_of=ACCURACY.share_of
    )
    a, b = classifier(20, seed=1), classifier(20, seed=2)
    found, wanted = differences([a], [b], [mine, ACCURACY], replicates=100)
    assert (found.value, found.low, found.high, found.p) == pytest.approx(
        (wanted.value, wanted.low, wanted.high, wanted.p)
    )


def test_metrics_per_class_are_refused():
    with pytest.raises(UsageError, match="recall is a metric per class"):
        difference([classifier()], [classifier()], BY_NAME["recall"])


def test_systems_that_a_metric_cannot_tell_apart_differ_by_nothing():
    """The same order of images, and the same decisions, by other probabilities."""
    a = classifier(40, seed=1)
    logits = np.log(a.probabilities[:, :2])
    binary = {"classes": ("benign", "malignant"), "targets": a.targets % 2, "malignant": ("malignant",)}
    one, other = (replace(a, **binary, probabilities=scipy.special.softmax(k * logits, axis=1)) for k in (1, 3))
    found = differences([one], [other], OVERALL, replicates=200)
    gaps = {row.metric: (row.value, row.low, row.high) for row in found}
    for name in ("malignancy_auc", "macro_auc", "accuracy", "balanced_accuracy", "macro_f1", "mcc"):
        assert gaps[name] == (0, 0, 0)
    assert gaps["nll"][1] < gaps["nll"][2]


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_systems_that_score_the_same_on_a_few_lesions_may_differ_on_others(right):
    """Both miss, or both find, all of 16 lesions; by other answers: a perfect score says little of the next lesion."""
    names, n = np.array([f"L{k}" for k in range(16)]), 16
    targets = np.zeros(n, dtype=np.int64)

    def system(said):
        return Predictions(("mel", "nv", "df"), names, names, names, np.full(n, "test"), targets, np.eye(3)[said])

    one = system(np.where(np.arange(n) % 2, 1, 2) * int(1 - right))
    other = system(np.full(n, int(1 - right)))
    found = difference([one], [other], ACCURACY, replicates=200)
    assert found.value == 0
    if right:  # the very same answers
        assert (found.low, found.high) == (0, 0)
    else:
        assert found.low < -0.1 < 0.1 < found.high


def test_an_undefined_difference_has_no_p():
    one, other = (classifier(20, seed=seed) for seed in (1, 2))
    sole = one.targets == one.targets[0]
    found = difference([one.take(sole)], [other.take(sole)], BY_NAME["mcc"], replicates=20)
    assert np.isnan([found.value, found.low, found.high, found.p]).all()


def test_folds_where_the_figure_is_undefined_are_left_out():
    """As in an estimate: without malignant lesions a fold says nothing of malignancy."""
    sides = []
    for seed in (1, 2):
        full = classifier(seed=seed)
        benign = classifier(seed=seed, fold=1).take(~np.isin(classifier().targets, (0, 1, 4)))
        sides.append(([full], [full, benign]))
    (a, a_more), (b, b_more) = sides
    found = difference(a_more, b_more, BY_NAME["malignancy_auc"], replicates=50)
    assert found.value == difference(a, b, BY_NAME["malignancy_auc"], replicates=50).value
    assert not np.isnan([found.low, found.high, found.p]).any()
    rows = against_best({"a": a_more, "b": b_more}, [METRICS[0]], primary=BY_NAME["malignancy_auc"], replicates=20)
    assert rows[0].a == ("a" if found.value > 0 else "b")


def test_pairs_common_images_whatever_their_order_and_that_of_classes():
    a, b = classifier(seed=1), classifier(seed=2)
    wanted = difference([a.take(np.arange(20, len(a)))], [b.take(np.arange(20, len(b)))], METRICS[0], replicates=50)
    order = [3, 1, 0, 2, 6, 5, 4]
    moved = replace(
        b,
        classes=tuple(b.classes[c] for c in order),
        targets=np.argsort(order)[b.targets],
        probabilities=b.probabilities[:, order],
    ).take(np.random.default_rng(0).permutation(len(b)))
    found = difference([a.take(np.arange(20, len(a)))], [moved], METRICS[0], replicates=50)
    assert (found.value, found.low, found.high, found.p) == pytest.approx(
        (wanted.value, wanted.low, wanted.high, wanted.p)
    )


def test_copies_pair_one_by_one_and_count_each():
    """Row k of an image with row k: as if every copy were an image of its own in the same lesion."""
    rows = np.repeat(np.arange(30), np.random.default_rng(0).integers(1, 5, 30))
    a, b = (classifier(seed=seed).take(rows) for seed in (1, 2))
    named = np.array(
        [
            f"{image}-{rows[:k].tolist().count(row)}"
            for k, (image, row) in enumerate(zip(a.image_ids, rows, strict=True))
        ]
    )
    wanted = differences([replace(a, image_ids=named)], [replace(b, image_ids=named)], OVERALL, replicates=50)
    found = differences([a], [b], OVERALL, replicates=50)
    for one, other in zip(found, wanted, strict=True):
        assert (one.value, one.p) == pytest.approx((other.value, other.p), nan_ok=True)
    assert (found[0].n_images, found[0].n_lesions) == (30, len(set(a.groups.tolist())))
    # What only one side has more of is left out.
    fewer = difference([a], [b.take(np.unique(rows, return_index=True)[1])], ACCURACY, replicates=50)
    alone = difference(
        [classifier(seed=1).take(np.arange(30))], [classifier(seed=2).take(np.arange(30))], ACCURACY, replicates=50
    )
    assert fewer.value == alone.value


def test_only_the_same_fold_pairs():
    a = [classifier(seed=fold, fold=fold, truth_seed=fold) for fold in (0, 1)]
    b = [classifier(seed=5 + fold, fold=fold, truth_seed=fold) for fold in (1, 2)]
    found = difference(a, b, ACCURACY, replicates=20)
    assert found.n_images == len(a[1])
    assert found.value == pytest.approx(right(a[1]).mean() - right(b[0]).mean())
    with pytest.raises(DataError, match="no image of the same fold in common"):
        difference(a[:1], b, ACCURACY)


@pytest.mark.parametrize("seeds", [(0, 1), (7,), (3, 4, 5)])
def test_seeds_are_averaged_whether_or_not_they_match(seeds):
    a = [classifier(seed=seed, train_seed=seed) for seed in (0, 1)]
    b = [classifier(seed=10 + seed, train_seed=seed) for seed in seeds]
    found = difference(a, b, ACCURACY, replicates=20)
    wanted = np.mean([right(cell).mean() for cell in a]) - np.mean([right(cell).mean() for cell in b])
    assert found.value == pytest.approx(wanted)


def unequal():
    """Two folds of two seeds each, but that the good cell of fold 0 has lost its sister; and a system with all."""
    lacking = [classifier(seed=1, skill=4)] + [
        classifier(seed=2 + seed, skill=1, fold=1, train_seed=seed, truth_seed=1) for seed in (0, 1)
    ]
    whole = [
        classifier(seed=10 + 2 * fold + seed, fold=fold, train_seed=seed, truth_seed=fold)
        for fold in (0, 1)
        for seed in (0, 1)
    ]
    return lacking, whole


def test_a_difference_is_that_of_the_rows_where_a_fold_has_lost_a_seed():
    lacking, whole = unequal()
    found = differences(lacking, whole, OVERALL, replicates=20)
    figures = zip(estimate(lacking, OVERALL, replicates=2), estimate(whole, OVERALL, replicates=2), strict=True)
    assert [row.value for row in found] == pytest.approx([one.value - other.value for one, other in figures])

    def by_fold(cells):
        return np.mean([np.mean([right(cell).mean() for cell in cells if cell.fold == fold]) for fold in (0, 1)])

    assert difference(lacking, whole, ACCURACY, replicates=20).value == pytest.approx(by_fold(lacking) - by_fold(whole))


def test_no_fold_weighs_more_in_the_interval_of_a_difference():
    """The replicates are means over folds, too: as if the two cells of fold 1 were one of each fold's seeds."""
    lacking, whole = unequal()
    twice = [lacking[0], replace(lacking[0], seed=1), *lacking[1:]]
    (wanted,) = differences(twice, whole, [ACCURACY], replicates=200)
    (found,) = differences(lacking, whole, [ACCURACY], replicates=200)
    assert (found.value, found.low, found.high) == pytest.approx((wanted.value, wanted.low, wanted.high))


def test_a_file_without_lesions_takes_those_of_the_other():
    a, b = classifier(seed=1), classifier(seed=2)
    bare = replace(a, lesion_ids=a.image_ids, groups=a.image_ids)
    assert difference([bare], [b], ACCURACY, replicates=50) == difference([a], [b], ACCURACY, replicates=50)
    assert difference([b], [bare], ACCURACY, replicates=50) == difference([b], [a], ACCURACY, replicates=50)


def test_differing_targets_name_the_image():
    a = classifier(seed=1)
    targets = a.targets.copy()
    targets[4] = (targets[4] + 1) % 7
    with pytest.raises(DataError, match=f"{a.image_ids[4]} is .* in one system and .* in the other"):
        difference([a], [replace(a, targets=targets)], ACCURACY)


def test_differing_classes_are_refused():
    with pytest.raises(DataError, match="cannot be compared with nv, mel"):
        difference([classifier()], [classifier(classes=("nv", "mel"))], ACCURACY)


def test_best_against_all_others():
    systems = {
        "weak": [classifier(seed=1, skill=1)],
        "best": [classifier(seed=2, skill=4)],
        "close": [classifier(seed=3, skill=3.8)],
    }
    rows = against_best(systems, [METRICS[0], BY_NAME["nll"]], replicates=99)
    assert [(row.a, row.b, row.metric) for row in rows] == [
        ("best", "weak", "balanced_accuracy"),
        ("best", "close", "balanced_accuracy"),
        ("best", "weak", "nll"),
        ("best", "close", "nll"),
    ]
    for k in (0, 2):
        assert [row.p_holm for row in rows[k : k + 2]] == holm([row.p for row in rows[k : k + 2]]).tolist()
    by_nll = against_best(systems, [ACCURACY], primary=BY_NAME["nll"], replicates=20)
    assert {row.a for row in by_nll} == {"best"}
    assert against_best({"one": systems["weak"]}, [ACCURACY]) == []


def test_a_system_that_lacks_a_fold_is_never_the_best():
    """Its mean is over other images: here over the easy ones, on which the other system is better."""
    easy, hard = ({"skill": skill, "fold": fold, "truth_seed": fold} for fold, skill in enumerate((4, 1)))
    systems = {"lacking": [classifier(seed=1, **easy | {"skill": 3})]}
    systems["whole"] = [classifier(seed=2, **easy), classifier(seed=3, **hard)]
    figures = {name: estimate(cells, METRICS[:1], replicates=2)[0].value for name, cells in systems.items()}
    assert figures["lacking"] > figures["whole"]
    assert missing_folds(systems) == {"lacking": (1,)}
    (row,) = against_best(systems, METRICS[:1], replicates=50)
    assert (row.a, row.b) == ("whole", "lacking")
    assert row.value > 0
    alone = difference(systems["whole"][:1], systems["lacking"], METRICS[0], replicates=50)
    assert row == replace(alone, a="whole", b="lacking", p_holm=row.p)


def test_where_every_system_lacks_a_fold_there_is_no_best():
    systems = {"a": [classifier(fold=0)], "b": [classifier(fold=1)]}
    assert missing_folds(systems) == {"a": (1,), "b": (0,)}
    assert against_best(systems, METRICS[:1]) == []


def test_the_mean_of_all_folds_lacks_none_and_an_empty_cell_counts_for_none():
    cell = classifier(12)
    assert missing_folds({"a": [cell, replace(cell, fold=1)], "b": [replace(cell, fold=EVERY_FOLD)]}) == {}
    assert missing_folds({"a": [cell, replace(cell.select("none"), fold=1)], "b": [cell]}) == {}
    assert missing_folds({}) == {}


@pytest.mark.parametrize("names", list(permutations(["cnn/none", "resnet18/none", "resnet18/smote"])))
def test_of_equally_good_systems_the_table_and_the_comparisons_have_the_same_best(names):
    """Collapsed networks: each calls everything one class, so that all have 1/7."""
    truth = classifier(60)
    collapsed = {
        name: [replace(truth, probabilities=np.tile(np.roll([0.4, *[0.1] * 6], len(name)), (len(truth), 1)))]
        for name in names
    }
    (best,) = {row.a for row in against_best(collapsed, METRICS[:1], replicates=20)}
    scores = [replace(estimate(cells, METRICS[:1], replicates=2)[0], model=name) for name, cells in collapsed.items()]
    assert best == Leaderboard("", scores).best


def test_holm_by_hand():
    """Ranked .005, .01, .03, .04 times 4, 3, 2, 1; the last is raised to the one before it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, np.nan, 0.6]) == pytest.approx([1, np.nan, 1], nan_ok=True)
    assert holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_helps_and_keeps_the_order(p):
    corrected = holm(p)
    assert (corrected >= p).all()
    assert (corrected <= np.minimum(1, len(p) * np.array(p))).all()
    assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= 0).all()


RANKED = st.dictionaries(st.text(max_size=3), st.sampled_from([np.nan, 0.0, 1 / 7, 0.5, 1.0]), max_size=8)


@given(RANKED, st.randoms())
def test_the_order_of_asking_does_not_matter(figures, random):
    names = list(figures)
    random.shuffle(names)
    assert best_first({name: figures[name] for name in names}) == best_first(figures)


def test_better_figures_come_first_then_names_then_what_is_undefined():
    figures = {"undefined": np.nan, "d": 0.2, "a": 0.1, "c": 0.3, "b": 0.3}
    assert best_first(figures) == ["b", "c", "d", "a", "undefined"]
    assert best_first(figures, higher_is_better=False) == ["a", "d", "b", "c", "undefined"]
    assert best_first({}) == []


def test_figures_that_differ_by_rounding_are_equal():
    assert best_first({"b": 0.1 + 0.2, "a": 0.3}) == ["a", "b"]


def test_a_check_over_folds_is_the_corrected_t_test_of_their_differences():
    a, b = ([classifier(60, fold=k, truth_seed=k, seed=seed) for k in range(4)] for seed in (1, 2))
    found = difference(a, b, METRICS[0])
    recalls = [recall_score(one.targets, one.probabilities.argmax(axis=1), average="macro") for one in (*a, *b)]
    gaps, test = np.subtract(recalls[:4], recalls[4:]), np.mean(list(map(len, a)))
    train = sum(map(len, a)) - test
    t = gaps.mean() / np.sqrt((1 / 4 + test / train) * gaps.var(ddof=1))
    assert found.check_p == pytest.approx(2 * scipy.stats.t.sf(abs(t), 3))


def test_a_check_of_one_fold_is_of_malignancy_alone():
    a, b = classifier(skill=1.6), classifier(seed=1, skill=1.2)
    ours, theirs = (one.malignancy for one in (a, b))
    expected = delong(ours.targets == 1, ours.probabilities[:, 1], theirs.probabilities[:, 1])
    found = difference([a], [b], BY_NAME["malignancy_auc"])
    assert (found.value, found.check_p) == pytest.approx((expected.value, expected.p))
    others = [metric for metric in OVERALL if metric.name != "malignancy_auc"]
    assert np.isnan([row.check_p for row in differences([a], [b], others, replicates=50)]).all()


@given(st.integers(0, 10_000), st.integers(4, 12))
def test_intervals_hold_their_figures_however_few_lesions_there_are(seed, lesions):
    a, b = (classifier(lesions, truth_seed=seed, seed=seed + place, skill=2 * place) for place in (0, 1))
    rows = [*estimate([a], METRICS, replicates=60), *differences([a], [b], OVERALL, replicates=60)]
    for row in rows:
        assert np.isnan(row.low) or row.low - 1e-9 <= row.value <= row.high + 1e-9, row


def test_what_is_known_of_a_rule_adds_no_width_and_no_difference_is_larger_than_can_be():
    perfect = classifier(60, skill=60)
    constant = replace(perfect, probabilities=np.full_like(perfect.probabilities, 1 / 7) + np.linspace(0, 0.01, 7))
    for metric, most in (("macro_auc", 0.5), ("balanced_accuracy", 6 / 7)):
        found = difference([perfect], [constant], BY_NAME[metric])
        assert found.value == pytest.approx(most)
        assert found.low < found.high <= most + 1e-9
