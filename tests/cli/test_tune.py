"""`skineval tune` as a user meets it."""

from __future__ import annotations

import json
import re
import sys

import pytest

import skineval
from skineval.values.recipe import read_recipe
from tests.conftest import install_plugin, run_program
from tests.data.folders import lesion_folder

TINY = ("--data=synthetic:images=140", "--image-size=16", "--models=cnn:width=4", "--epochs=1", "--precision=fp32")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--models=cnn", "--trials=0"], 2, "--trials is 0, which should be 1 or more."),
        (["--models=cnn", "--trials=many"], 2, "--trials is 'many', which is not a whole number."),
        (
            ["--models=cnn,resnet18"],
            2,
            "A search is for a single one of the models, and there are 2: cnn, resnet18. Name one: --models cnn.",
        ),
        (
            ["--models=cnn", "--imbalance=none,smote"],
            2,
            "a single one of the imbalance strategies, and there are 2: none, smote",
        ),
        ([], 2, "and the recipe demo names 2: resnet18, cnn. Name one: --models resnet18."),
        (
            ["ham10000", "--models=cnn"],
            2,
            "the recipe ham10000 names 2: none, class-weights. Name one: --imbalance none.",
        ),
        (["--models=cnn", "--search=learning_rte"], 2, "Did you mean learning_rate?"),
        (["--models=cnn", "--search=learning_rate=1..0.1"], 2, "where 1 is not below 0.1"),
        (["--models=cnn", "--search", "plateau_factor=0.1..0.5"], 2, "does nothing while schedule is 'cosine'"),
        (["--models=cnn", "--imbalance=none", "--data=./nowhere"], 3, "There is no folder or file ./nowhere"),
        (["--models=resnet81"], 2, "There is no model 'resnet81'."),
    ],
)
def test_errors_say_what_is_wrong_and_leave_nothing(arguments, code, message, tmp_path, skineval_program):
    done = skineval_program("tune", *arguments)
    assert done.returncode == code, done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_real_data_and_a_model_are_enough(tmp_path, skineval_program):
    """The recipe for real data compares two strategies and wants ImageNet weights: the user has asked for neither."""
    folder = lesion_folder(tmp_path / "DIR")
    small = ("--image-size=16", "--epochs=1", "--precision=fp32", "--trials=1", "--search=learning_rate", "--out=out")
    done = skineval_program("tune", f"--data={folder}", "--models=cnn:width=4", *small)
    assert done.returncode == 0, done.stderr
    assert "Search for cnn:width=4/none" in done.stdout
    assert "There are no ImageNet weights of cnn: it begins with random values." in " ".join(done.stdout.split())
    winner = read_recipe(str(tmp_path / "out/recipe.toml"))
    assert (winner["imbalance"], winner["weights"], winner["learning_rate"]) == (["none"], ["none"], 1e-3)


def test_without_optuna_it_says_how_to_get_it(tmp_path, skineval_program, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    done = skineval_program("tune", *TINY)
    assert done.returncode == 2
    assert "skineval tune needs optuna" in done.stderr
    assert "pip install optuna" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_results_go_to_standard_output_and_the_rest_does_not(tmp_path, skineval_program):
    arguments = ("tune", *TINY, "--trials=2", "--search=learning_rate", "--format=json")
    done = skineval_program(*arguments)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert sorted(row["number"] for row in rows) == [0, 1]
    assert all(set(row) >= {"value", "gain", "learning_rate", "state", "seconds"} for row in rows)
    epochs = [line for line in done.stderr.splitlines() if line.startswith("trial 1: epoch ")]
    assert len(epochs) == int(epochs[0].split("/")[1].split(",")[0])
    assert all(
        re.search(r", loss \d\.\d+, validation balanced accuracy 0\.\d+, [\d,]+ images/s,", one) for one in epochs
    )
    assert "done trial 1" in done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("tune-synthetic-cnn-width-4")
    assert {path.name for path in folder.iterdir()} == {
        ".lock", "recipe.toml", "search.json", "search.svg", "trials", "trials.csv",
    }  # fmt: skip
    assert f"{folder.relative_to(tmp_path)}/recipe.toml" in done.stderr
    again = skineval_program(*arguments, "--quiet")
    assert json.loads(again.stdout)["rows"] == rows
    assert again.stderr == ""
    # Another space, with the same recipe, is another search in another folder.
    assert skineval_program("tune", *TINY, "--trials=1", "--search=ema=0,0.9").returncode == 0
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_what_a_plugin_prints_is_no_result(tmp_path):
    source = """
import skineval

def build(num_classes, *, weights):
    from torch import nn

    class Chatty(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, num_classes)

        def forward(self, images):
            print("a line that must not end up among the results")
            return self.head(images.mean(dim=(2, 3)))

    return Chatty()

@skineval.hookimpl
def skineval_register_architectures():
    return [skineval.Architecture("chatty", build, "A network that prints.", min_image_size=8)]
"""
    env = install_plugin(tmp_path / "site", "chatty", source)
    arguments = ("tune", *TINY, "--models=chatty", "--trials=1", "--format=csv")
    done = run_program(*arguments, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    assert "a line that must not end up" in done.stderr


def test_a_gpu_that_fails_ends_the_search_and_the_same_command_goes_on(tmp_path):
    """After such an error every later call in the process raises it: once here, of a plugin, in trial 1."""
    source = """
from pathlib import Path

import skineval

def build(num_classes, *, weights):
    from torch import nn

    class Unlucky(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, num_classes)

        def forward(self, images):
            if Path("out/trials/0001.json").exists() and not Path("raised").exists():
                Path("raised").touch()
                raise RuntimeError("CUDA error: device-side assert triggered")
            return self.head(images.mean(dim=(2, 3)))

    return Unlucky()

@skineval.hookimpl
def skineval_register_architectures():
    return [skineval.Architecture("unlucky", build, "A network whose GPU fails.", min_image_size=8)]
"""
    env = install_plugin(tmp_path / "site", "unlucky", source)
    arguments = ("tune", *TINY, "--models=unlucky", "--trials=3", "--out=out", "--format=json")
    broken = run_program(*arguments, cwd=tmp_path, env=env)
    assert broken.returncode == 1
    assert "The GPU failed in trial 1" in broken.stderr
    assert "Run the same command again" in broken.stderr
    assert json.loads((tmp_path / "out/trials/0001.json").read_text())["state"] == "running"
    done = run_program(*arguments, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert [row["state"] for row in json.loads(done.stdout)["rows"]] == ["done"] * 3


def test_the_python_function_is_the_same_search(tmp_path, skineval_program, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keys = {"models": "cnn:width=4", "data": "synthetic:images=140", "image_size": 16, "epochs": 1, "precision": "fp32"}
    found = skineval.tune(trials=2, search="learning_rate", out="out", **keys)
    assert (found.folder / "search.svg").is_file()
    assert found.recipe.learning_rate == found.best.parameters["learning_rate"]
    done = skineval_program("tune", *TINY, "--trials=2", "--search=learning_rate", "--out=out", "--format=json")
    assert done.returncode == 0, done.stderr
    assert "trial 1" not in done.stderr  # nothing was left to train
    values = {row["number"]: row["value"] for row in json.loads(done.stdout)["rows"]}
    assert values == {trial.number: trial.value for trial in found.trials}
