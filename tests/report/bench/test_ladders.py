"""The section on imbalance: a table for each model, and in words what changed nothing and what is as good as best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from skineval.grid.measuring import measured
from skineval.measure.names import METRICS
from skineval.measure.ranks import LAG_P
from skineval.report.bench import bench as sections
from skineval.report.bench.ladders import Ladder, imbalance, ladders, table
from skineval.report.bench.leaderboard import internal
from skineval.report.document import formatting
from skineval.report.document.blocks import Block, Fold, Paragraph
from skineval.report.document.tables import Cell, Row, Table
from skineval.values.measures import Difference, Score
from skineval.values.result import BenchResult
from tests.report.laddered import laddered


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> BenchResult:
    return laddered(tmp_path_factory.mktemp("laddered"))


@pytest.fixture(scope="module")
def ladder(bench: BenchResult) -> Ladder:
    return next(one for one in ladders(bench, internal(bench)) if one.model == "resnet34")


@pytest.fixture(scope="module")
def shown(bench: BenchResult, ladder: Ladder) -> Table:
    return table(bench, internal(bench), ladder)


def cells(shown: Table, key: str) -> dict[str, Cell]:
    place = [column.key for column in shown.columns].index(key)
    return {str(row.cells[0]): row.cells[place] for row in shown.rows}


def words(blocks: Sequence[Block]) -> str:
    inside = (words(block.blocks) if isinstance(block, Fold) else getattr(block, "words", "") for block in blocks)
    return " ".join(inside)


def section(bench: BenchResult) -> list[Block]:
    return list(imbalance(bench, internal(bench), ()))


def test_none_stands_first_then_the_best_and_baselines_last(bench: BenchResult, shown: Table) -> None:
    rows: tuple[Row, ...] = shown.rows
    assert [row.kind for row in rows] == ["plain", "best", "plain", "plain", "baseline", "baseline"]
    assert rows[0].cells[0] == "none"
    values = [one.value for one in list(cells(shown, "balanced_accuracy").values())[1:4] if isinstance(one, Score)]
    assert len(values) == 3
    assert values == sorted(values, reverse=True)


def test_every_figure_is_a_score_of_the_model(bench: BenchResult, shown: Table) -> None:
    keys = ("balanced_accuracy", "nll", "ece", "macro_auc", "recall_mel", "head_recall", "tail_recall")
    for key in keys:
        metric, class_ = ("recall", "mel") if key == "recall_mel" else (key, "")
        for name, one in cells(shown, key).items():
            system = name.removesuffix(" (baseline)") if "baseline" in name else f"resnet34/{name}"
            assert isinstance(one, Score)
            assert one in bench.scores
            assert (one.system, one.metric, one.class_) == (system, metric, class_)
    order = [column.key for column in shown.columns]
    assert order[:5] == ["imbalance", "balanced_accuracy", "minus_none", "p_holm", "nll"]


def test_differences_are_those_to_none(bench: BenchResult, shown: Table) -> None:
    minus, p = cells(shown, "minus_none"), cells(shown, "p_holm")
    for name in ("smote", "focal:gamma=1.5", "focal:gamma=0"):
        one = minus[name]
        assert isinstance(one, Difference)
        assert (one.a, one.b, one.metric) == (f"resnet34/{name}", "resnet34/none", "balanced_accuracy")
        assert p[name] == one.p_holm
    assert minus["none"] is None


def test_a_shared_network_is_charged_to_the_strategy_that_trained_it(bench: BenchResult, shown: Table) -> None:
    """Without an asterisk: that has another meaning in the tables beside this one."""
    took = bench.cells.groupby(["model", "imbalance"])["seconds"].sum()
    time = cells(shown, "seconds")
    assert time["none"] == took["resnet34", "none"]
    assert time["focal:gamma=1.5"] == took["resnet34", "focal:gamma=1.5"]
    assert time["smote"] == pytest.approx(took["resnet34", "smote"] - 2 * 12 * 20.0)  # of its two cells of 12 epochs
    (column,) = (column for column in shown.columns if column.key == "seconds")
    assert (column.name, "*" in column.note) == ("Own time", False)


def test_the_classes_of_head_and_tail_are_named(shown: Table) -> None:
    notes = " ".join(shown.footnotes)
    assert "Tail: akiec, bcc, df and vasc. Head: bkl, mel and nv." in notes
    assert "fewer train images than the geometric mean" in notes


def test_what_changed_no_prediction_is_named(bench: BenchResult) -> None:
    said = words(section(bench))
    assert "focal:gamma=0 changed no prediction here" in said
    assert said.count("changed no prediction") == 1


def changed(bench: BenchResult, p: dict[str, float]) -> BenchResult:
    """With these p of how far others are behind the best; that of `none` is of its difference to the best."""
    scores = [
        replace(one, value=p.get(one.imbalance, 0.9)) if (one.metric, one.model) == (LAG_P, "resnet34") else one
        for one in bench.scores
    ]
    rows = [
        replace(one, p_holm=p.get("none", 0.9), low=0.01, high=0.1) if one.a == "resnet34/smote" else one
        for one in bench.ladders
    ]
    return replace(bench, scores=scores, ladders=rows)


def test_a_small_p_beside_an_interval_on_both_sides_of_0_tells_nothing_apart(ladder: Ladder) -> None:
    one = replace(ladder.differences[0], p_holm=0.001, low=-0.01, high=0.3)
    assert not one.is_certain
    assert replace(one, low=0.01).is_certain
    assert not replace(one, low=0.01, p_holm=0.06).is_certain
    assert not replace(one, low=float("nan"), p_holm=float("nan")).is_certain


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (
            {"none": 0.01, "focal:gamma=0": 0.01},
            "cannot be told apart from focal:gamma=1.5; from none and focal:gamma=0 it can.",
        ),
        ({}, "cannot be told apart from none, focal:gamma=1.5 and focal:gamma=0."),
        (
            dict.fromkeys(("none", "focal:gamma=0", "focal:gamma=1.5"), 0.01),
            "can be told apart from each of the others: none, focal:gamma=1.5 and focal:gamma=0.",
        ),
        (dict.fromkeys(("none", "focal:gamma=0", "focal:gamma=1.5"), float("nan")), "cannot be told apart from none,"),
    ],
)
def test_what_cannot_be_told_apart_from_the_best_is_named(
    bench: BenchResult, p: dict[str, float], expected: str
) -> None:
    said = words(section(changed(bench, p)))
    assert "On these images smote, the best strategy in balanced accuracy," in said
    assert expected in said


def test_what_the_table_says_of_none_the_sentence_says_too(bench: BenchResult, ladder: Ladder) -> None:
    """Whatever p another correction would give that pair."""
    lower = changed(bench, {"none": 0.06})
    scores = [replace(one, value=0.001) if one.system == "resnet34/none" else one for one in lower.scores]
    (found,) = (one for one in ladders(replace(lower, scores=scores), internal(lower)) if one.model == "resnet34")
    assert not found.falls_short("none")
    assert not found.gains[found.best].is_certain


def test_a_strategy_that_changed_nothing_is_not_the_best(bench: BenchResult) -> None:
    alone = [one for one in bench.finished if one.system in ("resnet34/none", "resnet34/focal:gamma=0")]
    found = measured(replace(bench, finished=alone), METRICS)
    assert internal(found).best == "resnet34/none"
    (only,) = ladders(found, internal(found))
    assert only.best == "none"
    assert "none, the best strategy in balanced accuracy, cannot be told apart from focal:gamma=0." in words(
        section(found)
    )


def test_strategies_without_none_are_told_to_have_nothing_to_be_compared_with(bench: BenchResult) -> None:
    rest = [cell for cell in bench.finished if cell.system != "resnet34/none"]
    said = words(section(measured(replace(bench, finished=rest), METRICS)))
    assert "Of resnet34 strategies were benched without none, so that nothing says what they gain" in said


def test_too_few_replicates_for_so_many_strategies_are_told(bench: BenchResult, ladder: Ladder) -> None:
    few = replace(internal(bench), replicates=49)
    (said,) = (note for note in table(bench, few, ladder).footnotes if "none can be told apart" in note)
    assert said.startswith("With 49 replicates the smallest Holm p of 3 comparisons is 0.060")
    assert said.endswith("That takes 60 replicates.")
    assert not any("none can be told apart" in note for note in table(bench, internal(bench), ladder).footnotes)


def test_where_none_is_the_best_the_sentence_says_so(bench: BenchResult) -> None:
    found = {one.model: one for one in ladders(bench, internal(bench))}
    assert {model: one.best for model, one in found.items()} == {"resnet34": "smote", "cnn": "none"}
    assert "On these images none, the best strategy in balanced accuracy, can be told apart" in words(section(bench))


def test_the_section_stands_after_the_comparison_where_strategies_were_compared(bench: BenchResult) -> None:
    titles = [one.title for one in sections.build(bench, [], {}).sections]
    assert titles[1:3] == ["Comparison", "Imbalance"]
    alone = replace(bench, finished=[cell for cell in bench.finished if cell.model == "alone"], ladders=())
    assert section(alone) == []


def test_what_gains_and_loses_at_once_is_said_above_the_tables(bench: BenchResult) -> None:
    first, *folds = section(bench)
    assert isinstance(first, Paragraph)
    assert "what shifts logits for the one often loses in the others" in first.words
    assert [fold.title for fold in folds if isinstance(fold, Fold)] == ["resnet34", "cnn"]


def test_stamps_stand_in_the_titles_and_all_differences_in_a_fold(bench: BenchResult) -> None:
    _, fold, _ = section(replace(bench, warnings=("LEAKY",)))
    assert isinstance(fold, Fold)
    main, inner = fold.blocks[-2:]
    assert isinstance(main, Table)
    assert isinstance(inner, Fold)
    (differences,) = inner.blocks
    assert isinstance(differences, Table)
    assert all(formatting.stamp_meaning("LEAKY") in one.title for one in (main, differences))
    assert len(differences.rows) == 3 * 3


def test_what_a_strategy_did_otherwise_than_asked_stands_below_the_table(bench: BenchResult, ladder: Ladder) -> None:
    note = "focal:gamma=1.5: k is 4 in place of 100: the smallest class has 5 train images. focal:gamma=1.5: More."
    finished = [
        replace(cell, reason=f"Trained. {note} And more.") if cell.imbalance == "focal:gamma=1.5" else cell
        for cell in bench.finished
    ]
    mine = sum(cell.imbalance == "focal:gamma=1.5" and cell.model == "resnet34" for cell in bench.finished)
    footnotes = table(replace(bench, finished=finished), internal(bench), ladder).footnotes
    (said,) = (text for text in footnotes if "in place of" in text)
    assert mine > 1
    assert said == f"{note} (and {mine - 1} more cells of {mine} something of the kind)"
