"""Each class activation map equals an independent derivation of it."""

from __future__ import annotations

import gc
import resource

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from skineval.builtins.architectures import ARCHITECTURES
from skineval.builtins.explainers import EXPLAINERS
from skineval.builtins.vision_transformer import VisionTransformer
from skineval.catalog.catalog import load_catalog
from skineval.catalog.loading import load_plugins
from skineval.explain import cams
from skineval.explain.cams import contrast_of, joined, logit_of
from skineval.explain.sites import as_maps, caught, find_sites

BY_NAME = {explainer.name: explainer for explainer in EXPLAINERS}
FAMILY = ["gradcam", "gradcam++", "hirescam", "layercam", "eigencam", "finercam", "scorecam"]
NETWORKS = [
    ("resnet18", 64),
    ("densenet121", 64),
    ("efficientnet_b0", 64),
    ("cnn:width=4+resnet18", 64),
    ("vit_b_16", 112),
    ("swin_t", 64),
]


def maps_of(name, model, architecture, images, targets, **parameters):
    explainer = BY_NAME[name]
    given = {key: one.default for key, one in explainer.parameters.items()} | parameters
    return explainer.attribute(model, images, targets, architecture=architecture, **given)


def chosen(*names):
    catalog = load_catalog(load_plugins([]))
    (selection,) = catalog.architectures.select(["+".join(names)])
    architecture = catalog.architecture(selection)
    torch.manual_seed(1)
    return architecture, plain_relu(architecture.build(7, weights=None, **selection.parameters)).eval()


def shallow(model):
    """A vision transformer with the last two of its layers, which are all alike; any other network as it is."""
    for module in model.modules():
        if isinstance(module, VisionTransformer):
            module.encoder.layers = module.encoder.layers[-2:]
    return model


def plain_relu(model):
    """captum reads a layer's output as the network leaves it: nothing may change it in place."""
    for module in model.modules():
        if isinstance(module, nn.ReLU | nn.Hardswish | nn.SiLU):
            module.inplace = False
    return model


class Behind:
    """A network from one of its modules on: logits of what that returns, for one image."""

    def __init__(self, model, site, image):
        self.model, self.site, self.image = model, site, image
        with caught([site.module]) as outputs, torch.no_grad():
            model(image)
        self.output = outputs[0].detach()
        self.maps = as_maps(self.output)[0]

    def logits(self, outputs):
        """Of outputs (N, ...) of the module."""
        handle = self.site.module.register_forward_hook(lambda *_: outputs)
        try:
            return self.model(self.image.expand(len(outputs), -1, -1, -1))
        finally:
            handle.remove()

    def gradient(self, target):
        """Of a logit, with regard to the maps (C, h, w)."""
        outputs = self.output.clone().requires_grad_()
        return as_maps(torch.autograd.grad(self.logits(outputs)[0, target], outputs)[0])[0]

    def slopes(self, directions, step=1e-5):
        """Central differences (n, K) of the logits along directions (n, C, h, w) of the maps."""
        found = []
        for direction in directions:
            there, back = self.output.clone(), self.output.clone()
            as_maps(there)[0] += step * direction
            as_maps(back)[0] -= step * direction
            with torch.no_grad():
                ahead, behind = self.logits(torch.cat([there, back]))
            found.append((ahead - behind) / (2 * step))
        return torch.stack(found)


def directions(weigh, maps, places):
    """For each place the direction along which the logit rises by what the map says there."""
    _, rows, columns = maps.shape
    for row, column in places:
        if weigh is cams.hirescam:
            direction = torch.zeros_like(maps)
            direction[:, row, column] = maps[:, row, column]
        else:
            direction = (maps[:, row, column] / (rows * columns))[:, None, None].expand(-1, rows, columns)
        yield direction


@pytest.mark.parametrize(("network", "side"), NETWORKS)
def test_a_position_says_how_the_logit_changes_by_finite_differences(network, side):
    """Of Grad-CAM, Finer-CAM and HiResCAM at some positions: no gradient is taken in this test."""
    architecture, model = chosen(*network.split("+"))
    shallow(model).double()
    image, target = torch.rand(1, 3, side, side, dtype=torch.float64), 3
    sites = find_sites(model, architecture, image)
    logits = model(image)[0].detach()
    nearest = (logits - logits[target]).abs().argsort()[1]
    targets = torch.tensor([target])
    for place, site in enumerate(sites):
        behind = Behind(model, site, image)
        rows, columns = np.random.default_rng(0).integers(site.rows, size=(2, 4)).tolist()
        for weigh in (cams.gradcam, cams.hirescam):
            slopes = behind.slopes(directions(weigh, behind.maps, zip(rows, columns, strict=True)))
            for strength in (0.0, 0.6):
                score = contrast_of(targets, strength, 1)
                found = cams.said(model, sites, image, score, weigh)[place][0]
                expected = slopes[:, target] - strength * slopes[:, nearest]
                scale = found.abs().max()
                assert scale > 0
                torch.testing.assert_close(found[rows, columns] / scale, expected / scale, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("network", "side"), NETWORKS)
def test_what_is_no_slope_is_that_of_the_paper_in_loops(network, side):
    architecture, model = chosen(*network.split("+"))
    shallow(model).double()
    images, target = torch.rand(2, 3, side, side, dtype=torch.float64), 3
    sites = find_sites(model, architecture, images)
    score = logit_of(torch.tensor([target, target]))
    for weigh, by_hand in ((cams.layercam, layercam), (cams.gradcam_plus_plus, plus_plus), (cams.eigencam, eigencam)):
        found = cams.said(model, sites, images, score, weigh)
        for place, site in enumerate(sites):
            behind = Behind(model, site, images[:1])
            expected = by_hand(behind.maps.numpy(), behind.gradient(target).numpy())
            scale = np.abs(expected).max()
            assert scale > 0
            np.testing.assert_allclose(found[place][0] / scale, expected / scale, atol=1e-5)


def layercam(maps, slopes):
    return sum(np.maximum(slope, 0) * channel for channel, slope in zip(maps, slopes, strict=True))


def plus_plus(maps, slopes):
    total = np.zeros(maps.shape[1:])
    for channel, slope in zip(maps, slopes, strict=True):
        below = 2 * slope**2 + channel.sum() * slope**3
        alpha = np.divide(slope**2, below, out=np.zeros_like(below), where=below != 0)
        total += (alpha * np.maximum(slope, 0)).sum() * channel
    return total


def eigencam(maps, _):
    positions = maps.reshape(len(maps), -1).T
    _, vectors = np.linalg.eigh(positions.T @ positions)
    towards = positions @ vectors[:, -1]
    return (towards * (1 if towards.sum() > 0 else -1)).reshape(maps.shape[1:])


def test_a_map_is_what_speaks_for_it_enlarged_as_pictures_are():
    said = torch.tensor([[[1.0, -2.0], [0.0, 3.0]]])
    enlarged = joined([said], torch.Size([8, 8]))[0]
    expected = cv_like(np.array([[1.0, 0.0], [0.0, 3.0]]), 8)
    np.testing.assert_allclose(enlarged, expected, atol=1e-6)


def cv_like(values, side):
    """Bilinear, positions at the centres of their squares, as OpenCV and Pillow enlarge."""
    at = np.clip((np.arange(side) + 0.5) * len(values) / side - 0.5, 0, len(values) - 1)
    along = np.array([[np.interp(place, range(len(values)), row) for place in at] for row in values])
    return np.array([[np.interp(place, range(len(values)), column) for place in at] for column in along.T]).T


#: captum takes the channels of Swin, which come last, for columns: see finite differences.
CHANNELS_FIRST = [architecture for architecture in ARCHITECTURES if not architecture.name.startswith("swin")]


@pytest.mark.parametrize("architecture", CHANNELS_FIRST, ids=lambda a: a.name)
def test_gradcam_equals_captum_for_every_architecture_and_says_something(architecture):
    """For one image and every class: of an untrained network some have nothing that speaks for them."""
    architecture, model = chosen(architecture.name)
    images, targets = torch.rand(1, 3, 64, 64).expand(7, -1, -1, -1), torch.arange(7)
    (site,) = find_sites(model, architecture, images)
    ours = maps_of("gradcam", model, architecture, images, targets)
    theirs = LayerGradCam(model, site.module).attribute(images, targets, relu_attributions=True)
    theirs = torch.nn.functional.interpolate(theirs, size=(64, 64), mode="bilinear", align_corners=False)[:, 0]
    scale = theirs.amax()
    assert scale > 0, "a map of zeros would prove nothing"
    torch.testing.assert_close(ours / scale, theirs.detach() / scale, atol=1e-5, rtol=0)
    assert ours.shape == (7, 64, 64)
    assert (ours >= 0).all()
    assert (ours.amax(dim=(1, 2)) > ours.amin(dim=(1, 2))).any(), "a constant map points nowhere"


def test_scorecam_is_one_pass_for_each_channel():
    architecture, model = chosen("cnn:width=4")
    images, targets = torch.rand(2, 3, 32, 32), torch.tensor([1, 5])
    (site,) = find_sites(model, architecture, images)
    found = maps_of("scorecam", model, architecture, images, targets)
    with torch.no_grad():
        for place, target in enumerate(targets):
            maps = Behind(model, site, images[place : place + 1]).maps
            logits, masks = [], torch.nn.functional.interpolate(maps[None], size=(32, 32), mode="bilinear")[0]
            for mask in masks:
                low, high = mask.min(), mask.max()
                logits.append(
                    model(images[place : place + 1] * ((mask - low) / (high - low)))[0, target]
                    if high > low
                    else torch.tensor(-torch.inf)
                )
            weights = torch.softmax(torch.stack(logits), dim=0)
            expected = joined([(weights[:, None, None] * maps).sum(dim=0)[None]], images.shape[-2:])[0]
            torch.testing.assert_close(found[place], expected, atol=1e-5, rtol=1e-4)


SEVERAL = [name for name, explainer in BY_NAME.items() if explainer.several]


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("network", ["cnn:width=4", "cnn:width=4+resnet18"])
def test_maps_of_several_classes_are_those_of_each_and_the_network_is_asked_once(name, network):
    architecture, model = chosen(*network.split("+"))
    images, targets = torch.rand(2, 3, 32, 32), torch.tensor([[1, 5], [4, 4]])
    few, passes = {"rise": {"masks": 10}, "occlusion": {"positions": 4}}.get(name, {}), []
    model.register_forward_hook(lambda *_: passes.append(1))
    first = maps_of(name, model, architecture, images, targets[:, 0], **few)  # which looks for where maps are, too
    passes.clear()
    apart = torch.stack([first, maps_of(name, model, architecture, images, targets[:, 1], **few)], dim=1)
    of_one = len(passes)
    found = maps_of(name, model, architecture, images, targets, **few)
    torch.testing.assert_close(found, apart)
    assert len(passes) == 2 * of_one
    assert not torch.equal(found[0, 0], found[0, 1])


def test_all_that_hide_pixels_take_several_classes():
    assert SEVERAL == ["scorecam", "occlusion", "rise"]


def test_a_contrast_is_with_the_nearest_logits():
    logits = torch.tensor([[0.0, 5.0, 4.0, -3.0]])
    assert contrast_of(torch.tensor([1]), 0.5, 1)(logits).item() == 5 - 0.5 * 4
    assert contrast_of(torch.tensor([1]), 1.0, 2)(logits).item() == 5 - (4 + 0) / 2
    assert contrast_of(torch.tensor([1]), 1.0, 99)(logits).item() == pytest.approx(5 - (4 + 0 - 3) / 3)
    assert contrast_of(torch.tensor([1]), 0.0, 1)(logits).item() == 5


class TestHybrids:
    def test_it_is_the_sum_of_what_captum_says_of_each_branch(self):
        architecture, model = chosen("cnn:width=8", "squeezenet1_1", "densenet121")
        images, targets = torch.rand(2, 3, 64, 64), torch.tensor([0, 5])
        sites = find_sites(model, architecture, images)
        assert len(sites) == 3
        expected = torch.zeros(2, 1, 64, 64)
        for site in sites:
            branch = LayerGradCam(model, site.module).attribute(images, targets, relu_attributions=False).detach()
            share = branch.shape[2] * branch.shape[3] / 64**2
            expected += share * torch.nn.functional.interpolate(branch, size=(64, 64), mode="bilinear")
        expected = torch.relu(expected)[:, 0]
        assert expected.amax() > 0
        found = maps_of("gradcam", model, architecture, images, targets)
        torch.testing.assert_close(found / expected.amax(), expected / expected.amax(), atol=1e-5, rtol=0)

    def test_its_sum_is_what_the_branches_add_to_the_logit(self):
        """By hand, from embeddings and weights of the head, for branches of 14x14 and 7x7 positions without a bias."""
        architecture, model = chosen("cnn:width=4", "resnet18")
        images, target = torch.rand(1, 3, 224, 224), torch.tensor([0])
        with torch.no_grad():
            # Weights of one sign: nothing is lost in the ReLU of the map.
            model.head.weight.abs_()
            embedding = torch.cat([part(images) for part in model.parts], dim=1)
            expected = float(embedding @ model.head.weight[0])
        found = maps_of("gradcam", model, architecture, images, target)
        assert float(found.sum()) == pytest.approx(expected, rel=1e-4)

    def test_a_branch_that_speaks_against_a_class_takes_away(self):
        architecture, model = chosen("cnn:width=4", "resnet18")
        images, target = torch.rand(1, 3, 64, 64), torch.tensor([0])
        with torch.no_grad():
            model.head.weight[:, :32] = 1.0
            model.head.weight[:, 32:] = 0.0
            alone = maps_of("gradcam", model, architecture, images, target)
            model.head.weight[:, 32:] = -1e6
            overruled = maps_of("gradcam", model, architecture, images, target)
        assert alone.amax() > 0
        assert overruled.amax() == 0

    @pytest.mark.parametrize("name", FAMILY)
    def test_every_map_is_defined(self, name):
        architecture, model = chosen("cnn:width=4", "squeezenet1_1")
        maps = maps_of(name, model, architecture, torch.rand(2, 3, 64, 64), torch.tensor([1, 2]))
        assert maps.shape == (2, 64, 64)
        assert torch.isfinite(maps).all()
        assert (maps >= 0).all()


@pytest.mark.parametrize("name", FAMILY)
def test_what_stands_beside_an_image_changes_nothing_of_its_map(name):
    architecture, model = chosen("cnn:width=4")
    images, targets = torch.rand(3, 3, 48, 48), torch.tensor([1, 5, 2])
    together = maps_of(name, model, architecture, images, targets)
    for place in range(3):
        alone = maps_of(name, model, architecture, images[place : place + 1], targets[place : place + 1])
        torch.testing.assert_close(alone[0], together[place], rtol=1e-3, atol=1e-4 * float(together.max()))


def test_five_hundred_calls_leave_memory_flat_and_no_hook():
    architecture, model = chosen("cnn:width=4", "squeezenet1_1")
    model.requires_grad_(False)
    images, targets = torch.rand(4, 3, 32, 32), torch.tensor([0, 1, 2, 3])

    def call(times):
        for place in range(times):
            maps_of(FAMILY[place % 6], model, architecture, images, targets)
        gc.collect()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # MB on Linux

    before = call(60)
    assert call(500) - before < 30
    hooks = (m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in model.modules())
    assert not any(hooks)
    assert all(parameter.grad is None for parameter in model.parameters())
