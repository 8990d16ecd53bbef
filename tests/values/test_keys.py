"""What follows from the one table of keys."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

import pytest

from skineval.grid.plan import make_training
from skineval.train.weights import NONE
from skineval.tuning.space import SEARCHABLE
from skineval.values.keys import KEYS, NEEDS, TRAINING
from skineval.values.recipe import Recipe, make_recipe
from skineval.values.runspec import Training


def training(**keys: Any) -> Training:
    recipe = make_recipe({"models": "cnn", "data": "d", **keys})
    return make_training(recipe, 64 if recipe.batch_size == "auto" else recipe.batch_size, NONE)


def other(key: str) -> object:
    """A value that a recipe may have, and has not by default."""
    kind, default = Recipe.model_fields[key].annotation, KEYS[key].default
    if get_origin(kind) is Literal:
        return next(value for value in get_args(kind) if value != default)
    if key == "augment":
        return "flip"
    return 0.25 if kind is float or default == "auto" else default + 1


def test_the_fields_of_recipes_are_the_rows_of_the_table():
    assert list(Recipe.model_fields) == list(KEYS)
    assert [key for key in KEYS if Recipe.model_fields[key].get_default() != KEYS[key].default] == ["models", "data"]


def test_what_nobody_says_is_the_same_in_a_recipe_and_to_the_loop():
    assert training() == Training(epochs=30, batch_size=64, learning_rate=1e-3)


@pytest.mark.parametrize("key", [name for name, key in KEYS.items() if key.panel == TRAINING or key.search])
def test_every_key_of_training_reaches_the_loop_and_can_be_searched(key):
    needed = dict([NEEDS[key]]) if key in NEEDS else {}
    assert training(**needed, **{key: other(key)}) != training(**needed)
    assert key in SEARCHABLE
