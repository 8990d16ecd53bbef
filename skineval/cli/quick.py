"""Commands that start quickly: an option nobody gave is not coerced.

typer builds a pydantic adapter for every option of a command, given or not; pydantic then takes longer to import than
all the rest of `skineval list models`. A default is a value of the right type already.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from typer.core import TyperCommand, TyperGroup, TyperOption


class _QuickOption(TyperOption):
    def process_value(self, ctx: Any, value: Any) -> Any:
        finished = isinstance(value, bool | Enum) or (value is None and not self.required and not self.multiple)
        if not finished:
            return super().process_value(ctx, value)
        return value if self.callback is None else self.callback(ctx, self, value)


class QuickCommand(TyperCommand):
    """A command whose options load pydantic only when they are given."""

    def get_params(self, ctx: Any) -> list[Any]:
        return [_quick(parameter) for parameter in super().get_params(ctx)]


class QuickGroup(TyperGroup):
    """The same for a group of commands and its own options."""

    def get_params(self, ctx: Any) -> list[Any]:
        return [_quick(parameter) for parameter in super().get_params(ctx)]


def _quick(parameter: Any) -> Any:
    # typer makes the options itself, those of help and of shell completion too, and takes no class for them.
    if type(parameter) is TyperOption:
        parameter.__class__ = _QuickOption
    return parameter
