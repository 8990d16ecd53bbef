"""Ids of lesions and patients that are written in many ways, and words for nobody."""

from __future__ import annotations

import unicodedata

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skineval.data.ids import doubts, is_nobody, named, spelling, tidy
from skineval.data.spellings import IDENTIFIER

#: What people change of an id without meaning another one.
REWRITTEN = (
    str.upper,
    str.lower,
    lambda text: text.replace(" ", "-"),
    lambda text: text.replace("-", "_"),
    lambda text: text.replace(" ", ""),
    lambda text: f"{text}\N{ZERO WIDTH SPACE}",
    lambda text: f"\N{ZERO WIDTH NO-BREAK SPACE}{text}",
    lambda text: f"00{text}" if text[0].isdigit() else text,
    lambda text: f"{text}.0" if text.isdigit() else text,
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: text.translate({ord("0") + n: 0xFF10 + n for n in range(10)}),
)


@given(st.from_regex(r"([A-Za-zäßé]{1,9}[ -]?){0,2}[0-9]{1,6}", fullmatch=True), st.lists(st.sampled_from(REWRITTEN)))
def test_however_an_id_is_written_it_is_spelt_as_before_and_so_is_what_is_made_of_it(text, rewrites) -> None:
    written = text
    for rewrite in rewrites:
        written = rewrite(written)
    assert spelling(written) == spelling(text)
    assert IDENTIFIER.fullmatch(named(written))
    assert spelling(named(written)) == spelling(named(text))


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_names_of_two_numbers_are_two(one: int, other: int) -> None:
    for form in ("{}", "Fall {}", "Läsion {}", "P-{}", "{}-1"):
        ids = [named(form.format(number)) for number in (one, other)]
        assert (spelling(ids[0]) == spelling(ids[1])) == (one == other)


@pytest.mark.parametrize(
    ("name", "id_"), [("P 4", "P_4"), ("12.0", "12"), ("#7", "_7"), ("HAM_1\u200b", "HAM_1"), ("a.b 1", "a.b_1")]
)
def test_a_name_keeps_what_an_id_can_hold(name: str, id_: str) -> None:
    assert named(name) == id_


@pytest.mark.parametrize(
    "text", ["k.A.", "unbekannt", "Inconnue", "no-id", "?", "\N{EM DASH}", "000", "-9", "-9.0", "0.0"]
)
def test_words_and_signs_for_nobody_are_known(text: str) -> None:
    assert is_nobody(text)
    assert tidy(text) == text


@pytest.mark.parametrize("text", ["KA", "99999", "7", "P0", "Huber", "H\u00e4\u00df"])
def test_what_may_be_somebody_is(text: str) -> None:
    assert not is_nobody(text)


def test_images_that_stand_for_a_lesion_are_not_doubted() -> None:
    frame = pd.DataFrame({"image_id": ["IMG-1", "IMG_1"], "lesion_id": ["IMG-1", "IMG_1"]})
    assert list(doubts(frame)) == []
