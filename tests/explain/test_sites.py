"""Where maps are read: where the architecture says, or at the deepest module that is fine enough and misses nothing."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from skineval.base.errors import CellError, NoMapError
from skineval.builtins.architectures import ARCHITECTURES
from skineval.explain.sites import as_maps, find_sites
from tests.explain.test_cams import chosen


def only(name, side, **changes):
    architecture, model = chosen(name)
    (site,) = find_sites(model, replace(architecture, **changes), torch.rand(1, 3, side, side))
    return site


def test_a_fine_layer_is_read_as_the_architecture_says():
    site = only("resnet18", 224)
    assert (site.path, site.rows, site.columns, site.passed) == ("layer4", 7, 7, "")


@pytest.mark.parametrize(
    ("name", "side", "path", "positions"),
    [
        ("resnet18", 64, "layer2", 8),
        ("resnet50", 64, "layer2", 8),  # not a convolution inside a block, which the shortcut passes by
        ("resnet18", 32, "layer1", 8),
        ("densenet121", 64, "features.transition2.conv", 8),
        ("cnn", 64, "0.14", 8),
    ],
)
def test_where_that_is_too_coarse_the_deepest_that_is_fine_enough_is_read(name, side, path, positions):
    site = only(name, side)
    assert (site.path, site.rows, site.columns) == (path, positions, positions)
    assert re.fullmatch(r"\S+ has [1-6] × [1-6]", site.passed)


#: Of the vision transformer the class token passes beside the maps, by convention.
WHOLE = [architecture for architecture in ARCHITECTURES if architecture.name != "vit_b_16"]


@pytest.mark.parametrize("architecture", WHOLE, ids=lambda a: a.name)
def test_all_that_decides_passes_through_it(architecture):
    """With the output of one image in place of another's their results are the same. At 64 pixels."""
    architecture, model = chosen(architecture.name)
    images = torch.rand(2, 3, 64, 64)
    (site,) = find_sites(model, architecture, images)
    site.module.register_forward_hook(lambda _, __, output: output[:1].expand_as(output).clone())
    with torch.no_grad():
        first, second = model(images)
    torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-3)


def test_where_nobody_names_it_it_is_found():
    assert only("resnet18", 224, cam_layer="").path == "layer4"
    assert only("resnet18", 64, cam_layer="").path == "layer2"


class Transformer(nn.Module):
    """Tokens of a 4x4 grid behind a class token and a register; the class token alone is classified."""

    def __init__(self, before=2):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.before = nn.Parameter(torch.randn(1, before, 8))
        self.first = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.last = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 7)

    def forward(self, images):
        patches = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.before.expand(len(images), -1, -1), patches], dim=1)
        return self.head(self.last(self.first(tokens))[:, 0])


def test_of_a_transformer_it_is_before_the_last_layer_behind_which_patches_do_not_count():
    torch.manual_seed(0)
    model = Transformer().train().requires_grad_(True)
    architecture = replace(ARCHITECTURES[0], cam_layer="", parts=())
    (site,) = find_sites(model, architecture, torch.rand(1, 3, 32, 32))
    assert (site.path, site.rows, site.columns) == ("first", 8, 8)


def test_tokens_and_channels_that_come_last_are_turned():
    grid = torch.arange(2 * 5 * 16.0).view(2, 5, 4, 4)
    tokens = torch.cat([torch.full((2, 3, 5), -1.0), grid.flatten(2).transpose(1, 2)], dim=1)
    torch.testing.assert_close(as_maps(tokens), grid)
    torch.testing.assert_close(as_maps(grid.permute(0, 2, 3, 1)), grid)
    torch.testing.assert_close(as_maps(grid), grid)
    for strange in (torch.zeros(2, 5), torch.zeros(2, 63, 5), (grid, grid), None):
        with pytest.raises(CellError, match="does not return maps"):
            as_maps(strange)


def test_a_layer_that_is_not_there_is_named():
    architecture, model = chosen("resnet18")
    image = torch.rand(1, 3, 64, 64)
    with pytest.raises(CellError, match="'layer9' names no module"):
        find_sites(model, replace(architecture, cam_layer="layer9", name="a"), image)
    with pytest.raises(CellError, match="no convolution"):
        find_sites(nn.Linear(64, 3), replace(architecture, cam_layer=None), image)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 3))
    with pytest.raises(NoMapError):
        find_sites(flat, replace(architecture, cam_layer=""), image)


def test_no_hook_is_left_and_the_second_search_is_none():
    architecture, model = chosen("resnet18")
    images = torch.rand(2, 3, 64, 64)
    first = find_sites(model, architecture, images)
    assert not any(module._forward_hooks for module in model.modules())
    assert find_sites(model, architecture, images) is first
