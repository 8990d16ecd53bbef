"""Hybrids: several architectures as one, by name, as a network, and as what becomes of them on disk."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from torch import nn

from skineval.base.codec import from_json, to_json
from skineval.base.errors import CellError, PluginError, UsageError
from skineval.builtins.architectures import ARCHITECTURES
from skineval.catalog.catalog import load_catalog
from skineval.catalog.hybrids import combine, resolved
from skineval.catalog.loading import load_plugins
from skineval.catalog.networks import Hybrid, find_head
from skineval.catalog.specs import Architecture
from skineval.train.classifier import load_classifier
from skineval.train.network import Blueprint, build_network, classifier_paths
from skineval.train.weights import Weights, resolve_weights
from skineval.values.runspec import RunSpec
from tests.train.toys import SPEC, TOY

CATALOG = load_catalog(load_plugins([]))
SHELF = CATALOG.architectures
BY_NAME = {architecture.name: architecture for architecture in ARCHITECTURES}


def selected(text):
    (selection,) = SHELF.select([text])
    return selection, CATALOG.architecture(selection)


def plugin(forward=None, **fields):
    """An architecture as a plugin may bring it: without a word on its head."""

    class Net(nn.Module):
        def __init__(self, num_classes):
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(3, 5, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
            )
            self.out = nn.Linear(5, num_classes)

        def forward(self, images):
            logits = self.out(self.features(images))
            return forward(logits) if forward else logits

    return Architecture("two.layers", lambda num_classes, *, weights: Net(num_classes), "A plugin's.", **fields)


class TestNames:
    def test_the_text_is_canonical_and_parameters_are_those_of_the_parts(self):
        selection, architecture = selected(" cnn:dropout=0.3:width=8 + densenet121")
        assert str(selection) == "cnn:width=8+densenet121"
        assert selection.name == architecture.name == "cnn+densenet121"
        assert dict(selection.parameters) == {"cnn.width": 8, "cnn.dropout": 0.3, "densenet121.head": "linear"}

    def test_three_parts_beside_plain_models(self):
        texts = ["cnn+resnet18+densenet121", "cnn", "resnet3?"]
        assert [str(one) for one in SHELF.select(texts)] == ["cnn+resnet18+densenet121", "cnn", "resnet34"]

    def test_a_plus_in_a_number_is_none_between_parts(self):
        with pytest.raises(UsageError, match=r"at most 0\.95"):
            SHELF.select(["cnn:dropout=1e+3"])
        with pytest.raises(UsageError, match=r"(?s)In the hybrid .*at most 0\.95"):
            SHELF.select(["cnn:dropout=1e+3+resnet18"])

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("cnn+desnet121", "Did you mean densenet121"),
            ("cnn+resnet*", "'resnet*' may stand for more than one model"),
            ("cnn+", "A part is empty"),
            ("cnn+cnn:width=8", "cnn is in it 2 times"),
            ("cnn:widht=8+resnet18", "cnn has no parameter 'widht'"),
            ("cnn+resnet18:head=foo", "There are: linear, conv, mlp"),
        ],
    )
    def test_what_cannot_be_combined_says_why(self, text, message):
        with pytest.raises(UsageError) as caught:
            SHELF.select([text])
        assert message in str(caught.value)
        assert f"In the hybrid {text!r}" in str(caught.value)

    def test_a_cell_survives_json_and_keeps_its_id(self):
        selection, _ = selected("cnn:width=8+resnet18")
        spec = dataclasses.replace(SPEC, model=selection)
        again = from_json(RunSpec, to_json(spec), "here")
        assert again == spec
        assert again.run_id == spec.run_id
        assert spec.run_id.startswith("cnn-width-8-resnet18-none-f0-s0-")
        other, _ = selected("cnn:width=16+resnet18")
        assert dataclasses.replace(SPEC, model=other).run_id != spec.run_id

    def test_its_package_is_that_of_its_parts(self):
        assert [provider.name for provider in SHELF.providers("cnn+resnet18")] == ["builtins"]


class TestSpecification:
    def test_sizes_and_precision_suit_every_part(self):
        _, hybrid = selected("vit_b_16+efficientnet_b3+densenet121")
        assert (hybrid.image_size, hybrid.min_image_size, hybrid.image_size_step) == (304, 32, 16)
        assert not hybrid.bfloat16_on_cpu
        _, other = selected("resnet18+densenet121")
        assert (other.image_size, other.min_image_size, other.image_size_step) == (224, 32, 1)
        assert other.bfloat16_on_cpu

    def test_parameters_reach_the_parts(self):
        _, hybrid = selected("cnn:width=8+resnet50:head=conv")
        assert hybrid.parts[1].head == "fc.9"

    def test_what_is_new_is_trained_while_the_backbone_is_frozen(self):
        selection, hybrid = selected("cnn:width=4+squeezenet1_1:head=mlp+resnet18")
        with torch.device("meta"):
            model = hybrid.build(7, weights=None, **selection.parameters)
        assert classifier_paths(model, hybrid, 7) == ("head", "parts.0", "parts.1.classifier.3")

    def test_a_resolver_that_does_not_work_is_named(self):
        broken = dataclasses.replace(TOY, resolve=lambda architecture, **_: 1 / 0)
        with pytest.raises(PluginError, match="toy cannot be resolved: division by zero"):
            resolved(broken, {})
        with pytest.raises(PluginError, match="toy was resolved to int"):
            resolved(dataclasses.replace(TOY, resolve=lambda architecture, **_: 3), {})


class TestNetwork:
    def test_the_head_reads_the_embeddings_of_all_parts(self):
        selection, hybrid = selected("cnn:width=4+squeezenet1_1")
        torch.manual_seed(0)
        model = hybrid.build(7, weights=None, **selection.parameters).eval()
        images = torch.rand(2, 3, 32, 32)
        plain = BY_NAME["cnn"].build(7, weights=None, width=4, dropout=0.0)
        squeezenet = BY_NAME["squeezenet1_1"].build(7, weights=None)
        embeddings = []
        for place, (network, head) in enumerate([(plain, plain[4]), (squeezenet, squeezenet.classifier[3])]):
            network.load_state_dict(model.parts[place].state_dict(), strict=False)
            head.register_forward_pre_hook(lambda _, inputs: embeddings.append(inputs[0]))
            network.eval()(images)
        logits = torch.cat(embeddings, dim=1) @ model.head.weight.T + model.head.bias
        torch.testing.assert_close(model(images), logits)
        assert find_head(model, hybrid, 7) is model.head
        assert model.head.in_features == 32 + 512

    def test_every_weight_is_trained(self):
        model, _ = build_network(Blueprint(combine([TOY, plugin()]), {}, 3, 32), Weights("none"), seed=0)
        model.train()(torch.rand(4, 3, 32, 32)).square().sum().backward()
        assert all(parameter.grad is not None for parameter in model.parameters())

    def test_each_part_gets_images_as_it_wants_them(self):
        """Parts with normalisations of their own see what they would see alone."""
        first, second = TOY, plugin(mean=(0.1, 0.2, 0.3), std=(0.9, 0.8, 0.7))
        networks = [architecture.build(3, weights=None) for architecture in (first, second)]
        seen = []
        for network in networks:
            network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        model = Hybrid(list(zip((first, second), networks, strict=True)), 3)
        seen.clear()
        images = torch.rand(2, 3, 16, 16)

        def normalised(architecture):
            mean, std = (torch.tensor(values).view(3, 1, 1) for values in (architecture.mean, architecture.std))
            return (images - mean) / std

        model(normalised(first))
        torch.testing.assert_close(seen[0], normalised(first))
        torch.testing.assert_close(seen[1], normalised(second))
        assert all(not name.startswith("inputs") for name in model.state_dict())

    @pytest.mark.parametrize(
        "part",
        [plugin(forward=lambda logits: logits.log_softmax(1)), plugin(forward=lambda logits: logits + 1)],
        ids=["softmax", "sum"],
    )
    def test_a_part_that_goes_on_after_its_head_is_refused(self, part):
        with pytest.raises(CellError, match=r"two\.layers does something after its head 'out'"):
            combine([TOY, part]).build(3, weights=None)

    def test_a_part_that_is_nothing_but_a_head_is_refused(self):
        bare = Architecture("bare", lambda num_classes, *, weights: nn.Linear(3, num_classes), "A head.")
        with pytest.raises(CellError, match="bare is nothing but a head"):
            combine([TOY, bare]).build(3, weights=None)

    def test_a_part_without_a_linear_head_is_refused(self):
        convolution = Architecture("conv", lambda num_classes, *, weights: nn.Conv2d(3, num_classes, 1), "No head.")
        with pytest.raises(CellError, match="conv has no linear head"):
            combine([TOY, convolution]).build(3, weights=None)


class TestWeights:
    @staticmethod
    def pretrained(tmp_path):
        torch.manual_seed(7)
        path = tmp_path / "toy.pt"
        torch.save(TOY.build(1000, weights=None).state_dict(), path)

        def build(num_classes, *, weights):
            network = TOY.build(num_classes, weights=None)
            if weights:
                tensors = torch.load(path, weights_only=True)
                network.load_state_dict({k: v for k, v in tensors.items() if not k.startswith("8.")}, strict=False)
            return network

        return dataclasses.replace(TOY, build=build, fetch_weights=lambda: path)

    def test_parts_that_have_imagenet_weights_get_them_and_the_record_says_so(self, tmp_path):
        hybrid = combine([plugin(), self.pretrained(tmp_path)])
        weights = resolve_weights("imagenet", [hybrid])
        assert weights.of(hybrid) == "imagenet"
        assert weights.lacking(hybrid) == (
            "There are no ImageNet weights of two.layers: in two.layers+toy it begins with random values."
        )
        model, records = build_network(Blueprint(hybrid, {}, 3, 32), Weights("imagenet"), seed=0)
        plain, toy = records
        assert (plain.architecture, plain.file, plain.loaded) == ("two.layers", "", ())
        assert "features.0.weight" in plain.missing
        assert (toy.architecture, toy.file, toy.missing) == ("toy", "toy.pt", ())
        assert set(toy.unused) == {"8.weight", "8.bias"}
        tensors = torch.load(tmp_path / "toy.pt", weights_only=True)
        assert all(torch.equal(model.parts[1].state_dict()[name], tensors[name]) for name in toy.loaded)

    def test_a_hybrid_of_parts_without_any_has_none(self):
        hybrid = combine([TOY, plugin()])
        weights = resolve_weights("imagenet", [hybrid])
        assert weights.of(hybrid) == "none"
        assert "of toy and two.layers: in toy+two.layers they begin with random values" in weights.lacking(hybrid)


def test_a_hybrid_is_benched_explained_and_loaded_again(tmp_path, skineval_program):
    """From the command line to the file, and back to the same probabilities."""
    import pandas as pd

    done = skineval_program(
        "bench", "--models=cnn:width=4+squeezenet1_1", "--data=synthetic:images=150", "--image-size=32", "--epochs=1",
        "--replicates=1000", "--weights=none", "--out=out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (cell,) = (tmp_path / "out" / "cells").iterdir()
    about = json.loads((cell / "model.json").read_text())
    assert about["architecture"] == "cnn+squeezenet1_1"
    assert about["parameters"] == {"cnn.width": 4, "cnn.dropout": 0.3, "squeezenet1_1.head": "linear"}
    assert about["initial_weights"] == {"source": "none", "files": [], "lacking": ""}
    assert list((cell / "explanations" / "gradcam").iterdir())
    results = pd.read_csv(tmp_path / "out" / "results.csv")
    assert "cnn:width=4+squeezenet1_1" in set(results["model"])
    model = load_classifier(cell, device="cpu")
    assert model.architecture.parts[0].name == "cnn"
    assert model.network.parts[0].get_submodule("0.0").out_channels == 4
