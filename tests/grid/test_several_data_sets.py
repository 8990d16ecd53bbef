"""A bench of several data sets: read as they lie, told apart in its files and its report."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

import skineval
from skineval import api
from skineval.base.errors import DataError
from skineval.catalog.catalog import load_catalog
from skineval.grid.sources import load_data, load_external
from skineval.report.bench.leaderboard import internal
from skineval.report.bench.sources import by_source
from skineval.values.recipe import make_recipe
from tests.data.folders import encoded, picture, write_files

COLUMNS = "image=file,label=what,lesion=case"
TINY = {"models": "cnn:width=4", "image_size": 16, "epochs": 1, "replicates": 1000, "weights": "none"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two folders of 40 lesions each, of which four pictures are in both, under other names."""
    root = tmp_path_factory.mktemp("several")
    for name, first in (("north", 0), ("south", 36)):
        numbers = range(first, first + 40)
        rows = [f"{name}{k},{'wart' if k % 3 else 'mole'},{name}-{k}" for k in numbers]
        images = {f"{name}{k}.png": encoded(picture(k), "PNG") for k in numbers}
        write_files(root / name, {**images, "t.csv": "\n".join(["file,what,case", *rows]).encode()})
    return [root / "north", root / "south"]


def test_a_bench_of_two_data_sets_tells_what_became_of_each(folders, tmp_path):
    result = skineval.bench(data=folders, columns=COLUMNS, task="labels", out=tmp_path / "out", **TINY)
    split = pd.read_csv(tmp_path / "out/split.csv")
    assert split["source"].value_counts().to_dict() == {"north": 40, "south": 36}
    shares = split.assign(tested=split["part"] == "test").groupby("source")["tested"].mean()
    assert shares.between(0.15, 0.3).all()
    data = json.loads((tmp_path / "out/environment.json").read_text())["data"]
    assert "4 pictures are there twice and kept once: 0 by id, 4 by content" in data["notes"][0]
    table = by_source(result, internal(result))
    assert table is not None
    (cell,) = [cell for cell in result.finished if cell.imbalance == "none"]
    test = cell.predictions.select("test")
    source_of = dict(zip(split["image_id"], split["source"], strict=True))
    for row in (row for row in table.rows if row.cells[0] == cell.system):
        mine = test.take(pd.Series(test.image_ids).map(source_of).eq(row.cells[1]).to_numpy())
        assert row.cells[2].value == pytest.approx(
            balanced_accuracy_score(mine.targets, mine.probabilities.argmax(axis=1))
        )
        assert row.cells[5] == len(mine)
    assert "**By data set**" in (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert skineval.open(tmp_path / "out").recipe.data == tuple(map(str, folders))


def test_a_list_of_images_to_leave_out_may_be_of_any_of_them(folders, tmp_path):
    listed = tmp_path / "q.csv"
    listed.write_text("image_id\nnorth1\nsouth70\n", encoding="utf-8")
    keys = {"columns": COLUMNS, "quarantine": listed}
    assert len(api.load_images(folders, keys)) == 74
    listed.write_text("image_id\nnorth1\neast1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"1 images in quarantine are not in north nor in south: east1"):
        api.load_images(folders, keys)


def test_a_list_of_images_to_leave_out_may_be_of_an_external_test(folders, tmp_path):
    listed, data = tmp_path / "q.csv", {"data": folders[0], "external": [folders[1]], "models": "cnn"}
    recipe = make_recipe({**data, "columns": COLUMNS, "task": "labels", "quarantine": listed})
    catalog = load_catalog()
    listed.write_text("image_id\nnorth1\nsouth70\n", encoding="utf-8")
    found = load_data(recipe, catalog)
    assert len(found.table) == 39
    ((_, table, _),) = load_external(recipe, catalog, found.strange)
    assert len(table) == 39
    listed.write_text("image_id\nnorth1\neast1\n", encoding="utf-8")
    found = load_data(recipe, catalog)
    with pytest.raises(DataError, match=r"1 images in quarantine are not in .*: east1"):
        load_external(recipe, catalog, found.strange)
