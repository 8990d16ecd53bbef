"""What a report says of choices made on validation images."""

from __future__ import annotations

from dataclasses import replace

import pytest

from skineval.grid.choosing import choices
from skineval.report.bench.choices import PREVALENCES, made, values_at
from skineval.report.bench.leaderboard import internal
from skineval.report.document.tables import format_row
from skineval.report.figures import decisions
from skineval.report.figures.scene import scene_of
from skineval.values.measures import Estimate


@pytest.fixture(scope="module")
def chosen(bench):
    quick = replace(bench, recipe=bench.recipe.model_copy(update={"replicates": 1000}))
    return replace(quick, choices=tuple(choices(quick)))


def test_every_system_has_a_row_in_every_table(chosen):
    board = internal(chosen)
    tables = made(chosen.choices, board)
    (scaled,), (operating, elsewhere), (keeping, sets, of_classes) = (
        tables.calibration, tables.decisions, tables.abstention,
    )  # fmt: skip
    for table in (scaled, operating, keeping, sets):
        assert [row.cells[0] for row in table.rows] == board.systems
        assert not any("–" in format_row(row, table.columns) for row in table.rows)
    assert len(elsewhere.rows) == len(PREVALENCES)
    assert [row.cells[0] for row in of_classes.rows] == list(board.classes)


def test_predictive_values_grow_and_fall_with_prevalence_inside_their_ends():
    ppv, npv = zip(
        *(values_at(Estimate(0.9, 0.8, 0.95), Estimate(0.8, 0.7, 0.9), one) for one in PREVALENCES), strict=True
    )
    assert [one.value for one in ppv] == sorted(one.value for one in ppv)
    assert [one.value for one in npv] == sorted((one.value for one in npv), reverse=True)
    assert all(one.low < one.value < one.high for one in (*ppv, *npv))


def test_nothing_is_drawn_where_malignancy_is_not_known(chosen):
    unknown = [replace(cell, predictions=replace(cell.predictions, malignant=None)) for cell in chosen.finished]
    assert decisions.draw(scene_of(replace(chosen, finished=unknown)), chosen.choices, 1000) is None
