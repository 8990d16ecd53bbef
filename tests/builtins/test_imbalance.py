"""What skineval offers itself: remedies that do what their papers say, and metrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from imblearn.combine import SMOTEENN, SMOTETomek
from imblearn.over_sampling import ADASYN, SMOTE, SVMSMOTE, BorderlineSMOTE, KMeansSMOTE, RandomOverSampler
from imblearn.under_sampling import NearMiss, RandomUnderSampler
from sklearn.svm import SVC
from sklearn.utils.class_weight import compute_class_weight

from skineval.base.errors import CellError
from skineval.builtins.imbalance import (
    STRATEGIES,
    balanced_draws,
    balanced_softmax,
    class_balanced_focal,
    class_weights,
    deferred,
    effective_number,
    focal,
    label_aware_smoothing,
    ldam,
    logit_adjusted,
    logit_adjustment,
    vector_scaling,
)


def defaults(strategy):
    return {key: one.default for key, one in strategy.parameters.items()}


def counts(most=5):
    return st.lists(st.integers(0, 50), min_size=2, max_size=most).filter(lambda c: sum(c) > 0)


@given(counts())
def test_class_weights_are_those_of_scikit_learn(numbers):
    numbers = np.array(numbers)
    labels = np.repeat(np.arange(len(numbers)), numbers)
    loss = class_weights(numbers, power=1.0)
    logits = torch.zeros(len(numbers), len(numbers))
    found = loss(logits, torch.arange(len(numbers))).numpy() / np.log(len(numbers))
    present = numbers > 0
    expected = compute_class_weight("balanced", classes=np.flatnonzero(present), y=labels)
    # scikit-learn scales by the number of classes that are there, too.
    np.testing.assert_allclose(found[present], expected, rtol=1e-5)
    assert (found[~present] == 0).all()


@given(counts(), st.floats(0, 1))
def test_weights_average_to_one_over_the_train_part(numbers, power):
    numbers = np.array(numbers)
    labels = torch.from_numpy(np.repeat(np.arange(len(numbers)), numbers))
    loss = class_weights(numbers, power=power)(torch.zeros(len(labels), len(numbers)), labels)
    assert float(loss.mean()) == pytest.approx(np.log(len(numbers)), rel=1e-4)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60))
def test_balanced_draws_give_every_class_the_same_share(labels):
    labels = np.array(labels)
    weights = balanced_draws(labels, power=1.0)
    shares = [weights[labels == label].sum() for label in np.unique(labels)]
    np.testing.assert_allclose(shares, shares[0])
    np.testing.assert_allclose(balanced_draws(labels, power=0.0), 1.0)


COUNTS = np.array([60, 30, 10])
SHARES = COUNTS / 100
LOGITS = torch.tensor([[1.0, 2.0, -1.0], [0.5, -0.5, 3.0], [-2.0, 0.0, 0.0]], dtype=torch.float64)
TARGETS = torch.tensor([0, 1, 2])


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def of_targets(logits):
    """-log p of the target of each row."""
    return -log_softmax(logits)[np.arange(3), TARGETS]


def scaled(weights):
    """Weights (C,) as they are to be: of mean 1 over the train part."""
    return weights / (SHARES @ weights)


def smooth_targets(shares):
    """1 - e for each class itself, and e / 2 for each of the two others."""
    shares = np.array(shares)
    return np.diag(1 - shares) + (1 - np.eye(3)) * shares[:, None] / 2


#: Formulas of the papers, written out.
WORKED = {
    # Cui et al. 2019, eq. 2: E = (1 - beta ** n) / (1 - beta), and the weight is 1 / E.
    "effective-number": (
        effective_number(COUNTS, beta=0.9),
        lambda z: scaled((1 - 0.9) / (1 - 0.9**COUNTS)) * of_targets(z),
    ),
    "effective-number of beta 0": (effective_number(COUNTS, beta=0.0), of_targets),
    # Lin et al. 2017, eq. 4.
    "focal": (focal(COUNTS, gamma=2.0), lambda z: (1 - np.exp(-of_targets(z))) ** 2 * of_targets(z)),
    "cb-focal": (
        class_balanced_focal(COUNTS, beta=0.9, gamma=1.5),
        lambda z: scaled(0.1 / (1 - 0.9**COUNTS)) * (1 - np.exp(-of_targets(z))) ** 1.5 * of_targets(z),
    ),
    # Ren et al. 2020, eq. 4: p = n exp(z) / sum of n exp(z).
    "balanced-softmax": (
        balanced_softmax(COUNTS),
        lambda z: -np.log(np.diag(COUNTS * np.exp(z)) / (COUNTS * np.exp(z)).sum(axis=1)),
    ),
    # Menon et al. 2021, eq. 10.
    "logit-adjusted-loss": (logit_adjusted(COUNTS, tau=0.5), lambda z: of_targets(z + 0.5 * np.log(SHARES))),
    # Kini et al. 2021, eq. 2.
    "vs": (
        vector_scaling(COUNTS, gamma=0.3, tau=1.5),
        lambda z: of_targets(z * (COUNTS / 60) ** 0.3 + 1.5 * np.log(SHARES)),
    ),
    # Cao et al. 2019, algorithm 1: plain until it is late, then weighed.
    "drw before": (deferred(COUNTS, after=0.5, beta=0.9, epoch=2, epochs=4), of_targets),
    "drw of a probe": (
        deferred(COUNTS, after=0.8, beta=0.9, epoch=1, epochs=1),
        lambda z: scaled(0.1 / (1 - 0.9**COUNTS)) * of_targets(z),
    ),
    "drw after": (
        deferred(COUNTS, after=0.5, beta=0.9, epoch=3, epochs=4),
        lambda z: scaled(0.1 / (1 - 0.9**COUNTS)) * of_targets(z),
    ),
    # Cao et al. 2019, eq. 12 and 13, of logits that are cosines times 30: z - 30 margin, margin = C / n ** (1/4).
    "ldam": (
        ldam(COUNTS, margin=0.5, after=1.0, beta=0.9, epoch=4, epochs=4),
        lambda z: of_targets(z - 30 * 0.5 * np.eye(3) * (10 / COUNTS) ** 0.25),
    ),
    "ldam, weighed": (
        ldam(COUNTS, margin=0.2, after=0.0, beta=0.9, epoch=1, epochs=4),
        lambda z: scaled(0.1 / (1 - 0.9**COUNTS)) * of_targets(z - 30 * 0.2 * np.eye(3) * (10 / COUNTS) ** 0.25),
    ),
    # Zhong et al. 2021, eq. 3 and 4: of 60 images 0.4, of 10 images 0.1, of 30 images 0.1 + 0.3 sin(pi/2 20/50).
    "label-aware-smoothing": (
        label_aware_smoothing(COUNTS, head=0.4, tail=0.1),
        lambda z: -(smooth_targets([0.4, 0.1 + 0.3 * np.sin(np.pi / 5), 0.1]) * log_softmax(z)).sum(axis=1),
    ),
}


@pytest.mark.parametrize("name", WORKED)
def test_a_loss_is_the_formula_of_its_paper(name):
    loss, formula = WORKED[name]
    np.testing.assert_allclose(loss(LOGITS, TARGETS).numpy(), formula(LOGITS.numpy()), rtol=1e-6)
    assert torch.autograd.gradcheck(loss, (LOGITS.clone().requires_grad_(), TARGETS))


@pytest.mark.parametrize("strategy", [one for one in STRATEGIES if one.loss], ids=lambda one: one.name)
def test_a_loss_is_finite_where_a_class_is_absent_or_an_image_is_certain(strategy):
    epochs = {"epoch": 2, "epochs": 2} if strategy.per_epoch else {}
    loss = strategy.loss(np.array([40, 0, 1]), **defaults(strategy), **epochs)
    logits = torch.tensor([[80.0, -80.0, 0.0], [0.0, 0.0, 0.0], [-80.0, 80.0, 0.0]], requires_grad=True)
    losses = loss(logits, torch.tensor([0, 0, 2]))
    losses.sum().backward()
    assert losses.isfinite().all()
    assert logits.grad.isfinite().all()
    assert (losses >= 0).all()


def test_labels_are_spread_over_classes_with_train_images():
    """What is never meant has a logit of -10,000 in a head that is fitted."""
    never = torch.column_stack([LOGITS, torch.full((3,), -1e4, dtype=torch.float64)])
    found = label_aware_smoothing(np.append(COUNTS, 0), head=0.4, tail=0.1)(never, TARGETS)
    torch.testing.assert_close(found, label_aware_smoothing(COUNTS, head=0.4, tail=0.1)(LOGITS, TARGETS))


def test_adjusted_logits_are_as_if_classes_were_equally_frequent():
    """Where p(y|x) has the prior pi, p(y|x) / pi, normalised, has the balanced one (Menon et al. 2021, eq. 9)."""
    posterior = np.exp(log_softmax(LOGITS.numpy()))
    found = np.exp(log_softmax(np.log(posterior) + logit_adjustment(COUNTS, tau=1.0)))
    balanced = posterior / SHARES
    np.testing.assert_allclose(found, balanced / balanced.sum(axis=1, keepdims=True))
    assert not logit_adjustment(COUNTS, tau=0.0).any()
    assert logit_adjustment(np.array([5, 0, 5]), tau=1.0)[1] == 0


_SEED = 7
#: What imbalanced-learn is asked for under each name.
DIRECT = {
    "smote": SMOTE(random_state=_SEED),
    "borderline-smote": BorderlineSMOTE(random_state=_SEED),
    "svm-smote": SVMSMOTE(random_state=_SEED),
    "kmeans-smote": KMeansSMOTE(k_neighbors=2, kmeans_estimator=8, cluster_balance_threshold=0.02, random_state=_SEED),
    "adasyn": ADASYN(random_state=_SEED),
    "smote-enn": SMOTEENN(random_state=_SEED),
    "smote-tomek": SMOTETomek(random_state=_SEED),
    "random-over": RandomOverSampler(random_state=_SEED),
    "random-under": RandomUnderSampler(random_state=_SEED),
    "near-miss": NearMiss(),
}


def resampled(name, embeddings, labels, seed=_SEED, **changes):
    (strategy,) = (one for one in STRATEGIES if one.name == name)
    return strategy.resample(embeddings, labels, seed=seed, **{**defaults(strategy), **changes})


@pytest.mark.parametrize("name", [one.name for one in STRATEGIES if one.resample])
def test_embeddings_are_resampled_as_imbalanced_learn_does_it(name):
    labels = np.repeat([0, 1, 2], [60, 20, 12])
    embeddings = np.random.default_rng(0).normal(size=(92, 4)).astype(np.float32) + labels[:, None] % 2
    few = {"clusters": 8} if name == "kmeans-smote" else {}
    found = resampled(name, embeddings, labels, **few)
    for ours, theirs in zip(found, DIRECT[name].fit_resample(embeddings, labels), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_support_vectors_are_found_once_for_all_classes(monkeypatch):
    fit, fitted = SVC.fit, []
    monkeypatch.setattr(SVC, "fit", lambda machine, *rows: fitted.append(machine) or fit(machine, *rows))
    labels = np.repeat([0, 1, 2], [60, 20, 12])
    resampled("svm-smote", np.random.default_rng(0).normal(size=(92, 4)).astype(np.float32), labels)
    assert len(fitted) == 1


class TestSmote:
    labels = np.repeat([0, 1, 2], [40, 10, 3])
    embeddings = np.random.default_rng(0).normal(size=(53, 4)).astype(np.float32)

    def test_all_classes_are_equally_frequent_and_the_originals_are_kept(self):
        with pytest.warns(UserWarning, match="k is 2 in place of 5: the smallest class has 3 train images"):
            found, labels = resampled("smote", self.embeddings, self.labels)
        assert list(np.bincount(labels)) == [40, 40, 40]
        np.testing.assert_array_equal(found[:53], self.embeddings)

    def test_new_points_lie_between_two_of_their_class(self):
        found, labels = resampled("smote", self.embeddings, self.labels, k=2)
        members = self.embeddings[self.labels == 2]
        for point in found[53:][labels[53:] == 2]:
            assert min(_distance_to_segment(point, a, b) for a in members for b in members) < 1e-4

    def test_a_class_of_one_image_is_an_error(self):
        with pytest.raises(CellError, match="every class needs two train images"):
            resampled("smote", self.embeddings[:51], self.labels[:51])

    def test_what_imbalanced_learn_has_against_it_is_an_error_in_our_words(self):
        message = r"KMeansSMOTE of imbalanced-learn cannot resample: No clusters found .* lowering the share or .*\.$"
        with pytest.raises(CellError, match=message) as refused:
            resampled("kmeans-smote", self.embeddings, self.labels)
        assert "cluster_balance_threshold" not in refused.value.message

    def test_there_are_no_more_neighbours_than_images(self):
        with pytest.warns(UserWarning, match="m is 52: there are 53 train images"):
            found = resampled("borderline-smote", self.embeddings, self.labels, k=2, m=100)
        direct = BorderlineSMOTE(k_neighbors=2, m_neighbors=52, random_state=_SEED)
        np.testing.assert_array_equal(found[0], direct.fit_resample(self.embeddings, self.labels)[0])

    def test_near_a_class_of_one_image_is_near_that_image(self):
        with pytest.warns(UserWarning, match="k is 1 in place of 3: the smallest class has 1 train image"):
            found, labels = resampled("near-miss", self.embeddings[:51], self.labels[:51])
        assert list(labels) == [0, 1, 2]
        only = self.embeddings[50]
        for of, label in zip(found, labels, strict=True):
            members = self.embeddings[:51][self.labels[:51] == label]
            assert np.linalg.norm(of - only) == np.linalg.norm(members - only, axis=1).min()


def _distance_to_segment(point, a, b):
    length = ((b - a) ** 2).sum()
    share = 0.0 if length == 0 else np.clip(((point - a) * (b - a)).sum() / length, 0, 1)
    return float(np.linalg.norm(point - (a + share * (b - a))))
