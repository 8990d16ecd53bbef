"""What goes wrong in a cell costs that cell; what is finished stays; what was cut off goes on."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from skineval.base.errors import Interrupted
from skineval.grid.workers.engine import LocalEngine, _Worker
from tests.conftest import TINY, install_plugin, run_here, run_program

BROKEN = """
import os
import signal
import time

import skineval

POISONED = []  # what happened on the GPU of this process

def network(num_classes, *, weights, kind):
    import torch
    from torch import nn

    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, num_classes)
            self.steps = 0

        def forward(self, images):
            logits = self.head(images.mean(dim=(2, 3)))
            if kind == "shape":
                return logits[:, :3]
            if kind == "nan":
                return logits * float("nan")
            if self.training:
                self.steps += 1
            if kind == "raise" and self.steps > 3:
                raise RuntimeError("out of luck [/] <b>|")
            if kind == "poison" or POISONED:
                POISONED.append(kind)
                raise RuntimeError("CUDA error: device-side assert triggered")
            if kind == "die" and self.steps > 3:
                os._exit(7)
            if kind == "interrupt":
                if self.steps == 1:
                    os.kill(os.getppid(), signal.SIGINT)
                time.sleep(5)  # until the worker is told to stop
            print("a line that must not end up among the results")
            return logits

    return nn.Identity() if kind == "none" else Broken()

@skineval.hookimpl
def skineval_register_architectures():
    kinds = ("shape", "nan", "raise", "die", "poison", "interrupt", "fine")
    parameter = skineval.Parameter("fine", "What is wrong.", choices=kinds)
    return [skineval.Architecture("broken", network, "A network that breaks.", parameters={"kind": parameter})]
"""

BAD_EXPLAINER = """
import os

import skineval

def attribute(model, images, targets, *, architecture, kind):
    if kind == "die":
        os._exit(7)
    raise RuntimeError("no idea why")

@skineval.hookimpl
def skineval_register_explainers():
    parameter = skineval.Parameter("raise", "How it fails.", choices=("raise", "die"))
    return [skineval.Explainer("bad", attribute, "Explains nothing.", parameters={"kind": parameter})]
"""


def predictions(folder):
    return {path.parent.name: path.read_bytes() for path in sorted(folder.glob("cells/*/predictions.csv"))}


def test_a_broken_cell_is_a_row_and_the_grid_goes_on(tmp_path):
    env = install_plugin(tmp_path / "site", "broken", BROKEN)
    kinds = ("shape", "nan", "raise", "die", "fine")
    models = ",".join(f"broken:kind={kind}" for kind in kinds)
    done = run_here(
        "bench", *TINY, f"--models={models}", "--epochs=2", "--explainers=", "--out=out", cwd=tmp_path, env=env
    )
    assert done.returncode == 1, done.stderr
    assert "a line that must not end up among the results" not in done.stdout.splitlines()
    cells = pd.read_csv(tmp_path / "out/cells.csv").set_index("model")
    reasons = cells["reason"].fillna("")
    assert "returned shape (2, 3) for 2 images; (2, 7) is expected" in reasons["broken:kind=shape"]
    assert "NaN or infinite logits" in reasons["broken:kind=nan"]
    assert reasons["broken:kind=raise"] == "RuntimeError: out of luck [/] <b>|"
    assert "exit code 7" in reasons["broken:kind=die"]
    assert list(cells["status"]) == ["failed"] * 4 + ["done"]
    report = (tmp_path / "out/report.md").read_text()
    assert "exit code 7" in report
    assert "<b>" not in report.replace("\\<b>", "").replace("&lt;b", "")

    again = run_here(
        "bench", *TINY, f"--models={models}", "--epochs=2", "--explainers=", "--out=out", cwd=tmp_path, env=env
    )
    assert again.returncode == 1
    assert "1 of 5 cells are done already" in again.stderr


def test_what_cannot_be_added_to_finished_cells_takes_nothing_from_them(tmp_path):
    env = install_plugin(tmp_path / "site", "bad", BAD_EXPLAINER)

    def bench(explainers):
        arguments = (*TINY, "--epochs=1", f"--explainers={explainers}", "--out=out")
        done = run_here("bench", *arguments, cwd=tmp_path, env=env)
        cells = pd.read_csv(tmp_path / "out/cells.csv", keep_default_na=False)
        assert list(cells["status"]) == ["done"], done.stderr
        return done, list(cells["reason"]), (tmp_path / "out/results.csv").read_bytes()

    done, _, results = bench("")
    assert done.returncode == 0
    trained = predictions(tmp_path / "out")
    for _ in range(2):  # it is tried again, and fails again
        done, reasons, measured = bench("bad:kind=raise")
        assert done.returncode == 1
        assert "failed" not in done.stderr  # the cell is done, and everybody says so
        assert "incomplete cnn:width=4/none fold 0 seed 0: explaining with bad" in done.stderr
        why = ": RuntimeError: no idea why"
        assert all(reason.startswith("explaining with bad") and why in reason for reason in reasons)
        assert measured == results
    assert run_here("report", "out", cwd=tmp_path, env=env).returncode == 1
    done, reasons, measured = bench("")
    assert (done.returncode, reasons, measured) == (0, [""], results)
    assert predictions(tmp_path / "out") == trained


@pytest.mark.parametrize(
    ("explainers", "why"),
    [
        ("bad,gradcam", "explaining with bad: RuntimeError: no idea why"),
        ("gradcam,bad:kind=die", "explaining with bad:kind=die: the worker process ended with exit code 7"),
    ],
)
def test_console_cells_and_report_agree_on_a_cell_of_which_only_an_explanation_fails(tmp_path, explainers, why):
    env = install_plugin(tmp_path / "site", "bad", BAD_EXPLAINER)
    done = run_here("bench", *TINY, "--epochs=1", f"--explainers={explainers}", "--out=out", cwd=tmp_path, env=env)
    assert done.returncode == 1
    assert f"incomplete cnn:width=4/none fold 0 seed 0: {why}" in done.stderr
    cells = pd.read_csv(tmp_path / "out/cells.csv")
    assert list(cells["status"]) == ["done"]
    assert cells["reason"][0].startswith(why)
    assert list(tmp_path.glob("out/cells/*/explanations/gradcam/*.svg"))  # whichever comes first
    section = (tmp_path / "out/report.md").read_text().partition("## Explanations")[2].partition("\n## ")[0]
    words = why.split(":")[0].removeprefix("explaining with ")
    assert f"cnn:width=4/none, fold 0, seed 0 has no explanations by {words}" in section.replace("\\", "")
    assert why in section.replace("\\", "")


def test_fail_fast_stops_at_the_first_failure(tmp_path):
    env = install_plugin(tmp_path / "site", "broken", BROKEN)
    models = "--models=broken:kind=nan,cnn:width=4"
    done = run_here("bench", *TINY, models, "--epochs=1", "--fail-fast", "--out=out", cwd=tmp_path, env=env)
    assert done.returncode == 1
    cells = pd.read_csv(tmp_path / "out/cells.csv")
    assert list(cells["status"]) == ["failed", "not run"]
    assert cells["reason"][1] == "stopped by --fail-fast"
    assert "2 of 2 cells did not finish" in (tmp_path / "out/report.md").read_text()


def test_cells_that_an_interruption_left_out_are_rows_too(tmp_path):
    env = install_plugin(tmp_path / "site", "broken", BROKEN)
    models = "--models=cnn:width=4,broken:kind=interrupt"
    stopped = run_program("bench", *TINY, models, "--epochs=1", "--explainers=", "--out=out", cwd=tmp_path, env=env)
    assert stopped.returncode == 130, stopped.stderr
    report = run_here("report", "out", cwd=tmp_path, env=env)
    assert report.returncode == 1
    assert "interrupted, or still running" in report.stdout
    verdict = (tmp_path / "out/report.md").read_text()
    assert "1 of 2 cells did not finish" in verdict
    assert "is the only system that finished" in verdict
    cells = pd.read_csv(tmp_path / "out/cells.csv")
    assert list(cells["status"]) == ["done", "not run"]
    assert "interrupted" in cells["reason"][1]


def test_ctrl_c_while_idle_workers_end_is_not_swallowed(tmp_path):
    class Ending:
        stdin, stdout = io.StringIO(), None
        waited = 0

        def wait(self, timeout=None):
            self.waited += 1
            if self.waited == 1:
                raise KeyboardInterrupt

        def kill(self):
            pass

    engine = LocalEngine("{}", (), 1, tmp_path, lambda cell, reason: None)
    engine._workers.append(_Worker(Ending(), tmp_path / "log"))
    with pytest.raises(Interrupted):
        engine.run([], lambda event: None)
    assert engine._workers == []


def test_two_jobs_run_side_by_side(tmp_path):
    arguments = (*TINY, "--imbalance=none,class-weights,smote", "--epochs=1", "--explainers=", "--jobs=2", "--out=out")
    done = run_here("bench", *arguments, cwd=tmp_path, env={"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert list(pd.read_csv(tmp_path / "out/cells.csv")["status"]) == ["done"] * 3


def test_an_error_that_a_gpu_keeps_until_the_process_ends_costs_one_cell(tmp_path):
    env = install_plugin(tmp_path / "site", "skineval-broken", BROKEN)
    models = "--models=broken:kind=poison,broken:kind=fine"
    done = run_here("bench", *TINY, models, "--epochs=1", "--explainers=", "--out=out", cwd=tmp_path, env=env)
    assert done.returncode == 1, done.stderr
    cells = pd.read_csv(tmp_path / "out" / "cells.csv").set_index("model")
    assert list(cells["status"]) == ["failed", "done"]
    assert "device-side assert" in cells["reason"].iloc[0]
    assert len(list((tmp_path / "out").glob("worker-*.log"))) == 2


@pytest.mark.parametrize("fresh", [(), ("--fresh",)])
def test_the_folder_of_a_search_is_left_alone(fresh, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("search.json", "recipe.toml"):
        (folder / name).write_text("mine")
    done = run_here("bench", *TINY, "--models=cnn:width=4", "--out=out", *fresh, cwd=tmp_path)
    assert done.returncode == 2
    assert "the folder of a search for settings" in done.stderr
    assert [(path.name, path.read_text()) for path in sorted(folder.iterdir())] == [
        ("recipe.toml", "mine"),
        ("search.json", "mine"),
    ]
