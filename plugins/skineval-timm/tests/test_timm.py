"""The timm package, installed: facts of networks, what is refused, and families benched."""

import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import skineval_timm
import timm
import torch

import skineval
from skineval.explain.rollout import rollout
from skineval.explain.sites import find_sites

FAMILIES = ("resnet10t", "vit_tiny_patch16_224", "convnext_atto", "tf_efficientnet_lite0", "mobilenetv3_small_050")


def program(*arguments, cwd):
    return subprocess.run([sys.executable, "-m", "skineval", *arguments], cwd=cwd, capture_output=True, text=True)


@pytest.mark.parametrize("name", FAMILIES)
def test_facts_are_those_of_the_network(name):
    found = skineval_timm.find(name)
    network = found.build(7, weights=None)
    assert (found.mean, found.std) == (network.default_cfg["mean"], network.default_cfg["std"])
    assert network.get_submodule(found.head) is network.get_classifier()
    assert network.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 7)
    assert bool(found.cam_layer) == (not name.startswith("vit"))


def test_a_transformer_computes_what_timm_does_at_its_own_size():
    torch.manual_seed(0)
    ours = skineval_timm.find("vit_tiny_patch16_224").build(7, weights=None).eval()
    theirs = timm.create_model("vit_tiny_patch16_224", num_classes=7).eval()
    theirs.load_state_dict(ours.state_dict())
    images = torch.rand(1, 3, 224, 224)
    torch.testing.assert_close(ours(images), theirs(images))


def test_what_is_no_network_is_none_and_one_without_a_linear_classifier_is_refused():
    assert skineval_timm.find("resnet18x") is None
    assert skineval_timm.find("resnet18.no_such_tag") is None
    with pytest.raises(skineval.UsageError, match="has no classifier"):
        skineval_timm.find("levit_128s")


def test_patches_and_names_are_told(tmp_path):
    small = ("--data=synthetic:images=150", "--weights=none", "--dry-run")
    sizes = program("bench", "--models=timm/vit_tiny_patch16_224", "--image-size=100", *small, cwd=tmp_path)
    assert "96 or 112" in sizes.stderr
    unknown = program("bench", "--models=timm/resnet18x", *small, cwd=tmp_path)
    assert "Did you mean timm/resnet" in unknown.stderr


def test_the_command_of_the_readme_runs(tmp_path):
    lines = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8").splitlines()
    (command,) = (line for line in lines if line.startswith("$ skineval "))
    done = program(*shlex.split(command)[2:], "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "timm/resnet10t" in done.stdout


def test_families_train_without_a_failed_cell(tmp_path, monkeypatch):
    # Figures take longer than these trainings, and are the same whoever made a network.
    monkeypatch.setattr("skineval.report.prepare.draw", lambda bench: iter(()))
    skineval.bench(
        models=[f"timm/{name}" for name in FAMILIES],
        data="synthetic:images=150",
        weights="none",
        image_size=32,
        imbalance="none",
        freeze="none,all",
        epochs=1,
        replicates=1000,
        out=tmp_path / "bench",
    )
    cells = pd.read_csv(tmp_path / "bench/cells.csv")
    assert list(cells["status"]) == ["done"] * 2 * len(FAMILIES), cells["reason"].tolist()
    # Maps that are not finite are refused, so that those which are drawn are.
    assert all(any(cell.rglob("explanations/gradcam/*.svg")) for cell in (tmp_path / "bench/cells").iterdir())


@pytest.mark.parametrize(
    ("name", "side", "path", "rows"),
    [
        ("vit_tiny_patch16_224", 128, "blocks.10", 8),  # in the last block patches no longer reach the class token
        ("swin_tiny_patch4_window7_224", 224, "norm", 7),  # whose channels come last
        ("tf_efficientnet_lite0", 128, "blocks.5.0.bn1", 8),
    ],
)
def test_maps_are_found(name, side, path, rows):
    architecture = skineval_timm.find(name)
    torch.manual_seed(0)
    network = architecture.build(7, weights=None).eval()
    (site,) = find_sites(network, architecture, torch.rand(1, 3, side, side))
    assert (site.path, site.rows, site.columns) == (path, rows, rows)


def test_attention_is_rolled_out():
    network = skineval_timm.find("vit_tiny_patch16_224").build(7, weights=None).eval()
    found = rollout(network, torch.rand(2, 3, 64, 64))
    assert found.shape == (2, 64, 64)
    assert found.amin() > 0
    assert (found.amax(dim=(1, 2)) > found.amin(dim=(1, 2))).all()
    assert network.blocks[0].attn.fused_attn
