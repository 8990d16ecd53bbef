"""A bench of several data sets: read as they lie, told apart in its files and its report."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

import skineval
from skineval.base.errors import DataError, UsageError
from skineval.catalog.catalog import load_catalog
from skineval.grid.sources import as_labelled, load_data, load_external
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


def loaded(data, keys):
    return load_data(as_labelled(data, keys), load_catalog()).table


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
    assert len(loaded(folders, keys)) == 74
    listed.write_text("image_id\nnorth1\neast1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"1 image in quarantine is not in north nor in south: east1"):
        loaded(folders, keys)


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
    with pytest.raises(DataError, match=r"1 image in quarantine is not in .*: east1"):
        load_external(recipe, catalog, found.strange)


@pytest.fixture(scope="module")
def differing(tmp_path_factory):
    """Data sets whose tables call their columns otherwise, and lack some; `archive` is laid out like HAM10000."""
    root = tmp_path_factory.mktemp("differing")
    headers = {
        "first": "image_id,dx,case,who",
        "second": "img,what,case",
        "nearly": "img,what,cases",
        "archive": "image_id,dx,lesion_id",
        "nobody": "photo,what",
    }
    for number, (name, header) in enumerate(headers.items()):
        ids = [f"{name}{k}" for k in range(4)]
        cells = [f"{id_},{'nv' if id_ < f'{name}2' else 'mel'},l{id_},p{id_}".split(",") for id_ in ids]
        rows = [",".join(row[: header.count(",") + 1]) for row in cells]
        images = {f"img/{id_}.png": encoded(picture(10 * number + k), "PNG") for k, id_ in enumerate(ids)}
        write_files(root / name, {**images, "t.csv": "\n".join([header, *rows]).encode()})
    return root


DIFFERING = "image=image_id|img,label=dx|what,lesion=case,patient=who"


def test_data_sets_whose_tables_differ_are_one(differing):
    table = loaded([differing / "first", differing / "second"], {"columns": DIFFERING})
    assert table.frame["lesion_id"].tolist() == [f"l{id_}" for id_ in table.frame["image_id"]]
    assert table.frame["patient_id"].str.startswith("pfirst").sum() == 4
    assert (table.frame["patient_id"] == "unknown").sum() == 4
    assert "second: patient is not known: t.csv has no column who" in table.notes
    with pytest.raises(DataError, match=r"second.t\.csv lacks who"):  # a single data set has what is named
        loaded(differing / "second", {"columns": DIFFERING})
    with pytest.raises(DataError, match=r"first.t\.csv lacks whose"):  # and so has one of several at least
        loaded([differing / "first", differing / "second"], {"columns": f"{DIFFERING}se"})


def test_an_external_test_may_call_its_columns_otherwise(differing):
    keys = {"models": "cnn", "data": differing / "first", "columns": DIFFERING}
    recipe, catalog = make_recipe({**keys, "external": [differing / "second"]}), load_catalog()
    assert load_data(recipe, catalog).table.frame.equals(loaded(differing / "first", keys).frame)
    ((_, table, _),) = load_external(recipe, catalog, frozenset())
    assert table.lesions_known
    assert "patient is not known: t.csv has no column who" in table.notes
    recipe = make_recipe({**keys, "external": [differing / "nearly"]})
    with pytest.raises(DataError, match=r"nearly.t\.csv lacks the column case.*Did you mean cases\?"):
        load_external(recipe, catalog, frozenset())


@pytest.mark.parametrize("folder", ["sorted", "my HAM10000"])
def test_a_table_says_more_than_what_folders_are_called_also_where_it_lacks_a_column(differing, tmp_path, folder):
    images = {f"{dx}/{dx}{k}.png": encoded(picture(100 * k + len(dx)), "PNG") for dx in ("nv", "mel") for k in (1, 2)}
    rows = "img,what,case\nnv1,nv,l1\nnv2,nv,l1\nmel1,mel,l2\nmel2,mel,l2\n"
    write_files(tmp_path / folder, {**images, "t.csv": rows.encode()})
    table = loaded([differing / "first", tmp_path / folder], {"columns": DIFFERING})
    assert table.frame["lesion_id"].value_counts()[["l1", "l2"]].tolist() == [2, 2]
    assert any(note.endswith("patient is not known: t.csv has no column who") for note in table.notes)


def test_what_no_column_is_named_for_says_what_it_lacks_and_what_has_its_own_is_read_by_that(differing):
    with pytest.raises(DataError, match=r"In .*nobody no table has .*lacks image_id\|img") as caught:
        loaded([differing / "first", differing / "nobody"], {"columns": DIFFERING})
    assert "image=file|img" in caught.value.hint
    table = loaded([differing / "first", differing / "archive"], {"columns": DIFFERING})
    assert table.frame["lesion_id"].tolist() == [f"l{id_}" for id_ in table.frame["image_id"]]
    assert any(
        "archive: read as what it is, and not by --columns" in note and "case, who" in note for note in table.notes
    )


def test_tables_that_lie_elsewhere_are_those_of_the_data_sets_in_their_order(differing):
    first, second = (differing / name / "img" for name in ("first", "second"))
    keys = {"columns": DIFFERING, "table": [differing / "first/t.csv", differing / "second/t.csv"]}
    whole = loaded([first.parent, second.parent], {"columns": DIFFERING}).frame
    named = whole.assign(source=whole["source"].map({"first": "img", "second": "img-2"}))
    assert loaded([first, second], keys).frame.equals(named)
    recipe = make_recipe({**keys, "models": "cnn", "data": first, "external": second})
    ((_, table, _),) = load_external(recipe, load_catalog(), frozenset())
    assert table.frame["image_id"].str.startswith("second").all()
    with pytest.raises(UsageError, match=r"--table is .*t\.csv, and --data names 2 data sets") as caught:
        loaded([first, second], {**keys, "table": first.parent / "t.csv"})
    assert "a table for each" in caught.value.hint


def test_an_external_test_is_read_by_its_columns_beside_a_table_that_is_named(differing):
    data = {"data": differing / "first/img", "table": differing / "first/t.csv", "external": differing / "second"}
    recipe = make_recipe({"models": "cnn", **data, "columns": DIFFERING})
    ((_, table, _),) = load_external(recipe, load_catalog(), frozenset())
    assert table.frame["lesion_id"].str.startswith("lsecond").all()


def test_columns_and_tables_given_twice_are_joined(differing, skineval_program):
    first, second = (str(differing / name / "img") for name in ("first", "second"))
    tables = [f"--table={differing / name / 't.csv'}" for name in ("first", "second")]
    roles = [f"--columns={text}" for text in ("image=image_id|img,label=dx|what", "lesion=case")]
    done = skineval_program("data", "info", f"{first},{second}", *roles, *tables, "--format=csv")
    assert done.returncode == 0, done.stderr
    assert {"images,8", "lesions,8"} < set(done.stdout.splitlines())
