"""The errors a user can meet: what is wrong, with its value, then what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

SHOWN = 5  #: examples named in a message


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
    """A data set, prediction file or split that is not what it should be."""

    exit_code = ExitCode.DATA


class PluginError(SkinevalError):
    """A plugin that cannot be loaded or breaks its contract."""

    exit_code = ExitCode.REFUSED


class ModelFileError(SkinevalError):
    """A weights or model file that is damaged, fits nothing, or could run code."""

    exit_code = ExitCode.REFUSED


class CellError(SkinevalError):
    """What makes one cell fail: its reason in `cells.csv`; the grid goes on."""


class Interrupted(Exception):  # noqa: N818 - not an error: the user asked for it
    """Raised at the next safe point after Ctrl-C; finished work is on disk by then."""


def some(examples: Sequence[str]) -> str:
    """The first few of many names, for a message."""
    return ", ".join(examples[:SHOWN]) + (", ..." if len(examples) > SHOWN else "")
