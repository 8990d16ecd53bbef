"""Tables within a width: nothing is lost that could be folded, and what goes is what matters least."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from skineval.measure.comparisons import best_first
from skineval.report.bench import standings
from skineval.report.bench.leaderboard import internal
from skineval.report.document import html
from skineval.report.document.layout import GAP, fitted, wrapped
from skineval.report.document.tables import Column, Row, Table, format_row
from skineval.values.measures import Estimate
from skineval.values.result import BenchResult

NAMES = (
    ("ensemble(resnet18,cnn;folds)", "class-weights+label-smoothing"),
    ("ensemble(resnet18,cnn,densenet121)", "logit-adjustment:tau=1.5"),
    ("cnn+densenet121+efficientnet_b3", "focal:gamma=1.5"),
    ("vit_b_16:head=mlp,dropout=0.3", "none"),
    *((f"resnet{place}", "effective-number:beta=0.999") for place in range(18, 26)),
)


@pytest.fixture(scope="module")
def twelve(bench: BenchResult) -> Table:
    """The comparison of twelve systems with long names."""
    none = [one for one in bench.scores if one.imbalance == "none"]
    scores = [replace(one, model=model, imbalance=imbalance) for model, imbalance in NAMES for one in none]
    best, *others = best_first({f"{model}/{imbalance}": 0.5 for model, imbalance in NAMES})
    differences = [replace(bench.differences[0], a=best, b=other) for other in others]
    return standings.comparison(replace(internal(bench), scores=scores, differences=differences))


def keys(table: Table, width: int) -> list[str]:
    hidden = {column.key for column in fitted(table, width).hidden}
    return [column.key for column in table.columns if column.key not in hidden]


@pytest.mark.parametrize(
    ("width", "kept"),
    [
        (60, ["balanced_accuracy", "behind_best"]),
        (80, ["balanced_accuracy", "behind_best", "macro_auc"]),
        (100, ["balanced_accuracy", "behind_best", "p_holm", "macro_auc", "recall_mel"]),
        (110, ["balanced_accuracy", "behind_best", "p_holm", "nll", "macro_auc", "recall_mel"]),
        (160, ["balanced_accuracy", "behind_best", "p_holm", "nll", "macro_auc", "recall_mel", "malignancy_auc"]),
    ],
)
def test_what_matters_is_kept_whatever_the_names(twelve: Table, width: int, kept: list[str]) -> None:
    assert set(kept) <= set(keys(twelve, width - 2))  # there is a margin


def test_intervals_are_folded_before_a_column_goes_and_columns_go_in_order(twelve: Table) -> None:
    widths = range(40, 400)
    for narrow, wide in pairwise(widths):
        assert set(keys(twelve, narrow)) <= set(keys(twelve, wide))
        folded = any("\n[" in cell for strip in fitted(twelve, narrow).strips for cell in strip.cells)
        assert folded == ("p_holm" not in [strip.column.key for strip in fitted(twelve, narrow).strips])
        if not folded:
            assert fitted(twelve, narrow).hidden == ()


def test_a_p_value_stands_behind_the_difference_that_it_is_of(twelve: Table) -> None:
    (strip,) = [strip for strip in fitted(twelve, 98).strips if strip.column.key == "behind_best"]
    assert " ".join(strip.head.split()) == "Behind the best (Holm p)"
    figures = [dict(zip((column.key for column in twelve.columns), row.cells, strict=True)) for row in twelve.rows]
    for cell, row in zip(strip.cells, figures, strict=True):
        gap, p = row["behind_best"], row["p_holm"]
        if isinstance(gap, Estimate):
            assert cell == f"{gap.value:.3f} ({p:.3f})\n[{gap.low:.3f}, {gap.high:.3f}]".replace("-", "−")
        else:
            assert "(" not in cell


WORDS = st.text("abcB/+:,;(_-12 .漢", max_size=60).map(lambda words: " ".join(words.split()))


@given(WORDS, st.integers(4, 70), st.sampled_from(["", "  "]))
def test_folded_words_are_the_same_words(words: str, width: int, indent: str) -> None:
    lines = wrapped(words, width, indent).split("\n")
    assert max(map(cell_len, lines)) <= width
    assert all(line.startswith(indent) for line in lines[1:])
    assert "".join("".join(lines).split()) == words.replace(" ", "")


def test_a_page_breaks_names_where_the_console_does() -> None:
    name = "ensemble(resnet18,cnn;folds)/class-weights (10,015)"
    assert html._breakable(name) == "ensemble(<wbr>resnet18,<wbr>cnn;<wbr>folds)/<wbr>class-weights (10,015)"
    assert "majority (baseline)" in html._breakable("majority (baseline)")


def test_a_name_is_broken_where_its_parts_meet_and_a_number_nowhere() -> None:
    assert wrapped("ensemble(resnet18,cnn)/class-weights", 20, " ") == "ensemble(resnet18,\n cnn)/class-weights"
    assert wrapped("of 10,015 images", 7) == "of\n10,015\nimages"
    assert wrapped("one/two three", 9) == "one/two\nthree"


TABLES = st.lists(st.tuples(WORDS, st.floats(0, 1), st.floats(0, 1e6), WORDS), min_size=1, max_size=5)


@given(TABLES, st.integers(20, 200))
def test_a_table_is_as_wide_as_it_may_be_and_complete(cells: list[tuple[str, float, float, str]], width: int) -> None:
    columns = (
        Column("name", "Name"),
        Column("score", "The score", "score", priority=1),
        Column("count", "Count", "count", priority=2),
        Column("words", "Words", priority=3),
        Column("more", "More"),
    )
    found = tuple(Row((name, Estimate(score, score, score), count, words, name)) for name, score, count, words in cells)
    table = Table("t", columns, found)
    layout = fitted(table, width)
    assert sum(strip.width + GAP for strip in layout.strips) - GAP <= width
    for strip in layout.strips:
        place = columns.index(strip.column)
        for cell, row in zip(strip.cells, found, strict=True):
            assert max(map(cell_len, cell.split("\n"))) <= strip.width
            assert "".join(cell.split()) == format_row(row, columns)[place].replace(" ", "")


IDS = ("patient_0012_lesion_left_arm_1", "patient_0012_lesion_left_arm_2")
PATH = "images/second visit/patient_0012_lesion_left_arm_1.jpg"
PAIRS = (
    Column("image_a", "Image A", whole=True),
    Column("image_b", "Image B", whole=True),
    Column("dx", "A is", priority=1),
    Column("contrast", "Contrast", "score", priority=2),
)


@given(st.integers(len(" ".join(IDS)) + 1, 120))
def test_ids_stay_whole_and_less_important_columns_go(width: int) -> None:
    table = Table("t", PAIRS, (Row((*IDS, "nevus", 0.5)),))
    layout = fitted(table, width)
    assert [strip.cells for strip in layout.strips[:2]] == [(IDS[0],), (IDS[1],)]
    assert len(layout.strips) + len(layout.hidden) == len(PAIRS)
    assert [column.key for column in fitted(table, 61 + GAP).hidden] == ["dx", "contrast"]


def test_words_are_broken_before_paths_and_where_nothing_else_helps_these_too() -> None:
    columns = (Column("code", "Finding"), Column("where", "Where", whole=True), Column("what", "What"))
    table = Table("t", columns, (Row(("unreadable-image", PATH, "is cut off after 100,000 bytes")),))
    assert fitted(table, 62).strips[1].cells == (PATH.replace(" visit", "\nvisit", 1),)
    narrow = fitted(table, 40).strips
    assert sum(strip.width + GAP for strip in narrow) - GAP == 40
