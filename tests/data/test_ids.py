"""Ids of lesions and patients that are written in many ways, and words for nobody."""

from __future__ import annotations

import unicodedata

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skineval.data.ids import doubts, is_nobody, named, spelling, tidy, within_patients
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


def test_signs_between_thousands_tell_no_ids_apart() -> None:
    assert spelling("1.234") == spelling("1,234") == spelling("1234")
    assert len({*map(spelling, ("1.23", "123", "1.2345", "12345", "12.34"))}) == 5


def test_images_that_stand_for_a_lesion_are_not_doubted() -> None:
    frame = pd.DataFrame({"image_id": ["IMG-1", "IMG_1"], "lesion_id": ["IMG-1", "IMG_1"]})
    assert list(doubts(frame)) == []


def rows_of(lesions: list[str], patients: list[str]) -> pd.DataFrame:
    images = [f"I{place}" for place in range(len(lesions))]
    return pd.DataFrame({"image_id": images, "lesion_id": lesions, "patient_id": patients})


@pytest.mark.parametrize(
    "numbers", [("1", "2", "1.0", "2", "1"), ("a", "b", "a", "b", "a"), ("L1", "L2", "L1", "L2", "L1")]
)
def test_numbers_of_lesions_within_patients_name_the_patient_too(numbers: tuple[str, ...]) -> None:
    rows, (note,) = within_patients(rows_of([*numbers, numbers[0]], ["p", "p", "q", "q", "r", "unknown"]))
    one, two = numbers[:2]
    assert rows["lesion_id"].tolist() == [f"p_{one}", f"p_{two}", f"q_{one}", f"q_{two}", f"r_{one}", one]
    assert note.startswith(f"lesion ids are numbers within a patient: {one}, {two} each stand for lesions of several")
    assert note.endswith(f"as in p_{one}")


@pytest.mark.parametrize(
    ("lesions", "patients"),
    [
        (["1", "2", "3", "4", "4"], ["p", "p", "q", "q", "r"]),  # one of them is wrong
        (["1", "1"], ["p", "q"]),
        (["HAM_0001234", "HAM_0001234", "HAM_0001234"], ["p", "q", "r"]),  # nobody counts like that
        (["1", "2", "1"], ["p", "p", "unknown"]),
    ],
)
def test_ids_that_patients_share_by_exception_stay(lesions: list[str], patients: list[str]) -> None:
    rows = rows_of(lesions, patients)
    assert within_patients(rows) == (rows, ())


def test_a_doubt_names_a_few_patients_alone() -> None:
    frame = rows_of(["HAM_0001234"] * 20, [f"p{place}" for place in range(20)])
    (note,) = [note for code, note in doubts(frame) if code == "patients-of-lesion"]
    assert "(p0, p1, p2, p3, p4, ... 20 in all)" in note
