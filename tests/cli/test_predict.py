"""`skineval predict`: it says what the bench said, whatever images lie in and whatever is wrong with some."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import skineval
from skineval.train.classifier import Classifier
from tests.conftest import run_here, run_program
from tests.data.folders import encoded, lesion_folder, photograph, write_files, write_zip
from tests.grid.cell.test_cell import altered

CLASSES = ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"]
WAYS = ("gradcam", "saliency")
GOOD = {f"{number}.jpg": encoded(photograph(number, 60, 45)) for number in (1, 2, 10)}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data, a bench of two cells on it, and a bench that has only one of them."""
    folder = tmp_path_factory.mktemp("place")
    lesion_folder(folder / "data")
    keys = ("--models=cnn:width=4", "--weights=none", "--image-size=32", "--epochs=1", "--replicates=1000")
    strategies = "--imbalance=none,class-weights+temperature"
    done = run_here("bench", "--data=data", *keys, strategies, "--explainers=", "--out=two", cwd=folder)
    assert done.returncode == 0, done.stderr
    shutil.copytree(folder / "two", folder / "one")
    shutil.rmtree(next((folder / "one" / "cells").glob("*-none-*")))
    return folder


@pytest.fixture
def cell(place):
    """The cell with a temperature."""
    (folder,) = (place / "one" / "cells").iterdir()
    return folder


@pytest.fixture
def predict(place, tmp_path):
    """`skineval predict` with this cell, in a folder of the test's own."""

    def run(*arguments: str, model: object = place / "one", **options: object):
        return run_here("predict", str(model), *arguments, cwd=tmp_path, **options)

    return run


@pytest.fixture
def listed(monkeypatch):
    """Put this on standard input."""

    def put(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return put


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def probabilities(text: str) -> np.ndarray:
    """(n, 7) of CSV."""
    return pd.read_csv(io.StringIO(text))[CLASSES].to_numpy()


@pytest.mark.parametrize("strategy", ["none", "class-weights-temperature"])
def test_it_says_what_the_bench_said_of_the_test_part(place, predict, strategy):
    (cell,) = (place / "two" / "cells").glob(f"*-{strategy}-*")
    known = pd.read_csv(cell / "predictions.csv").query("part == 'test'")
    paths = [str(place / "data" / "images" / f"{id_}.jpg") for id_ in known["image_id"]]
    done = predict(*paths, "--format=csv", model=cell)
    assert done.returncode == 0, done.stderr
    found = pd.read_csv(io.StringIO(done.stdout))
    assert list(found) == ["image", "predicted", "confidence", *CLASSES]
    assert found["image"].tolist() == paths
    np.testing.assert_allclose(found[CLASSES], known[CLASSES], atol=2e-4)
    np.testing.assert_allclose(found[CLASSES].sum(axis=1), 1, atol=1e-12)
    assert (found["predicted"] == found[CLASSES].idxmax(axis=1)).all()
    assert (found["confidence"] == found[CLASSES].max(axis=1)).all()
    of_python = skineval.load_model(cell, device="cpu").predict_proba(paths)
    np.testing.assert_array_equal(found[CLASSES], of_python)


def test_what_it_writes_is_scored_as_the_bench_scores(place, cell, predict, tmp_path):
    known = pd.read_csv(cell / "predictions.csv").query("part == 'test'")
    paths = [str(place / "data" / "images" / f"{id_}.jpg") for id_ in known["image_id"]]
    (tmp_path / "ours.csv").write_text(predict(*paths, "--format=csv").stdout)
    truth = pd.read_csv(place / "data" / "HAM10000_metadata.csv")
    truth = truth[truth["image_id"].isin(known["image_id"])]
    with pytest.warns(UserWarning, match="Not read, as no scores of a class: predicted, confidence"):
        ours = skineval.evaluate(tmp_path / "ours.csv", truth=truth, replicates=1000)
    theirs = skineval.evaluate(cell / "predictions.csv", replicates=1000)
    values = [one.set_index(["metric", "class"])["value"] for one in (ours, theirs)]
    pd.testing.assert_series_equal(*values, atol=1e-3)


def test_a_bench_with_several_cells_names_them(place, predict):
    done = predict(str(place / "data"), model=place / "two")
    assert done.returncode == 4
    for cell in (place / "two" / "cells").iterdir():
        assert cell.name in done.stderr


def test_images_lie_in_files_folders_archives_and_lists(predict, listed, tmp_path):
    write_files(tmp_path / "in", GOOD)
    write_zip(tmp_path / "in.zip", GOOD)
    folder = predict("in", "--format=csv")
    archive = predict("in.zip", "--format=csv")
    names = ["1.jpg", "2.jpg", "10.jpg"]
    assert [row["image"] for row in rows(folder.stdout)] == [f"in/{name}" for name in names]
    assert [row["image"] for row in rows(archive.stdout)] == [f"in.zip/{name}" for name in names]
    listed(b"in/10.jpg\n./in\n")
    both = predict("in/2.jpg", "-", "in.zip", "--format=csv")
    images = [row["image"] for row in rows(both.stdout)]
    assert images == ["in/2.jpg", "in/10.jpg", *(f"./in/{n}" for n in names), *(f"in.zip/{n}" for n in names)]
    assert (folder.returncode, archive.returncode, both.returncode) == (0, 0, 0)
    np.testing.assert_allclose(probabilities(both.stdout)[2:5], probabilities(folder.stdout), atol=1e-6)
    np.testing.assert_array_equal(probabilities(archive.stdout), probabilities(folder.stdout))


def test_bad_files_are_named_on_one_line_each_and_the_others_are_predicted(predict, tmp_path):
    bad = {"0.jpg": b"", "3.jpg": GOOD["1.jpg"][:300], "4.png": b"<html>", "x\x1b[2J\ny.jpg": b""}
    write_files(tmp_path / "in", GOOD | bad)
    for quiet in ((), ("-q",)):
        done = predict("in", "nowhere.jpg", "--format=csv", *quiet)
        assert done.returncode == 1
        assert [row["image"] for row in rows(done.stdout)] == ["in/1.jpg", "in/2.jpg", "in/10.jpg"]
        errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
        named = [line.split()[1] for line in errors[:-1]]
        assert sorted(named) == ["in/0.jpg", "in/3.jpg", "in/4.png", "in/x", "nowhere.jpg"]
        assert all(line.endswith(("Restore the file.", "one of these.", "the path.")) for line in errors[:-1])
        assert errors[-1].endswith("5 are named above with their reasons.")
        assert "\x1b" not in done.stderr


def test_where_all_are_bad_there_is_a_header_alone(predict, tmp_path):
    write_files(tmp_path, {"0.jpg": b""})
    done = predict("0.jpg", "--format=csv")
    assert (done.returncode, done.stdout) == (1, ",".join(["image", "predicted", "confidence", *CLASSES]) + "\n")


@pytest.mark.parametrize("path", ["empty", "nowhere", "-"])
def test_without_any_image_it_is_used_wrongly(predict, listed, tmp_path, path):
    write_files(tmp_path / "empty", {"notes.txt": b"", "photo.heic": b""})
    listed(b"\nempty\n")
    done = predict(path)
    assert (done.returncode, done.stdout) == (2, "")
    place = "the list on standard input" if path == "-" else path
    assert (f"There is no image in {place}." in done.stderr) is (path != "nowhere")
    assert ("photo.heic" in done.stderr) is (path != "nowhere")
    assert ("nowhere is not there." in done.stderr) is (path == "nowhere")


HOSTILE = ("=cmd().jpg", "[red]x[/].jpg", "a\x1b[2J.jpg", "b\nc.jpg", "\u202egpj.jpg", "a  b.jpg")


def test_names_do_nothing_to_whoever_reads_them(predict, tmp_path):
    write_files(tmp_path, dict.fromkeys(HOSTILE, GOOD["1.jpg"]))
    spreadsheet = predict(*HOSTILE, "--format=csv").stdout
    assert [row["image"] for row in rows(spreadsheet)] == [
        "'=cmd().jpg", "[red]x[/].jpg", "a.jpg", "b c.jpg", "gpj.jpg", "a b.jpg",
    ]  # fmt: skip
    lines = predict(*HOSTILE, "--format=jsonl").stdout
    assert [json.loads(line)["image"] for line in lines.splitlines()] == list(HOSTILE)
    table = predict(*HOSTILE, env={"COLUMNS": "120"}).stdout
    assert "[red]x[/].jpg" in table
    for text in (spreadsheet, lines, table):
        assert not set(text) & set("\x1b\u202e")


@pytest.mark.skipif(sys.platform != "linux", reason="file names elsewhere are text")
def test_names_that_are_no_text_are_exact_in_json(predict, tmp_path):
    name = os.fsdecode(b"\xe4.jpg")
    write_files(tmp_path, {name: GOOD["1.jpg"]})
    (line,) = predict(".", "--format=jsonl").stdout.splitlines()
    assert json.loads(line)["image"] == f"./{name}"
    assert "?.jpg" in predict(".").stdout
    assert "?.jpg" in predict(".", "--format=csv").stdout


def test_json_lines_hold_a_probability_of_each_class(predict, tmp_path):
    write_files(tmp_path, GOOD)
    lines = [json.loads(line) for line in predict(*GOOD, "--format=jsonl").stdout.splitlines()]
    assert [line["image"] for line in lines] == list(GOOD)
    for line in lines:
        assert list(line["probabilities"]) == CLASSES
        assert line["confidence"] == line["probabilities"][line["predicted"]] == max(line["probabilities"].values())


@pytest.fixture
def small_batches(monkeypatch):
    """Two images at a time."""
    monkeypatch.setattr(Classifier, "batch_size", 2)


def test_a_table_of_several_batches_has_one_head_and_columns_that_stand_still(predict, tmp_path, small_batches):
    names = [f"{'long ' * (number % 4)}{number}.jpg" for number in range(7)]
    write_files(tmp_path, dict.fromkeys(names, GOOD["1.jpg"]))
    done = predict(*names, env={"COLUMNS": "120"})
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines].count(["Image", "Predicted"]) == 1
    figures = [line for line in lines if line.rstrip()[-5:-3] == "0."]
    assert len(figures) == 7
    assert len({line.rindex("0.") for line in figures}) == 1
    assert done.stdout.count("No diagnosis") == 1
    assert "Chosen on the validation part: temperature " in done.stdout
    assert done.stderr == ""


def test_what_is_narrow_names_the_columns_that_it_lacks(predict, tmp_path):
    write_files(tmp_path, GOOD)
    text = predict(*GOOD, env={"COLUMNS": "60"}).stdout
    assert " mel" in text.partition("\n\n")[2].splitlines()[0]  # which goes last
    assert "No room here for" in text
    assert max(map(len, text.splitlines())) <= 60


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_what_a_table_says_around_its_rows_is_on_standard_error(predict, tmp_path, cell, format):
    write_files(tmp_path, GOOD)
    (tmp_path / "model").mkdir()
    model = altered(cell, tmp_path / "model", stamps=["LEAKY"])
    loud, quiet = (predict("1.jpg", f"--format={format}", *more, model=model) for more in ((), ("--quiet",)))
    assert "LEAKY: siblings or copies" in loud.stderr
    assert "No diagnosis" in loud.stderr
    assert (quiet.stderr, quiet.stdout) == ("", loud.stdout)
    assert "[LEAKY: siblings" in " ".join(predict("1.jpg", model=model).stdout.split())


class Growing:
    """A list on standard input that says how much of standard output was there when more of it was asked for."""

    def __init__(self, lines: list[bytes]) -> None:
        self.lines, self.seen = iter(lines), []
        self.buffer = self

    def read1(self, most: int) -> bytes:
        self.seen.append(sys.stdout.getvalue().count("\n"))
        return next(self.lines, b"")


def test_rows_are_written_while_the_list_still_grows(predict, tmp_path, monkeypatch, small_batches):
    write_files(tmp_path, GOOD)
    stdin = Growing([b"1.jpg\n"] * 100)
    monkeypatch.setattr(sys, "stdin", stdin)
    done = predict("-", "--format=jsonl")
    assert done.returncode == 0
    assert stdin.seen[-1] > 50
    assert done.stdout.count("\n") == 100


def test_an_interrupt_leaves_whole_rows(predict, tmp_path, monkeypatch, small_batches):
    write_files(tmp_path, GOOD)
    put = skineval.cli.predict.put

    def interrupted(text: str) -> None:
        signal.raise_signal(signal.SIGINT)
        put(text)

    monkeypatch.setattr("skineval.cli.predict.put", interrupted)
    done = predict(*GOOD, "--format=jsonl")
    assert done.returncode == 130
    assert [json.loads(line)["image"] for line in done.stdout.splitlines()] == ["1.jpg", "2.jpg"]
    assert "Interrupted." in done.stderr


def test_a_second_interrupt_does_not_wait_for_a_reader(predict, tmp_path, monkeypatch):
    write_files(tmp_path, GOOD)

    def interrupted(text: str) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError

    monkeypatch.setattr("skineval.cli.predict.put", interrupted)
    assert predict(*GOOD).returncode == 130


def test_a_reader_that_has_enough_is_no_traceback(cell, tmp_path):
    write_files(tmp_path, GOOD)
    command = f"{sys.executable} -m skineval predict {cell} . --format csv -q | head -1"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
def test_progress_on_a_terminal_takes_no_rows(cell, tmp_path):
    import pty

    write_files(tmp_path, GOOD)
    ours, theirs = pty.openpty()
    program = [sys.executable, "-m", "skineval", "predict", str(cell), ".", "--format=jsonl"]
    env = os.environ | {"TERM": "xterm-256color"}
    done = subprocess.run(program, stdout=subprocess.PIPE, stderr=theirs, env=env, cwd=tmp_path, check=True)
    os.close(theirs)
    seen = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert [json.loads(line)["image"] for line in done.stdout.splitlines()] == ["./1.jpg", "./2.jpg", "./10.jpg"]
    assert "predicting 3/3" in seen
    assert "probabilities" not in seen


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architecture": "two-layers", "package": "skineval-two-layers 0.1"}, "It came with skineval-two-layers 0.1"),
        ({"classes": [*CLASSES[::-1], "scc"]}, "does not fit cnn"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_refused(predict, cell, tmp_path, changes, words):
    write_files(tmp_path, GOOD)
    (tmp_path / "model").mkdir()
    done = predict("1.jpg", model=altered(cell, tmp_path / "model", **changes))
    assert (done.returncode, done.stdout) == (4, "")
    assert words in " ".join(done.stderr.split())


def test_the_weights_are_those_that_were_trained(predict, cell, tmp_path):
    write_files(tmp_path, GOOD)
    shutil.copytree(cell, tmp_path / "model")
    content = bytearray((tmp_path / "model/model.safetensors").read_bytes())
    content[-5] ^= 1
    (tmp_path / "model/model.safetensors").write_bytes(content)
    done = predict("1.jpg", model=tmp_path / "model")
    assert done.returncode == 4
    assert "is not what was trained" in done.stderr


def test_each_row_has_a_picture_of_its_image_with_the_map_of_it(place, predict, tmp_path):
    write_files(tmp_path / "in", {**GOOD, "bad.jpg": b"none", "a b&<c>.jpg": GOOD["1.jpg"]})
    explained = ("--explain", "maps", "--explainers", "gradcam,saliency", "--target", "mel-nv")
    done = predict("in", "--format", "csv", *explained)
    assert [row["image"] for row in rows(done.stdout)] == ["in/1.jpg", "in/2.jpg", "in/10.jpg", "in/a b&<c>.jpg"]
    names = [f"0000{row}-{name}.{way}" for row, name in enumerate((1, 2, 10, "a_b_c_"), 1) for way in WAYS]
    files = {file.name: file for file in (tmp_path / "maps").iterdir()}
    assert sorted(files) == sorted(f"{name}.svg" for name in names)
    text = " ".join(ElementTree.fromstring(files["00004-a_b_c_.gradcam.svg"].read_text()).itertext())
    first = rows(done.stdout)[3]
    assert f"predicted {first['predicted']} {float(first['confidence']):.2f}" in text
    assert "in/a b&<c>.jpg" in text
    assert "relevance for mel against nv:" in text
    assert "reference" not in text
    again = predict("in", *explained)
    assert again.returncode == done.returncode == 1, "the same pictures are no other ones"
    other = predict("in", *explained[:-1], "bcc")
    assert (other.returncode, other.stdout) == (2, "")
    assert "there already" in other.stderr
    assert predict("in", *explained[:-1], "bcc", "--force").returncode == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--explain", "maps", "--target", "reference"), "nobody knows"),
        (("--explain", "maps", "--target", "wart"), "which is no class"),
        (("--explain", "maps", "--explainers", "rollout"), "rollout has no map of cnn"),
        (("--explainers", "gradcam"), "--explain FOLDER"),
        (("--explain", "1.jpg"), "which is a file"),
    ],
)
def test_what_cannot_be_explained_is_refused_before_any_row(predict, tmp_path, options, words):
    write_files(tmp_path, GOOD)
    done = predict("1.jpg", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in " ".join(done.stderr.split())
    assert not (tmp_path / "maps").exists()


def test_a_device_that_is_none_is_named(predict, tmp_path):
    write_files(tmp_path, GOOD)
    done = predict("1.jpg", "--device=gpu")
    assert done.returncode == 2
    assert "device is 'gpu'" in done.stderr


def test_what_standard_output_cannot_show_is_a_question_mark(cell, tmp_path):
    write_files(tmp_path, {"\u017c.jpg": GOOD["1.jpg"]})
    env = {"PYTHONIOENCODING": "ascii"}
    done = run_program("predict", str(cell), "\u017c.jpg", "--format=csv", "-q", cwd=tmp_path, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert rows(done.stdout)[0]["image"] == "?.jpg"
