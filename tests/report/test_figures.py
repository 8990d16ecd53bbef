"""Figures: the same bytes every time, nothing outside touched, readable with many systems and odd names."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import pytest

from skineval.grid.result import BenchResult
from skineval.report import style
from skineval.report.figures import draw
from skineval.report.style import Drawn

Make = Callable[..., BenchResult]


@pytest.fixture(scope="module")
def drawn(bench: BenchResult) -> list[Drawn]:
    return [item for item in draw(bench) if isinstance(item, Drawn)]


def test_every_figure_is_there_with_its_words(drawn: list[Drawn]) -> None:
    topics = [item.figure.topic for item in drawn]
    assert topics[:4] == ["overview", "recall", "roc", "reliability"]
    assert topics.count("confusion") == topics.count("training") == 3
    assert topics[-2:] == ["samples", "mistakes"]
    assert len({item.figure.file for item in drawn}) == len(drawn)
    for item in drawn:
        assert item.figure.alt
        assert item.figure.caption


def test_drawing_twice_gives_the_same_bytes(bench: BenchResult, drawn: list[Drawn]) -> None:
    again = [item.data for item in draw(bench) if isinstance(item, Drawn)]
    assert again == [item.data for item in drawn]


def test_the_user_s_own_style_is_neither_used_nor_changed(bench: BenchResult, drawn: list[Drawn]) -> None:
    with mpl.rc_context({"axes.facecolor": "red", "svg.hashsalt": "other", "font.size": 30}):
        before = dict(mpl.rcParams)
        first = next(item for item in draw(bench) if isinstance(item, Drawn))
        assert dict(mpl.rcParams) == before
    assert first.data == drawn[0].data


def test_an_svg_is_well_formed_and_loads_nothing(drawn: list[Drawn]) -> None:
    for item in drawn:
        if item.figure.file.endswith(".svg"):
            ElementTree.fromstring(item.data)
            assert b"<image" not in item.data
            assert b"<script" not in item.data


def test_many_systems_odd_names_and_stamps_fit_into_their_figures(
    make_bench: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clipped: list[str] = []

    def check(figure: style.Canvas, format: str) -> bytes:
        figure.draw_without_rendering()
        width, height = figure.get_size_inches()
        box = figure.get_tightbbox()
        if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height:
            clipped.append(f"{figure.get_suptitle()}: {box.extents} in {width} x {height}")
        return b""

    monkeypatch.setattr(style, "encoded", check)
    models = ("resnet34", "$\\frac{$", "_hidden", "名前", "a" * 90, "<b>&amp;")
    strategies = ("none", "focal:gamma=1.5,alpha=0.25")
    systems = [(model, strategy, 1.7) for model in models for strategy in strategies]
    stamps = ("SYNTHETIC", "LEAKY", "NOT COMPARABLE")
    items = list(draw(make_bench(tmp_path, systems=systems, seeds=(0,), warnings=stamps)))
    files = {item.figure.file for item in items if isinstance(item, Drawn)}
    assert len(files) == len(items) == 4 + 2 * len(systems) + 2
    assert {Path(file).parent for file in files} == {Path("figures")}
    assert clipped == []


def test_nothing_finished_gives_no_figure(make_bench: Make, tmp_path: Path) -> None:
    assert list(draw(make_bench(tmp_path, systems=()))) == []


def test_names_are_shortened_in_the_middle_and_break_at_the_slash() -> None:
    assert style.name_lines("resnet34/none") == "resnet34/none"
    assert style.name_lines("efficientnet_b0/class-weights") == "efficientnet_b0/\nclass-weights"
    assert style.shortened("a" * 30 + "z", 11) == "aaaaa…aaaaz"
    assert style.drawable("名_$") == "?_$"
