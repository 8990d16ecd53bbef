"""What the page's API answers: what `skineval predict` says, as openapi.json says, and nothing of what a file hides."""

from __future__ import annotations

import base64
import io
import json
import math
import os
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import urllib3
from PIL import Image

import skineval
from tests.conftest import run_here
from tests.data.folders import encoded, photograph
from tests.demo.conftest import get, post, served
from tests.demo.openapi import DOCUMENT, check, schema_of

PHOTO = encoded(photograph(1, 90, 60))


def answer(address, content=PHOTO, **fields):
    response = post(address, content, **fields)
    assert response.status == 200, response.data
    return response.json()


def predicted(cell, file):
    """What `skineval predict` says of a file."""
    done = run_here("predict", str(cell), str(file), "--format=jsonl", "--device=cpu", cwd=file.parent)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_it_says_what_predict_says(address, cell, tmp_path, kind):
    file = tmp_path / f"image.{kind.lower()}"
    file.write_bytes(encoded(photograph(2, 90, 60), kind))
    found, known = answer(address, file.read_bytes()), predicted(cell, file)
    assert found["probabilities"] == known["probabilities"]
    assert (found["predicted"], found["confidence"]) == (known["predicted"], known["confidence"])
    assert math.isclose(sum(found["probabilities"].values()), 1, abs_tol=1e-12)


@pytest.mark.skipif(not os.environ.get("SKINEVAL_TEST_DATA"), reason="SKINEVAL_TEST_DATA does not name a folder")
def test_of_real_images_too(address, cell, tmp_path):
    with zipfile.ZipFile(Path(os.environ["SKINEVAL_TEST_DATA"]) / "HAM10000_images_part_1.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")][:2]
        for name in names:
            (tmp_path / "real.jpg").write_bytes(archive.read(name))
            known = predicted(cell, tmp_path / "real.jpg")
            assert answer(address, archive.read(name))["probabilities"] == known["probabilities"]


def test_answers_are_as_documented(address):
    check(answer(address), schema_of("/api/predict", "post", 200))
    model = get(address, "api/model")
    check(model, schema_of("/api/model", "get", 200))
    for one in model["explainers"]:
        check(answer(address, explainer=one["name"]), schema_of("/api/predict", "post", 200))
    assert get(address, "api/openapi.json") == DOCUMENT


def test_each_explainer_has_a_map_or_says_why_not(address):
    explainers = get(address, "api/model")["explainers"]
    assert {one["name"] for one in explainers if one["silence"]} == {"rollout"}
    for one in explainers:
        found = answer(address, explainer=one["name"], target="mel")["explanation"]
        assert found["target"] == "mel"
        assert bool(found["heatmap"]) is not bool(found["silence"])


def test_the_model_says_what_its_bench_measured(address, cell):
    model = get(address, "api/model")
    figures = skineval.evaluate(cell / "predictions.csv", replicates=1000)
    (row,) = figures[figures["metric"] == "balanced_accuracy"].to_dict("records")
    columns = ("value", "low", "high", "n_images", "n_lesions")
    assert tuple(model["score"].values()) == pytest.approx([row[one] for one in columns])
    split = pd.read_csv(cell.parents[1] / "split.csv").query("part == 'train'")
    trained = f"{len(split)} images of {split['group'].nunique()} lesions"
    assert trained in model["standing"][0]
    assert {one["label"] for one in model["classes"] if one["malignant"]} == {"akiec", "bcc", "mel"}


def test_malignancy_is_the_sum_of_malignant_classes_beside_its_threshold(address):
    found = answer(address)
    threshold = get(address, "api/model")["operating_point"]["threshold"]
    share = sum(found["probabilities"][name] for name in ("akiec", "bcc", "mel"))
    assert found["malignancy"]["probability"] == pytest.approx(share)
    assert found["malignancy"]["threshold"] == threshold
    assert found["malignancy"]["suspicious"] is (found["malignancy"]["probability"] >= threshold)


def test_samples_are_test_images_of_each_class_without_what_their_files_say(address, cell):
    model = get(address, "api/model")
    known = pd.read_csv(cell / "predictions.csv").query("part == 'test'")
    assert [one["label"] for one in model["samples"]] == sorted(set(known["target"]))
    for one in model["samples"]:
        content = urllib3.request("GET", address + one["url"]).data
        rows = known[known["target"] == one["label"]]
        found = answer(address, content)["probabilities"]
        classes = [each["label"] for each in model["classes"]]
        differences = np.abs(rows[classes].to_numpy() - [found[name] for name in classes]).max(axis=1)
        assert differences.min() < 1e-4
    assert urllib3.request("GET", f"{address}api/samples/{len(model['samples'])}").status == 404


def test_a_cell_whose_data_is_gone_has_invented_samples(place, tmp_path):
    shutil.copytree(place / "one", tmp_path / "here")
    recipe = tmp_path / "here" / "recipe.toml"
    recipe.write_text(recipe.read_text().replace(str(place / "data"), str(tmp_path / "gone")))
    with served(skineval.demo_app(tmp_path / "here", device="cpu")) as other:
        model = get(other, "api/model")
    assert "invented" in model["samples_origin"]
    assert len(model["samples"]) == 7


def test_a_model_that_lies_elsewhere_says_that_nothing_is_known_of_it(cell, tmp_path):
    for name in ("model.json", "model.safetensors"):
        (tmp_path / name).write_bytes((cell / name).read_bytes())
    with served(skineval.demo_app(tmp_path, device="cpu")) as other:
        model = get(other, "api/model")
        assert answer(other)["malignancy"]["threshold"] is None
    assert model["score"] is None
    assert "not known" in model["standing"][0]


def test_an_image_is_turned_upright_and_what_else_it_says_is_dropped(address, cell, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    exif[0x010F] = "SECRETMAKER"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0), 29: "2026:01:02"})
    content = encoded(photograph(3, 90, 60), exif=exif)
    assert b"SECRETMAKER" in content
    (tmp_path / "turned.jpg").write_bytes(content)
    response = post(address, content, explainer="gradcam")
    assert response.json()["probabilities"] == predicted(cell, tmp_path / "turned.jpg")["probabilities"]
    assert response.json()["probabilities"] != answer(address, encoded(photograph(3, 90, 60)))["probabilities"]
    for url in (response.json()["seen"], response.json()["explanation"]["heatmap"]):
        with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as picture:
            assert not picture.getexif()
    assert b"SECRETMAKER" not in response.data


WRITTEN: list[str] = []


def _note(event: str, arguments: tuple) -> None:
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        WRITTEN.append(str(arguments[0]))
    elif event in ("tempfile.mkstemp", "tempfile.mkdtemp", "os.rename", "os.mkdir"):
        WRITTEN.append(f"{event} {arguments}")


def test_nothing_is_written_whatever_a_file_is_called(address):
    large = encoded(photograph(4, 1600, 1200), "PNG")
    assert 2**20 < len(large) < 8 * 2**20  # from a megabyte on, others put it into a temporary file
    answer(address, explainer="gradcam")  # what is imported now is not imported then
    sys.addaudithook(_note)
    WRITTEN.clear()
    found = post(address, large, name="../../../tmp/skineval-evil.png", explainer="gradcam")
    assert found.status == 200
    assert WRITTEN == []
    assert b"evil" not in found.data
