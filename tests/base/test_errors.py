"""Which name may have been meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skineval.base.errors import hint_for, nearest, plural

OPTIONS = ("--learning-rate", "--weight-decay", "--batch-size", "--image-size", "--weights", "--help", "-h", "--models")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("--lr", ["--learning-rate"]),
        ("-lr", ["--learning-rate"]),
        ("--wd", ["--weight-decay"]),
        ("--size", ["--batch-size", "--image-size"]),
        ("--weight", ["--weight-decay", "--weights"]),
        ("--modles", ["--models"]),
        ("--learning_rat", ["--learning-rate"]),
        ("--gpu", []),
        ("", []),
    ],
)
def test_what_is_abbreviated_or_misspelt_is_found(name, meant):
    assert nearest(name, OPTIONS) == meant


@given(st.text(), st.lists(st.text(), unique=True))
def test_only_known_names_are_meant(name, known):
    assert set(nearest(name, known)) <= set(known)
    assert len(nearest(name, known)) <= 3


def test_a_hint_lists_what_there_is_while_that_is_a_line_or_two():
    assert hint_for("b", ["a1", "a2"], "More.") == "There are: a1, a2. More."
    assert hint_for("a", ["a1", "a2"]) == "Did you mean a1 or a2? There are: a1, a2."
    assert hint_for("b", [f"a{n}" for n in range(31)], "More.") == "More."
    assert hint_for("b", []) == ""


def test_what_is_counted_agrees_with_its_number():
    assert [plural(n, "image") for n in (0, 1, 2, 10_015)] == ["0 images", "1 image", "2 images", "10,015 images"]
    assert [plural(n, "image is", "images are") for n in (1, 2)] == ["1 image is", "2 images are"]
