"""Images of an external test that are of no class of the task: predicted where asked for, and rejected or not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from skineval.base.errors import UsageError
from skineval.grid.external import External, outside_of
from skineval.grid.folder import BenchFolder, read_external
from skineval.grid.sources import unique_names
from skineval.values.recipe import make_recipe
from skineval.values.result import OTHER_CLASS
from tests.conftest import run_here
from tests.data.folders import made_table

SOME = """
[classes]
good = ["nv", "bkl", "vasc"]
bad = ["mel", "bcc"]
"""
#: What tells when and how a bench was run, or is drawn by a library that rounds in different ways.
TOLD = ("cell.json", "cells.csv", "environment.json", "report.md", "report.html", ".measured", ".log", ".svg")
TINY = (
    "--data=synthetic:images=100",
    "--models=cnn:width=4",
    "--image-size=16",
    "--epochs=1",
    "--seeds=0,1",
    "--ensemble=seeds",
    "--explainers=",
    "--replicates=1000",
    "--task=some.toml",
    "--external=synthetic:images=80:seed=5",
    "--out=out",
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A bench that was run first without, then with `--reject`; its files after the first run, and all it said."""
    folder = tmp_path_factory.mktemp("rejection")
    (folder / "some.toml").write_text(SOME, encoding="utf-8")
    first = run_here("bench", *TINY, cwd=folder)
    assert first.returncode == 0, first.stderr
    files = contents(folder / "out")
    done = run_here("bench", *TINY, "--reject", cwd=folder)
    assert done.returncode == 0, done.stderr
    return BenchFolder(folder / "out"), files, done


def contents(folder):
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def of_cells(folder, name):
    """The predictions of each cell for images of the classes and of none, each with its confidence."""
    cells = [folder.cell(run_id) for run_id in pd.read_csv(folder.cells)["run_id"]]
    return [pd.concat([pd.read_csv(cell.external(file)) for file in (name, outside_of(name))]) for cell in cells]


def the_test(folder):
    (name,) = [path.name for path in (folder.path / "external").iterdir()]
    return name, folder.external(name)


def test_a_finished_bench_only_predicts_the_images_outside(bench):
    folder, before, _ = bench
    name, files = the_test(folder)
    after = contents(folder.path)
    new = [file for file in after if file not in before and file.startswith("cells")]
    assert len(new) == 2
    assert all(file.endswith(f"external/{outside_of(name)}.csv") for file in new)
    rows = (f"external/{name}/results.csv", f"external/{name}/comparisons.csv")
    same = [file for file in before if not file.endswith((*TOLD, "recipe.toml")) and file not in rows]
    assert {f"external/{name}/images.csv", f"external/{name}/about.json", "results.csv", "split.csv"} <= set(same)
    assert [file for file in same if after[file] != before[file]] == []
    for file in rows:  # what was there stays, and rows of rejection follow
        known = set(before[file].decode().splitlines())
        more = set(after[file].decode().splitlines()) - known
        assert known <= set(after[file].decode().splitlines())
        assert more
        assert all("reject_" in row for row in more)
    images = pd.read_csv(files.images, keep_default_na=False)
    outside = set(images["image_id"][images["excluded"] == OTHER_CLASS])
    for cell in of_cells(folder, name):
        there = cell[cell["part"] == "outside"]
        assert set(there["image_id"]) == outside
        assert there["target"].isna().all()
    assert read_external(files).outside_images == len(outside) > 0


def test_figures_are_those_of_the_files(bench):
    folder, _, _ = bench
    name, files = the_test(folder)
    cells = of_cells(folder, name)
    probabilities = [cell[["good", "bad"]].to_numpy() for cell in cells]
    inside = (cells[0]["part"] == "external").to_numpy()
    results = pd.read_csv(files.results)
    for system, answers in (
        ("cnn:width=4", probabilities),
        ("ensemble(cnn:width=4)", [np.mean(probabilities, axis=0)]),
    ):
        rows = results[results["model"] == system].set_index("metric")
        areas, rates = [], []
        for answer in answers:
            confidence = answer.max(axis=1)
            areas.append(roc_auc_score(inside, confidence))
            false_positive, true_positive, _ = roc_curve(inside, confidence, drop_intermediate=False)
            rates.append(false_positive[np.argmax(true_positive >= 0.95)])
        assert rows.loc["reject_auroc", "value"] == pytest.approx(np.mean(areas))
        assert rows.loc["reject_fpr95", "value"] == pytest.approx(np.mean(rates))
        assert set(rows.loc[["reject_auroc", "reject_fpr95"], "n_images"]) == {len(inside)}
        assert rows.loc["balanced_accuracy", "n_images"] == inside.sum()
    baselines = results[results["model"].isin(["majority", "prior"])].set_index("metric")
    assert set(baselines.loc["reject_auroc", "value"]) == {0.5}
    assert "reject_auroc" not in set(pd.read_csv(folder.results)["metric"])
    compared = pd.read_csv(files.comparisons).set_index("metric")
    assert compared.loc["reject_auroc", "n_images"] == len(inside)
    assert compared.loc["reject_auroc", "a"] == compared.loc["balanced_accuracy", "a"]


def test_the_table_and_the_report_say_what_was_rejected(bench):
    folder, _, done = bench
    name, files = the_test(folder)
    there = f"{read_external(files).outside_images} of classes that the task does not have are there to be rejected"
    report = folder.markdown.read_text(encoding="utf-8")
    assert there in report
    assert there in done.stderr
    for text in (report, done.stdout):
        assert f"External test {name}: rejection" in text
        assert "FPR at 95 % TPR" in text


def test_predictions_that_are_gone_are_made_again_and_others_are_left_alone(bench, skineval_program):
    folder, _, _ = bench
    name, _ = the_test(folder)
    before = contents(folder.path)
    lost = folder.cell(pd.read_csv(folder.cells)["run_id"][0]).external(outside_of(name))
    lost.unlink()
    done = skineval_program("report", "out", cwd=folder.path.parent)
    assert done.returncode == 3
    assert lost.name in done.stderr
    done = skineval_program("bench", *TINY, "--reject", cwd=folder.path.parent)
    assert done.returncode == 0, done.stderr
    after = contents(folder.path)
    assert [file for file in before if after[file] != before[file] and not file.endswith(TOLD)] == []


def test_without_the_flag_a_bench_is_as_it_was(bench, skineval_program):
    folder, before, _ = bench
    done = skineval_program("bench", *TINY, cwd=folder.path.parent)
    assert done.returncode == 0, done.stderr
    after = contents(folder.path)
    assert [file for file in before if after[file] != before[file] and not file.endswith(TOLD)] == []
    assert "rejection" not in done.stdout


def test_a_data_set_of_the_classes_alone_is_asked_for_no_more():
    table = made_table([("mel", 2), ("nv", 1)])
    of_classes = External("x", table, np.array([0, 0, 1]), reject=True)
    assert of_classes.keys == (of_classes.key,)
    others = External("x", table, np.array([0, 0, -1]), reject=True)
    assert others.keys == (others.key, f"x.outside:{table.fingerprint[:16]}")
    assert External("x", table, others.targets).keys == (others.key,)


def test_no_external_test_is_called_as_the_images_outside_of_another():
    assert unique_names(["/a/x", "/b/x.outside", "/c/x.outside"], "--external") == ["x", "x.outside-2", "x.outside-3"]


def test_there_is_nothing_to_reject_without_external_data():
    with pytest.raises(UsageError, match="reject is true and there is no external"):
        make_recipe({"models": "cnn", "data": "d", "reject": True})
