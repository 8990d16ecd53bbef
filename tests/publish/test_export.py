"""`skineval export`: a folder that others can use without skineval, whole or not there at all."""

from __future__ import annotations

import csv
import errno
import io
import json
import re
import shutil
import stat
import subprocess
import sys

import numpy as np
import pytest

import skineval
from skineval.base.errors import ModelFileError, UsageError
from skineval.base.files import DiskError
from skineval.catalog.catalog import load_catalog
from skineval.grid.trained import open_trained
from skineval.publish.graph import ExportError
from skineval.publish.origin import bench_of
from skineval.report.bench.leaderboard import internal
from skineval.report.document import formatting
from tests.conftest import run_here
from tests.data.folders import encoded, lesion_folder, photograph

FILES = {
    "LICENSE",
    "README.md",
    "model.json",
    "model.onnx",
    "model.safetensors",
    "predict.py",
    "preprocessor_config.json",
}
KEYS = ("--models=cnn:width=4", "--weights=none", "--image-size=32", "--epochs=1", "--replicates=1000")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data, a bench of three cells on it, and photographs."""
    folder = tmp_path_factory.mktemp("published")
    lesion_folder(folder / "data")
    strategies = "--imbalance=none,class-weights+temperature,thresholds"
    done = run_here("bench", "--data=data", *KEYS, strategies, "--explainers=", "--out=bench", cwd=folder)
    assert done.returncode == 0, done.stderr
    for number in (1, 2, 3):
        (folder / f"{number}.jpg").write_bytes(encoded(photograph(number, 60 * number, 70)))
    return folder


def cell(place, strategy="class-weights-temperature"):
    (found,) = (place / "bench" / "cells").glob(f"*-{strategy}-*")
    return found


@pytest.fixture(scope="module")
def exported(place):
    return skineval.export(cell(place), out=place / "out", limit=10)


@pytest.fixture(scope="module")
def card(exported):
    return exported.folder.card.read_text(encoding="utf-8")


def test_the_folder_is_whole(place, exported):
    out = place / "out"
    assert {path.name for path in out.iterdir()} == FILES
    assert not [path.name for path in place.iterdir() if path.name.startswith(".")]
    assert stat.S_IMODE(out.stat().st_mode) == stat.S_IMODE((place / "bench").stat().st_mode)
    assert exported.parity.n_images == 10
    assert exported.parity.images.startswith("test images of ")
    assert exported.parity.equal == 1
    assert exported.parity.logits < 1e-5
    for name in ("model.json", "model.safetensors"):
        assert (out / name).read_bytes() == (cell(place) / name).read_bytes()


def test_a_process_with_onnxruntime_alone_says_what_skineval_says(place, exported):
    """The program of the folder, where neither skineval nor torch can be imported."""
    paths = [str(place / f"{number}.jpg") for number in (1, 2, 3)]
    blocked = "import sys; sys.modules.update(skineval=None, torch=None); import runpy; "
    program = f"{blocked}sys.argv = ['predict.py', *{paths!r}]; runpy.run_path('predict.py', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=place / "out", capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "No diagnosis" in done.stderr
    header, *rows = csv.reader(io.StringIO(done.stdout))
    model = skineval.load_model(cell(place), device="cpu")
    assert header == ["image", *model.classes]
    assert [row[0] for row in rows] == paths
    found = np.array([row[1:] for row in rows], dtype=float)
    np.testing.assert_allclose(found, model.predict_proba(paths), atol=1e-3)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


def test_skineval_loads_the_folder_as_a_model_and_exports_it_again(place, exported):
    paths = [place / "1.jpg"]
    of_folder, of_cell = (skineval.load_model(one, device="cpu") for one in (place / "out", cell(place)))
    np.testing.assert_array_equal(of_folder.predict_proba(paths), of_cell.predict_proba(paths))
    again = skineval.export(place / "out", out=place / "again", limit=5)
    assert again.parity.images == "synthetic images, since there is no bench around the model"
    told = again.folder.card.read_text(encoding="utf-8")
    assert "how good it is is not known here" in told
    assert "model-index" not in told


def test_thresholds_are_inside(place):
    exported = skineval.export(cell(place, "thresholds"), out=place / "thresholds", limit=40)
    assert exported.parity.probabilities < 1e-5
    assert "Chosen on the validation part: " in exported.folder.card.read_text(encoding="utf-8")


def test_the_metadata_of_the_card_are_json_in_yaml(card, place):
    front = re.match(r"---\n(.*?)\n---\n\n# ", card, flags=re.DOTALL)
    assert front is not None
    told = {key: json.loads(value) for key, _, value in (line.partition(": ") for line in front[1].splitlines())}
    assert told["license"] == "other"
    assert told["pipeline_tag"] == "image-classification"
    ((result,),) = [one["results"] for one in told["model-index"]]
    metrics = {one["type"]: one for one in result["metrics"]}
    assert next(iter(metrics)) == "balanced_accuracy"
    figures = skineval.open(place / "bench").results
    mine = figures[figures["imbalance"].eq("class-weights+temperature") & figures["class"].eq("")]
    for name in ("balanced_accuracy", "macro_auc", "nll", "accuracy"):
        (value,) = mine.loc[mine["metric"] == name, "value"]
        assert metrics[name]["value"] == pytest.approx(value, abs=1e-4)
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    assert yaml.safe_load(front[1]) == told


def test_the_card_says_what_the_bench_says_of_this_model_alone(card, place):
    bench = bench_of(open_trained(cell(place), load_catalog()), load_catalog())
    board = internal(bench)
    (system,) = board.systems
    assert system == "cnn:width=4/class-weights+temperature"
    assert formatting.format_estimate(board.figures("balanced_accuracy")[system]) in card
    for words in (
        "No diagnosis",
        bench.environment.data.fingerprint,
        bench.environment.split.fingerprint,
        "No lesion has images in more than one part",
        "Operating point: the class of the largest probability is called",
        "temperature ",
        "Brier score",
        "largest difference of logits",
        "onnxruntime, exported",
        "Nothing here is a medical device",
    ):
        assert words in card
    assert "cnn:width=4/none" not in card
    assert str(place) not in card


def test_what_is_wrong_with_the_data_is_said_in_the_card_and_its_metadata(tmp_path):
    keys = ("--data=synthetic:images=150", "--protocol=image", *KEYS, "--explainers=", "--out=<b>&bench")
    assert run_here("bench", *keys, cwd=tmp_path).returncode == 0
    told = skineval.export(tmp_path / "<b>&bench", out=tmp_path / "out", limit=5).folder.card.read_text()
    for word in ("LEAKY", "SYNTHETIC"):
        assert f"**{word}: " in told
    assert re.search(r"^tags: .*\"leaky\"", told, flags=re.MULTILINE)
    assert "<b>" not in told


def test_the_command_prints_how_far_both_agree(place, tmp_path):
    done = run_here("export", str(cell(place)), "--out=new/folder", "--limit=6", "--format=csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = dict(csv.reader(io.StringIO(done.stdout)))
    assert rows["equal classes"] == "100.00 %"
    assert rows["images"].startswith("6 test images of ")
    assert float(rows["largest difference of logits"]) < 1e-4
    assert done.stderr == "Model, graph and card: new/folder\n"


def test_a_folder_that_is_not_empty_is_refused_and_with_force_what_is_not_ours_stays(place, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    assert skineval.export(cell(place), out=out, limit=2).folder.graph.is_file(), "an empty folder is none"
    (out / "notes.txt").write_text("mine")
    (out / "README.md").write_text("old")
    refused = run_here("export", str(cell(place)), f"--out={out}", cwd=tmp_path)
    assert refused.returncode == 2
    assert "is not empty" in refused.stderr
    assert (out / "README.md").read_text() == "old"
    done = run_here("export", str(cell(place)), f"--out={out}", "--limit=2", "--force", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} == FILES | {"notes.txt"}
    assert (out / "README.md").read_text().startswith("---\n")
    with pytest.raises(UsageError, match="is a file"):
        skineval.export(cell(place), out=out / "notes.txt", replace=True)


def test_nothing_is_left_where_graph_and_network_disagree_or_the_disk_is_full(place, tmp_path, monkeypatch):
    def full(path, data):
        raise DiskError(f"Cannot write {path}: {errno.ENOSPC}.")

    with monkeypatch.context() as patched:
        patched.setattr("skineval.publish.parity.TOLERANCE", 0.0)
        with pytest.raises(ExportError, match="does not say what the network says"):
            skineval.export(cell(place), out=tmp_path / "deep" / "out", limit=5)
    with monkeypatch.context() as patched:
        patched.setattr("skineval.publish.folder.atomic_write", full)
        with pytest.raises(DiskError):
            skineval.export(cell(place), out=tmp_path / "out", limit=2)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_was_cut_is_refused(place, tmp_path):
    model = shutil.copytree(cell(place), tmp_path / "model")
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelFileError, match=r"model\.safetensors"):
        skineval.export(model, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ModelFileError, match="The cells of the bench"):
        skineval.export(place / "bench", out=tmp_path / "out")


def test_data_that_are_gone_are_replaced_by_synthetic_images_and_the_card_says_so(place, tmp_path):
    bench = shutil.copytree(place / "bench", tmp_path / "bench")
    recipe = (bench / "recipe.toml").read_text()
    (bench / "recipe.toml").write_text(recipe.replace(str(place / "data"), str(tmp_path / "nowhere")))
    (model,) = (bench / "cells").glob("*-none-*")
    exported = skineval.export(model, out=tmp_path / "out", limit=5)
    assert exported.parity.images == "synthetic images, since the data of the bench are not where they were"
    assert exported.parity.images in exported.folder.card.read_text()


def test_the_licence_is_for_somebody_to_choose(exported):
    told = exported.folder.licence.read_text()
    assert told.startswith("No licence has been chosen")
    assert "CC BY-NC 4.0" in told
