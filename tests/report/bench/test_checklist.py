"""The checklist: every answer is borne out by the report that it stands in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from skineval.report.bench import checklist
from skineval.report.bench.bench import build
from skineval.report.bench.leaderboard import internal
from skineval.report.document.blocks import LeftOut
from skineval.report.document.tables import Table
from skineval.values.result import BenchResult

Make = Callable[..., BenchResult]


def answers(bench: BenchResult, *beside: str) -> dict[str, checklist.Item]:
    """What is answered of a report that has its sections and those `beside`, by what is asked for."""
    *others, _ = build(bench, [], {}).sections
    found = list(checklist.items(bench, internal(bench), [*checklist.answering(others), *beside]))
    assert len({one.asked for one in found}) == len(found)
    return {one.asked: one for one in found}


def test_it_stands_last_and_names_only_sections_that_are_there(bench: BenchResult) -> None:
    *others, last = build(bench, [], {}).sections
    assert last.title == "Checklist"
    (table,) = (block for block in last.blocks if isinstance(block, Table))
    titles = {section.title for section in others}
    for asked, answer, where, sources in (map(str, row.cells) for row in table.rows):
        assert answer in ("reported", "partly", "not reported", "not applicable")
        assert (where.partition(":")[0] in titles) == (answer in ("reported", "partly")), asked
        assert ("Missing: " in where) == (answer in ("partly", "not reported")), asked
        assert re.fullmatch(r"((STARD-AI|TRIPOD\+AI|CLAIM)( \d+[a-g]?,?)+(; )?)+", sources), asked
    assert "%" not in str(last)
    wanted = LeftOut("mistakes", "Mistakes", "The data is no longer where it was.")
    *others, _ = build(bench, [wanted], {}).sections
    assert "Gallery" in {section.title for section in others}
    assert "Gallery" not in checklist.answering(others)


def test_without_its_section_nothing_is_reported(bench: BenchResult) -> None:
    board = internal(bench)
    assert {one.answer for one in checklist.items(bench, board, [])} == {"not reported", "not applicable"}


def test_what_is_missing_is_not_reported_and_what_is_added_is(make_bench: Make, tmp_path: Path) -> None:
    bench = make_bench(tmp_path, seeds=(0,))
    found = answers(bench)
    assert found["A test on images from elsewhere"].answer == "not reported"
    assert found["How far figures move when training is repeated"].answer == "not reported"
    assert found["From which threshold an image counts as positive"].answer == "not reported"
    assert found["Whether it is worse for some"].answer == "not reported"
    assert found["Whether the data can be had"].where.endswith("Missing: the licence.")
    assert found["What was done about classes of unequal size"].where.endswith("the same model with none.")
    threshold = answers(bench, "Operating point")["From which threshold an image counts as positive"]
    assert (threshold.answer, threshold.where.partition(":")[0]) == ("reported", "Operating point")


@pytest.mark.parametrize(
    ("seeds", "folds", "answer", "missing"),
    [((0, 1), 5, "reported", ""), ((0, 1), 1, "partly", "a second split"), ((0,), 5, "partly", "a second seed")],
)
def test_what_was_repeated_is_told(
    bench: BenchResult, seeds: tuple[int, ...], folds: int, answer: str, missing: str
) -> None:
    recipe = bench.recipe.model_copy(update={"seeds": seeds, "folds": folds})
    found = answers(replace(bench, recipe=recipe))["How far figures move when training is repeated"]
    assert found.answer == answer
    assert found.where.endswith(f"Missing: {missing}.") == bool(missing)


def test_parts_that_share_lesions_are_no_more_than_partly_reported(bench: BenchResult) -> None:
    asked = "What no two parts have in common"
    assert answers(bench)[asked].where.endswith("whether they share patients is not known.")
    split = bench.split.copy()
    split.loc[split.index[-1], "group"] = split.loc[split["part"] == "test", "group"].iloc[0]
    shared = answers(replace(bench, split=split))[asked]
    assert shared.answer == "partly"
    assert "LEAKY, 1 lesion in several parts" in shared.where
    facts = replace(bench.environment.data, lesions_known=False)
    unknown = answers(replace(bench, environment=replace(bench.environment, data=facts)))[asked]
    assert (unknown.answer, unknown.where.endswith("which of them show one lesion.")) == ("partly", True)


def test_nobody_asks_made_up_images_for_patients(bench: BenchResult) -> None:
    found = answers(replace(bench, warnings=("SYNTHETIC",)))
    for asked in ("How the reference standard was made", "Approval by an ethics committee"):
        assert found[asked].answer == "not applicable"
