"""Predictions: over the eight symmetries of the square or none, and with as many images as memory holds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from skineval.base.errors import CellError, Interrupted
from skineval.train.network import Blueprint, build_network
from skineval.train.predict import SYMMETRIES, Symmetry, embed, predict_logits, predict_probabilities, softmax
from skineval.train.weights import NONE, Weights
from tests.train.toys import CLASSES, MEAN, STD, TOY, build, images, spec, stage

ROWS = np.arange(40)
OUT = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def network(seed=0) -> nn.Module:
    """A toy that tells turned images apart."""
    torch.manual_seed(seed)
    model = build(len(CLASSES), weights=None)
    model[5] = nn.AdaptiveAvgPool2d((1, 2))
    model[8] = nn.Linear(16, len(CLASSES))
    return model.eval()


def store(n=5, size=12) -> np.ndarray:
    return images(n, size)[0]


def by_hand(model: nn.Module, pictures: np.ndarray) -> np.ndarray:
    """The plain softmax of images (n, H, W, 3)."""
    values = (torch.from_numpy(pictures.copy()).permute(0, 3, 1, 2) / 255 - MEAN[0]) / STD[0]
    with torch.no_grad():
        return torch.softmax(model(values).double(), dim=1).numpy()


def turned(pictures: np.ndarray) -> list[np.ndarray]:
    """The eight ways to see images (n, H, W, 3)."""
    return [
        np.rot90(mirrored, quarters, axes=(1, 2)).copy()
        for mirrored, quarters in itertools.product((pictures, pictures[:, :, ::-1]), range(4))
    ]


def test_the_views_are_the_symmetries_of_the_square():
    picture = torch.arange(9).view(1, 1, 3, 3)
    seen = {tuple(view(picture).flatten().tolist()) for view in SYMMETRIES["d4"]}
    corners = {(row[0], row[2], row[6], row[8]) for row in seen}
    assert len(SYMMETRIES["d4"]) == len(seen) == len(corners) == 8
    assert all(row[4] == 4 for row in seen)  # the centre stays
    assert SYMMETRIES["none"] == (Symmetry(),)
    assert torch.equal(Symmetry()(picture), picture)


def test_views_are_as_networks_are_given_images():
    pictures = torch.from_numpy(store()).permute(0, 3, 1, 2)
    for view in SYMMETRIES["d4"]:
        assert view(pictures).is_contiguous(memory_format=torch.channels_last)
        assert view(pictures).dtype == torch.uint8


def test_none_is_the_plain_softmax():
    model, pictures, rows = network(), store(), np.array([3, 0, 1])
    plain = predict_probabilities(model, stage(pictures), rows)
    assert plain.dtype == np.float64
    assert np.array_equal(plain, softmax(predict_logits(model, stage(pictures), rows)))
    np.testing.assert_allclose(plain, by_hand(model, pictures[rows]), atol=1e-6)


def test_d4_is_the_mean_of_the_loop():
    model, pictures = network(), store()
    ours = predict_probabilities(model, stage(pictures), np.arange(5), "d4")
    expected = np.mean([by_hand(model, seen) for seen in turned(pictures)], axis=0)
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    np.testing.assert_allclose(ours.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("way", range(8))
def test_d4_does_not_see_how_an_image_is_turned(way):
    model, pictures, rows = network(), store(), np.arange(5)
    seen = turned(pictures)[way]
    one, two = (predict_probabilities(model, stage(kept), rows, "d4") for kept in (pictures, seen))
    np.testing.assert_allclose(one, two, atol=1e-6)
    if way:
        plain = [predict_probabilities(model, stage(kept), rows) for kept in (pictures, seen)]
        assert np.abs(plain[0] - plain[1]).max() > 1e-5  # the network alone does


def test_d4_does_not_depend_on_the_batch_size():
    model, kept, rows = network(), stage(store()), np.arange(5)
    one, two = (predict_probabilities(model, kept, rows, "d4", batch_size=size) for size in (2, 256))
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_a_prediction_that_is_not_finite_is_refused():
    model = network()
    nn.init.constant_(model[8].bias, float("nan"))
    with pytest.raises(CellError, match="NaN or infinite logits for 5 images"):
        predict_probabilities(model, stage(store()), np.arange(5), "d4")


def test_predicting_stops_when_asked():
    with pytest.raises(Interrupted):
        predict_probabilities(network(), stage(store(), should_stop=lambda: True), np.arange(5), "d4")


def test_a_prediction_is_in_full_float32_and_leaves_the_switch_as_it_was():
    seen = []

    class Looking(nn.Module):
        def forward(self, pictures):
            seen.append(torch.backends.cudnn.allow_tf32)
            return pictures.mean(dim=(2, 3))

    before = torch.backends.cudnn.allow_tf32
    predict_logits(Looking(), stage(store()), np.arange(5))
    assert before
    assert not any(seen)
    assert torch.backends.cudnn.allow_tf32 == before


class Hungry(nn.Module):
    """A network that cannot hold more than `most` images, and says how many it was given."""

    def __init__(self, network, most, error):
        super().__init__()
        self.network, self.most, self.error = network, most, error
        self.held = []

    def forward(self, images):
        if len(images) > self.most:
            raise self.error
        self.held.append(len(images))
        return self.network(images)


def hungry(most, error=OUT):
    network, _ = build_network(Blueprint(TOY, spec().model.parameters, 3, 16), Weights(NONE), seed=7)
    return Hungry(network.eval(), most, error)


@pytest.mark.parametrize("error", [OUT, MemoryError()], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(("most", "size"), [(40, 40), (39, 20), (19, 10), (4, 3), (1, 1)])
def test_predictions_are_those_of_the_batch_size_that_memory_holds(error, most, size):
    store, _ = images()
    notes = []
    model = hungry(most, error)
    found = predict_logits(model, stage(store, on_note=notes.append), ROWS, batch_size=40)
    assert set(model.held) <= {size, 40 % size}
    np.testing.assert_array_equal(found, predict_logits(model.network, stage(store), ROWS, batch_size=size))
    assert notes[-1:] == [f"Memory ran out: {size} images at a time were predicted."][: size < 40]


@pytest.mark.parametrize("most", [40, 7])
def test_embeddings_are_those_of_the_batch_size_that_memory_holds(most):
    store, _ = images()
    model = hungry(most)
    found = embed(model, model.network[8], stage(store), ROWS, batch_size=40)
    np.testing.assert_array_equal(found, embed(model.network, model.network[8], stage(store), ROWS, model.held[-1]))


def test_memory_that_runs_out_halfway_makes_no_mixture_of_batch_sizes():
    store, _ = images()
    model = hungry(40)
    forward = model.forward

    def tired(images):
        model.most = 20 if len(model.held) == 1 else model.most
        return forward(images)

    model.forward = tired
    found = predict_logits(model, stage(store), np.arange(80), batch_size=40)
    assert model.held == [40, 20, 20, 20, 20]
    np.testing.assert_array_equal(found, predict_logits(model.network, stage(store), np.arange(80), batch_size=20))


def test_memory_for_not_a_single_image_is_said():
    store, _ = images()
    with pytest.raises(CellError, match="Memory ran out with a single image"):
        predict_probabilities(hungry(0), stage(store), ROWS)


def test_another_error_is_that_error():
    store, _ = images()
    with pytest.raises(RuntimeError, match="shapes"):
        predict_logits(hungry(1, RuntimeError("shapes do not match")), stage(store), ROWS)
