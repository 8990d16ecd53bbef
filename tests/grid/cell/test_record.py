"""Whatever is deleted from a bench or damaged, the same command restores, and results.csv is the same again."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

from skineval.grid.cell.record import is_complete
from skineval.grid.folder import BenchFolder
from tests.conftest import TINY, run_here

ARGUMENTS = (*TINY, "--imbalance=none,smote", "--epochs=1", "--out=out", "--external=synthetic:images=80:seed=5")
BENCH = (
    "environment.json",
    "split.csv",
    "cells.csv",
    "results.csv",
    "comparisons.csv",
    "ladders.csv",
    "attributes.csv",
    "subgroups.csv",
    "choices.csv",
    "report.md",
    "report.html",
)
CELL = ("cell.json", "history.csv", "predictions.csv", "model.safetensors", "model.json")
EXTERNAL = ("about.json", "images.csv", "results.csv", "comparisons.csv")
#: What tells how long it took, or by which command.
VOLATILE = ("environment.json", "cell.json", "cells.csv", "history.csv", "report.md", "report.html")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A finished bench with an external test."""
    folder = tmp_path_factory.mktemp("restoring")
    done = run_here("bench", *ARGUMENTS, cwd=folder)
    assert done.returncode == 0, done.stderr
    return BenchFolder(folder / "out")


def contract(bench):
    """Every file that the contract names, of one cell by its strategy."""
    run_ids = pd.read_csv(bench.cells).set_index("imbalance")["run_id"]
    name = json.loads(bench.environment.read_text())["external"][0]
    files = {file: bench.path / file for file in BENCH}
    files |= {f"external/{file}": bench.external(name).path / file for file in EXTERNAL}
    for strategy, run_id in run_ids.items():
        cell = bench.cell(run_id)
        files |= {f"{strategy}/{file}": cell.path / file for file in CELL}
        files[f"{strategy}/external"] = cell.external(name)
    return files


def delete(file):
    file.unlink()


def cut_anywhere(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])


def cut_after_a_line(file):
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))


def test_what_is_damaged_is_restored_by_the_same_command(bench, skineval_program):
    """All files of one cell at once, then those of the other with its external test, then those of the bench."""
    files = contract(bench)
    before = {name: file.read_bytes() for name, file in files.items()}
    assert len(files) == len(BENCH) + len(EXTERNAL) + 2 * (len(CELL) + 1)
    rounds = ((delete, ("none/",)), (cut_anywhere, ("smote/", "external/")), (cut_after_a_line, BENCH))
    for damage, chosen in rounds:
        for name in files:
            if name.startswith(chosen):
                damage(files[name])
        done = skineval_program("bench", *ARGUMENTS, cwd=bench.path.parent)
        assert done.returncode == 0, done.stderr
        after = {name: file.read_bytes() for name, file in files.items()}
        same = [name for name in files if name.rpartition("/")[2] not in VOLATILE]
        assert [name for name in same if after[name] != before[name]] == []
    again = skineval_program("bench", *ARGUMENTS, cwd=bench.path.parent)
    assert again.returncode == 0, again.stderr
    assert {name: file.read_bytes() for name, file in files.items()} == after


def test_one_damaged_file_is_enough_to_be_noticed(bench):
    """Each by itself, and without running anything: what is left to do is known from the files."""
    run_id = pd.read_csv(bench.cells)["run_id"][0]
    cell = bench.cell(run_id)
    record = json.loads(cell.cell.read_text())
    asked = record["explainers"], record["externals"]
    assert is_complete(cell, *asked)
    name = record["externals"][0].partition(":")[0]
    for file in (*(cell.path / file for file in CELL), cell.external(name)):
        content = file.read_bytes()
        for damage in (delete, cut_anywhere, cut_after_a_line):
            damage(file)
            assert not is_complete(cell, *asked), (file, damage)
            file.write_bytes(content)
    assert is_complete(cell, *asked)
    panels = cell.explanation("gradcam")
    shutil.move(panels, bench.path / "elsewhere")
    assert not is_complete(cell, *asked)
    shutil.move(bench.path / "elsewhere", panels)


def test_a_network_that_is_damaged_with_its_cell_is_trained_again(bench, skineval_program):
    results = bench.results.read_bytes()
    run_id = pd.read_csv(bench.cells)["run_id"][0]
    cut_anywhere(bench.network(run_id).weights)
    cut_anywhere(bench.cell(run_id).weights)
    done = skineval_program("bench", *ARGUMENTS, cwd=bench.path.parent)
    assert done.returncode == 0, done.stderr
    assert bench.results.read_bytes() == results


def test_an_external_test_that_is_not_described_is_not_left_out_in_silence(bench, skineval_program):
    name = json.loads(bench.environment.read_text())["external"][0]
    about = bench.external(name).about
    content = about.read_bytes()
    about.unlink()
    done = skineval_program("report", "out", cwd=bench.path.parent)
    assert done.returncode == 3
    assert "about.json cannot be read" in done.stderr
    about.write_bytes(content)
