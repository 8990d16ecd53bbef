"""The figure of the trade: every strategy where its figures say, with a name that covers nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, islice
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text

from skineval.measure.rarity import TAIL_RECALL
from skineval.report.bench.ladders import ladders
from skineval.report.figures import trade
from skineval.report.figures.scene import scene_of
from skineval.report.figures.style import NARROW, WIDE, Drawn
from skineval.report.prepare import draw
from skineval.values.result import BenchResult
from tests.report.figures.test_figures import STAMPS, Canvases, canvases
from tests.report.laddered import OF_TRADE, laddered

MANY = [("resnet34", name, 1.2 + 0.03 * n) for n, name in enumerate(["none", *(f"smote:k={k}" for k in range(1, 25))])]
ODD = [(model, name, 1.5) for model in ("_hidden", "a" * 90) for name in ("none", "$\\frac{$", "名前")]


def drawn(bench: BenchResult) -> Iterator[Drawn]:
    scene = scene_of(bench)
    yield trade.draw(scene, ladders(bench, scene.board))


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> BenchResult:
    return laddered(tmp_path_factory.mktemp("few"), replicates=50, metrics=OF_TRADE)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> BenchResult:
    return laddered(tmp_path_factory.mktemp("many"), MANY, replicates=20, metrics=OF_TRADE)


@pytest.fixture(scope="module")
def painted(few: BenchResult, many: BenchResult) -> list[tuple[BenchResult, Canvases]]:
    return [(bench, canvases(bench, drawn)) for bench in (few, many)]


def panels(found: Canvases, width: float) -> list[Axes]:
    figure = found["What strategies trade", width]
    return [panel for panel in figure.findobj(Axes) if isinstance(panel, Axes) and panel.get_title("left")]


@pytest.mark.parametrize("width", [WIDE.width, NARROW.width])
def test_every_strategy_is_where_its_figures_are(painted: list[tuple[BenchResult, Canvases]], width: float) -> None:
    for bench, found in painted:
        scores = {(one.system, one.metric): one.value for one in bench.scores}
        for panel, ladder in zip(panels(found, width), ladders(bench, scene_of(bench).board), strict=True):
            points = {(line.get_xdata()[0], line.get_ydata()[0]) for line in panel.lines if line.get_marker() != "None"}
            wanted = {
                (scores[ladder.system(name), "ece"], scores[ladder.system(name), TAIL_RECALL]) for name in ladder.order
            }
            assert points == wanted


@pytest.mark.parametrize("width", [WIDE.width, NARROW.width])
def test_names_lie_in_their_panel_and_cover_no_other(painted: list[tuple[BenchResult, Canvases]], width: float) -> None:
    for _, found in painted:
        for panel in panels(found, width):
            boxes = [Text.get_window_extent(one).padded(-1) for one in panel.texts]
            frame = panel.get_window_extent().padded(2)
            assert all(frame.contains(*corner) for box in boxes for corner in (box.min, box.max))
            assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]


def test_few_have_names_and_many_numbers_that_a_legend_explains(painted: list[tuple[BenchResult, Canvases]]) -> None:
    (_, few), (_, many) = painted
    assert {one.get_text() for one in panels(few, WIDE.width)[0].texts} == {
        "none", "smote", "focal:gamma=1.5", "focal:gamma=0",
    }  # fmt: skip
    numbers = [str(n) for n in range(1, 25)]
    assert sorted(one.get_text() for one in panels(many, WIDE.width)[0].texts) == sorted(["none", *numbers])
    (legend,) = many["What strategies trade", WIDE.width].subfigs[0].legends
    assert [text.get_text().partition("  ")[0] for text in legend.texts] == numbers
    assert {text.get_text().partition("  ")[2] for text in legend.texts} == {name for _, name, _ in MANY[1:]}


def test_odd_names_and_stamps_fit_into_the_figure(tmp_path: Path) -> None:
    bench = replace(laddered(tmp_path, ODD, replicates=20, metrics=OF_TRADE), warnings=STAMPS)
    for (title, width), figure in canvases(bench, drawn).items():
        height, box = figure.get_size_inches()[1], figure.get_tightbbox()
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
        assert inside, title


def test_it_is_the_same_every_time_and_stands_with_the_other_figures(few: BenchResult) -> None:
    (one,), (again,) = drawn(few), drawn(few)
    assert one.files == again.files
    assert "6 systems of 2 models" in one.figure.alt  # without the model that has no remedies
    first_two = (item.figure.topic for item in islice(draw(few), 2) if isinstance(item, Drawn))
    assert list(first_two) == ["overview", "trade"]
