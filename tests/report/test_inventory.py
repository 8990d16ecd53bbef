from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from skineval.data.layouts import recognise
from skineval.data.layouts.images import Header, Headers
from skineval.data.quality.inventory import Inventory, inventory
from skineval.report.document.console import render
from skineval.report.document.notebook import shown as in_notebook
from skineval.report.document.tables import Table
from skineval.report.inventory import ShownInventory, inventory_tables
from tests.data.folders import made_table, seven_classes
from tests.data.layouts import relayout

LESIONS = [("nv", 3), ("nv", 1), ("mel", 2), ("bcc", 1)]


def tables(found: Inventory) -> dict[str, Table]:
    return {table.title: table for table in inventory_tables(found)}


def cell(table: Table, row: object, column: str) -> object:
    place = [one.key for one in table.columns].index(column)
    return next(one.cells[place] for one in table.rows if one.cells[0] == row)


def test_classes_and_their_sum() -> None:
    shown = tables(inventory(made_table(LESIONS)))
    classes = shown["Classes"]
    assert cell(classes, "nv", "images") == 4
    assert cell(classes, "nv", "repeated") == 0.75
    assert cell(classes, "nv", "clustering") == 2.5
    assert cell(classes, "df", "repeated") is None
    assert cell(classes, "all", "images") == 7
    assert cell(shown["Malignant"], "malignant version 1", "share") == 3 / 7
    assert cell(shown["What trivial answers score"], "nv", "accuracy") == 4 / 7
    assert cell(shown["What trivial answers score"], "benign", "accuracy") == 4 / 7
    assert "2 lesions with several images hold 5 images." in shown["Images per lesion"].footnotes


def test_unknown_lesions_are_not_counted(tmp_path: Path) -> None:
    table = recognise.load(seven_classes(tmp_path / "seven"))
    read = recognise.load(relayout.hmnist(table, tmp_path / "csv", 8))
    shown = tables(inventory(read))
    assert {cell(shown["Data set"], what, "value") for what in ("lesions", "patients", "ages")} == {"not known"}
    assert "Images per lesion" not in shown
    assert "Images by way of diagnosis (dx_type)" not in shown
    assert not any("inside a lesion" in str(row.cells[0]) for row in shown["Gaps and contradictions"].rows)
    assert any("without a lesion id" in note for note in shown["Data set"].footnotes)
    assert [column.key for column in shown["Classes"].columns] == ["dx", "meaning", "images", "share"]
    assert cell(shown["Classes"], "mel", "images") == 4


@pytest.mark.parametrize(
    ("patients", "row", "value"),
    [
        (["unknown"] * 7, "patients", "not known"),
        (["a", "a", *["b"] * 5], "patients", 2),
        (["a", "a", "b", *["unknown"] * 4], "patients, where one is named", 2),
    ],
)
def test_patients_are_counted_as_far_as_they_are_named(patients: list[str], row: str, value: object) -> None:
    table = made_table(LESIONS)
    shown = tables(inventory(replace(table, frame=table.frame.assign(patient_id=patients))))
    assert cell(shown["Data set"], row, "value") == value
    assert cell(shown["Gaps and contradictions"], "patient_id unknown", "images") == patients.count("unknown")


@pytest.mark.parametrize("n", [1, 2, 14])
def test_image_sizes(n: int) -> None:
    counts = tuple((Header(600 + place, 450, "RGB", "JPEG"), n - place) for place in range(n))
    shown = tables(inventory(made_table(LESIONS), Headers(counts, ("x.jpg is empty.",), masks=0)))
    facts = {row.cells[0]: row.cells[1] for row in shown["Data set"].rows}
    assert facts["image size"] == "600 × 450 RGB JPEG"
    assert facts["images of that size"] == n
    assert facts.get("other sizes or kinds", 0) == n - 1
    assert facts["unreadable headers, which skineval data check names"] == 1
    assert ("Image sizes" in shown) == (n > 1)
    if n > 10:
        assert len(shown["Image sizes"].rows) == 10
        assert shown["Image sizes"].footnotes == ("4 further sizes or kinds.",)


def test_every_format_renders() -> None:
    table = made_table(LESIONS, name="[red]=cmd()[/]")
    for one in inventory_tables(inventory(table)):
        json.loads(render(one, "json"))
        assert render(one, "csv")
        assert render(one, "markdown")
        assert render(one, "table", width=80)
    assert "[red]=cmd()[/]" in render(inventory_tables(inventory(table))[0], "table", width=100)


def test_a_notebook_shows_every_table_literally() -> None:
    found = in_notebook(ShownInventory, inventory(made_table(LESIONS, name="<b>=cmd()")))
    page = found._repr_html_()
    assert page.count("<table>") == sum(bool(one.rows) for one in inventory_tables(found))
    assert "&lt;b&gt;=cmd()" in page


def test_of_other_labels_nobody_says_which_are_malignant() -> None:
    table = made_table(LESIONS)
    strange = replace(table, frame=table.frame.replace({"dx": {"nv": "mole"}}), labels=("bcc", "mel", "mole"))
    shown = tables(inventory(strange))
    assert "Malignant" not in shown
    assert cell(shown["What trivial answers score"], "mole", "task") == "labels"
