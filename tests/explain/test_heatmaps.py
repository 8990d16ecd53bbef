"""Grad-CAM equals captum's, and the gradient it uses equals finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from skineval.base.errors import CellError
from skineval.builtins.architectures import ARCHITECTURES
from skineval.catalog.catalog import load_catalog
from skineval.catalog.loading import load_plugins
from skineval.catalog.shelf import select
from skineval.explain.heatmaps import cam_layer, cam_layers, gradcam, resolution


def network(architecture):
    torch.manual_seed(0)
    model = architecture.build(7, weights=None, **select(architecture).parameters)
    return model.eval()


def plain_relu(model):
    """captum reads a layer's output as the network leaves it: nothing may change it in place."""
    for module in model.modules():
        if isinstance(module, nn.ReLU | nn.Hardswish | nn.SiLU):
            module.inplace = False
    return model


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_it_equals_captum_for_every_architecture_and_says_something(architecture):
    """For one image and every class: of an untrained network some have nothing that speaks for them."""
    model = plain_relu(network(architecture))
    images, targets = torch.rand(1, 3, 64, 64).expand(7, -1, -1, -1), torch.arange(7)
    (layer,) = cam_layers(model, architecture)
    ours = gradcam(model, layer, images, targets)
    theirs = LayerGradCam(model, layer).attribute(images, targets, relu_attributions=True)
    theirs = torch.nn.functional.interpolate(theirs, size=(64, 64), mode="bilinear", align_corners=False)[:, 0]
    scale = theirs.amax()
    assert scale > 0, "a map of zeros would prove nothing"
    torch.testing.assert_close(ours / scale, theirs.detach() / scale, atol=1e-6, rtol=0)
    assert ours.shape == (7, 64, 64)
    assert (ours >= 0).all()
    assert (ours.amax(dim=(1, 2)) > ours.amin(dim=(1, 2))).any(), "a constant map points nowhere"


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "squeezenet1_1", "swin_t", "vit_b_16"])
@pytest.mark.parametrize("head", ["conv", "mlp"])
def test_other_heads_have_maps_too(name, head):
    plain = next(a for a in ARCHITECTURES if a.name == name)
    architecture = plain.resolve(plain, head=head)
    torch.manual_seed(0)
    model = architecture.build(7, weights=None, head=head)
    images = torch.rand(1, 3, 64, 64).expand(7, -1, -1, -1)
    maps = gradcam(model, cam_layers(model, architecture), images, torch.arange(7))
    assert torch.isfinite(maps).all()
    assert (maps.amax(dim=(1, 2)) > maps.amin(dim=(1, 2))).any()


def test_what_a_vision_transformer_is_read_at_decides_about_its_class_token():
    """Patches reach the class token through the last attention and not behind it."""
    architecture = next(a for a in ARCHITECTURES if a.name == "vit_b_16")
    model = network(architecture)
    (layer,) = cam_layers(model, architecture)
    behind = model.encoder.layers[-1].ln_2
    outputs = {}
    for name, module in (("read", layer), ("behind", behind)):
        module.register_forward_hook(lambda _, __, output, name=name: outputs.update({name: output}))
    logit = model(torch.rand(1, 3, 64, 64).requires_grad_())[0, 3]
    read, after = torch.autograd.grad(logit, [outputs["read"], outputs["behind"]])
    assert outputs["read"].shape == (1, 768, 4, 4)
    assert read.abs().amin(dim=1).count_nonzero() == 16
    assert after[0, 1:].count_nonzero() == 0


class TestHybrids:
    @staticmethod
    def pair(*texts):
        catalog = load_catalog(load_plugins([]))
        (selection,) = catalog.architectures.select(["+".join(texts)])
        architecture = catalog.architecture(selection)
        torch.manual_seed(1)
        return architecture, plain_relu(architecture.build(7, weights=None, **selection.parameters)).eval()

    def test_it_is_the_sum_of_what_captum_says_of_each_branch(self):
        architecture, model = self.pair("cnn:width=8", "squeezenet1_1", "densenet121")
        layers = cam_layers(model, architecture)
        assert layers == (model.parts[0][0], model.parts[1].features, model.parts[2].relu)
        images, targets = torch.rand(2, 3, 64, 64), torch.tensor([0, 5])
        expected = torch.zeros(2, 1, 64, 64)
        for layer in layers:
            branch = LayerGradCam(model, layer).attribute(images, targets, relu_attributions=False).detach()
            share = branch.shape[2] * branch.shape[3] / 64**2
            expected += share * torch.nn.functional.interpolate(branch, size=(64, 64), mode="bilinear")
        expected = torch.relu(expected)[:, 0]
        assert expected.amax() > 0
        found = gradcam(model, layers, images, targets)
        torch.testing.assert_close(found / expected.amax(), expected / expected.amax(), atol=1e-6, rtol=0)

    def test_its_sum_is_what_the_branches_add_to_the_logit(self):
        """By hand, from embeddings and weights of the head, for branches of 4x4 and 2x2 positions without a bias."""
        architecture, model = self.pair("cnn:width=4", "resnet18")
        images, target = torch.rand(1, 3, 64, 64), torch.tensor([0])
        with torch.no_grad():
            # Weights of one sign: nothing is lost in the ReLU of the map.
            model.head.weight.abs_()
            embedding = torch.cat([part(images) for part in model.parts], dim=1)
            expected = float(embedding @ model.head.weight[0])
        found = gradcam(model, cam_layers(model, architecture), images, target)
        assert float(found.sum()) == pytest.approx(expected, rel=1e-4)

    def test_a_branch_that_speaks_against_a_class_takes_away(self):
        architecture, model = self.pair("cnn:width=4", "resnet18")
        images, target = torch.rand(1, 3, 64, 64), torch.tensor([0])
        layers = cam_layers(model, architecture)
        with torch.no_grad():
            model.head.weight[:, :32] = 1.0
            model.head.weight[:, 32:] = 0.0
            alone = gradcam(model, layers, images, target)
            model.head.weight[:, 32:] = -1e6
            overruled = gradcam(model, layers, images, target)
        assert alone.amax() > 0
        assert overruled.amax() == 0

    def test_the_explainer_reads_every_branch(self):
        architecture, model = self.pair("cnn:width=4", "squeezenet1_1")
        explainer = load_catalog(load_plugins([])).explainers["gradcam"]
        images, targets = torch.rand(2, 3, 64, 64), torch.tensor([1, 2])
        maps = explainer.attribute(model, images, targets, architecture=architecture)
        torch.testing.assert_close(maps, gradcam(model, cam_layers(model, architecture), images, targets))
        assert not any(module._forward_hooks for module in model.modules())


def test_the_weights_are_the_gradient_by_finite_differences():
    torch.manual_seed(0)
    features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()).double()
    head = nn.Sequential(nn.Flatten(), nn.Linear(4 * 8 * 8, 3)).double()
    model = nn.Sequential(features, head)
    images, target = torch.rand(1, 3, 8, 8, dtype=torch.float64), 1
    activations = features(images).detach()
    step, gradient = 1e-6, torch.zeros_like(activations)
    for index in np.ndindex(*activations.shape):
        nudged = activations.clone()
        nudged[index] += step
        gradient[index] = (head(nudged)[0, target] - head(activations)[0, target]) / step
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    expected = torch.relu((weights * activations).sum(dim=1))
    found = gradcam(model, features, images, torch.tensor([target]))
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)


def test_no_hook_and_no_gradient_is_left_behind():
    model = network(ARCHITECTURES[0])
    gradcam(model, model.layer4, torch.rand(1, 3, 64, 64), torch.tensor([0]))
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_frozen_network_has_maps_too():
    model = network(ARCHITECTURES[0]).requires_grad_(False)
    assert gradcam(model, model.layer4, torch.rand(1, 3, 64, 64), torch.tensor([0])).shape == (1, 64, 64)


def test_densenet_reads_what_is_pooled_and_classified():
    architecture = next(a for a in ARCHITECTURES if a.name == "densenet121")
    model = network(architecture)
    seen = []
    model.get_submodule(architecture.cam_layer).register_forward_hook(lambda m, i, o: seen.append(o.detach().clone()))
    model.classifier.register_forward_pre_hook(lambda m, i: seen.append(i[0].detach()))
    model(torch.rand(2, 3, 64, 64))
    torch.testing.assert_close(seen[0].mean(dim=(2, 3)), seen[1])


def test_the_resolution_is_that_of_the_finest_layer_that_is_read():
    images = torch.rand(2, 3, 64, 64)
    alone = next(a for a in ARCHITECTURES if a.name == "resnet18")
    model = network(alone)
    assert resolution(model, cam_layers(model, alone), images) == (2, 2)
    assert resolution(model, cam_layers(model, alone), images[:, :, :32, :32]) == (1, 1)
    hybrid, model = TestHybrids.pair("resnet18", "cnn:width=4")
    explainer = load_catalog(load_plugins([])).explainers["gradcam"]
    assert explainer.resolution(model, images, architecture=hybrid) == (4, 4)
    assert not any(module._forward_hooks for module in model.modules())


def test_a_layer_that_is_not_there_is_named():
    with pytest.raises(CellError, match="'layer9' names no module"):
        cam_layer(network(ARCHITECTURES[0]), "layer9")
    with pytest.raises(CellError, match="no convolution"):
        cam_layer(nn.Linear(3, 3), None)
    assert cam_layer(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()), None).kernel_size == (1, 1)
