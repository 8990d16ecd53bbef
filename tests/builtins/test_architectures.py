"""Every architecture: torchvision's network under its names, trained at its smallest size, and as specified."""

from __future__ import annotations

import dataclasses
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torchvision import models

from skineval.builtins.architectures import ARCHITECTURES, HEAD
from skineval.builtins.heads import GRID, ToGrid, convolutional, perceptron
from skineval.builtins.torchvision_networks import anatomy
from skineval.builtins.vision_transformer import VisionTransformer
from skineval.catalog.catalog import load_catalog
from skineval.catalog.loading import load_plugins
from skineval.catalog.networks import find_head
from skineval.catalog.shelf import select
from skineval.catalog.specs import Architecture
from skineval.train.network import classifier_paths

CATALOG = load_catalog(load_plugins([]))
BY_NAME = {architecture.name: architecture for architecture in ARCHITECTURES}
TORCHVISION = [name for name in BY_NAME if name != "cnn"]


def build(architecture: Architecture, **parameters: object) -> nn.Module:
    return architecture.build(7, weights=None, **{**select(architecture).parameters, **parameters})


@cache
def on_meta(name: str, **parameters: object) -> nn.Module:
    """The network with shapes and without values, which costs little."""
    with torch.device("meta"):
        return build(BY_NAME[name], **parameters)


@cache
def torchvisions(name: str) -> nn.Module:
    with torch.device("meta"):
        return models.get_model(name, num_classes=7).eval()


def shape_of(model: nn.Module, size: int) -> torch.Size:
    return model.eval()(torch.zeros(2, 3, size, size, device="meta")).shape


def maps_of(model: nn.Module, layer: str, size: int) -> torch.Size:
    """The shape of what Grad-CAM reads."""
    maps: list[torch.Size] = []
    module = model.get_submodule(layer)
    handle = module.register_forward_hook(lambda _, __, output: maps.append(output.shape))
    assert shape_of(model, size) == (2, 7)
    handle.remove()
    return maps[0]


@pytest.fixture(scope="module", params=ARCHITECTURES, ids=lambda architecture: architecture.name)
def built(request):
    """One network after the other, each made once."""
    torch.manual_seed(0)
    return request.param, build(request.param)


def train_step(model, size):
    """In bfloat16, which more can go wrong with."""
    images = torch.rand(2, 3, size, size).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model.train()(images)
    assert logits.shape == (2, 7)
    F.cross_entropy(logits.float(), torch.arange(2)).backward()


class TestEveryArchitecture:
    def test_it_can_be_trained_at_its_smallest_size(self, built):
        architecture, model = built
        train_step(model.to(memory_format=torch.channels_last), architecture.min_image_size)
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
        model.zero_grad()

    def test_its_weights_make_a_new_one_the_same(self, built):
        architecture, model = built
        images = torch.rand(2, 3, 64, 64)
        with torch.device("meta"):
            other = build(architecture)
        other.load_state_dict(model.state_dict(), assign=True)
        with torch.no_grad():
            torch.testing.assert_close(other.eval()(images), model.eval()(images), rtol=0, atol=0)

    def test_it_computes_what_torchvision_computes(self, built):
        architecture, model = built
        if architecture.name == "cnn":
            pytest.skip("torchvision has no such network")
        size = 224 if architecture.name == "vit_b_16" else 64
        with torch.device("meta"):
            theirs = models.get_model(architecture.name, num_classes=7).eval()
        ours = model.eval()
        if architecture.name == "squeezenet1_1":  # whose head is another one
            ours, theirs = ours.features, theirs.features
        theirs.load_state_dict(ours.state_dict(), assign=True)
        images = torch.rand(1, 3, size, size)
        with torch.no_grad():
            torch.testing.assert_close(ours(images), theirs(images), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("head", HEAD.choices)
@pytest.mark.parametrize("name", TORCHVISION)
def test_the_specification_says_what_each_head_makes_of_it(name, head):
    (selection,) = CATALOG.architectures.select([f"{name}:head={head}"])
    architecture = CATALOG.architecture(selection)
    model = on_meta(name, head=head)
    assert sum(parameter.numel() for parameter in model.parameters()) == architecture.n_parameters
    assert find_head(model, architecture, 7) is model.get_submodule(architecture.head)
    (classifier,) = classifier_paths(model, architecture, 7)
    assert architecture.head == classifier or architecture.head.startswith(f"{classifier}.")
    # Only what is new: the rest is what torchvision has weights for.
    theirs = torchvisions(name).state_dict()
    for key in model.state_dict():
        assert key in theirs or key.startswith(f"{classifier}."), key
    if head == "mlp":  # the backbone is that of the linear head
        assert architecture.cam_layer == BY_NAME[name].cam_layer
        return
    _, _, height, width = maps_of(model, architecture.cam_layer, 64)
    assert height == width > 1


def test_the_plain_network_is_as_specified():
    cnn = BY_NAME["cnn"]
    assert sum(parameter.numel() for parameter in on_meta("cnn").parameters()) == cnn.n_parameters
    assert find_head(on_meta("cnn"), cnn, 7).in_features == 256
    assert find_head(on_meta("cnn", width=4), cnn, 7).in_features == 32


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda architecture: architecture.name)
def test_the_smallest_size_is_that(architecture):
    """Below it the network fails, or, padded as it is, has not a single whole position in its last maps."""
    smallest, step = architecture.min_image_size, architecture.image_size_step
    model = on_meta(architecture.name)
    assert shape_of(model, smallest) == (2, 7)
    stride = 256 // maps_of(model, architecture.cam_layer, 256)[-1]
    try:
        shape_of(model, smallest - step)
    except RuntimeError:
        return
    assert smallest == stride


@pytest.mark.parametrize("name", TORCHVISION)
def test_size_and_normalisation_belong_to_the_weights(name):
    architecture = BY_NAME[name]
    weights = models.get_model_weights(name).DEFAULT
    transforms = weights.transforms()
    assert [architecture.image_size] == transforms.crop_size
    assert architecture.mean == tuple(transforms.mean)
    assert architecture.std == tuple(transforms.std)
    assert architecture.weights_path().name == weights.url.rpartition("/")[2]


def test_image_sizes_that_are_refused():
    transformer = BY_NAME["vit_b_16"]
    assert transformer.refuses(100) == "vit_b_16 needs a multiple of 16 pixels"
    assert transformer.refuses(0) == "vit_b_16 needs at least 16 pixels"
    assert not transformer.refuses(96)


def test_a_network_of_an_unknown_family_is_not_guessed_at():
    with pytest.raises(TypeError, match="VGG is of no family"):
        anatomy(models.VGG(nn.Identity(), init_weights=False))


class TestHeads:
    @pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "squeezenet1_1", "convnext_tiny"])
    @pytest.mark.parametrize("head", ["conv", "mlp"])
    def test_a_network_can_be_trained_with_it_at_any_size(self, name, head):
        model = build(BY_NAME[name], head=head)
        for size in (BY_NAME[name].min_image_size, 64):
            train_step(model, size)
        assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())

    def test_conv_is_the_published_one_where_maps_are_7x7(self):
        published = nn.Sequential(
            nn.Conv2d(16, 64, kernel_size=3, padding="same"),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout(0.4),
            nn.Flatten(),
            nn.Linear(576, 128),
            nn.ReLU(),
            nn.Dropout(0.4),
            nn.Linear(128, 7),
        )
        ours = convolutional(16, 7)
        ours.load_state_dict(dict(zip(ours.state_dict(), published.state_dict().values(), strict=True)))
        maps = torch.rand(3, 16, 7, 7)
        torch.testing.assert_close(ours.eval()(maps), published.eval()(maps))
        assert [layer.p for layer in ours if isinstance(layer, nn.Dropout)] == [0.4, 0.4]

    def test_mlp_is_one_hidden_layer(self):
        kinds = [type(layer) for layer in perceptron(512, 7)]
        assert kinds == [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
        assert perceptron(512, 7)[0].out_features == 256

    @given(st.integers(1, 20), st.integers(1, 20))
    def test_maps_of_any_size_are_pooled_as_torch_pools_them(self, height, width):
        maps = torch.rand(2, 3, height, width)
        torch.testing.assert_close(ToGrid(GRID)(maps), F.adaptive_avg_pool2d(maps, GRID))

    def test_maps_that_fit_are_left_alone(self):
        maps = torch.rand(1, 2, GRID, GRID)
        assert ToGrid(GRID)(maps) is maps


@pytest.fixture
def transformer():
    """A vision transformer of which only the position embeddings have values."""
    with torch.device("meta"):
        model = VisionTransformer()
    model.encoder.pos_embedding = nn.Parameter(torch.randn(1, 197, 768, generator=torch.Generator().manual_seed(0)))
    return model


class TestVisionTransformer:
    @pytest.mark.parametrize(("rows", "columns"), [(4, 4), (7, 7), (20, 20), (3, 9)])
    def test_positions_are_interpolated_as_torch_interpolates_pictures(self, transformer, rows, columns):
        learnt = transformer.encoder.pos_embedding
        picture = learnt[:, 1:].reshape(1, 14, 14, 768).permute(0, 3, 1, 2)
        expected = F.interpolate(picture, size=(rows, columns), mode="bicubic", antialias=True)
        found = transformer._positions(rows, columns)
        torch.testing.assert_close(found[0, 1:], expected[0].flatten(1).T, rtol=1e-4, atol=1e-5)
        assert torch.equal(found[:, :1], learnt[:, :1])

    def test_positions_at_224_pixels_are_those_that_were_learnt(self, transformer):
        assert transformer._positions(14, 14) is transformer.encoder.pos_embedding

    def test_interpolated_positions_are_learnt_further(self, transformer):
        transformer._positions(5, 5).sum().backward()
        gradient = transformer.encoder.pos_embedding.grad
        assert torch.isfinite(gradient).all()
        assert gradient[0, 1:].abs().sum() > 0


def test_the_resolved_architecture_is_the_same_but_for_its_head():
    plain = BY_NAME["resnet50"]
    conv = plain.resolve(plain, head="conv")
    changed = {f.name for f in dataclasses.fields(plain) if getattr(plain, f.name) != getattr(conv, f.name)}
    assert changed == {"head", "classifier", "n_parameters", "resolve"}
    assert plain.resolve(plain, head="linear") is plain
