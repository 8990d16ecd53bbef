"""The figure of what leaks add: every difference with its interval stands where the table has it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from matplotlib.axes import Axes

from skineval.report.figures import inflation
from skineval.report.figures.style import NARROW, WIDE
from skineval.report.leakage import write
from tests.report.figures.test_figures import canvases
from tests.report.leaked import leaked


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return leaked(tmp_path_factory.mktemp("leaked"))


def test_points_and_intervals_are_those_of_the_table(found):
    mine = [row for row in found.inflations if row.metric == "balanced_accuracy"]
    painted = canvases(found, lambda experiment: [inflation.draw(experiment)])
    for width in (WIDE.width, NARROW.width):
        (figure,) = (one for (_, inches), one in painted.items() if inches == width)
        (panel,) = (one for one in figure.axes if isinstance(one, Axes))
        zero, *lines = panel.lines
        assert list(zero.get_xdata()) == [0, 0]
        assert [line.get_xdata()[0] for line in lines[1::2]] == [row.value for row in mine]
        assert [tuple(line.get_xdata()) for line in lines[::2]] == [(row.low, row.high) for row in mine]
        places = [round(line.get_ydata()[0]) for line in lines[1::2]]
        names = [label.get_text().replace("\n", "") for label in panel.get_yticklabels()]
        assert [names[place] for place in places] == [row.system for row in mine]
        assert [text.get_text() for text in panel.get_legend().texts] == [
            "all test images",
            "with siblings in train",
            "without siblings in train",
        ]


def test_both_reports_have_it_and_it_is_not_written_anew(found):
    write(found)
    assert "](figures/inflation.svg)" in (found.folder / "report.md").read_text()
    assert (found.folder / "report.html").read_text().count("data:image/svg+xml") == 2
    file = found.folder / "figures" / "inflation.svg"
    before = file.stat().st_mtime_ns
    write(found)
    assert file.stat().st_mtime_ns == before


def test_where_nothing_is_compared_there_is_none(found):
    assert inflation.draw(replace(found, inflations=())) is None
