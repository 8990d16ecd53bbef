"""Predictions that lie in the folder of a bench are scored as the bench scores them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import skineval
from skineval.base.codec import write_json
from skineval.base.terms import LEAKY
from skineval.grid.folder import BenchFolder
from skineval.grid.tables import write_frame
from skineval.values.task import Task
from tests.measure.samples import classifier
from tests.report.conftest import ENVIRONMENT


@pytest.fixture
def predictions(tmp_path):
    """Those of a leaky bench whose confirmed pairs join lesions two by two."""
    folder, cell = BenchFolder(tmp_path), classifier(40)
    _, number = np.unique(cell.groups, return_inverse=True)
    split = pd.DataFrame({"image_id": cell.image_ids, "lesion_id": cell.lesion_ids, "fold": 0, "part": "test"})
    write_frame(folder.split, split.assign(group=[f"G{n // 2}" for n in number]))
    write_json(folder.environment, replace(ENVIRONMENT, stamps=(LEAKY,)))
    file = folder.cell("x").predictions
    write_frame(file, cell.to_frame())
    return file


def test_lesions_are_joined_as_in_the_bench(predictions):
    with pytest.warns(UserWarning, match="LEAKY: "):
        assert skineval.evaluate(predictions, replicates=1000)["n_lesions"].max() == 20
    elsewhere = predictions.rename(predictions.parents[2] / "copy.csv")
    assert skineval.evaluate(elsewhere, replicates=1000)["n_lesions"].max() == 40


def test_a_csv_without_a_title_is_stamped_beside_it(predictions, skineval_program):
    command = ("evaluate", str(predictions), "--replicates=1000", "--format=csv")
    assert "LEAKY: " in skineval_program(*command).stderr
    assert "LEAKY" not in skineval_program(*command, "--quiet").stderr


def test_malignancy_is_that_of_the_task_of_the_bench(predictions):
    folder, names = BenchFolder(predictions.parents[2]), ("good", "bad")
    task = Task("own", names, {"nv": "good", "mel": "bad"}, ("bad",), "bad", shipped=False)
    write_json(folder.environment, replace(ENVIRONMENT, task=task))
    write_frame(predictions, classifier(40, classes=names).to_frame())
    assert "malignancy_auc" in set(skineval.evaluate(predictions, replicates=1000)["metric"])
    write_json(folder.environment, replace(ENVIRONMENT, task=replace(task, malignant=None)))
    with pytest.warns(UserWarning, match="No malignancy AUC"):
        assert "malignancy_auc" not in set(skineval.evaluate(predictions, replicates=1000)["metric"])


def test_a_lesion_whose_images_are_of_several_classes_is_told_of():
    rows = [("a", "nv", "L1"), ("b", "mel", "L1"), ("c", "nv", "L2"), ("d", "mel", "L3"), ("e", "mel", "L3")]
    frame = pd.DataFrame(rows, columns=["image_id", "target", "lesion_id"]).assign(mel=[0.1, 0.9, 0.2, 0.6, 0.7])
    frame["nv"] = 1 - frame["mel"]
    with pytest.warns(UserWarning, match="^1 lesion has images of several classes, such as L1: each is resampled"):
        skineval.evaluate(frame, replicates=1000)
    skineval.evaluate(frame.assign(lesion_id=["L1", "L4", "L2", "L3", "L3"]), replicates=1000)


def test_arrays_of_one_class_may_be_logits_and_targets_count_in_the_classes_that_are_named():
    draws = np.random.default_rng(0)
    targets = draws.integers(2, size=60)
    logits = draws.normal(size=60) + 2 * targets
    share = 1 / (1 + np.exp(-logits))
    both = pd.DataFrame({"malignant": share, "benign": 1 - share})
    keys = {"classes": "benign,malignant", "replicates": 0}
    with pytest.warns(UserWarning, match="Without intervals"):
        wanted, ours, framed = (
            skineval.evaluate(*given, **keys, **more)
            for given, more in (((share, targets), {}), ((logits, targets), {"logits": True}), ((both, targets), {}))
        )
    assert wanted.set_index("metric")["value"]["accuracy"] == np.mean((share > 0.5) == targets)
    for found in (ours, framed):
        np.testing.assert_allclose(found["value"], wanted["value"])
