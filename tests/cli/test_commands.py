"""The commands as a user meets them: help, lists, errors with their exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.conftest import TINY

COMMANDS = [
    ["bench"],
    ["tune"],
    ["evaluate"],
    ["predict"],
    ["report"],
    ["list"],
    ["list", "models"],
    ["list", "imbalance"],
    ["list", "explainers"],
    ["list", "metrics"],
    ["list", "datasets"],
    ["list", "recipes"],
    ["plugins"],
    ["plugins", "list"],
    ["data"],
    ["data", "audit"],
    ["data", "cache"],
    ["data", "check"],
    ["data", "info"],
    ["data", "split"],
    ["doctor"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example(command, skineval_program):
    done = skineval_program(*command, "--help")
    assert done.returncode == 0
    assert "Example: skineval" in done.stdout
    # Whatever prints a result can be told to print nothing else; `plugins list` prints all there is to say.
    assert ("--quiet" in done.stdout) == ("--format" in done.stdout and command != ["plugins", "list"])


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_needs_no_command(flag, skineval_program):
    done = skineval_program(flag)
    assert (done.returncode, done.stdout) == (0, f"skineval {version('skineval')}\n")


@pytest.mark.parametrize("kind", ["models", "imbalance", "explainers", "metrics", "datasets", "recipes"])
def test_lists_are_read_by_programs_too(kind, skineval_program):
    done = skineval_program("list", kind, "--format", "json")
    rows = json.loads(done.stdout)["rows"] if done.stdout.lstrip().startswith("{") else json.loads(done.stdout)
    assert len(rows) >= 1
    assert all(row["name"] and row["summary"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["bench", "--models", "resnet81"], 2, "There is no model 'resnet81'."),
        (["bench", "--models", "cnn", "--imbalance", "smoth"], 2, "Did you mean smote?"),
        (["bench", "--imbalance", "others"], 2, "no imbalance strategy 'others'. `skineval list"),
        (["bench", "--imbalance", "logit-adjustment:tau=x"], 2, "tau is 'x', which is not a number or validation."),
        (["bench", "--imbalance", "none:gamma=3"], 2, "It takes no parameters. `skineval list imbalance` shows"),
        (
            ["bench", "--models", "cnn:widht=3"],
            2,
            "Did you mean width? There are: width, dropout. `skineval list models`",
        ),
        (["bench", "--modles", "cnn"], 2, "Did you mean --models? `skineval bench --help` lists all."),
        (["bench", "--lr", "0.1"], 2, "'skineval bench' has no option --lr. Did you mean --learning-rate?"),
        (["bench", "-lr", "0.1"], 2, "Did you mean --learning-rate?"),
        (["bench", "--epochs=1", "--epoch=1"], 2, "'skineval bench' has no option --epoch. Did you mean --epochs"),
        (["bench", "--gpu"], 2, "'skineval bench' has no option --gpu. `skineval bench --help` lists all."),
        (["list", "models", "--detail"], 2, "Did you mean --details? There are: --details, --format,"),
        (["bench", "resnet18"], 2, "There are: demo, ham10000."),
        (["train"], 2, "There is no command 'skineval train'. There are: bench, evaluate"),
        (["data", "chek"], 2, "Did you mean check? There are: audit, cache"),
        (["bench", "--models", "cnn", "--epochs", "many"], 2, "many"),
        (["bench", "--models", "cnn", "--epochs", "0"], 2, "epochs is 0"),
        (["bench", "dmeo"], 2, "Did you mean demo?"),
        (["bench", "--models", "cnn", "--data", "./nowhere"], 3, "There is no folder or file ./nowhere"),
        (["bench", "--models", "cnn", "--data", "synthetic:images=70", "--external", "NOPE"], 2, "file NOPE, nor"),
        (["bench", "--models=cnn", "--data=synthetic:images=70", "--external=a/b"], 3, "Error: --external a/b: There"),
        (["bench", "--models=cnn", "--data=NOPE", "--external=synthetic"], 2, "Error: --data NOPE: There is no folder"),
        (["bench", "--models=cnn", "--data=synthetic", "--task=lables"], 2, "'lables'. Did you mean labels?"),
        (["bench", "--models=cnn", "--data=synthetic", "--split=offical"], 3, "Did you mean official?"),
        (["bench", "--models=resnet18", "--data=synthetic", "--weights=imagnet"], 2, "Did you mean imagenet?"),
        (["bench", "--models", "cnn", "--data", "synthtic"], 2, "Did you mean synthetic?"),
        (["bench", "--models", "cnn", "--data", "synthetic:images=3"], 2, "at least 70"),
        (["bench", "--models", "cnn", "--weights", "imagenet"], 2, "there are no ImageNet weights of cnn."),
        (["bench", "--models", "cnn", "--weights", "nowhere.safetensors"], 2, "there is no such file"),
        (["bench", "--models", "cnn", "--device", "cuda:77"], 2, "--device is cuda:77"),
        (["bench", "--models", "resnet18", "--image-size", "16"], 2, "resnet18 needs at least 32"),
        (["bench", "--models", "cnn", "--data", "synthetic:images=150", "--folds", "50"], 3, "fold"),
        (["evaluate", "nowhere.csv"], 3, "nowhere.csv"),
        (["report", "."], 3, "holds no bench"),
        (["report", "runs/nowhere"], 3, "There is no folder runs/nowhere"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_errors_say_what_is_wrong_and_leave_nothing(arguments, code, message, tmp_path, skineval_program):
    done = skineval_program(*arguments)
    assert done.returncode == code, done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_debug_shows_the_traceback(skineval_program):
    done = skineval_program("bench", "--models", "resnet81", "--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_weights_that_cannot_be_had_name_the_file_and_where_it_was_looked_for(tmp_path, skineval_program, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("no_proxy", "")
    done = skineval_program("bench", "--models=resnet18", "--data=synthetic:images=150", "--weights=imagenet")
    assert done.returncode == 2, done.stderr
    text = " ".join(done.stderr.split())
    assert "resnet18-f37072fd.pth" in text
    assert str(tmp_path / "torch") in text
    assert "--weights none" in text


def test_a_pickled_weights_file_is_refused_unread(tmp_path, skineval_program):
    (tmp_path / "weights.pt").write_bytes(b"cos\nsystem\n(S'touch flag'\ntR.")
    done = skineval_program("bench", *TINY, "--weights=weights.pt")
    assert done.returncode == 4
    assert "weights.pt is damaged, or holds more than" in " ".join(done.stderr.split())
    assert not (tmp_path / "flag").exists()


def test_weights_that_fit_nothing_are_refused_with_the_names_that_did_not_fit(tmp_path, skineval_program):
    save_file({"encoder.weight": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    done = skineval_program("bench", *TINY, "--weights=other.safetensors")
    assert done.returncode == 4
    assert "encoder.weight (2, 2)" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_shows_the_cells_and_trains_nothing(tmp_path, skineval_program):
    done = skineval_program("bench", *TINY, "--imbalance=none,smote", "--folds=2", "--dry-run", "--format=json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    rows = document["rows"] if isinstance(document, dict) else document
    assert len(rows) == 4
    assert all(row["seconds"] > 0 and row["memory_mb"] > 0 and row["disk_mb"] >= 0 for row in rows)
    assert not (tmp_path / "runs").exists()


def test_doctor_names_versions_and_plugins(skineval_program):
    done = skineval_program("doctor", "--format", "json")
    assert done.returncode == 0, done.stderr
    facts = {row["what"]: row["value"] for row in json.loads(done.stdout)["rows"]}
    assert {"torch", "plugin builtins"} < facts.keys()
    assert isinstance(facts["threads"], int)


def test_what_plugins_offer_is_counted(skineval_program):
    (row,) = json.loads(skineval_program("plugins", "list", "--format", "json").stdout)["rows"]
    assert {"models": 23, "reporters": 2}.items() <= row["what"].items()


def test_a_closed_pipe_is_no_traceback(tmp_path):
    done = subprocess.run(
        f"{sys.executable} -m skineval list metrics --format csv | head -1",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_an_output_that_is_full_is_named(tmp_path):
    command = f"{sys.executable} -m skineval list models > /dev/full"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Cannot write to standard output: No space left on device.")
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_an_output_that_is_closed_is_not_needed(tmp_path):
    command = f"{sys.executable} -m skineval list models >&-"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
