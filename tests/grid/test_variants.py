"""One model with several initial weights: a row for each, under names that say which."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from skineval.base.errors import UsageError
from skineval.catalog.catalog import load_catalog
from skineval.grid.folder import BenchFolder
from skineval.grid.variants import absolute_weights, variants, weights_asked
from skineval.train.network import Blueprint, build_network
from skineval.train.weights import Weights
from skineval.values.recipe import make_recipe
from tests.conftest import TINY

MODELS = ("resnet18", "timm/lite0", "resnet50:head=conv")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["imagenet"], [["imagenet"]] * 3),
        (["none", "a.pt"], [["none", "a.pt"]] * 3),
        (["lite0=a.pt"], [["imagenet"], ["a.pt"], ["imagenet"]]),
        (["none", "resnet*=a.pt", "resnet18=imagenet"], [["a.pt", "imagenet"], ["none"], ["a.pt"]]),
        (["resnet50:head=conv=x=y.pt", "none"], [["none"], ["none"], ["x=y.pt"]]),
    ],
)
def test_what_each_model_begins_with(texts, expected):
    assert weights_asked(texts, MODELS) == dict(zip(MODELS, map(tuple, expected), strict=True))


def test_a_name_that_is_no_model_is_told():
    with pytest.raises(UsageError, match="'resnet19' is none of the models that are networks: resnet18") as caught:
        weights_asked(["resnet19=none"], MODELS)
    assert "did you mean resnet18" in caught.value.hint.lower()


def test_what_no_model_is_left_for_is_told():
    with pytest.raises(UsageError, match="has none for all models that no other part of it names") as caught:
        weights_asked(["resnet*=a.pt", "lite0=b.pt", "none"], MODELS)
    assert "resnet18=none" in caught.value.hint
    assert weights_asked(["imagenet"], ()) == {}


def test_files_are_named_by_whole_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.pt").touch()
    texts = ["imagenet", "lite0=w.pt", "a=b.pt", "resnet18=none"]
    wanted = ("imagenet", f"lite0={tmp_path}/w.pt", f"{tmp_path}/a=b.pt", "resnet18=none")
    assert absolute_weights(texts, MODELS) == wanted


@pytest.fixture
def file(tmp_path):
    """Weights of cnn:width=4."""
    (selection,) = load_catalog().architectures.select(["cnn:width=4"])
    blueprint = Blueprint(load_catalog().architecture(selection), selection.parameters, 7, 32)
    network, _ = build_network(blueprint, Weights("none"), seed=3)
    save_file(
        {name: tensor.contiguous() for name, tensor in network.state_dict().items()}, tmp_path / "mine.safetensors"
    )
    return tmp_path / "mine.safetensors"


def named(**keys):
    recipe = make_recipe({"data": "synthetic", "models": "cnn:width=4", "imbalance": "none", **keys})
    return [(str(one.named), one.begins[:6], one.probe) for one in variants(recipe, load_catalog())]


def test_names_say_what_tells_rows_apart(file):
    cnn = "cnn:width=4"
    assert named(weights="none") == [(cnn, "none", "")]
    assert named(weights=str(file)) == [(cnn, "sha256", "")]
    assert named(weights=["none", str(file)]) == [
        (f"{cnn} (random)", "none", ""),
        (f"{cnn} (mine)", "sha256", ""),
    ]
    assert named(weights=["imagenet", "none"]) == [(cnn, "none", "")]  # there are none of it
    assert named(weights=str(file), freeze="all") == [(f"{cnn} (probe)", "sha256", "linear")]
    assert named(weights=[str(file), "none"], freeze="none,all") == [
        (f"{cnn} (mine)", "sha256", ""),
        (f"{cnn} (mine probe)", "sha256", "linear"),
        (f"{cnn} (random)", "none", ""),
        (f"{cnn} (random probe)", "none", "linear"),
    ]


def test_a_file_is_not_taken_for_the_control(file, tmp_path):
    called_random = file.rename(tmp_path / "random.safetensors")
    assert named(weights=[str(called_random), "none"], freeze="all") == [
        ("cnn:width=4 (random.safetensors probe)", "sha256", "linear"),
        ("cnn:width=4 (random probe)", "none", "linear"),
    ]


def test_two_files_of_one_name_are_refused(file, tmp_path):
    other = tmp_path / "other" / file.name
    other.parent.mkdir()
    save_file({**load_file(file), "more": torch.zeros(2)}, other)
    with pytest.raises(UsageError, match="Two files of cnn are called mine"):
        named(weights=[str(file), str(other)])


def test_one_bench_holds_a_network_with_its_weights_and_one_without(skineval_program, file, tmp_path):
    done = skineval_program("bench", *TINY, "--epochs=1", "--imbalance=none", f"--weights={file},none", "--out=out")
    assert done.returncode == 0, done.stderr
    folder = BenchFolder(tmp_path / "out")
    cells = pd.read_csv(folder.cells).set_index("model")["run_id"]
    assert set(cells.index) == {"cnn:width=4 (mine)", "cnn:width=4 (random)"}
    began = {
        name: json.loads(folder.cell(run_id).model.read_text())["initial_weights"] for name, run_id in cells.items()
    }
    assert began["cnn:width=4 (random)"]["source"] == "none"
    (loaded,) = began["cnn:width=4 (mine)"]["files"]
    assert set(loaded["loaded"]) == set(load_file(file))
