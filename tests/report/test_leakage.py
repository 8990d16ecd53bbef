"""The report of an experiment on leakage."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from skineval.report.leakage import ShownLeakage, report, tables, write
from tests.report.leaked import leaked


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return leaked(tmp_path_factory.mktemp("leaked"))


def test_it_says_what_leaks_add_with_intervals_and_on_how_many_images(found):
    write(found)
    text = (found.folder / "report.md").read_text()
    verdict = text.partition("## Verdict")[2].partition("## What leaks add")[0]
    assert "Protocol image (LEAKY) changes balanced accuracy" in verdict
    assert re.search(r"on 400 images of \d+ lesions by 0\.\d+ .* a rise beyond chance for 2 of 2 systems", verdict)
    assert re.search(r"on 1\d\d images of \d+ lesions with siblings in train by 0\.\d+", verdict)
    assert "without siblings in train by 0.000" in verdict
    titles = [line for line in text.splitlines() if line.startswith("**")]
    assert len(titles) == 4
    assert all("LEAKY" in title for title in titles)
    assert "| lesion | 0 | 900 |" in text
    assert "(lesion/report.html)" in text
    assert "<b>LEAKY</b>" in (found.folder / "report.html").read_text()


def test_what_would_not_change_is_not_written(found):
    write(found)
    before = {file: file.stat().st_mtime_ns for file in found.folder.glob("report.*")}
    write(found)
    assert {file: file.stat().st_mtime_ns for file in found.folder.glob("report.*")} == before
    assert len(before) == 2


def test_what_is_missing_is_said(found):
    alone = replace(found, benches={"lesion": found.benches["lesion"]}, inflations=())
    assert alone.unfinished == ("image",)
    assert [len(table.rows) for table in tables(alone)] == [0]
    words = str(report(alone).sections[0])
    assert "Protocol image is not finished" in words


def test_a_notebook_shows_the_tables(found):
    shown = ShownLeakage(found.folder, found.recipe, found.benches, found.inflations)
    assert shown._repr_html_().count("<table>") == 2
