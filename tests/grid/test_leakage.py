"""The experiment on leakage from the command line: benches under several protocols on the same test images."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import skineval
from skineval.base.errors import UsageError
from skineval.base.terms import PROTOCOLS
from skineval.grid.folder import ExperimentFolder
from skineval.values.measures import LEAKAGE_COLUMNS
from skineval.values.recipe import make_recipe, read_recipe
from tests.conftest import TINY, run_here

GRID = (*TINY, "--epochs=1", "--weights=none", "--explainers=")
SEVERAL = "--protocol=oversample-first,lesion,image"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    place = tmp_path_factory.mktemp("leakage")
    return ExperimentFolder(place / "out"), run_here("bench", *GRID, SEVERAL, "--out=out", cwd=place)


def test_each_protocol_is_a_bench_like_any_other_and_all_test_the_same_images(ran):
    folder, done = ran
    assert done.returncode == 0, done.stderr
    assert done.stderr.index("protocol lesion: ") < done.stderr.index("protocol image (LEAKY): ")
    tested = []
    for protocol in PROTOCOLS:
        bench = folder.bench(protocol)
        recipe = make_recipe(read_recipe(str(bench.recipe)))
        assert (recipe.protocol, recipe.split) == (protocol, "shared")
        stamps = json.loads(bench.environment.read_text())["stamps"]
        assert stamps == ["SYNTHETIC", *([] if protocol == "lesion" else ["LEAKY"])]
        assert pd.read_csv(bench.cells)["status"].tolist() == ["done"]
        split = pd.read_csv(bench.split)
        tested.append(split.loc[split["part"] == "test", ["image_id", "fold"]].to_numpy().tolist())
    assert tested[0] == tested[1] == tested[2]


def test_what_leaks_add_is_written_and_says_leaky(ran):
    folder, done = ran
    found = pd.read_csv(folder.leakage)
    assert tuple(found.columns) == LEAKAGE_COLUMNS
    assert set(zip(found["a"], found["b"], strict=True)) == {("image", "lesion"), ("oversample-first", "lesion")}
    overall = found.query("metric == 'balanced_accuracy' and images == 'all'")
    assert overall["n_images"].tolist() == [30] * 2
    for row in overall.itertuples():
        results = [pd.read_csv(folder.bench(protocol).results) for protocol in (row.a, row.b)]
        ours, theirs = (one.query("metric == 'balanced_accuracy' and imbalance == 'none'") for one in results)
        assert row.difference == pytest.approx(ours["value"].item() - theirs["value"].item())
    assert "LEAKY" in done.stdout
    assert "# Leakage experiment: out" in folder.markdown.read_text()
    assert folder.html.is_file()


def test_the_same_command_again_and_its_recipe_train_nothing_and_leave_every_file(ran):
    folder, _ = ran
    before = {file: file.stat().st_mtime_ns for file in folder.path.rglob("*") if file.is_file()}
    for arguments in ((*GRID, SEVERAL), (str(folder.recipe),)):
        again = run_here("bench", *arguments, "--out=out", cwd=folder.path.parent)
        assert again.returncode == 0, again.stderr
    assert {file: file.stat().st_mtime_ns for file in folder.path.rglob("*") if file.is_file()} == before
    planned = run_here("bench", *GRID, SEVERAL, "--out=out", "--dry-run", "--format=json", cwd=folder.path.parent)
    tables = json.loads(planned.stdout)
    assert ["under protocol oversample-first [SYNTHETIC" in table["title"] for table in tables] == [False, False, True]
    assert {row["work"] for table in tables for row in table["rows"]} == {"is done already"}


@pytest.mark.filterwarnings("ignore:SYNTHETIC", "ignore:LEAKY")
def test_its_benches_are_compared_reported_and_found(ran):
    folder, done = ran
    compared = skineval.compare(folder.path / "lesion", folder.path / "image", replicates=1000)
    assert set(compared["n_images"]) >= {30}
    before = folder.leakage.read_bytes()
    folder.leakage.write_text("damaged")
    again = run_here("report", "out", cwd=folder.path.parent)
    assert (again.returncode, folder.leakage.read_bytes()) == (0, before)
    assert again.stdout == done.stdout
    for command in ("evaluate", "explain"):
        refused = run_here(command, "out", cwd=folder.path.parent)
        assert refused.returncode != 0
        assert "Name one" in refused.stderr
    split = run_here("data", "split", "synthetic:images=150", "--split=out/lesion/split.csv", cwd=folder.path.parent)
    assert "unused" in split.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bench", "--protocol=lesion,lesion"], "of which each is named once"),
        (["bench", "--protocol=image,oversample-first"], "several with lesion among them"),
        (["bench", "--protocol=lesion,imgae"], "did you mean lesion,image?"),
        (["bench", "--protocol=lesion,image", "--split=official"], "Leave --split out."),
        (["bench", "--protocol=lesion,image", "--out=out", "--models=cnn:width=4"], "protocol is 'lesion,image,over"),
        (["bench", "--protocol=image", "--out=out", "--models=cnn:width=4"], "holds the bench of another recipe"),
        (["tune", "--protocol=lesion,image", "--models=cnn:width=4"], "one alone is meant here"),
        (["data", "split", "synthetic:images=150", "--protocol=lesion,image"], "one alone is meant here"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments, message, ran):
    folder, _ = ran
    data = ["--data=synthetic:images=150"] if arguments[0] != "data" else []
    done = run_here(*arguments, *data, cwd=folder.path.parent)
    assert done.returncode == 2
    assert message in done.stderr


def test_in_python_several_protocols_are_for_a_function_of_their_own():
    keys = {"data": "synthetic:images=150", "models": "cnn:width=4", "weights": "none"}
    with pytest.raises(UsageError, match="one alone is meant here") as caught:
        skineval.bench(protocol="lesion,image", **keys)
    assert "skineval.leakage" in caught.value.hint
    with pytest.raises(UsageError, match="nothing is there to compare it with"):
        skineval.leakage(protocol="image", **keys)


def test_recipes_write_several_protocols_in_one_order():
    keys = {"models": "cnn", "data": "synthetic"}
    assert make_recipe({**keys, "protocol": ["image", "lesion"]}).protocol == "lesion,image"
    assert 'protocol = "image"\n' in make_recipe({**keys, "protocol": "image"}).to_toml()
    assert np.all([make_recipe({**keys, "protocol": one}).protocol == one for one in PROTOCOLS])
