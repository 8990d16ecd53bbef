"""How images become squares: asked for in a recipe, kept in the model, honoured when it predicts."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import skineval
from skineval.base.errors import ModelFileError
from skineval.base.terms import DIAGNOSES
from tests.data.folders import encoded, ham_folder, metadata, picture

PER_CLASS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wide images, one lesion each."""
    ids = [f"ISIC_{number:07}" for number in range(PER_CLASS * len(DIAGNOSES))]
    rows = [
        f"HAM_{k:07},{id_},{DIAGNOSES[k % len(DIAGNOSES)]},histo,45.0,male,trunk,rosendahl" for k, id_ in enumerate(ids)
    ]
    images = {id_: encoded(picture(k, (150, 90))) for k, id_ in enumerate(ids)}
    return ham_folder(tmp_path_factory.mktemp("data"), metadata(rows), images)


@pytest.fixture(scope="module")
def cell(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cell that was trained on cropped images."""
    result = skineval.bench(
        data=str(folder),
        models="cnn:width=4",
        imbalance="none",
        explainers="",
        weights="none",
        image_size=32,
        epochs=1,
        precision="fp32",
        replicates=1000,
        fit="crop",
        device="cpu",
        out=tmp_path_factory.mktemp("runs") / "bench",
    )
    assert result.cells["status"].tolist() == ["done"]
    assert tomllib.loads((result.folder / "recipe.toml").read_text())["fit"] == "crop"
    return result.folder / "cells" / str(result.cells["run_id"][0])


def test_model_predicts_files_as_the_bench_did(cell: Path, folder: Path) -> None:
    assert json.loads((cell / "model.json").read_text())["fit"] == "crop"
    model = skineval.load_model(cell, device="cpu")
    frame = pd.read_csv(cell / "predictions.csv")
    files = [folder / "images" / f"{id_}.jpg" for id_ in frame["image_id"]]
    # The same pixels to the last grey level, in batches of another size.
    np.testing.assert_allclose(model.predict_proba(files), frame[list(model.classes)], atol=1e-5)


def altered(cell: Path, folder: Path, fit: str) -> Path:
    """A copy of the cell whose model.json says something else."""
    about = json.loads((cell / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(about | {"fit": fit}))
    (folder / "model.safetensors").write_bytes((cell / "model.safetensors").read_bytes())
    return folder


@pytest.mark.parametrize("fit", ["pad", "squash"])
def test_model_says_how_images_are_fitted(cell: Path, tmp_path: Path, fit: str) -> None:
    model = skineval.load_model(altered(cell, tmp_path, fit), device="cpu")
    wide = np.random.default_rng(0).integers(0, 256, (60, 100, 3), dtype=np.uint8)
    cropped = skineval.load_model(cell, device="cpu").predict_proba([wide])
    assert np.abs(model.predict_proba([wide]) - cropped).max() > 1e-6


def test_unknown_fit_is_refused(cell: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"model\.json cannot be read: fit is 'stretch'"):
        skineval.load_model(altered(cell, tmp_path, "stretch"))
