r"""Tables as LaTeX that pdflatex compiles wherever booktabs is there; whatever a name holds, it prints literally.

All of it is ASCII: what is none in a table is written as a command, so that neither the encoding of the file nor that
of the fonts matters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from skineval.report.document import formatting
from skineval.report.document.tables import Column, Row, Table, format_cell, format_row, glossary

_NEEDS = r"% Needs \usepackage{booktabs}."
_RULES = {"left": "l", "right": "r"}
_LONG = 60  # characters of a cell from which on its column is set in lines of its own width
_LONG_SHARE = 0.6  # of a line of text, for all columns of that kind together
_MARKS: Mapping[str, str] = {"best": "textbf", "baseline": "textit"}

_SPECIAL: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    # What the older fonts have other letters for, and babel other meanings.
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\`{}",
    '"': r"{\char34}",
    **{letter: f"\\{letter}" for letter in "{}$&#_%"},
}
_GREEK: Mapping[str, str] = {
    "αβγδεζηθικλμνξπρςστυφχψω": (
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho varsigma sigma tau upsilon "
        "phi chi psi omega"
    ),
    "ΓΔΘΛΞΠΣΥΦΨΩ": "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega",
}
_SYMBOLS: Mapping[str, str] = {
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "−": "$-$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "÷": r"$\div$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "≠": r"$\neq$",
    "∞": r"$\infty$",
    "→": r"$\rightarrow$",
    "←": r"$\leftarrow$",
    "↔": r"$\leftrightarrow$",
    "√": r"$\surd$",
    "°": r"$^{\circ}$",
    "¹": "$^{1}$",
    "²": "$^{2}$",
    "³": "$^{3}$",
    "µ": r"$\mu$",
    "§": r"\S{}",
    "©": r"\copyright{}",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
    **{
        letter: f"$\\{name}$"
        for letters, names in _GREEK.items()
        for letter, name in zip(letters, names.split(), strict=True)
    },
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧο", "ABEZHIKMNOPTXo", strict=True)),  # they look alike, and have no command
}
#: Of letters with one accent: the command of each.
_ACCENTS: Mapping[str, str] = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}
_LIGATURE = re.compile(r"([-',])(?=\1)")
#: What `\\` and the rules of booktabs would take for an argument of theirs.
_ARGUMENT = re.compile(r"^[\[*]")


def table_lines(table: Table) -> Iterator[str]:
    """A float with its caption, a tabular and notes below it; of a table without rows there is no tabular."""
    yield _NEEDS
    yield r"\begin{table}[htbp]"
    yield r"\centering"
    yield f"\\caption{{{escaped(table.title)}}}"
    if table.rows:
        yield from _tabular(table)
    reasons = [f"{format_cell(row.cells[0], table.columns[0].kind)}: {row.note}" for row in table.rows if row.note]
    notes = (*reasons, *table.footnotes, *glossary(table.columns if table.rows else ()))
    if notes:
        yield r"\par\medskip"
        yield r"{\footnotesize\raggedright"
        for note in notes:
            yield f"{escaped(note)}\\par"
        yield "}"
    yield r"\end{table}"


def escaped(value: object) -> str:
    """`value` as LaTeX that prints it literally, in ASCII: no command, comment, column, row or mathematics comes of it.

    What has no command that every pdflatex knows is written as its code, such as [U+76AE].
    """
    text = "".join(map(_letter, unicodedata.normalize("NFC", _LIGATURE.sub("\\1\0", formatting.plain(value)))))
    return _ARGUMENT.sub(lambda match: f"{{{match.group()}}}", text)


def _tabular(table: Table) -> Iterator[str]:
    lines = [format_row(row, table.columns) for row in table.rows]
    yield f"\\begin{{tabular}}{{{''.join(_rules(table.columns, lines))}}}"
    yield r"\toprule"
    yield _line([escaped(column.name) for column in table.columns])
    yield r"\midrule"
    for row, line in zip(table.rows, lines, strict=True):
        yield _line([_cell(word, row) for word in line])
    yield r"\bottomrule"
    yield r"\end{tabular}"


def _rules(columns: Sequence[Column], lines: Sequence[Sequence[str]]) -> list[str]:
    """How each column is set: words that would leave the page are broken into lines."""
    long = [
        column.kind == "text" and max(map(len, cells)) > _LONG for column, *cells in zip(columns, *lines, strict=True)
    ]
    share = _LONG_SHARE / max(1, sum(long))
    broken = f"p{{{share:.2f}\\linewidth}}"
    return [broken if is_long else _RULES[column.align] for column, is_long in zip(columns, long, strict=True)]


def _cell(word: str, row: Row) -> str:
    mark = _MARKS.get(row.kind)
    return f"\\{mark}{{{escaped(word)}}}" if mark and word else escaped(word)


def _line(cells: Sequence[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _letter(letter: str) -> str:
    if letter == "\0":  # between what would be drawn as one letter
        return "{}"
    if letter in _SPECIAL:
        return _SPECIAL[letter]
    if letter.isascii():
        return letter
    if letter in _SYMBOLS:
        return _SYMBOLS[letter]
    if unicodedata.category(letter) == "Cf":  # reorders or hides what stands around it
        return ""
    parts = unicodedata.normalize("NFD", letter)
    if len(parts) == 2 and parts[0].isascii() and parts[1] in _ACCENTS:
        return f"\\{_ACCENTS[parts[1]]}{{{parts[0]}}}"
    return f"[U+{ord(letter):04X}]"
