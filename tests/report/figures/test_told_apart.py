"""The figure of what can be told apart: bars join those who cannot, and the words say what was tested."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.axes import Axes

from skineval.report.figures import told_apart
from skineval.report.figures.scene import scene_of
from skineval.report.figures.style import NARROW, WIDE, Drawn
from skineval.values.result import BenchResult
from tests.report.figures.test_figures import canvases

Make = Callable[..., BenchResult]
SYSTEMS = [(f"model{place}", "none", 0.8 + 0.15 * place) for place in range(7)]


def drawn(bench: BenchResult) -> Iterator[Drawn]:
    scene = scene_of(bench)
    groups = told_apart.grouped(scene, bench)
    if groups:
        yield told_apart.draw(scene, groups)


@pytest.fixture(scope="module")
def many(make_bench: Make, tmp_path_factory: pytest.TempPathFactory) -> BenchResult:
    return make_bench(tmp_path_factory.mktemp("many"), systems=SYSTEMS, seeds=(0,), failed=None)


def test_the_best_are_on_their_lines_and_the_dots_of_a_bar_are_a_group(many: BenchResult) -> None:
    scene = scene_of(many)
    found = told_apart.grouped(scene, many)
    assert found is not None
    assert found.order == scene.board.ranked[:6]
    assert len(found.pairs) == 15
    assert len(found.groups) > 1
    painted = canvases(many, lambda bench: [told_apart.draw(scene, found)])
    for width in (WIDE.width, NARROW.width):
        figure = painted["Which systems can be told apart", width]
        figures, bars = (panel for panel in figure.axes if isinstance(panel, Axes))
        values = [line.get_xdata()[0] for line in figures.lines if line.get_marker() != "None"]
        assert all(one >= other for one, other in pairwise(values))
        dots = [line.get_ydata() for line in bars.lines if line.get_marker() == "o"]
        assert [tuple(found.order[place] for place in places) for places in dots] == list(found.groups)


def test_its_words_say_how_many_were_compared_and_who_is_not_told_apart(many: BenchResult) -> None:
    (figure,) = (item.figure for item in drawn(many))
    assert "the 6 best of 7 systems" in figure.caption
    assert "over all 15 pairs" in figure.caption
    assert figure.alt.count("Not told apart: ") > 1


def test_of_two_systems_there_is_no_figure(make_bench: Make, tmp_path: Path) -> None:
    assert list(drawn(make_bench(tmp_path, systems=SYSTEMS[:2], failed=None))) == []


def test_that_all_are_told_apart_stands_within_the_figure(many: BenchResult) -> None:
    scene = scene_of(many)
    found = told_apart.grouped(scene, many)
    assert found is not None
    painted = canvases(many, lambda bench: [told_apart.draw(scene, replace(found, groups=()))])
    for (title, width), figure in painted.items():
        assert figure.axes[1].get_xlabel().split() == ["all", "are", "told", "apart"]
        assert figure.get_tightbbox().x1 <= width, title
