"""Values as JSON: they come back as they went, and what is no such value is refused in words."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skineval.base.codec import from_json, read_json, to_json, to_plain, write_json
from skineval.base.errors import DataError, ModelFileError
from skineval.base.terms import Fit, Value


@dataclass(frozen=True)
class Inner:
    names: tuple[str, ...]
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Outer:
    number: int
    share: float
    inner: Inner
    several: tuple[Inner, ...] = ()
    known: bool = False
    fit: Fit = "squash"
    threads: int | None = None


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
INNER = st.builds(
    Inner,
    st.lists(TEXTS, max_size=3).map(tuple),
    st.dictionaries(TEXTS, st.one_of(st.booleans(), st.integers(-(2**63), 2**63), NUMBERS, TEXTS), max_size=3),
)
OUTER = st.builds(
    Outer,
    st.integers(),
    NUMBERS,
    INNER,
    st.lists(INNER, max_size=2).map(tuple),
    st.booleans(),
    st.sampled_from(["squash", "crop", "pad"]),
    st.none() | st.integers(),
)
WHOLE = Outer(3, 0.5, Inner(("a",), {"width": 4}))


@given(OUTER)
def test_a_value_comes_back_as_it_went_and_its_json_is_that_of_the_standard_library(value):
    text = to_json(value)
    again = from_json(Outer, text, "here")
    # repr tells 1 from 1.0 and from True, which are equal.
    assert repr(again) == repr(value)
    assert text == json.dumps(json.loads(text), ensure_ascii=False)


def _plain(**changes: Any) -> dict[str, Any]:
    return {**to_plain(WHOLE), **changes}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[", "Invalid JSON"),
        ("[" * 100_000, "Invalid JSON"),
        (b"\xff", "Invalid JSON"),
        ("[]", "it is [], which should be an object"),
        ("null", "it is None, which should be an object"),
        ("{}", "it lacks number, share, inner."),
        (_plain(number=True), "number is True, which should be a valid integer"),
        (_plain(number=1.5), "number is 1.5"),
        (_plain(number="3"), "number is '3'"),
        (_plain(share=True), "share is True"),
        (_plain(known=1), "known is 1"),
        (_plain(fit="stretch"), "fit is 'stretch', which should be 'squash', 'crop' or 'pad'"),
        (_plain(inner={"names": "abc"}), "inner.names is 'abc'"),
        (_plain(several=[{"names": []}, {"names": [1]}]), "several.1.names.0 is 1"),
        (_plain(inner={"names": [], "values": {"width": None}}), "inner.values.width"),
        (_plain(inner={}), "it lacks inner.names"),
        (_plain(inner={"names": "a" * 1000}), "aaa ..., which"),
    ],
)
@pytest.mark.parametrize("extra", ["forbid", "ignore"])
def test_what_is_no_such_value_is_refused_with_its_file_and_key(content, words, extra, tmp_path):
    path = tmp_path / "x.json"
    text = json.dumps(content) if isinstance(content, dict) else content
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError) as caught:
        read_json(Outer, path, "Do this.", extra=extra)
    assert caught.value.message.startswith(f"{path} cannot be read: ")
    assert words in caught.value.message
    assert caught.value.hint == "Do this."
    assert len(caught.value.message.splitlines()) == 1


def test_a_key_that_is_not_known_is_refused_unless_such_are_only_told():
    text = json.dumps(_plain(colour="red"))
    with pytest.raises(DataError, match="nothing is known of its key colour"):
        from_json(Outer, text, "here")
    assert from_json(Outer, text, "here", extra="ignore") == WHOLE


def test_what_may_be_missing_is_what_has_a_default():
    assert (
        from_json(Outer, '{"number": 3, "share": 0.5, "inner": {"names": ["a"], "values": {"width": 4}}}', "") == WHOLE
    )


@pytest.mark.parametrize(
    "value",
    [
        replace(WHOLE, share=math.nan),
        replace(WHOLE, share=math.inf),
        replace(WHOLE, inner=Inner((), {"rate": math.nan})),
        replace(WHOLE, number=np.int64(3)),
        replace(WHOLE, number="3"),
        replace(WHOLE, several=[WHOLE.inner]),
    ],
    ids=repr,
)
def test_what_is_not_as_its_field_says_is_not_written(value, tmp_path):
    with pytest.raises(ValueError, match=r"JSON compliant|[Ss]eriali"):
        write_json(tmp_path / "x.json", value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_for_people_and_one_that_is_missing_is_named(tmp_path):
    write_json(tmp_path / "x.json", replace(WHOLE, inner=Inner(("é",))))
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert text.startswith('{\n  "number": 3,\n')
    assert "é" in text
    assert text.endswith("}\n")
    assert read_json(Outer, tmp_path / "x.json") == replace(WHOLE, inner=Inner(("é",)))
    with pytest.raises(ModelFileError, match=r"absent\.json cannot be read: .*No such file"):
        read_json(Outer, tmp_path / "absent.json", error=ModelFileError)
