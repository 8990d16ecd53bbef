"""A bench of a folder for each class, of which nobody says which images show one lesion."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest

import skineval
from skineval.grid.folder import BenchFolder
from tests.conftest import run_here
from tests.data.folders import JPEGS, lesion_folder, write_files

DRAWN = True

KEYS = ("--image-size=32", "--models=cnn:width=4", "--replicates=1000", "--precision=fp32", "--weights=none")
DOUBT = "which of them show one lesion is not known, so intervals may be too"


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """The folder of a finished bench of two cells, and how the command ended."""
    folder = tmp_path_factory.mktemp("classes")
    known = lesion_folder(folder / "known")
    for row in pd.read_csv(known / "HAM10000_metadata.csv").itertuples():
        target = folder / "data" / row.dx / f"{row.image_id}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((known / "images" / f"{row.image_id}.jpg").read_bytes())
    done = run_here(
        "bench",
        "--data=data",
        *KEYS,
        "--imbalance=none,smote",
        "--epochs=1",
        "--protocol=image",
        "--out=out",
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return BenchFolder(folder / "out"), done


def test_no_report_speaks_of_lesions_that_nobody_knows(bench):
    folder, done = bench
    assert json.loads(folder.environment.read_text())["data"]["lesions_known"] is False
    report, page = ((folder.path / name).read_text() for name in ("report.md", "report.html"))
    for text in (done.stdout, report, re.sub(r"\s+", " ", page)):
        text = " ".join(text.split())
        assert DOUBT in text
        assert "lesions, with all" not in text
        assert "lesion randomisation" not in text
        assert re.search(r"[0-9] images? of [0-9,]+ lesions?", text) is None
        assert "No group" not in text


def test_predictions_without_lesions_are_scored_by_image(bench, skineval_program, tmp_path):
    folder, _ = bench
    cell = folder.cell(pd.read_csv(folder.cells)["run_id"][0])
    frame = pd.read_csv(cell.predictions)
    for name, columns in (("bare.csv", ["lesion_id"]), ("whole.csv", [])):
        frame.drop(columns=columns).to_csv(tmp_path / name, index=False)
        done = skineval_program("evaluate", name, "--replicates=1000")
        assert done.returncode == 0, done.stderr
        words = " ".join(done.stdout.split())
        assert "Internal test" not in words
        assert (DOUBT in words) == (name == "bare.csv")
        assert ("lesions, with all of their images" in words) == (name == "whole.csv")


def test_every_file_says_leaky(bench):
    """In words or as the protocol; but for those that the README names."""
    folder, _ = bench

    def says(file):
        text = file.read_text(errors="replace")
        return "LEAKY" in text or 'protocol = "image"' in text

    files = [file for file in folder.path.rglob("*") if file.is_file()]
    assert {".svg", ".md", ".html", ".json", ".toml", ".csv"} <= {file.suffix for file in files}
    silent = {file.name if file.suffix == ".json" else file.suffix or file.name for file in files if not says(file)}
    assert silent <= {".csv", ".safetensors", "cell.json", ".measured", ".lock", ".log"}
    assert set(pd.read_csv(folder.results)["protocol"]) == {"image"}


def test_predictions_and_models_of_a_leaky_bench_say_so_wherever_they_are_used(bench, skineval_program):
    folder, _ = bench
    cell = folder.cell(pd.read_csv(folder.cells)["run_id"][0])
    done = skineval_program("evaluate", str(cell.predictions), "--replicates=1000")
    assert done.returncode == 0, done.stderr
    assert "LEAKY" in done.stdout
    assert DOUBT in " ".join(done.stdout.split())
    assert skineval.load_model(cell.path, device="cpu").stamps == ("LEAKY",)


def test_the_report_states_no_facts_of_another_data_set(bench):
    folder, _ = bench
    data = json.loads(folder.environment.read_text())["data"]
    assert data["layout"].startswith("one folder a class")
    assert data["licence"] == ""
    for name in ("report.md", "report.html"):
        text = (folder.path / name).read_text()
        assert "HAM10000" not in text
        assert "The licence of data is not known" in text


@pytest.mark.parametrize("command", [("bench", *KEYS, "--data=own"), ("data", "split", "own")])
def test_all_that_stands_in_the_way_is_said_at_once(command, skineval_program, tmp_path):
    for place, content in enumerate(JPEGS.values()):
        write_files(tmp_path / "own", {f"{'ab'[place % 2]}/{place}.jpg": content})
    done = skineval_program(*command)
    assert done.returncode == 2
    assert "no class for any label of own: a (2 images), b (2 images). own does not say of every image" in done.stderr
    assert "Use --task labels" in done.stderr
    assert "Use --protocol image" in done.stderr
    done = skineval_program(*command, "--protocol=image")
    assert "does not say of every image" not in done.stderr
    assert "Use --protocol image" not in done.stderr
