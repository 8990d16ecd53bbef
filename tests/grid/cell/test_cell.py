"""How images become squares, and from how many sides they are seen: kept in the model, done as in the bench."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import skineval
from skineval.base.errors import ModelFileError
from skineval.data.synthetic import synthetic
from skineval.values.task import DIAGNOSES
from tests.data.folders import encoded, ham_folder, metadata, picture

PER_CLASS = 12
WIDE = np.random.default_rng(0).integers(0, 256, (60, 100, 3), dtype=np.uint8)


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
    """A cell trained on cropped images with everything that is done to them; it predicts the mean over d4."""
    result = skineval.bench(
        data=str(folder),
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
        fit="crop",
        tta="d4",
        device="cpu",
        out=tmp_path_factory.mktemp("runs") / "bench",
    )
    assert result.cells["status"].tolist() == ["done"]
    assert tomllib.loads((result.folder / "recipe.toml").read_text())["fit"] == "crop"
    return result.folder / "cells" / str(result.cells["run_id"][0])


def altered(cell: Path, folder: Path, **changes: object) -> Path:
    """A copy of the cell whose model.json says something else."""
    about = json.loads((cell / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(about | changes))
    (folder / "model.safetensors").write_bytes((cell / "model.safetensors").read_bytes())
    return folder


def test_a_model_predicts_files_as_the_bench_did(cell: Path, folder: Path) -> None:
    model = skineval.load_model(cell, device="cpu")
    assert (model.about.fit, model.about.tta) == ("crop", "d4")
    frame = pd.read_csv(cell / "predictions.csv")
    files = [folder / "images" / f"{id_}.jpg" for id_ in frame["image_id"]]
    # The same pixels to the last grey level, in batches of another size.
    np.testing.assert_allclose(model.predict_proba(files), frame[list(model.classes)], atol=1e-5)


def test_a_model_predicts_external_images_as_the_bench_did_however_they_are_turned(cell: Path) -> None:
    model = skineval.load_model(cell, device="cpu")
    (external,) = (cell / "external").glob("*.csv")
    frame, table = pd.read_csv(external), synthetic.load(images=80, seed=1)
    rows = [int(np.flatnonzero(table.frame["image_id"] == id_)[0]) for id_ in frame["image_id"]]
    images = table.images.pixels(rows, 32)
    ours = model.predict_proba(images)
    np.testing.assert_allclose(ours, frame[list(model.classes)], atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(np.rot90(images, axes=(1, 2))), ours, atol=1e-6)


@pytest.mark.parametrize(("key", "kept"), [("tta", "none"), ("fit", "pad"), ("fit", "squash")])
def test_a_model_predicts_as_its_file_says(cell: Path, tmp_path: Path, key: str, kept: str) -> None:
    model = skineval.load_model(cell, device="cpu")
    other = skineval.load_model(altered(cell, tmp_path, **{key: kept}), device="cpu")
    assert np.abs(model.predict_proba([WIDE]) - other.predict_proba([WIDE])).max() > 1e-7


@pytest.mark.parametrize(
    ("key", "kept"), [("tta", "d8"), ("tta", ["d4"]), ("tta", 4), ("tta", None), ("fit", "stretch")]
)
def test_what_a_model_cannot_do_is_refused(cell: Path, tmp_path: Path, key: str, kept: object) -> None:
    with pytest.raises(ModelFileError, match=rf"model\.json cannot be read: {key} is .*, which should be '"):
        skineval.load_model(altered(cell, tmp_path, **{key: kept}))
