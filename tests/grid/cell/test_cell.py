"""Test-time augmentation: asked for in a recipe, done in every prediction, kept in the model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import skineval
from skineval.base.errors import ModelFileError
from skineval.data.synthetic import synthetic
from skineval.values.lesion_table import LesionTable

DATA = "synthetic:images=100"


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cell that was trained with everything that is done to images, and predicts the mean over d4."""
    result = skineval.bench(
        data=DATA,
        external="synthetic:images=80:seed=1",
        models="cnn:width=4",
        imbalance="none",
        explainers="",
        weights="none",
        image_size=32,
        epochs=1,
        precision="fp32",
        replicates=1000,
        augment="strong",
        tta="d4",
        device="cpu",
        out=tmp_path_factory.mktemp("runs") / "bench",
    )
    assert result.cells["status"].tolist() == ["done"]
    return result.folder / "cells" / str(result.cells["run_id"][0])


def altered(cell: Path, folder: Path, **changes: object) -> Path:
    """A copy of the cell whose model.json says something else."""
    about = json.loads((cell / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(about | changes))
    (folder / "model.safetensors").write_bytes((cell / "model.safetensors").read_bytes())
    return folder


def pixels(image_ids: list[str], table: LesionTable) -> np.ndarray:
    """These images, (n, 32, 32, 3)."""
    rows = [int(np.flatnonzero(table.frame["image_id"] == id_)[0]) for id_ in image_ids]
    return table.images.pixels(rows, 32)


def test_a_model_predicts_as_the_bench_did(cell: Path) -> None:
    model = skineval.load_model(cell, device="cpu")
    assert model.about.tta == "d4"
    own, (external,) = cell / "predictions.csv", (cell / "external").glob("*.csv")
    for path, table in ((own, synthetic.load(images=100)), (external, synthetic.load(images=80, seed=1))):
        frame = pd.read_csv(path)
        images = pixels(frame["image_id"].tolist(), table)
        ours = model.predict_proba(images)
        np.testing.assert_allclose(ours, frame[list(model.classes)], atol=1e-5)
        np.testing.assert_allclose(model.predict_proba(np.rot90(images, axes=(1, 2))), ours, atol=1e-6)


def test_models_without_it_predict_plainly(cell: Path, tmp_path: Path) -> None:
    model, plain = (skineval.load_model(path, device="cpu") for path in (cell, altered(cell, tmp_path, tta="none")))
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    assert np.abs(model.predict_proba(images) - plain.predict_proba(images)).max() > 1e-7


@pytest.mark.parametrize("tta", ["d8", ["d4"], 4, None])
def test_unknown_test_time_augmentation_is_refused(cell: Path, tmp_path: Path, tta: object) -> None:
    with pytest.raises(ModelFileError, match=r"model\.json cannot be read: tta is .*, which should be 'none' or 'd4'"):
        skineval.load_model(altered(cell, tmp_path, tta=tta))
