"""`skineval list models`: parameters and sizes from the specifications, and what has to be counted or looked up."""

from __future__ import annotations

import csv
import io
import json

from skineval.builtins.imagenet import Checkpoint
from skineval.catalog.specs import Architecture
from skineval.cli import listing
from tests.conftest import install_plugin, run_here

PLUGIN = """
import skineval

def build(num_classes, *, weights):
    raise RuntimeError("out of order")

@skineval.hookimpl
def skineval_register_architectures():
    return [skineval.Architecture("broken", build, "Does not work.")]
"""


def test_parameters_and_sizes_come_from_the_specifications(skineval_program):
    done = skineval_program("list", "models", "--format=json")
    rows = {row["name"]: row for row in json.loads(done.stdout)["rows"]}
    assert len(rows) == 23
    assert rows["resnet50"]["parameters"] == {"head": ["linear", "conv", "mlp"]}
    assert rows["cnn"]["parameters"] == {"width": 32, "dropout": 0.3}
    assert rows["efficientnet_b3"]["image_size"] == 300
    assert rows["resnet18"]["n_parameters"] == 11_180_103
    assert "multiply_adds" not in rows["cnn"]


def test_details(skineval_program, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    path = Checkpoint("resnet34", version=1).path()
    path.parent.mkdir(parents=True)
    path.touch()
    done = skineval_program("list", "models", "--details", "--format=csv")
    assert done.returncode == 0
    assert done.stderr == ""
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert rows["cnn"]["multiply_adds"] == "69601024"
    assert rows["cnn"]["parameters"] == "width=32 dropout=0.3"
    assert rows["resnet50"]["parameters"] == "head=linear|conv|mlp"
    assert (rows["cnn"]["imagenet"], rows["cnn"]["weights_path"]) == ("none", "")
    assert (rows["resnet34"]["imagenet"], rows["resnet34"]["weights_path"]) == ("here", str(path))
    assert rows["resnet18"]["imagenet"] == "not here"


def test_a_model_that_cannot_be_built_is_listed_with_a_warning(tmp_path):
    env = install_plugin(tmp_path / "site", "skineval-broken", PLUGIN)
    done = run_here("list", "models", "--details", "--format=csv", cwd=tmp_path, env=env)
    assert done.returncode == 0
    assert "broken cannot be run: RuntimeError: out of order" in done.stderr
    (row,) = [row for row in csv.DictReader(io.StringIO(done.stdout)) if row["name"] == "broken"]
    assert (row["multiply_adds"], row["imagenet"]) == ("", "none")


def test_quiet_is_without_warnings(capsys):
    def build(num_classes, *, weights):
        raise RuntimeError("out of order")

    broken = Architecture("broken", build, "Cannot be built.")
    for quiet in (False, True):
        assert listing._details(broken, quiet) == (None, "none", None)
        assert ("out of order" in capsys.readouterr().err) is not quiet
