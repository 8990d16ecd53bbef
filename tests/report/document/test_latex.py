"""LaTeX: rows and columns that hold whatever names do, and nothing that a name could say to TeX."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skineval.report.document import formatting
from skineval.report.document.console import render
from skineval.report.document.latex import escaped
from skineval.report.document.tables import Column, Row, Table
from skineval.values.measures import Estimate
from tests.report.bench.test_bench import HOSTILE
from tests.report.document.test_console import PAYLOADS

ATTACKS = (
    *PAYLOADS,
    HOSTILE,
    r"\input{/etc/passwd}",
    r"\immediate\write18{touch x}",
    "% gone & gone",
    r"\\ \hline & \end{tabular}\end{document}",
    "$x$ #1 a_b ~ {open",
    "^^5cinput x",
    "[2cm]",
    "*",
    "a\nb\u202egpj\u061c\u200b",
)
PRINTED = {
    r"\textbackslash": "\\", r"\textasciitilde": "~", r"\textasciicircum": "^", r"\textless": "<", r"\textgreater": ">",
    r"\textbar": "|", r"\`": "`", r"\char34": '"',
}  # fmt: skip
TOKEN = re.compile(r"\\(?:[A-Za-z]+\d*|.)|.", re.DOTALL)


def read(text: str) -> str:
    """What TeX prints of text without accents and symbols; fails on what would be more than letters to it."""
    found, depth = [], 0
    for token in TOKEN.findall(text):
        if token in "{}":
            depth += 1 if token == "{" else -1
            assert depth >= 0
        elif token[0] == "\\" and token[1] in "{}$&#_%":
            found.append(token[1])
        else:
            assert token in PRINTED or token not in "\\$&#_%^~\n"
            found.append(PRINTED.get(token, token))
            assert len(found[-1]) == 1
    assert depth == 0
    return "".join(found)


def parsed(text: str) -> tuple[str, list[list[str]]]:
    """The columns of a tabular and the cells of its rows, the head among them."""
    found = re.search(r"\\begin\{tabular\}\{(\S+)\}\n(.*)\\end\{tabular\}", text, re.DOTALL)
    assert found
    spec, body = found.groups()
    lines = [line for line in body.splitlines() if line not in (r"\toprule", r"\midrule", r"\bottomrule")]
    assert all(line.endswith(r" \\") for line in lines)
    return spec, [re.split(r"(?<!\\) ?& ", line.removesuffix(r" \\")) for line in lines]


@pytest.mark.parametrize("attack", ATTACKS)
def test_whatever_a_name_holds_is_letters_to_tex(attack: str) -> None:
    table = Table(attack, (Column("a", attack), Column("b", "B")), (Row((attack, attack), note=attack),), (attack,))
    text = render(table, "latex")
    assert text.isascii()
    wanted = formatting.plain(attack).replace("\u061c", "")
    assert read(escaped(attack)) == wanted
    _, cells = parsed(text)
    assert [[read(cell) for cell in line] for line in cells] == [[wanted, "B"], [wanted, wanted]]
    assert not re.search(r"^(?:\[|\*)", text, re.M)  # which `\\` and \toprule would take for theirs
    own = {"begin", "end", "centering", "caption", "toprule", "midrule", "bottomrule", "par", "medskip", "footnotesize"}
    commands = set(re.findall(r"\\([A-Za-z]+)", text.partition("\n")[2]))
    assert commands <= own | {"raggedright", "linewidth", "char", *(name[1:] for name in PRINTED)}


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=126)))
def test_text_of_ascii_is_printed_as_it_is(text: str) -> None:
    assert read(escaped(text)) == formatting.plain(text)


@settings(deadline=None)
@given(st.text())
def test_what_is_written_is_ascii(text: str) -> None:
    assert escaped(text).isascii()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("−1 × 2 ± 3 – 4", r"$-$1 $\times$ 2 $\pm$ 3 -- 4"),
        ("κ ≥ Δ, Αο", r"$\kappa$ $\geq$ $\Delta$, Ao"),
        ("Käse, Łódź, ça", r"K\"{a}se, \L{}\'{o}d\'{z}, \c{c}a"),
        ("皮膚 ϟ", "{[}U+76AE][U+819A] [U+03DF]"),
        ("a--b ''", "a-{}-b '{}'"),
    ],
)
def test_other_letters_are_commands_that_need_no_package(text: str, wanted: str) -> None:
    assert escaped(text) == wanted


def test_rows_columns_and_notes_are_those_of_the_table() -> None:
    columns = (Column("system", "System"), Column("n", "Images", "count", "all"), Column("value", "Value", "score"))
    rows = (
        Row(("first", 10_015, Estimate(0.5, 0.4, 0.6)), "best"),
        Row(("b " * 40, 3, Estimate(-0.5, -0.6, -0.4))),
        Row(("third", None, None), "failed", "no memory & no disk"),
        Row(("prior", 2, Estimate(0.1)), "baseline"),
    )
    text = render(Table("Comparison", columns, rows, ("foot",)), "latex")
    assert text.startswith("% Needs \\usepackage{booktabs}.\n\\begin{table}")
    assert text.endswith("\\end{table}\n")
    assert parsed(text) == (
        r"p{0.60\linewidth}rr",
        [
            ["System", "Images", "Value"],
            [r"\textbf{first}", r"\textbf{10,015}", r"\textbf{0.500 [0.400, 0.600]}"],
            [" ".join("b" * 40), "3", r"$-$0.500 [$-$0.600, $-$0.400]"],
            ["third", "failed", "--"],
            [r"\textit{prior}", r"\textit{2}", r"\textit{0.100}"],
        ],
    )
    assert r"\caption{Comparison}" in text
    assert re.findall(r"(.*)\\par\n", text) == [r"third: no memory \& no disk", "foot", "Images: all."]


def test_nothing_stands_between_the_title_and_the_notes_of_no_rows() -> None:
    text = render(Table("None", (Column("a", "Head", note="meaning"),), (), ("foot",)), "latex")
    assert "tabular" not in text
    assert "foot\\par" in text
    assert "meaning" not in text
