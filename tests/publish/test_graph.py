"""A graph says what its network says: of each family, of hybrids, and with all that a strategy may have chosen."""

from __future__ import annotations

import builtins
import json
import logging

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from benchmarks.onnx_parity import names, parity, squares, untrained
from skineval.base.errors import UsageError
from skineval.base.terms import NO_DIAGNOSIS
from skineval.catalog.catalog import load_catalog
from skineval.catalog.networks import find_head
from skineval.catalog.specs import Architecture
from skineval.publish.graph import ExportError, require_onnx, to_onnx
from skineval.publish.origin import Sample
from skineval.publish.parity import TOLERANCE, compare, open_session
from skineval.publish.preparation import IMAGES
from skineval.train.classifier import Classifier
from skineval.train.deciding import cool, make_cosine, put_in_place, shift
from skineval.train.neighbours import NearestNeighbours
from skineval.train.predict import ignore_progress

#: The fastest of each family to export, MobileNets being made as EfficientNets are; `python -m benchmarks.onnx_parity`
#: has all, in five minutes.
FAMILIES = (
    "resnet18",
    "densenet121",
    "efficientnet_b0",
    "convnext_tiny",
    "squeezenet1_1",
    "vit_b_16",
    "swin_t",
    "cnn:width=4",
)
HYBRID = "cnn+squeezenet1_1:head=mlp"


@pytest.fixture(scope="module")
def catalog():
    return load_catalog()


@pytest.fixture
def cnn(catalog):
    return untrained("cnn:width=4", catalog, size=32)


def answers(classifier: Classifier, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the graph and of skineval."""
    session = open_session(to_onnx(classifier))
    return session.run(None, {IMAGES: pictures})[0], classifier.predict_proba(pictures)


@pytest.mark.parametrize("name", [*FAMILIES, HYBRID])
def test_every_family_says_the_same_within_a_thousandth(catalog, name):
    classifier = untrained(name, catalog)
    found = parity(classifier)
    assert found.logits <= TOLERANCE
    assert found.equal == 1
    logarithms = np.log(classifier.predict_squares(squares(classifier.image_size)))
    assert logarithms.std() > 10 * TOLERANCE, "logits that hardly differ would agree with anything"


def test_the_sweep_is_of_every_network_that_comes_with_skineval(catalog):
    everyone = names(["*"], catalog)
    assert {one.partition(":")[0] for one in FAMILIES} <= set(everyone)
    assert "embeddings" not in everyone
    assert len(everyone) >= 22


def chosen(network: nn.Module, head: nn.Linear, what: str) -> None:
    """Let a network decide as strategies and probes leave it."""
    match what:
        case "temperature":
            cool(head, 2.5)
        case "offsets":
            shift(head, torch.tensor([0.5, -1.0, 0.0, 2.0, 0.0, -0.5, 1.0]))
        case "cosines":
            make_cosine(network, head, 16.0)
            (cosines,) = (module for module in network.modules() if hasattr(module, "scale"))
            shift(cosines, torch.arange(7.0) / 7)
            cool(cosines, 0.5)
        case "neighbours":
            rows = torch.randn(60, head.in_features).abs()
            neighbours = NearestNeighbours(rows, torch.arange(60) % 7, torch.rand(60), 7, k=5)
            put_in_place(network, head, neighbours)
            cool(neighbours, 1.5)


@pytest.mark.parametrize("what", ["temperature", "offsets", "cosines", "neighbours"])
def test_what_was_chosen_on_the_validation_part_is_inside(cnn, what):
    before = cnn.predict_proba(squares(32))
    chosen(cnn.network, find_head(cnn.network, cnn.architecture, 7), what)
    found, own = answers(cnn, squares(32))
    np.testing.assert_allclose(found, own, atol=1e-5)
    assert np.abs(own - before).max() > 0.01


def test_a_rows_that_is_as_near_as_another_counts_where_it_comes_first(cnn):
    head = find_head(cnn.network, cnn.architecture, 7)
    rows = torch.randn(3, head.in_features).abs().repeat(4, 1)
    put_in_place(cnn.network, head, NearestNeighbours(rows, torch.arange(12) % 7, torch.ones(12), 7, k=2))
    found, own = answers(cnn, squares(32))
    np.testing.assert_allclose(found, own, atol=1e-5)


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_all_sides_of_photographs_of_any_shape_are_inside(catalog, fit):
    classifier = untrained("cnn:width=4", catalog, size=32, fit=fit, tta="d4")
    pictures = np.random.default_rng(3).integers(0, 256, (5, 32, 47, 3)).astype(np.uint8)
    found, own = answers(classifier, pictures)
    np.testing.assert_allclose(found, own, atol=1e-3)
    upright = untrained("cnn:width=4", catalog, size=32, fit=fit).predict_proba(pictures)
    assert np.abs(own - upright).max() > 5e-3


def test_a_batch_of_any_size_is_its_images_one_by_one(cnn):
    session = open_session(to_onnx(cnn))
    pictures = squares(32)[:5]
    together = session.run(None, {IMAGES: pictures})
    for place in range(5):
        alone = session.run(None, {IMAGES: pictures[place : place + 1]})
        for one, all_ in zip(alone, together, strict=True):
            np.testing.assert_allclose(one[0], all_[place], atol=1e-5)


def test_the_graph_says_what_it_is_and_nothing_of_this_machine(cnn):
    classifier = Classifier(cnn.network, cnn.architecture, cnn.about)
    graph = to_onnx(classifier)
    onnx.checker.check_model(graph, full_check=True)
    told = {entry.key: entry.value for entry in graph.metadata_props}
    assert json.loads(told["classes"]) == list(cnn.classes)
    assert json.loads(told["skineval"])["architecture"] == "cnn"
    assert told["statement"] == NO_DIAGNOSIS
    assert b"site-packages" not in graph.SerializeToString()
    assert b".py" not in graph.SerializeToString()


def looks_at_values(num_classes: int, *, weights: str | None) -> nn.Module:
    class Choosing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(3, num_classes)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            means = images.mean(dim=(2, 3))
            return self.head(means if float(means.sum()) > 0 else -means)

    return Choosing()


def test_what_cannot_be_exported_says_why_by_name(cnn, capfd):
    architecture = Architecture("choosing", looks_at_values, "Decides by values.", cam_layer="")
    classifier = Classifier(looks_at_values(7, weights=None).eval(), architecture, cnn.about)
    with pytest.raises(ExportError, match=r"^choosing cannot be exported to ONNX: \w+") as caught:
        to_onnx(classifier)
    assert len(caught.value.message) < 400
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 4
    assert capfd.readouterr() == ("", "")
    assert logging.root.manager.disable == logging.NOTSET


def test_a_graph_of_another_network_is_refused(cnn, catalog):
    graph = to_onnx(cnn)
    head = find_head(cnn.network, cnn.architecture, 7)
    with torch.no_grad():
        head.bias += 0.002 * torch.arange(7)
    sample = Sample("noise", squares(32), squares(32)[:, :, :24])
    with pytest.raises(ExportError, match=r"graph of cnn does not say .*: logits differ by 0\.012, .* than 0\.001"):
        compare(cnn, graph, sample, ignore_progress)
    with torch.no_grad():
        head.bias.fill_(float("nan"))
    with pytest.raises(Exception, match="NaN"):
        compare(cnn, graph, sample, ignore_progress)


def test_a_package_that_is_missing_is_named(monkeypatch):
    own = builtins.__import__

    def absent(name, *arguments, **keywords):
        if name == "onnxscript":
            raise ImportError("no onnxscript", name=name)
        return own(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UsageError, match="needs onnxscript, which is not installed") as caught:
        require_onnx()
    assert 'pip install "skineval[onnx]"' in caught.value.hint
