"""Figures: the same bytes every time, nothing outside touched, readable with many systems and odd names."""

from __future__ import annotations

import re
import warnings
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from urllib.parse import quote

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from skineval.base import scheme
from skineval.report.figures import forest, style, training
from skineval.report.figures.scene import scene_of
from skineval.report.figures.style import NARROW, Drawn
from skineval.report.prepare import draw
from skineval.values.measures import Score
from skineval.values.result import BenchResult
from tests.report.laddered import OF_TRADE, laddered

Make = Callable[..., BenchResult]
Canvases = dict[tuple[str, float], style.Canvas]

STAMPS = ("SYNTHETIC", "LEAKY", "NOT COMPARABLE")
MODELS = ("resnet34", "$\\frac{$", "_hidden", "名前", "a" * 90, "<b>&amp;")
MANY = [(model, strategy, 1.7) for model in MODELS for strategy in ("none", "focal:gamma=1.5,alpha=0.25")]
#: CSS pixels that a figure has in report.html: on a page of 400 pixels the narrow one, of 700 pixels the wide one.
SHOWN = {NARROW.width: 360, style.WIDE.width: 660, style.SQUARE.width: 360}


def laid_out(figure: style.Canvas) -> bytes:
    """In place of the bytes of a figure that nobody reads."""
    style.lay_out(figure)
    figure.draw_without_rendering()
    return b"<svg/>"


def painting(
    bench: BenchResult,
    draw: Callable[[BenchResult], Iterable[object]] = draw,
    encode: Callable[[style.Canvas], bytes] = laid_out,
) -> tuple[Canvases, list[Drawn]]:
    """What `draw` draws, by title and width in inches, and what it returns; warnings are errors."""
    found: Canvases = {}
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error")

        def keep(figure: style.Canvas) -> bytes:
            found[" ".join(figure.get_suptitle().split()), figure.get_size_inches()[0]] = figure
            return encode(figure)

        patch.setattr(style, "encoded", keep)
        return found, [item for item in draw(bench) if isinstance(item, Drawn)]


def canvases(bench: BenchResult, draw: Callable[[BenchResult], Iterable[object]] = draw) -> Canvases:
    """What `draw` draws, before it is encoded."""
    return painting(bench, draw)[0]


def trainings(bench: BenchResult) -> list[Drawn]:
    """Their figures of training alone."""
    scene = scene_of(bench)
    return [training.draw(system, scene) for system in scene.systems]


def words(figure: style.Canvas) -> list[str]:
    """All that is written in a figure."""
    return [one.get_text() for one in figure.findobj(Text) if one.get_text() and one.get_visible()]


@pytest.fixture(scope="module")
def painted_and_drawn(bench: BenchResult) -> tuple[Canvases, list[Drawn]]:
    return painting(bench, draw, style.encoded)


@pytest.fixture(scope="module")
def painted(painted_and_drawn: tuple[Canvases, list[Drawn]]) -> Canvases:
    return painted_and_drawn[0]


@pytest.fixture(scope="module")
def crowded(make_bench: Make, tmp_path_factory: pytest.TempPathFactory) -> Canvases:
    """Twelve systems with odd names, one seed, all stamps."""
    return canvases(make_bench(tmp_path_factory.mktemp("many"), systems=MANY, seeds=(0,), warnings=STAMPS))


@pytest.fixture(scope="module")
def drawn(painted_and_drawn: tuple[Canvases, list[Drawn]]) -> list[Drawn]:
    return painted_and_drawn[1]


def test_every_figure_is_there_with_its_words(drawn: list[Drawn]) -> None:
    topics = [item.figure.topic for item in drawn]
    assert topics[:7] == ["overview", "recall", "roc", "reliability", "decisions", "risk-coverage", "told-apart"]
    assert topics.count("confusion") == topics.count("training") == 3
    assert topics[-2:] == ["samples", "mistakes"]
    assert len({item.figure.file for item in drawn}) == len(drawn)
    for item in drawn:
        assert item.figure.alt
        assert item.figure.caption


def test_drawing_twice_gives_the_same_bytes(bench: BenchResult, drawn: list[Drawn]) -> None:
    again = [item.files for item in draw(bench) if isinstance(item, Drawn)]
    assert again == [item.files for item in drawn]


def test_the_last_bit_of_a_layout_changes_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the same every time: the solver's sums depend on where things lie in memory."""

    def picture(left: float) -> bytes:
        figure = style.Canvas()
        figure.add_axes((left, 0.1, 0.5, 0.5)).plot([0, 1])
        return style.encoded(figure)

    monkeypatch.setattr(style, "lay_out", lambda figure: None)
    with style.styled():
        assert picture(0.1) == picture(np.nextafter(0.1, 1))
        assert picture(0.1) != picture(0.11)


def test_the_user_s_own_style_is_neither_used_nor_changed(bench: BenchResult, drawn: list[Drawn]) -> None:
    with mpl.rc_context({"axes.facecolor": "red", "svg.hashsalt": "other", "font.size": 30}):
        before = dict(mpl.rcParams)
        first = next(item for item in draw(bench) if isinstance(item, Drawn))
        assert dict(mpl.rcParams) == before
    assert first.files == drawn[0].files


def test_an_svg_is_well_formed_and_loads_nothing(drawn: list[Drawn]) -> None:
    for item in drawn:
        for file, data in item.files.items():
            assert Path(file).parent == Path("figures")
            ElementTree.fromstring(data)
            assert b"<script" not in data
            found = re.findall(rb"""href=["'](.{,24})""", data)
            assert found
            assert all(one.startswith((b"#", b"data:image/jpeg;base64,")) for one in found)


def test_what_one_system_adds_leaves_room_for_twenty_on_a_page_of_five_megabytes(drawn: list[Drawn]) -> None:
    weights = Counter[str]()
    for item in drawn:
        weights[item.figure.system] += sum(len(quote(data)) for data in item.files.values())
    shared = weights.pop("")
    assert weights
    assert shared < 2_000_000
    assert max(weights.values()) < 120_000


def test_many_systems_odd_names_and_stamps_fit_into_their_figures(crowded: Canvases) -> None:
    assert len(crowded) == 2 * 6 + 1 + 2 * len(MANY) + 2 * 2
    for (title, width), figure in crowded.items():
        height, box = figure.get_size_inches()[1], figure.get_tightbbox()
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
        assert inside, f"{title}: {box.extents} in {width} x {height}"


def test_all_letters_have_nine_pixels_on_a_page_of_400_and_of_700_pixels(crowded: Canvases) -> None:
    for (title, width), figure in crowded.items():
        scale = min(1.0, SHOWN[width] / (96 * width))
        smallest = min(one.get_fontsize() for one in figure.findobj(Text) if one.get_text())
        assert smallest * 96 / 72 * scale >= 9, title


def test_a_figure_follows_the_reader_s_preference_and_keeps_contrast(drawn: list[Drawn]) -> None:
    rules = scheme.dark_rules()
    dark = {light: rules.split(f"fill:{light}']{{fill:")[1][:7] for light in re.findall(r"fill:(#\w+)'", rules)}

    def contrast(one: str, other: str) -> float:
        """Of WCAG 2.2, section 1.4.3."""
        light = [
            sum(
                share * (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)
                for share, value in zip((0.2126, 0.7152, 0.0722), mpl.colors.to_rgb(color), strict=True)
            )
            for color in (one, other)
        ]
        return (max(light) + 0.05) / (min(light) + 0.05)

    for ink in (scheme.INK, scheme.MUTED, scheme.WARNING):
        assert contrast(ink, scheme.PAPER) >= 4.5
        assert contrast(dark[ink], dark[scheme.PAPER]) >= 4.5
    for color in scheme.PALETTE:
        assert contrast(dark.get(color, color), dark[scheme.PAPER]) >= 3
    known = {scheme.PAPER, scheme.INK, scheme.MUTED, scheme.FAINT, scheme.WARNING, *scheme.PALETTE}
    for item in drawn:
        for data in item.files.values():
            text = data.decode()
            assert text.count(rules) == 1
            assert set(re.findall(r"(?:fill|stroke): (#\w+)", text.replace(rules, ""))) <= known


def test_a_system_has_one_colour_and_marker_in_every_figure(painted: Canvases) -> None:
    overview = painted["Systems compared", NARROW.width].axes[0]
    names = [label.get_text().replace("\n", "") for label in overview.get_yticklabels()]
    points = {names[int(line.get_ydata()[0])]: line for line in overview.lines if line.get_marker() not in ("None", "")}
    colors = {name: to_hex(line.get_color()) for name, line in points.items()}
    assert len(set(colors.values())) == len({line.get_marker() for line in points.values()}) == len(names) == 3

    def drawn_in(axes: mpl.axes.Axes) -> set[str]:
        return {to_hex(line.get_color()) for line in axes.lines} & set(scheme.PALETTE)

    for panel in painted["Recall of each class", NARROW.width].axes:
        for line in panel.lines:
            assert to_hex(line.get_color()) == colors[names[int(line.get_ydata()[0])]]
    for panel, name in zip(painted["Reliability of the probabilities", NARROW.width].axes[::2], names, strict=True):
        assert panel.get_title("left").replace("\n", "").startswith(name)
        assert drawn_in(panel) == {colors[name]}
    for name in names:
        for panel in painted[f"Training: {name}", style.SQUARE.width].axes:
            assert drawn_in(panel) == {colors[name]}
    legend = painted["ROC curves, one class against the rest", NARROW.width].subfigs[0].legends[0]
    lines = zip(legend.texts, legend.get_lines(), strict=True)
    assert {text.get_text(): to_hex(line.get_color()) for text, line in lines} == colors


def test_the_first_24_systems_have_no_mark_in_common() -> None:
    looks = style.looks([str(place) for place in range(24)]).values()
    assert len({(look.marker, look.hollow) for look in looks}) == 24
    assert len({(look.color, look.dashes) for look in looks}) == 24


def test_of_many_roc_curves_four_are_named_with_their_areas_and_intervals(crowded: Canvases) -> None:
    figure = crowded["ROC curves, one class against the rest [SYNTHETIC] [LEAKY] [NOT COMPARABLE]", NARROW.width]
    assert "8 other systems" in words(figure)
    for panel in figure.subfigs[1].axes:
        areas = [text.get_text() for text in panel.get_legend().texts]
        assert len(areas) == 4
        assert all(re.fullmatch(r"\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", area) for area in areas)
        colored = [line for line in panel.lines if to_hex(line.get_color()) in scheme.PALETTE]
        assert (len(colored), len(panel.lines)) == (4, 1 + 12)


def test_recall_says_of_how_many_it_is_and_where_an_interval_is_missing(bench: BenchResult) -> None:
    def changed(one: Score) -> Score:
        if (one.metric, one.class_) != ("recall", "df"):
            return one
        known = one if one.model != "densenet121" else replace(one, low=np.nan, high=np.nan)
        return known if one.imbalance != "none" else replace(one, value=np.nan, low=np.nan, high=np.nan)

    changed_bench = replace(bench, scores=list(map(changed, bench.scores)))
    panels = canvases(changed_bench, lambda one: [forest.recall(scene_of(one))])[
        "Recall of each class", NARROW.width
    ].axes
    rare_panel = next(panel for panel in panels if panel.get_title("left") == "df")
    assert " ".join(rare_panel.get_xlabel().split()) == "recall 9 images of 9 lesions"
    assert sorted(text.get_text() for text in rare_panel.texts) == ["no interval", "not known"]
    assert not any(panel.texts for panel in panels if panel is not rare_panel)


def test_recall_of_a_single_system_has_room_for_how_many_images_it_is_of(make_bench: Make, tmp_path: Path) -> None:
    """As of the usual hold-out of HAM10000: matplotlib warned that nothing fits, and drew one row over the other."""
    one = make_bench(tmp_path, systems=[("cnn", "none", 1.0)], seeds=(0,), failed=None)
    counted = [replace(score, n_images=1341, n_lesions=1280) for score in one.scores]
    painted = canvases(replace(one, scores=counted), lambda bench: [forest.recall(scene_of(bench))])
    assert {width for _, width in painted} == {style.WIDE.width, NARROW.width}
    for figure in painted.values():
        panels = [panel.get_tightbbox() for panel in figure.axes if panel.get_visible()]
        assert not any(a.overlaps(b) for a, b in combinations(panels, 2))
        assert max(panel.get_xlabel().count("\n") for panel in figure.axes) > 1


def test_reliability_counts_every_prediction(painted: Canvases) -> None:
    for panel in painted["Reliability of the probabilities", NARROW.width].axes[1::2]:
        assert sum(int(text.get_text()) for text in panel.texts) == 2 * 400  # of two seeds
        assert all(panel.get_ylim()[0] <= bar.get_height() <= panel.get_ylim()[1] for bar in panel.patches)


def test_a_training_is_drawn_once_for_all_who_act_on_its_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(style, "encoded", laid_out)
    of = {
        item.figure.system: item.figure.caption
        for item in training.curves(scene_of(laddered(tmp_path, metrics=OF_TRADE)))
    }
    trained = ["resnet34/none", "resnet34/focal:gamma=1.5", "resnet34/focal:gamma=0", "cnn/none", "alone/none"]
    assert sorted(of) == sorted(trained)
    assert of["cnn/none"].endswith("The same networks are those of cnn/smote.")
    assert "same networks" not in of["alone/none"]


def test_training_that_does_not_move_does_not_look_as_if_it_did(bench: BenchResult) -> None:
    still, lively = bench.finished[0], bench.finished[-1]
    history = still.history.assign(train_loss=np.linspace(1.95, 1.94, 12), val_loss=1.95, val_balanced_accuracy=0.143)
    cells = [replace(cell, history=history) if cell.system == still.system else cell for cell in bench.finished]
    found = canvases(replace(bench, finished=cells), trainings)
    flat, other = (found[f"Training: {one.system}", style.SQUARE.width].axes for one in (still, lively))
    for mine, theirs in zip(flat, other, strict=True):
        assert mine.get_ylim() == theirs.get_ylim()
        assert mine.get_ylim()[0] == 0
    for line in flat[0].lines:
        assert np.ptp(line.get_ydata()) < 0.01 * np.ptp(flat[0].get_ylim())


def test_one_loss_that_explodes_does_not_flatten_the_others_and_says_how_far_it_went(bench: BenchResult) -> None:
    wild = bench.finished[0]
    history = wild.history.assign(val_loss=4e6)
    cells = [replace(wild, history=history), *bench.finished[1:]]
    found = canvases(replace(bench, finished=cells), trainings)
    assert "reaches 4e+06" in words(found[f"Training: {wild.system}", style.SQUARE.width])
    assert found[f"Training: {bench.finished[-1].system}", style.SQUARE.width].axes[0].get_ylim()[1] < 10


def test_ticks_are_round_and_axes_have_titles(painted: Canvases) -> None:
    for (title, _), figure in painted.items():
        if "predictions" in title or "mistakes" in title:
            continue
        assert all(len(one) <= 4 for one in words(figure) if re.fullmatch(r"[\d.]+", one) and "." in one), title
        assert any(panel.get_xlabel() for panel in figure.findobj(mpl.axes.Axes)), title


def test_photographs_name_the_system_whose_words_they_show(painted: Canvases, drawn: list[Drawn]) -> None:
    for title in ("Sample predictions of", "The most confident mistakes of"):
        assert (f"{title} resnet34/focal:gamma=1.5", NARROW.width) in painted
    for item in drawn[-2:]:
        assert "resnet34/focal:gamma=1.5, the best system" in item.figure.caption


def test_nothing_finished_gives_no_figure(make_bench: Make, tmp_path: Path) -> None:
    assert list(draw(make_bench(tmp_path, systems=()))) == []


def test_names_are_shortened_in_the_middle_and_break_at_the_slash() -> None:
    assert style.name_lines("resnet34/none") == "resnet34/none"
    assert style.name_lines("efficientnet_b0/class-weights") == "efficientnet_b0/\nclass-weights"
    probes = [f"timm/tf_efficientnet_lite{n} (imagenet probe)/class-weights" for n in (0, 2)]
    assert [style.name_lines(probe) for probe in probes] == [
        f"timm/tf_efficientnet_lite{n}\n(imagenet probe)/\nclass-weights" for n in (0, 2)
    ]
    assert len({style.name_lines(probe, style.NARROW.name) for probe in probes}) == 2
    assert style.shortened("a" * 30 + "z", 11) == "aaaaa…aaaaz"
    assert style.drawable("名_$") == "?_$"
