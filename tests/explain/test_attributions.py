"""What pixels say for a class: on networks of which that is known, and against other implementations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import GuidedGradCam
from torch import nn

from skineval.base.errors import NoMapError
from skineval.explain import attributions
from skineval.explain.rollout import rollout
from skineval.explain.sites import find_sites
from tests.explain.test_cams import BY_NAME, chosen, maps_of

SIDE = 16
PIXELWISE = ["integrated-gradients", "saliency", "occlusion", "rise"]


class Linear(nn.Module):
    """Logits that are weighted sums of pixels: what each of them says is known."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(3, 3 * SIDE * SIDE, generator=generator) / 10)

    def forward(self, images):
        return images.flatten(1) @ self.weight.T


def test_of_a_linear_network_each_method_says_what_is_known():
    model, images = Linear(), torch.rand(2, 3, SIDE, SIDE)
    targets = torch.tensor([0, 2])
    weights = model.weight.detach()[targets].view(2, 3, SIDE, SIDE)
    said = (weights * images).sum(dim=1)
    integrated = attributions.integrated_gradients(model, images, targets, steps=5)
    torch.testing.assert_close(integrated, torch.relu(said), atol=1e-5, rtol=1e-4)
    steep = attributions.saliency(model, images, targets, samples=3, noise=0.2)
    torch.testing.assert_close(steep, weights.abs().amax(dim=1))
    hidden = attributions.occlusion(model, images, targets, positions=8)  # squares of 4 x 4, two apart
    squares = nn.functional.avg_pool2d(said[:, None], 4, stride=2) * 16
    ones = torch.ones_like(squares)
    spread = nn.functional.conv_transpose2d(squares, torch.ones(1, 1, 4, 4), stride=2)
    over = nn.functional.conv_transpose2d(ones, torch.ones(1, 1, 4, 4), stride=2)
    torch.testing.assert_close(hidden, torch.relu(spread / over)[:, 0], atol=1e-4, rtol=1e-4)


def test_rise_finds_the_corner_that_decides():
    class Corner(nn.Module):
        def forward(self, images):
            bright = images[:, :, :4, :4].mean(dim=(1, 2, 3))
            return torch.stack([5 * bright, torch.zeros_like(bright)], dim=1)

    images = torch.ones(1, 3, SIDE, SIDE)
    (found,) = attributions.rise(Corner(), images, torch.tensor([0]), masks=800, positions=4)
    assert found[:4, :4].mean() > 4 * found[6:, 6:].mean()
    row, column = divmod(int(found.argmax()), SIDE)
    assert row < 4 > column
    (none,) = attributions.rise(Corner(), images, torch.tensor([1]), masks=800, positions=4)
    assert none[:4, :4].max() < 0.1 * found.max()


def test_each_part_of_an_image_is_seen_half_the_time():
    generator = torch.Generator().manual_seed(3)
    masks = torch.stack([attributions._mask(7, 30, 41, generator) for _ in range(600)])
    assert masks.shape == (600, 30, 41)
    assert (masks.amin(), masks.amax()) == (0, 1)
    torch.testing.assert_close(masks.mean(dim=0), torch.full((30, 41), 0.5), atol=0.1, rtol=0)


@pytest.mark.parametrize("name", ["resnet18", "densenet121"])
def test_guided_gradcam_is_that_of_captum(name):
    architecture, model = chosen(name)
    images, targets = torch.rand(2, 3, 64, 64), torch.tensor([1, 3])
    (site,) = find_sites(model, architecture, images)
    wanted = images.clone().requires_grad_()
    with pytest.warns(UserWarning, match="hooks"):
        theirs = GuidedGradCam(model, site.module).attribute(wanted, targets, interpolate_mode="bilinear")
    theirs = torch.relu(theirs.sum(dim=1)).detach()
    scale = theirs.max()
    assert scale > 0
    ours = maps_of("guided-gradcam", model, architecture, images, targets)
    torch.testing.assert_close(ours / scale, theirs / scale, atol=1e-5, rtol=0)


def test_relus_in_place_are_guided_and_in_place_again():
    architecture, _ = chosen("resnet18")
    torch.manual_seed(1)
    model = architecture.build(7, weights=None).eval()
    assert model.relu.inplace
    images, targets = torch.rand(1, 3, 64, 64), torch.tensor([1])
    found = attributions.guided_backpropagation(model, images, targets)
    assert model.relu.inplace
    assert not any(module._backward_hooks or module._backward_pre_hooks for module in model.modules())
    _, plain = chosen("resnet18")
    plain.load_state_dict(model.state_dict())
    torch.testing.assert_close(found, attributions.guided_backpropagation(plain, images, targets))


def test_without_a_relu_nothing_is_guided():
    with pytest.raises(NoMapError, match="ReLU"):
        attributions.guided_backpropagation(Linear(), torch.rand(1, 3, SIDE, SIDE), torch.tensor([0]))


@pytest.mark.parametrize("name", PIXELWISE)
def test_the_same_image_has_the_same_map_whatever_stands_beside_it(name):
    architecture, model = chosen("cnn:width=4")
    images, targets = torch.rand(3, 3, 32, 32), torch.tensor([1, 5, 2])
    few = {"rise": {"masks": 20}, "saliency": {"samples": 3}, "integrated-gradients": {"steps": 8}}.get(name, {})
    together = maps_of(name, model, architecture, images, targets, **few)
    assert together.shape == (3, 32, 32)
    assert (together >= 0).all()
    assert together.amax() > 0
    alone = maps_of(name, model, architecture, images[1:2], targets[1:2], **few)
    torch.testing.assert_close(alone[0], together[1], rtol=1e-3, atol=1e-4 * float(together.max()))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_rollout_multiplies_what_the_layers_attend_to():
    """Attention by hand, from the weights of the built-in vision transformer."""
    architecture, model = chosen("vit_b_16")
    image = torch.rand(1, 3, 48, 48)
    attended = []
    for layer in model.encoder.layers:
        layer.ln_1.register_forward_hook(lambda module, _, output, layer=layer: attended.append((layer, output)))
    with torch.no_grad():
        model(image)
    reached = np.eye(10)
    for layer, normal in attended:
        weight, bias = layer.self_attention.in_proj_weight, layer.self_attention.in_proj_bias
        query, key, _ = (normal[0] @ weight.T + bias).chunk(3, dim=1)
        heads = [part.view(10, 12, 64).transpose(0, 1) for part in (query, key)]
        attention = torch.softmax(heads[0] @ heads[1].transpose(1, 2) / 8, dim=2).mean(dim=0).detach().numpy()
        reached = (attention + np.eye(10)) / 2 @ reached
    expected = torch.from_numpy(reached[0, 1:].reshape(1, 1, 3, 3)).float()
    expected = torch.nn.functional.interpolate(expected, size=(48, 48), mode="bilinear")[0]
    torch.testing.assert_close(rollout(model, image), expected, atol=1e-5, rtol=1e-4)
    assert not any(m._forward_hooks for m in model.modules() if isinstance(m, nn.MultiheadAttention))
    assert BY_NAME["rollout"].resolution(model, image, architecture=architecture).rows == 3


@pytest.mark.parametrize("name", ["cnn:width=4", "swin_t"])
def test_rollout_needs_layers_that_attend_to_everything(name):
    _, model = chosen(name)
    with pytest.raises(NoMapError, match="attend to all patches"):
        rollout(model, torch.rand(1, 3, 64, 64))
