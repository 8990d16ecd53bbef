"""What skineval offers itself: networks of the right shape, remedies that do what their papers say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from skineval.builtins.architectures import ARCHITECTURES
from skineval.builtins.imbalance import balanced_draws, class_weights, smote
from skineval.catalog import load_catalog, select
from skineval.errors import CellError
from skineval.measure.metrics import METRICS
from skineval.plugins import load_plugins


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_specifications_say_what_is_built(architecture):
    model = architecture.build(7, weights=None, **select(architecture).parameters)
    assert sum(parameter.numel() for parameter in model.parameters()) == architecture.n_parameters
    head = model.get_submodule(architecture.head)
    assert isinstance(head, torch.nn.Linear)
    assert head.out_features == 7
    size = architecture.min_image_size
    model.get_submodule(architecture.cam_layer)
    assert model(torch.zeros(2, 3, size, size)).shape == (2, 7)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_every_network_can_be_trained(architecture, precision):
    torch.manual_seed(0)
    model = architecture.build(7, weights=None, **select(architecture).parameters).train()
    model = model.to(memory_format=torch.channels_last)
    images = torch.rand(4, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision is torch.bfloat16):
        logits = model(images)
    torch.nn.functional.cross_entropy(logits.float(), torch.arange(4)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "efficientnet_b0", "squeezenet1_1"])
def test_backbones_keep_the_names_of_torchvision(name):
    from torchvision import models

    architecture = next(a for a in ARCHITECTURES if a.name == name)
    ours = architecture.build(7, weights=None).state_dict()
    theirs = models.get_model(name, weights=None).state_dict()
    backbone = {key for key in theirs if not key.startswith(("fc.", "classifier."))}
    assert backbone == {key for key in ours if not key.startswith(("fc.", "classifier."))}


def test_densenet_computes_what_torchvision_computes():
    from torchvision import models

    torch.manual_seed(0)
    ours = next(a for a in ARCHITECTURES if a.name == "densenet121").build(7, weights=None).eval()
    theirs = models.densenet121(num_classes=7).eval()
    theirs.load_state_dict(ours.state_dict())
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(ours(images), theirs(images))


def test_the_width_of_the_cnn_is_a_parameter():
    cnn = next(a for a in ARCHITECTURES if a.name == "cnn")
    narrow = cnn.build(3, weights=None, width=4, dropout=0.0)
    assert narrow.get_submodule("4").in_features == 32


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


class TestSmote:
    labels = np.repeat([0, 1, 2], [40, 10, 3])
    embeddings = np.random.default_rng(0).normal(size=(53, 4)).astype(np.float32)

    def test_all_classes_are_equally_frequent_and_the_originals_are_kept(self):
        resampled, labels = smote(self.embeddings, self.labels, seed=1, k=5)
        assert list(np.bincount(labels)) == [40, 40, 40]
        np.testing.assert_array_equal(resampled[:53], self.embeddings)

    def test_new_points_lie_between_two_of_their_class(self):
        resampled, labels = smote(self.embeddings, self.labels, seed=1, k=2)
        members = self.embeddings[self.labels == 2]
        for point in resampled[53:][labels[53:] == 2]:
            assert min(_distance_to_segment(point, a, b) for a in members for b in members) < 1e-4

    def test_it_is_repeatable(self):
        one, two = (smote(self.embeddings, self.labels, seed=7, k=5)[0] for _ in range(2))
        np.testing.assert_array_equal(one, two)

    def test_a_class_of_one_image_is_an_error(self):
        with pytest.raises(CellError, match="single"):
            smote(self.embeddings[:41], self.labels[:41], seed=1, k=5)


def _distance_to_segment(point, a, b):
    length = ((b - a) ** 2).sum()
    share = 0.0 if length == 0 else np.clip(((point - a) * (b - a)).sum() / length, 0, 1)
    return float(np.linalg.norm(point - (a + share * (b - a))))


def test_metrics_are_those_of_the_measure_floor():
    shelf = load_catalog(load_plugins([])).metrics
    assert list(shelf.entries) == [metric.name for metric in METRICS]
    targets = np.array([0, 1, 1, 2])
    probabilities = np.eye(3)[[0, 1, 2, 2]] * 0.8 + 0.2 / 3
    weights = np.ones((1, 4))
    for metric in METRICS:
        if metric.name == "malignancy_auc":
            continue
        np.testing.assert_array_equal(
            shelf[metric.name].compute(targets, probabilities, weights, ("a", "b", "c")),
            metric.compute(targets, probabilities, weights, ("a", "b", "c")),
        )
