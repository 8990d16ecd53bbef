"""Numbers and untrusted words: written the same way everywhere, and literally."""

from __future__ import annotations

import math

import pytest

from skineval.report.document import formatting
from skineval.values.measures import Estimate


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formatting.decimal(0.6123), "0.612"),
        (formatting.decimal(-0.0234), "−0.023"),
        (formatting.decimal(-0.0001), "0.000"),
        (formatting.decimal(math.nan), "–"),
        (formatting.decimal(-math.inf), "−∞"),
        (formatting.format_estimate(Estimate(0.612, 0.571, 0.65)), "0.612 [0.571, 0.650]"),
        (formatting.format_estimate(Estimate(0.612)), "0.612"),
        (formatting.p_value(0.0004), "<0.001"),
        (formatting.p_value(0.0312), "0.031"),
        (formatting.p_value(math.nan), "–"),
        (formatting.count(10015), "10,015"),
        (formatting.duration(4.24), "4.2 s"),
        (formatting.duration(9.97), "10 s"),
        (formatting.duration(200), "3 min 20 s"),
        (formatting.duration(3899), "1 h 05 min"),
        (formatting.duration(3599.7), "1 h 00 min"),
        (formatting.duration(math.nan), "–"),
        (formatting.plural(1, "image"), "1 image"),
        (formatting.plural(1200, "image"), "1,200 images"),
        (formatting.listed([]), ""),
        (formatting.listed(["a", "b", "c"]), "a, b and c"),
        (formatting.stamped("Comparison", []), "Comparison"),
        (formatting.stamped("Comparison", ["OWN: because"]), "Comparison [OWN: because]"),
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
    assert formatting.plain(payload) == expected


@pytest.mark.parametrize("payload", ["=cmd()", "+1", "-1", "@SUM(A1)", "\t=cmd()", "＝cmd()", "\x1b[0m=cmd()"])
def test_no_spreadsheet_takes_a_name_for_a_formula(payload: str) -> None:
    assert formatting.spreadsheet(payload).startswith("'")


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
    assert formatting.markdown(payload) == expected
