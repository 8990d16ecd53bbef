"""`skineval list models`: parameters and sizes from the specifications, and what has to be counted or looked up."""

from __future__ import annotations

import csv
import io
import json

import pytest

from skineval.builtins.imagenet import Checkpoint
from skineval.catalog.catalog import load_catalog
from skineval.catalog.parameters import Parameter
from skineval.catalog.specs import Architecture
from skineval.cli import details, listing
from tests.conftest import install_plugin

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


def test_details_and_of_what_cannot_be_built_why(skineval_program, tmp_path, monkeypatch):
    env = install_plugin(tmp_path / "site", "skineval-broken", PLUGIN)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    path = Checkpoint("resnet34", version=1).path()
    path.parent.mkdir(parents=True)
    path.touch()
    done = skineval_program("list", "models", "--details", "--format=csv", env=env)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert "broken cannot be run: RuntimeError: out of order" in done.stderr
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert rows["cnn"]["multiply_adds"] == "69601024"
    assert rows["cnn"]["parameters"] == "width=32 dropout=0.3"
    assert rows["resnet50"]["parameters"] == "head=linear|conv|mlp"
    assert (rows["cnn"]["imagenet"], rows["cnn"]["weights_path"]) == ("none", "")
    assert (rows["resnet34"]["imagenet"], rows["resnet34"]["weights_path"]) == ("here", str(path))
    assert rows["resnet18"]["imagenet"] == "not here"
    assert (rows["broken"]["multiply_adds"], rows["broken"]["imagenet"]) == ("", "none")


def test_quiet_is_without_warnings(capsys):
    def build(num_classes, *, weights):
        raise RuntimeError("out of order")

    broken = Architecture("broken", build, "Cannot be built.")
    for quiet in (False, True):
        assert listing._details(broken, quiet) == (None, "none", None)
        assert ("out of order" in capsys.readouterr().err) is not quiet


def in_full(program, kind, name):
    """The facts of what `name` is, and its parameters, as programs read them."""
    done = program("list", kind, name, "--format=json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    facts, *parameters = found if isinstance(found, list) else [found]
    return {row["what"]: row["value"] for row in facts["rows"]}, parameters[0]["rows"] if parameters else []


def test_one_strategy_is_shown_with_what_its_parameters_mean(skineval_program):
    facts, (tau,) = in_full(skineval_program, "imbalance", "logit-adjustment")
    assert (facts["Acts on"], facts["Paper"]) == ("logits", "Menon et al. 2021")
    assert facts["Written"] == "--imbalance logit-adjustment:tau=1.0"
    assert tau["summary"] == "0 changes nothing, 1 takes all classes for equally frequent."
    assert tau["range"] == "0 to 3, or validation (the best there)"
    assert (tau["parameter"], tau["type"], tau["default"]) == ("tau", "number", 1.0)


@pytest.mark.parametrize("kind", ["models", "imbalance", "explainers", "datasets"])
def test_what_stands_there_as_written_can_be_asked_for(kind):
    """Of everything there is: each parameter is what it is by default."""
    catalog = load_catalog()
    shelf = catalog.shelves[kind]
    for name in shelf.entries:
        if not getattr(shelf[name], "embeddings", None):  # which want a file that is there
            facts = dict(row.cells for row in details.describe(shelf, name)[0].rows)
            (selected,) = shelf.select([facts["Written"].partition(" ")[2]])
            assert selected.text == name


@pytest.mark.parametrize(
    ("kind", "name", "written"),
    [
        ("models", "cnn+resnet18", "--models cnn:width=32:dropout=0.3+resnet18:head=linear"),
        ("imbalance", "smote+temperature", "--imbalance smote:k=5+temperature"),
    ],
)
def test_parameters_of_what_is_combined_stand_behind_their_part(kind, name, written):
    shelf = load_catalog().shelves[kind]
    assert ("Written", written) in [row.cells for row in details.describe(shelf, name)[0].rows]
    assert [str(one) for one in shelf.select([written.partition(" ")[2]])] == [name]


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        (Parameter(1, "."), ""),
        (Parameter(1, ".", minimum=1), "1 or more"),
        (Parameter(0.5, ".", maximum=1.5), "1.5 or less"),
        (Parameter(1, ".", choices=(1, 2)), "1, 2"),
    ],
)
def test_what_a_parameter_may_be(parameter, said):
    assert details.spread(parameter) == said


def test_a_list_says_where_parameters_are_explained_and_a_name_that_is_none_which_may_be_meant(skineval_program):
    assert "`skineval list imbalance NAME` shows" in " ".join(skineval_program("list", "imbalance").stdout.split())
    done = skineval_program("list", "imbalance", "smot")
    assert done.returncode == 2
    assert "There is no imbalance strategy 'smot'.\nDid you mean smote" in done.stderr
