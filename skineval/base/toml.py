"""TOML as people write it: what is wrong with a file is said with its line and column."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from skineval.base.errors import UsageError

_PLACE = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)


def parse_toml(text: str, source: str, hint: str = "") -> dict[str, Any]:
    """The keys of a TOML file; UsageError says where in `source` reading stopped, then what to do, then the `hint`."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, line, column = _place(str(error), text)
        opened = "Correct that line, or close what is opened above it: [, { or a quotation mark."
        raise UsageError(
            f"{source} is not valid TOML at line {line}, column {column}: {what}.", f"{opened} {hint}".rstrip()
        ) from error


def _place(told: str, text: str) -> tuple[str, int, int]:
    """What is wrong, and the line and column where it was noticed, counted from 1; of the end, those behind all text.

    Not until Python 3.14 are they attributes of the error.
    """
    match = _PLACE.fullmatch(told)
    what = match[1] if match else told
    if match and match[2]:
        return what, int(match[2]), int(match[3])
    lines = text.rstrip().splitlines() or [""]
    return what, len(lines), len(lines[-1]) + 1
