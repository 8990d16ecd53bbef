from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skineval.report.document import console
from skineval.report.document.notebook import shown as in_notebook
from skineval.report.tuning import ShownSearch, draw, ranked, table
from skineval.tuning.search import Search
from skineval.tuning.space import Choices, Range
from skineval.tuning.trials import DONE, FAILED, PRUNED, Trial
from skineval.values.recipe import make_recipe

SPACE = (
    Range("epochs", 2, 8, whole=True),
    Range("learning_rate", 1e-4, 1e-2, logarithmic=True),
    Range("weight_decay", 1e-6, 0.1, logarithmic=True),
    Choices("augment", ("none", "flip,rotate")),
)


def trial(number: int, state: str, value: float | None, rate: float = 1e-3, reason: str = "") -> Trial:
    own = number == 0
    # The recipe's own setting stands outside of two of the dimensions.
    setting = {"epochs": 4, "learning_rate": rate, "weight_decay": 0.0 if own else 0.01}
    augment = "basic" if own else "none"
    return Trial(number, {**setting, "augment": augment}, state, value, epochs=4, seconds=2.5, reason=reason)


SEARCH = Search(
    folder=Path("runs/[/]tuned"),
    recipe=make_recipe({"models": "cnn", "data": "synthetic", "weights": "none"}),
    space=SPACE,
    trials=(
        trial(0, DONE, 0.5),
        trial(1, PRUNED, 0.62),
        trial(2, DONE, 0.61, 2e-3),
        trial(3, FAILED, None, 1e-2, "=out of luck [/] <b>|"),
        trial(4, DONE, 0.4),
    ),
    system="cnn/none",
    cells=2,
    n_images=1003,
    n_groups=746,
    unit="lesion",
    stamps=("SYNTHETIC",),
)


def test_the_best_is_first_and_what_did_not_end_is_last():
    shown = table(SEARCH)
    assert [row.cells[0] for row in shown.rows] == [2, 0, 4, 1, 3]
    assert [row.kind for row in shown.rows] == ["best", "baseline", "plain", PRUNED, FAILED]
    gains = {row.cells[0]: row.cells[2] for row in shown.rows}
    assert gains == {2: pytest.approx(0.11), 0: 0.0, 4: pytest.approx(-0.1), 1: None, 3: None}


@given(st.lists(st.tuples(st.sampled_from([DONE, PRUNED, FAILED]), st.floats(0, 1)), max_size=12))
def test_ranking_is_an_order_of_all(found):
    trials = [trial(number, state, value) for number, (state, value) in enumerate(found)]
    order = ranked(trials)
    assert sorted(one.number for one in order) == list(range(len(trials)))
    done = [one.score for one in order if one.state == DONE]
    assert done == sorted(done, reverse=True)
    assert [one.state for one in order[: len(done)]] == [DONE] * len(done)


def test_the_table_says_what_its_figures_are_not():
    text = " ".join(console.render(table(SEARCH), width=160).split())
    assert "Trial 0 is the recipe's own setting: 0.500. Trial 2 is the best: 0.610, 0.110 more." in text
    assert "Validation part: 1,003 images of 746 lesions; each value is the mean over 2 networks." in text
    assert "The best of many trials on the same images is optimistic, and no figure to report." in text
    assert "The test part was not read: `skineval bench runs/[/]tuned/recipe.toml`" in text
    assert "1 trial pruned" in text
    assert "SYNTHETIC" in text
    assert "=out of luck [/] <b>|" in text


def test_what_is_not_as_usual_is_said_below_the_table():
    shown = table(dataclasses.replace(SEARCH, notes=("Judged in a way of its own.",)))
    assert "Judged in a way of its own." in console.render(shown, width=160)


def test_where_nothing_is_better_it_says_so():
    text = console.render(table(dataclasses.replace(SEARCH, trials=SEARCH.trials[:1], cells=1)), width=160)
    assert "No trial is better." in text
    assert "mean over" not in text
    assert "pruned:" not in text


def test_programs_get_numbers_and_no_formulas():
    (first, *_) = json.loads(console.render(table(SEARCH), "json"))["rows"]
    assert (first["number"], first["value"], first["learning_rate"], first["state"]) == (2, 0.61, 0.002, "done")
    assert "'=out of luck" in console.render(table(SEARCH), "csv")


def test_python_is_shown_a_search_in_a_line():
    assert "best 0.610 (trial 2), the recipe's own" in repr(SEARCH)
    assert len(repr(SEARCH)) < 300


def test_a_notebook_shows_the_trials_and_no_markup_of_theirs():
    page = in_notebook(ShownSearch, SEARCH)._repr_html_()
    assert page.count("<tr>") == 1 + len(SEARCH.trials)
    assert "=out of luck [/] &lt;b&gt;|" in page


@pytest.mark.parametrize("trials", [SEARCH.trials, SEARCH.trials[:1]], ids=["five", "one"])
def test_the_picture_is_the_same_every_time_and_shows_every_dimension(trials):
    search = dataclasses.replace(SEARCH, trials=trials)
    picture = draw(search)
    assert picture == draw(search)
    panels = {clip.get("id") for clip in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}clipPath")}
    assert len(panels) == 1 + len(SPACE)
    comments = picture.decode()
    for words in ("Learning rate", "Weight decay", "Augment", "Epochs", "[SYNTHETIC]"):
        assert f"<!-- {words}" in comments or words in comments
