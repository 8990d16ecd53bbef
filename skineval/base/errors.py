"""The errors a user can meet: what is wrong, with its value, then what to do about it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from enum import IntEnum

SHOWN = 5  #: examples named in a message
LISTED = 30  #: names that a message lists, where there are no more


class ExitCode(IntEnum):
    """Exit status of every command."""

    DONE = 0
    CELLS_FAILED = 1
    USAGE = 2
    DATA = 3
    REFUSED = 4
    INTERRUPTED = 130


class SkinevalError(Exception):
    """Base of every error that is shown to the user as a message instead of a traceback.

    `message` says what is wrong and with which value; `hint` says what to do about it.
    """

    exit_code = ExitCode.CELLS_FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(SkinevalError):
    """An option, a name or a recipe key that cannot be used as written."""

    exit_code = ExitCode.USAGE


class WeightsError(UsageError):
    """Pretrained weights that cannot be had."""


class DataError(SkinevalError):
    """A data set, prediction file or split that is not what it should be.

    Without the images `image_ids` it would be; there are none where leaving images out would not help. `code` is the
    same for everything of its kind.
    """

    exit_code = ExitCode.DATA

    def __init__(self, message: str, hint: str = "", image_ids: Iterable[str] = (), code: str = "refused") -> None:
        super().__init__(message, hint)
        self.image_ids = frozenset(image_ids)
        self.code = code


class PluginError(SkinevalError):
    """A plugin that cannot be loaded or breaks its contract."""

    exit_code = ExitCode.REFUSED


class ModelFileError(SkinevalError):
    """A weights or model file that is damaged, fits nothing, or could run code."""

    exit_code = ExitCode.REFUSED


class CellError(SkinevalError):
    """What makes one cell fail: its reason in `cells.csv`; the grid goes on."""


class NoMapError(CellError):
    """What keeps an explainer from saying anything of a network, whatever the image: nothing has failed."""


class Interrupted(Exception):  # noqa: N818 - not an error: the user asked for it
    """Raised at the next safe point after Ctrl-C; finished work is on disk by then."""


def first_few(examples: Sequence[str], most: int = SHOWN) -> str:
    """The first few of many names, for a message."""
    return ", ".join(examples[:most]) + (", ..." if len(examples) > most else "")


def plural(n: int, one: str, many: str = "") -> str:
    """`1 image`, `400 images`; with `many` also of more than a noun: `1 image is`, `400 images are`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def one_line(error: BaseException) -> str:
    """The reason of a failure as one line, such as those of cells.csv."""
    text = " ".join(str(error).split())
    if isinstance(error, SkinevalError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def hint_for(name: str, known: Collection[str], where: str = "") -> str:
    """The hint of an error for a `name` that is none of the `known`: which may be meant, which there are.

    `where` is a sentence that says where more is told.
    """
    there = f"There are: {', '.join(known)}." if 0 < len(known) <= LISTED else ""
    return " ".join(filter(None, (did_you_mean(name, known), there, where)))


def did_you_mean(name: str, known: Collection[str]) -> str:
    """A question after the nearest of the `known` names; empty where none is near."""
    *most, last = nearest(name, known) or [""]
    meant = f"{', '.join(most)} or {last}" if most else last
    return f"Did you mean {meant}?" if meant else ""


def nearest(name: str, known: Collection[str], most: int = 3) -> list[str]:
    """Which of the `known` names may be meant: those that `name` abbreviates, or else those that are like it.

    `lr` abbreviates learning-rate, `size` image-size, and `resnet` resnet18.
    """
    from difflib import get_close_matches  # which only errors need

    by_words = {_words(one): one for one in known}
    short = _words(name)
    abbreviated = [one for one in by_words if short and _abbreviates(short, one)]
    near = (
        abbreviated or get_close_matches(short, by_words, most, 0.8) or get_close_matches(short, by_words, most, 0.55)
    )
    return [by_words[one] for one in near[:most]]


def _words(name: str) -> str:
    return re.sub("[-_. ]+", "-", name.lower()).strip("-")


def _abbreviates(short: str, name: str) -> bool:
    words = name.split("-")
    initials = "".join(word[:1] for word in words)
    return name.startswith(short) or short in words or (len(short) > 1 and short == initials)
