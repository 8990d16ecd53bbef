"""How numbers and untrusted words are written, in one place: every table, figure and report says them the same way."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence

from skineval.base.errors import plural as plural  # beside the other words
from skineval.base.terms import STAMPS, Unit
from skineval.values.measures import Estimate

MISSING = "–"
MINUS = "−"

#: Where the parts of a long name meet: `ensemble(resnet18,cnn)/class-weights` may be broken, `10,015` may not.
JOINT = re.compile(r"(?:(?<=[/,;:+_])|(?<=\w\())(?=[^\W\d])")

# C0 and C1 controls, line separators, and the marks that reorder, join or hide text.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
_MARKDOWN = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
# What begins a heading, a list, a rule or an underline when it stands first.
_MARKDOWN_START = re.compile(r"^(\d*)(#+|\+|-+|=+|[.)])(?=\s|$)")
# Also the full-width forms, which spreadsheets in some locales take for the plain ones.
_FORMULA = tuple("=+-@＝＋－＠")


def plain(value: object) -> str:
    """`value` as one line of printable text, without escape sequences, control characters and double spaces."""
    # Of file names that are no UTF-8, Python keeps the bytes as lone surrogates, which no terminal takes.
    text = _ESCAPE_SEQUENCE.sub("", str(value)).encode("utf-8", "replace").decode()
    return " ".join(_CONTROL.sub(" ", text).split())


def markdown(value: object) -> str:
    """`value` as Markdown that shows it literally: no formatting, table cell, link, mathematics or HTML comes of it."""
    text = html.escape(plain(value), quote=False)
    text = _MARKDOWN.sub(lambda match: "\\" + match.group(), text)
    text = text.replace("://", "&#58;//").replace("www.", "www&#46;").replace("@", "&#64;")
    return _MARKDOWN_START.sub(r"\1\\\2", text)


def markup(value: object) -> str:
    """`value` as HTML inside Markdown that shows it literally, without a link."""
    return html.escape(plain(value)).replace("://", "&#58;//")


def spreadsheet(value: object) -> str:
    """`value` as a CSV cell that no spreadsheet takes for a formula."""
    text = plain(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def decimal(value: float, places: int = 3) -> str:
    """A figure such as 0.612; a dash where it is undefined, and no negative zero."""
    if not math.isfinite(value):
        return MISSING if math.isnan(value) else ("∞" if value > 0 else f"{MINUS}∞")
    shown = f"{value:.{places}f}"
    return f"{MINUS}{shown[1:]}" if shown.startswith("-") and float(shown) else shown.removeprefix("-")


def interval(low: float, high: float, places: int = 3) -> str:
    """An interval such as [0.571, 0.650]; empty where it is undefined."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"[{decimal(low, places)}, {decimal(high, places)}]"


def format_estimate(estimate: Estimate) -> str:
    """The figure with its interval, such as 0.612 [0.571, 0.650]."""
    return f"{decimal(estimate.value)} {interval(estimate.low, estimate.high)}".strip()


def p_value(p: float) -> str:
    """A p value with three decimals; small ones as <0.001."""
    return "<0.001" if p < 0.001 else decimal(p)


def count(n: float) -> str:
    """A whole number with its thousands set apart, such as 10,015."""
    return f"{n:,.0f}" if math.isfinite(n) else MISSING


def percent(share: float, places: int = 1) -> str:
    """A share as a percentage, such as 61.2 %."""
    return f"{100 * share:.{places}f} %" if math.isfinite(share) else MISSING


def duration(seconds: float) -> str:
    """A time in the units one would say it in: 4.2 s, 3 min 20 s, 1 h 05 min."""
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min"


def sample(images: int, groups: int, unit: Unit) -> str:
    """`400 images of 301 lesions`; `400 images` where nobody knows which of them show one lesion."""
    return plural(images, "image") + (f" of {plural(groups, unit)}" if unit != "image" else "")


def units(unit: Unit) -> str:
    """What is counted beside images: lesions also where nobody knows how many there are."""
    return "lesions" if unit == "image" else f"{unit}s"


def joined(lesion_ids: int, groups: int, unit: Unit) -> tuple[str, ...]:
    """A sentence on what is counted as a lesion or patient, where that is not each lesion id."""
    if lesion_ids == groups or unit == "image":
        return ()
    if unit == "patient":
        return (f"{count(lesion_ids)} lesion ids are of {plural(groups, unit)}, of whom all images are kept together.",)
    if unit == "group":
        what = "patients, or lesions where the patient is not known"
        return (f"{count(lesion_ids)} lesion ids are in {plural(groups, unit)}: {what}. Each is kept together.",)
    return (f"{count(lesion_ids)} lesion ids are {plural(groups, 'lesion')}: several are known to be of one.",)


def numbered(noun: str, numbers: Sequence[int]) -> str:
    """`fold 1`, `folds 0 and 2`."""
    return f"{noun if len(numbers) == 1 else noun + 's'} {listed(map(str, numbers))}"


def listed(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = list(words) or [""]
    return f"{', '.join(most)} and {last}" if most else last


def stamp_word(stamp: str) -> str:
    """The word of a stamp, without the explanation that may follow its colon."""
    return plain(stamp).partition(":")[0].strip()


def stamp_meaning(stamp: str) -> str:
    """The stamp with what it means."""
    word, _, meaning = plain(stamp).partition(":")
    meaning = meaning.strip() or STAMPS.get(word.strip(), "")
    return f"{word.strip()}: {meaning}" if meaning else word.strip()


def stamped(title: str, stamps: Iterable[str]) -> str:
    """`title` with the stamps that belong to all that is derived from a bench."""
    marks = "; ".join(stamp_meaning(stamp) for stamp in stamps)
    return f"{title} [{marks}]" if marks else title
