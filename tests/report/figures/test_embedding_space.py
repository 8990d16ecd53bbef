"""The figure of the embedding space: points where their file has them, of the classes and marks that it explains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from skineval.base.scheme import PALETTE
from skineval.grid.tables import write_frame
from skineval.report.bench import bench as sections
from skineval.report.document.blocks import Figure, Fold, Section
from skineval.report.figures import embedding_space
from skineval.report.figures.scene import scene_of
from skineval.report.figures.style import NARROW, WIDE, Drawn
from skineval.report.prepare import draw
from skineval.values.embeddings import KINDS, SPACE
from skineval.values.result import BenchResult
from skineval.values.task import DIAGNOSES
from tests.report.figures.test_figures import STAMPS, Canvases, canvases
from tests.report.laddered import OF_TRADE, laddered

NAMES = ("smote", "adasyn", "svm-smote", "borderline-smote:k=3", "kmeans-smote+class-weights", "smote-enn")
SHOWN = ("nv", "bcc", "akiec", "vasc", "df")  # the largest of made-up benches, and their tail
Spaced = Callable[..., BenchResult]


def write_space(path: Path, seed: int = 0, each: int = 60, of: int = 1000) -> Path:
    draws = np.random.default_rng(seed)
    rows = [
        (name, kind) for kind in KINDS for name in DIAGNOSES for _ in range(each) if (name, kind) != ("nv", KINDS[1])
    ]
    x, y = draws.uniform(-9, 9, (2, len(rows))).round(4)
    frame = pd.DataFrame(rows, columns=["class", "kind"]).assign(x=x, y=y, of=of, x_share=0.2, y_share=0.1)
    write_frame(path, frame[[*SPACE]])
    return path


@pytest.fixture(scope="module")
def spaced(tmp_path_factory: pytest.TempPathFactory) -> Spaced:
    """Makes a bench of a model with `none` and these strategies, which made embeddings with both seeds."""

    def make(names: Sequence[str], model: str = "resnet34") -> BenchResult:
        folder = tmp_path_factory.mktemp("spaced")
        bench = laddered(folder, [(model, name, 1.3) for name in ("none", *names)], replicates=20, metrics=OF_TRADE)
        files = {
            cell.run_id: write_space(folder / f"{cell.run_id}.csv", place) for place, cell in enumerate(bench.finished)
        }
        finished = [
            cell if cell.imbalance == "none" else replace(cell, embedding_space=files[cell.run_id])
            for cell in bench.finished
        ]
        return replace(bench, finished=finished)

    return make


def drawn(bench: BenchResult) -> Iterator[Drawn]:
    yield from embedding_space.draw(scene_of(bench))


def panels(found: Canvases, width: float) -> dict[str, Axes]:
    (figure,) = (one for (_, other), one in found.items() if other == width)
    every = [panel for panel in figure.findobj(Axes) if isinstance(panel, Axes) and panel.get_title("left")]
    return {panel.get_title("left").replace("\n", ""): panel for panel in every}


def points(line: Line2D) -> list[tuple[float, float]]:
    return list(zip(np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist(), strict=True))


@pytest.mark.parametrize("width", [WIDE.width, NARROW.width])
def test_the_first_points_of_each_class_and_kind_are_drawn(spaced: Spaced, width: float) -> None:
    bench = spaced(NAMES[:2])
    by_name = {cell.imbalance: cell for cell in bench.finished if cell.seed == 0}
    found = panels(canvases(bench, drawn), width)
    assert {*found} == {*NAMES[:2]}
    for name, panel in found.items():
        file = by_name[name].embedding_space
        assert file is not None
        frame = pd.read_csv(file)
        lines = iter(panel.lines)
        for kind in ("test", "train", "synthetic"):
            for color, label in zip(PALETTE, SHOWN, strict=False):
                line = next(lines)
                assert (line.get_color(), line.get_marker()) == (color, "x" if kind == "synthetic" else "o")
                mine = frame[(frame["kind"] == kind) & (frame["class"] == label)].head(30)
                assert points(line) == list(mine[["x", "y"]].itertuples(index=False, name=None))
        assert next(lines, None) is None


def test_what_lies_far_away_is_moved_to_the_end_of_its_axis(spaced: Spaced) -> None:
    bench = spaced(NAMES[:1])
    file = next(cell.embedding_space for cell in bench.finished if cell.embedding_space and cell.seed == 0)
    assert file is not None
    frame = pd.read_csv(file)
    far = frame["kind"].eq("test") & frame["class"].eq("df")
    frame.loc[far.idxmax(), "x"] = 1e6
    write_frame(file, frame)
    (panel,) = panels(canvases(bench, drawn), 5.0).values()
    low, high = panel.get_xlim()
    assert -20 < low < high < 20
    x = np.concatenate([np.asarray(line.get_xdata()) for line in panel.lines])
    assert low < x.min() < x.max() < high
    assert np.count_nonzero(x > 9) == 1


def test_the_axes_and_the_caption_say_how_little_they_hold(spaced: Spaced) -> None:
    (one,) = drawn(spaced(NAMES[:2]))
    (panel, _) = panels(canvases(spaced(NAMES[:2]), drawn), WIDE.width).values()
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("first axis, 20 %", "second axis, 10 %")
    n = 2 * 30 * (5 + 4 + 5)  # of nv, nothing was made
    assert "They hold 30 % of its variance: what lies together here may be far apart." in one.figure.caption
    assert f"{n:,} of {2 * 1000 * (5 + 4 + 5):,} points, at most 30 of each class" in one.figure.caption
    assert "Of 7 classes, shown are the largest and the 4 rarest." in one.figure.caption
    assert one.figure.caption.startswith("Fold 0, seed 0: ")
    assert "840 points of nv, bcc, akiec, vasc and df" in one.figure.alt


def test_it_is_said_where_panels_are_of_several_networks(spaced: Spaced) -> None:
    bench = spaced(NAMES[1:3])
    (same,) = drawn(replace(bench, finished=[replace(cell, network="one") for cell in bench.finished]))
    (other,) = drawn(replace(bench, finished=[replace(cell, network=cell.run_id) for cell in bench.finished]))
    assert [" has axes of its own." in one.figure.caption for one in (same, other)] == [False, True]


def test_of_few_classes_all_are_shown_and_of_many_as_many_as_there_are_colours() -> None:
    assert embedding_space._shown({"a": 5, "b": 90, "c": 40}) == ["b", "c", "a"]
    many = {f"class {n}": 2**n for n in range(1, 21)}
    assert embedding_space._shown(many) == ["class 20", *(f"class {n}" for n in (5, 4, 3, 2, 1))]


@pytest.mark.parametrize("n", [1, 4, 6])
def test_a_file_is_no_larger_than_half_a_megabyte(spaced: Spaced, n: int) -> None:
    (one,) = drawn(spaced(NAMES[:n]))
    assert max(map(len, one.files.values())) < 500_000


def test_the_more_panels_the_fewer_points_each_has() -> None:
    for strategies in (1, 8, 20, 60):
        for classes in (2, 6):
            each = embedding_space._each(strategies, classes)
            assert 1 <= each <= 30
            assert each == 30 or each * strategies * classes * 3 <= 2400 or each == 1


def test_odd_names_and_stamps_fit_into_the_figure(spaced: Spaced) -> None:
    bench = replace(spaced(("$\\frac{$", "名前", "b" * 90), "a" * 90), warnings=STAMPS)
    found = canvases(bench, drawn)
    assert len(found) == 2
    for (title, width), figure in found.items():
        height, box = figure.get_size_inches()[1], figure.get_tightbbox()
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
        assert inside, title


def test_it_is_the_same_every_time_and_stands_under_the_trade(spaced: Spaced) -> None:
    bench = spaced(NAMES[:1])
    (one,), (again,) = drawn(bench), drawn(bench)
    assert one.files == again.files
    figures = [item.figure for item in islice(draw(bench), 3) if isinstance(item, Drawn)]
    assert [figure.topic for figure in figures] == ["overview", "trade", "embedding-space"]
    assert under(bench, figures)[-2:] == ["trade", "Embedding space of resnet34"]


def test_it_stands_alone_where_no_strategy_can_be_compared(spaced: Spaced) -> None:
    bench = spaced(NAMES[:1])
    alone = replace(bench, finished=[cell for cell in bench.finished if cell.imbalance != "none"], ladders=())
    assert under(alone, [one.figure for one in drawn(alone)]) == ["Embedding space of resnet34"]


def under(bench: BenchResult, figures: Sequence[Figure]) -> list[str]:
    """What the section on imbalance holds."""
    found: Section = next(one for one in sections.build(bench, figures, {}).sections if one.title == "Imbalance")
    return [
        block.title if isinstance(block, Fold) else block.topic if isinstance(block, Figure) else type(block).__name__
        for block in found.blocks
    ]


def test_each_model_has_one_of_its_first_fold_and_seed_that_have_points(spaced: Spaced) -> None:
    bench = spaced(NAMES[:2])
    first = bench.finished[-2]
    assert first.seed == 0
    late = [replace(cell, embedding_space=None) if cell.seed == 0 else cell for cell in bench.finished]
    (one,) = drawn(replace(bench, finished=late))
    assert one.figure.caption.startswith("Fold 0, seed 1: ")
    others = [replace(cell, model="cnn", run_id=f"cnn-{cell.run_id}") for cell in bench.finished]
    assert [item.figure.system for item in drawn(replace(bench, finished=[*bench.finished, *others]))] == [
        "resnet34",
        "cnn",
    ]


def test_without_points_there_is_no_figure(spaced: Spaced) -> None:
    bench = spaced(())
    assert list(drawn(bench)) == []
