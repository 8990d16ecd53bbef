"""The keys of a recipe as flags of a command, and what else the commands share that train."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from inspect import Parameter
from types import MappingProxyType
from typing import Annotated, Any

import typer

from skineval.values.keys import JOINED, KEYS, PANELS, RUN, Key

RecipeArgument = Annotated[
    str | None,
    typer.Argument(
        help="A shipped recipe or a TOML file; by default demo, with --data ham10000. Flags override its keys.",
        metavar="RECIPE",
        show_default=False,
    ),
]


def run_option(flag: str, text: str) -> Any:
    """A flag that says how it is run, beside those of the recipe."""
    return typer.Option(flag, help=text, rich_help_panel=RUN)


FreshOption = Annotated[bool, run_option("--fresh", "Discard what an earlier run left instead of going on from it.")]


def takes_keys(
    names: Iterable[str], defaults: Mapping[str, str] = MappingProxyType({})
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command, which takes `**keys`, a flag for each of these; those that are given reach it.

    `defaults` are those of the command, where they are not those of a recipe; like these they do not reach it.
    They are taken as text: the recipe checks them as it checks a file, and names the value that is wrong.
    """
    keys = {name: KEYS[name] for name in sorted(names, key=lambda name: PANELS.index(KEYS[name].panel))}

    def give(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**values: Any) -> None:
            given = {name: _said(values.pop(name), key) for name, key in keys.items()}
            said = {name: value for name, value in given.items() if value not in (None, [], False, defaults.get(name))}
            command(**values, **said)

        parameters = inspect.signature(command, eval_str=True).parameters.values()
        own = [one for one in parameters if one.kind is not Parameter.VAR_KEYWORD]
        flags = [_flag(name, key, defaults.get(name)) for name, key in keys.items()]
        first = [one for one in own if one.kind is Parameter.POSITIONAL_OR_KEYWORD]
        signature = inspect.Signature([*first, *flags, *own[len(first) :]])
        run.__signature__ = signature  # type: ignore[attr-defined]  # which typer reads
        return run

    return give


def _said(value: Any, key: Key) -> Any:
    """What was given to a flag, as a recipe takes it."""
    return ",".join(value) if value and key.repeated == JOINED else value


def _flag(name: str, key: Key, default: str | None) -> Parameter:
    kind: Any = list[str] | None if key.repeated else str | None if key.metavar else bool
    option = typer.Option(
        f"--{name.replace('_', '-')}", help=key.help, metavar=key.metavar or None, rich_help_panel=key.panel
    )
    implied = default if key.metavar else False
    return Parameter(name, Parameter.KEYWORD_ONLY, default=implied, annotation=Annotated[kind, option])
