from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skineval.base.errors import UsageError
from skineval.tuning.space import (
    SEARCHABLE,
    Choices,
    Range,
    applied,
    changed,
    described,
    make_space,
    own_values,
    settings,
)
from skineval.values.recipe import Recipe, make_recipe

BASE = {"models": "cnn", "data": "synthetic", "weights": "none", "learning_rate": 1e-3, "epochs": 6}


def recipe(**keys: object) -> Recipe:
    return make_recipe({**BASE, **keys})


@given(
    rate=st.floats(1e-8, 10),
    decay=st.one_of(st.just(0.0), st.floats(1e-9, 5)),
    batch=st.integers(2, 4096),
    epochs=st.integers(1, 500),
    augment=st.sampled_from(["none", "basic", "flip,rotate"]),
    schedule=st.sampled_from(["cosine", "plateau"]),
)
def test_the_usual_space_holds_what_the_recipe_says(rate, decay, batch, epochs, augment, schedule):
    base = recipe(
        learning_rate=rate, weight_decay=decay, batch_size=batch, epochs=epochs, augment=augment, schedule=schedule
    )
    space = make_space([], base)
    assert {one.key for one in space} == {
        "learning_rate",
        "weight_decay",
        "batch_size",
        "augment",
        "schedule",
        "epochs",
    }
    own = own_values(space, base)
    assert own == {key: getattr(base, key) for key in own}
    for one in space:
        if isinstance(one, Range):
            assert one.low < one.high
            assert not one.logarithmic or one.low > 0
        else:
            assert len(one.values) > 1
        # Without any decay the recipe stands below a scale that has no zero.
        assert one.holds(own[one.key]) or (one.key, own[one.key]) == ("weight_decay", 0.0)
        for end in (one.low, one.high) if isinstance(one, Range) else one.values:
            tidy = one.tidy(end) if isinstance(one, Range) else end
            assert getattr(applied(base, {one.key: tidy}), one.key) == tidy


def test_what_is_asked_for_is_searched_in_the_order_of_a_recipe():
    space = make_space(["weight-decay,learning_rate", "augment = none, flip+rotate"], recipe(weight_decay=0.05))
    assert [one.key for one in space] == [key for key in SEARCHABLE if key in {one.key for one in space}]
    assert {one.key for one in space} == {"learning_rate", "weight_decay", "augment"}
    assert Choices("augment", ("none", "flip,rotate")) in space
    assert Range("weight_decay", 0.05 / 100, 0.5, logarithmic=True) in space


def test_values_are_read_as_the_recipe_reads_them():
    texts = ["learning_rate=1e-4..1e-2", "epochs=2..9", "batch_size=16,32,16", "label_smoothing=0..0.2"]
    space = {one.key: one for one in make_space(texts, recipe())}
    assert space["learning_rate"] == Range("learning_rate", 1e-4, 1e-2, logarithmic=True)
    assert space["epochs"] == Range("epochs", 2, 9, whole=True)
    assert space["batch_size"] == Choices("batch_size", (16, 32))
    assert space["label_smoothing"] == Range("label_smoothing", 0, 0.2)
    assert (str(space["learning_rate"]), str(space["batch_size"])) == ("0.0001 to 0.01, logarithmic", "16, 32")


def test_one_text_may_hold_several_keys_with_their_values():
    base = recipe()
    apart = ["learning_rate=1e-4..1e-2", "weight_decay", "augment=none,basic", "batch_size=8,16"]
    assert make_space(["learning_rate=1e-4..1e-2, weight_decay,augment = none,basic,batch-size=8,16"], base) == (
        make_space(apart, base)
    )


@pytest.mark.parametrize(
    ("texts", "message", "hint"),
    [
        (["learning_rte"], "'learning_rte' cannot be searched", "Did you mean learning_rate?"),
        (["image_size=32,64"], "'image_size' cannot be searched", "There are: epochs, batch_size"),
        (["learning_rate", "learning_rate=1e-3..1e-2"], "names learning_rate twice", ""),
        (["label_smoothing"], "names label_smoothing without values", "label_smoothing=LOW..HIGH"),
        (["optimizer"], "names optimizer without values", "Write optimizer=A,B."),
        (["epochs="], "names no values of epochs", "epochs=LOW..HIGH"),
        (["epochs,3"], "'3' cannot be searched", ""),
        (["learning_rate=0.1,weight_decy"], "learning_rate is 'weight_decy'", ""),
        (["learning_rate=1e-2..1e-4"], "where 0.01 is not below 0.0001", "Swap"),
        (["learning_rate=1e-3..1e-3"], "is not below", ""),
        (["learning_rate=0.1..20"], "learning_rate is 20, which should be", ""),
        (["learning_rate=low..high"], "learning_rate is 'low'", ""),
        (["learning_rate=..1"], "learning_rate is ''", ""),
        (
            ["weight_decay=0..0.1"],
            "a logarithmic scale, on which weight_decay is searched, has no 0",
            "weight_decay=0,",
        ),
        (["batch_size=auto,32"], "names auto as a value of batch_size", ""),
        (["epochs=1.5..3"], "epochs is 1.5", ""),
        (["epochs=4"], "leaves nothing to search", ""),
        (["augment=basic,basic"], "leaves nothing to search", ""),
        (["augment=none,baisc"], "did you mean basic", ""),
        (["schedule=cosine..plateau"], "values of schedule have no order", "Write schedule=A,B."),
        (["plateau_factor=0.1..0.9"], "does nothing while schedule is 'cosine'", ""),
        (["freeze=none,backbone"], "a backbone of random weights would never learn", ""),
    ],
)
def test_what_cannot_be_searched_is_told(texts, message, hint):
    with pytest.raises(UsageError) as error:
        make_space(texts, recipe())
    assert message in error.value.message
    assert hint in error.value.hint


def test_a_key_that_depends_on_another_may_be_searched_with_it():
    base = recipe()
    space = make_space(["schedule=cosine,plateau", "plateau_factor=0.1..0.9"], base)
    assert {one.key for one in space} == {"schedule", "plateau_factor"}
    assert applied(base, {"schedule": "plateau", "plateau_factor": 0.3}).plateau_factor == 0.3
    assert applied(base, {"schedule": "cosine", "plateau_factor": 0.3}).plateau_factor == base.plateau_factor
    # Also where the recipe itself has set what then does nothing.
    stalling = recipe(schedule="plateau", plateau_patience=7)
    assert applied(stalling, {"schedule": "cosine"}).plateau_patience == base.plateau_patience


@given(value=st.floats(1e-4, 1e-2))
def test_numbers_are_short_and_stay_inside(value):
    one = Range("learning_rate", 1.2345e-4, 9.8765e-3, logarithmic=True)
    tidy = one.tidy(value)
    assert one.holds(tidy)
    if one.low * 1.01 < value < one.high / 1.01:
        assert math.isclose(tidy, value, rel_tol=0.005)
        assert len(f"{tidy:e}".partition("e")[0].rstrip("0")) <= 4


def test_a_space_is_known_again_and_its_changes_are_named():
    base = recipe()
    space = make_space(["epochs=1..4", "schedule=cosine,plateau"], base)
    assert changed(space, described(make_space(["schedule=cosine,plateau", "epochs=1..4"], base))) == ()
    assert changed(space, described(make_space(["epochs=1..5", "schedule=cosine,plateau"], base))) == ("epochs",)
    assert changed(space, described(make_space(["epochs=1..4", "batch_size=8,16"], base))) == ("batch_size", "schedule")


def test_a_small_space_can_be_listed_and_others_cannot():
    whole, named = Range("epochs", 2, 4, whole=True), Choices("schedule", ("cosine", "plateau"))
    assert settings((whole, named)) == [
        {"epochs": 2, "schedule": "cosine"},
        {"epochs": 2, "schedule": "plateau"},
        {"epochs": 3, "schedule": "cosine"},
        {"epochs": 3, "schedule": "plateau"},
        {"epochs": 4, "schedule": "cosine"},
        {"epochs": 4, "schedule": "plateau"},
    ]
    assert settings((named, Range("learning_rate", 1e-4, 1e-2, logarithmic=True))) is None
    assert settings((named, Range("epochs", 1, 10**12, whole=True))) is None
