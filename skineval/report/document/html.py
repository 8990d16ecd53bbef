"""Documents as one HTML file that needs no other, loads nothing and runs nothing but its own script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from skineval.base.terms import STAMPS
from skineval.report.document import blocks as parts
from skineval.report.document import formatting
from skineval.report.document.blocks import Report
from skineval.report.document.tables import Table, format_cell, glossary
from skineval.values.measures import Estimate

_TEMPLATE = "report.html.j2"
_LITERAL = "!$'()*+,-./:;=?@[]^_`{|}~"  # in a data URI, also in a list of such, between double quotes
_TYPES = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg"}


def document(report: Report, read: Callable[[str], bytes]) -> str:
    """The whole report; `read` gives the content of its pictures."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figures = (parts.Figure, parts.Links, parts.Fold, Table, Estimate)
    kinds = (parts.Paragraph, parts.Bullets, parts.Facts, parts.Code, *figures)
    environment.tests |= {kind.__name__.lower(): _is(kind) for kind in kinds}
    environment.filters |= {
        "plain": formatting.plain,
        "breakable": _breakable,
        "hash": _hash,
        "decimal": formatting.decimal,
    }
    return environment.get_template(_TEMPLATE).render(
        report=report,
        stamp_words=_stamp_words(report),
        stamp_word=formatting.stamp_word,
        stamp_meaning=formatting.stamp_meaning,
        interval=formatting.interval,
        format_cell=format_cell,
        glossary=glossary,
        picture=lambda file: _data_uri(file, read(file)),
        narrow_page=parts.NARROW_PAGE,
    )


def _stamp_words(report: Report) -> str:
    """What stands at the foot of every printed page; only words that are known, for a style sheet escapes no others."""
    return " · ".join(word for word in map(formatting.stamp_word, report.stamps) if word in STAMPS)


def _is(kind: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, kind)


def _breakable(name: str) -> Markup:
    """A name that a narrow column may break where its parts meet."""
    return Markup("<wbr>").join(formatting.JOINT.split(formatting.plain(name)))


def _data_uri(file: str, content: bytes) -> Markup:
    """What stands between double quotes, as it is: it has neither these nor an ampersand."""
    media = _TYPES[PurePosixPath(file).suffix]
    if media == _TYPES[".svg"]:  # of its letters few need an escape: base64 would take a fifth more
        return Markup(f"data:{media},{quote(content, safe=_LITERAL)}")
    return Markup(f"data:{media};base64,{base64.b64encode(content).decode('ascii')}")


def _hash(content: str) -> str:
    """What the content security policy calls a script or style by: no other one runs."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")
