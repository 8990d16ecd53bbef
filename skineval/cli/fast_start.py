"""Commands that start quickly, and say of an option or a command that is unknown which may be meant.

typer builds a pydantic adapter for every option of a command, given or not; pydantic then takes longer to import than
all the rest of `skineval list models`. A default is a value of the right type already, so that an option which nobody
gave is not coerced.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from skineval.base.errors import UsageError, hint_for

#: What the parser raises; typer exports only what derives from it.
_ParserError: type[Exception] = typer.BadParameter.__mro__[1]


class _Quick:
    """What a command and a group of commands have in common; it stands before typer's class."""

    def defaults(self, context: Any) -> dict[str, str]:
        """What is said of options that have no default of their own, by name."""
        return {}

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from rich.console import Console  # which takes longer to import than typer

        from skineval.cli.help import show

        console = Console(highlight=False)
        with console.capture() as captured:  # in colour where standard output shows any
            show(self, ctx, console, self.defaults(ctx))
        formatter.write(captured.get())

    def get_params(self, ctx: Any) -> list[Any]:
        return [_hastened(parameter) for parameter in super().get_params(ctx)]  # type: ignore[misc]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = list(args)
        try:
            parsed: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
        except _ParserError as error:
            raise _explained(error, self, ctx, given) from None
        return parsed


class QuickCommand(_Quick, TyperCommand):
    """A command whose options load pydantic only when they are given, and whose help is loaded when it is asked for."""


class RecipeCommand(QuickCommand):
    """One whose options are keys of a recipe, too: of those, help says what they are by default and in which recipe."""

    def defaults(self, context: Any) -> dict[str, str]:
        from skineval.values.keys import KEYS
        from skineval.values.shipped import defaults

        return defaults(name for parameter in self.get_params(context) if (name := parameter.name) in KEYS)


class QuickGroup(_Quick, TyperGroup):
    """The same for a group of commands and its own options."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None:
            told = f"`{ctx.command_path} --help` says what each does."
            raise UsageError(
                f"There is no command '{ctx.command_path} {args[0]}'.", hint_for(args[0], self.list_commands(ctx), told)
            )
        return super().resolve_command(ctx, args)


def _explained(error: Exception, command: Any, ctx: Any, args: list[str]) -> Exception:
    """An unknown option with what may be meant and how all are listed; any other error as it is."""
    if not hasattr(error, "possibilities"):
        return error
    name = error.option_name  # type: ignore[attr-defined]  # of -lr it is -l
    if name.startswith("--"):
        typed = name
    else:
        typed = next((argument.partition("=")[0] for argument in args if argument.startswith(name)), name)
    known = [option for parameter in command.get_params(ctx) for option in parameter.opts if option.startswith("-")]
    told = f"`{ctx.command_path} --help` lists all."
    return UsageError(f"'{ctx.command_path}' has no option {typed}.", hint_for(typed, known, told))


def _hastened(parameter: Any) -> Any:
    """An option or argument, spared coercion where its value is one of the right type; anything else as it is."""
    if not isinstance(parameter, TyperOption | TyperArgument) or "process_value" in vars(parameter):
        return parameter
    option, coerced = parameter, parameter.process_value

    # typer makes the options itself, those of help and of shell completion too, and takes no class for them.
    def process_value(ctx: Any, value: Any) -> Any:
        several = option.nargs != 1 or getattr(option, "multiple", False)
        finished = isinstance(value, bool | Enum) or (value is None and not option.required and not several)
        if not finished:
            return coerced(ctx, value)
        return value if option.callback is None else option.callback(ctx, option, value)

    option.process_value = process_value  # type: ignore[method-assign]
    return option
