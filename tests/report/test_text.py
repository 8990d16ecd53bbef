"""Numbers and untrusted words: written the same way everywhere, and literally."""

from __future__ import annotations

import math

import pytest

from skineval.report import text


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (text.decimal(0.6123), "0.612"),
        (text.decimal(-0.0234), "−0.023"),
        (text.decimal(-0.0001), "0.000"),
        (text.decimal(math.nan), "–"),
        (text.decimal(-math.inf), "−∞"),
        (text.estimate(0.612, 0.571, 0.65), "0.612 [0.571, 0.650]"),
        (text.estimate(0.612, math.nan, math.nan), "0.612"),
        (text.p_value(0.0004), "<0.001"),
        (text.p_value(0.0312), "0.031"),
        (text.p_value(math.nan), "–"),
        (text.count(10015), "10,015"),
        (text.duration(4.24), "4.2 s"),
        (text.duration(9.97), "10 s"),
        (text.duration(200), "3 min 20 s"),
        (text.duration(3899), "1 h 05 min"),
        (text.duration(3599.7), "1 h 00 min"),
        (text.duration(math.nan), "–"),
        (text.plural(1, "image"), "1 image"),
        (text.plural(1200, "image"), "1,200 images"),
        (text.listed([]), ""),
        (text.listed(["a", "b", "c"]), "a, b and c"),
        (text.stamped("Comparison", []), "Comparison"),
        (text.stamped("Comparison", ["OWN: because"]), "Comparison [OWN: because]"),
    ],
)
def test_numbers_and_words(shown: str, expected: str) -> None:
    assert shown == expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x07", "link"),
        ("two\nlines\tand\x00nul", "two lines and nul"),
        ("\u202eesrever", "esrever"),
        ("a\u2028b", "a b"),
    ],
)
def test_nothing_that_steers_a_terminal_is_left(payload: str, expected: str) -> None:
    assert text.plain(payload) == expected


@pytest.mark.parametrize("payload", ["=cmd()", "+1", "-1", "@SUM(A1)", "\t=cmd()", "＝cmd()", "\x1b[0m=cmd()"])
def test_no_spreadsheet_takes_a_name_for_a_formula(payload: str) -> None:
    assert text.spreadsheet(payload).startswith("'")


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("a|b", r"a\|b"),
        ("`code`", r"\`code\`"),
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;"),
        ("[link](http://evil)", r"\[link\](http&#58;//evil)"),
        ("*bold* _em_ snake_case", r"\*bold\* \_em\_ snake_case"),
        ("# heading", r"\# heading"),
        ("1. item", r"1\. item"),
        ("- item", r"\- item"),
        ("0.612", "0.612"),
        ("&amp;", "&amp;amp;"),
        ("$x$ ~~y~~", r"\$x\$ \~\~y\~\~"),
    ],
)
def test_markdown_shows_a_name_literally(payload: str, expected: str) -> None:
    assert text.markdown(payload) == expected
