"""ImageNet weights for all of a bench of which there are any: the rest begins with random values, and it is said."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from skineval.grid.folder import BenchFolder
from skineval.grid.plan import peak_learning_rate
from skineval.values.recipe import make_recipe
from tests.conftest import TINY, install_plugin, run_here

PRETRAINED = """
from pathlib import Path

import skineval

WEIGHTS = Path(__file__).with_name("pretrained.safetensors")


def build(num_classes, *, weights):
    from safetensors.torch import load_file
    from torch import nn

    network = nn.Sequential(nn.Conv2d(3, 4, 5, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                            nn.Linear(4, num_classes))
    if weights:
        network.load_state_dict(load_file(WEIGHTS), strict=False)
    return network


@skineval.hookimpl
def skineval_register_architectures():
    return [skineval.Architecture("pretrained", build, "A network with weights.", fetch_weights=lambda: WEIGHTS)]
"""
SAID = {
    "cnn:width=4": "There are no ImageNet weights of cnn: it begins with random values.",
    "pretrained": "",
    "cnn:width=4+pretrained": "There are no ImageNet weights of cnn: in cnn+pretrained it begins with random values.",
}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A bench of a network without ImageNet weights, one with, and both as one: its folder, and how it ended."""
    folder = tmp_path_factory.mktemp("mixed")
    env = install_plugin(folder / "site", "pretrained", PRETRAINED)
    save_file(
        {"0.weight": torch.full((4, 3, 5, 5), 0.01), "0.bias": torch.zeros(4)}, folder / "site/pretrained.safetensors"
    )
    arguments = (*TINY, f"--models={','.join(SAID)}", "--weights=imagenet", "--epochs=1", "--explainers=", "--out=out")
    done = run_here("bench", *arguments, cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    return BenchFolder(folder / "out"), done


def about(bench, name):
    """cell.json and model.json of each model."""
    files = [json.loads((cell / name).read_text()) for cell in (bench.path / "cells").iterdir()]
    records = [json.loads((cell / "cell.json").read_text()) for cell in (bench.path / "cells").iterdir()]
    return {record["spec"]["model"]["text"]: file for record, file in zip(records, files, strict=True)}


def test_each_network_is_what_it_really_began_with(mixed):
    specs = {model: record["spec"] for model, record in about(mixed[0], "cell.json").items()}
    assert {model: (spec["weights"], spec["training"]["learning_rate"]) for model, spec in specs.items()} == {
        "cnn:width=4": ("none", 1e-3),
        "pretrained": ("imagenet", 3e-4),
        "cnn:width=4+pretrained": ("imagenet", 3e-4),
    }


def test_cells_models_table_report_and_environment_say_so(mixed):
    bench, done = mixed
    assert {model: record["reason"] for model, record in about(bench, "cell.json").items()} == SAID
    initial = {model: one["initial_weights"] for model, one in about(bench, "model.json").items()}
    assert {model: one["lacking"] for model, one in initial.items()} == SAID
    assert {model: one["source"] for model, one in initial.items()} == {
        "cnn:width=4": "none",
        "pretrained": "imagenet",
        "cnn:width=4+pretrained": "imagenet",
    }
    for text in (bench.cells, bench.path / "report.md", bench.environment):
        for sentence in filter(None, SAID.values()):
            assert sentence in text.read_text(), (text, sentence)
    for sentence in filter(None, SAID.values()):
        assert sentence in " ".join(done.stdout.split())
        assert sentence in " ".join(done.stderr.split())  # before anything is trained


@pytest.mark.parametrize(
    ("asked", "weights", "rate"),
    [("auto", "none", 1e-3), ("auto", "imagenet", 3e-4), ("auto", "sha256:0", 3e-4), (0.01, "none", 0.01)],
)
def test_the_rate_goes_by_what_a_network_begins_with_not_by_what_was_asked_for(asked, weights, rate):
    recipe = make_recipe({"models": "cnn", "data": "d", "weights": "imagenet", "learning_rate": asked})
    assert peak_learning_rate(recipe, weights) == rate


def test_a_recipe_that_asks_for_weights_of_none_of_its_models_is_benched_from_scratch(skineval_program, tmp_path):
    """The recipe for real data asks for them; who names `cnn` beside it has not asked."""
    (tmp_path / "recipe.toml").write_text('weights = "imagenet"\n')
    done = skineval_program("bench", "recipe.toml", *TINY, "--dry-run", "--epochs=1")
    assert done.returncode == 0, done.stderr
    assert SAID["cnn:width=4"] in " ".join(done.stdout.split())


def test_a_backbone_of_random_values_is_not_frozen(skineval_program, tmp_path):
    (tmp_path / "recipe.toml").write_text('weights = "imagenet"\nfreeze = "backbone"\n')
    done = skineval_program("bench", "recipe.toml", *TINY, "--dry-run", "--epochs=1")
    assert done.returncode == 2
    assert "--freeze is backbone, and there are no ImageNet weights of cnn" in " ".join(done.stderr.split())
