"""The help of a command, as wide as the terminal: what it does, then its options in panels, then an example.

typer's own rich help takes three times as long to import as what is needed here, and where the terminal is narrow its
columns leave no room for words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

NARROW = 72  #: columns of a terminal below which words stand under the option that they are of
MOST = 32  #: columns for an option, beside its words
_FLAG = r"(?<![\w-])--?[a-z][a-z-]*"
_CODE = r"`[^`]+`"


def show(command: Any, context: Any, console: Console, defaults: Mapping[str, str]) -> None:
    """Print the help of a command or of a group; `defaults` are those of the options that have none of their own."""
    console.print(Text(_capital(command.get_usage(context)), "bold"), soft_wrap=True)
    for paragraph in re.split(r"\n\s*\n", (command.help or "").strip()):
        console.print()
        console.print(Padding(_words(paragraph), (0, 1), expand=False))
    console.print()
    for title, rows in _panels(command, context, defaults).items():
        body = _body(rows, console.width)
        console.print(Panel(body, title=Text(title, "bold"), title_align="left", border_style="dim"))
    if command.epilog:
        console.print()
        console.print(_words(command.epilog), soft_wrap=True)  # a command to be copied is not broken


def _panels(command: Any, context: Any, defaults: Mapping[str, str]) -> dict[str, list[tuple[Text, Text]]]:
    """By title, in the order of the first option of each: what can be given, and what it means."""
    panels: dict[str, list[tuple[Text, Text]]] = {}
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        said = command.get_command(context, name).get_short_help_str(limit=1000)
        panels.setdefault("Commands", []).append((Text(name, "bold cyan"), _words(said)))
    for parameter in command.get_params(context):
        if parameter.hidden:
            continue
        is_argument = parameter.param_type_name == "argument"
        title = getattr(parameter, "rich_help_panel", None) or ("Arguments" if is_argument else "Options")
        panels.setdefault(title, []).append(_row(parameter, is_argument, context, defaults))
    return panels


def _row(parameter: Any, is_argument: bool, context: Any, defaults: Mapping[str, str]) -> tuple[Text, Text]:
    """An option with its default, as click words it, or as the recipes do."""
    name, said = parameter.get_help_record(context)
    if is_argument:
        name = parameter.metavar or parameter.name.upper()
    words, bracket, own = said.replace("\\[", "[").partition("  [")  # older typers escape it for rich
    told = f"[{own}" if bracket else f"[{defaults[parameter.name]}]" if defaults.get(parameter.name) else ""
    flag = Text(_capital(name), "yellow")
    flag.highlight_regex(_FLAG, "bold cyan")
    return flag, Text.assemble(_words(words), (f" {told}", "dim") if told else "")


def _capital(text: str) -> str:
    """What is to be filled in, in capitals: typer writes `{bench}`, `<path>` and `<int range>`."""
    return re.sub(
        r"[{<]([^{}<>]+?)( range)?[}>]", lambda match: match[1] if "|" in match[1] else match[1].upper(), text
    )


def _words(text: str) -> Text:
    words = Text(" ".join(text.split()))
    words.highlight_regex(_FLAG, "cyan")
    words.highlight_regex(_CODE, "cyan")
    return words


def _body(rows: Sequence[tuple[Text, Text]], width: int) -> RenderableType:
    if width < NARROW:
        return Group(*(part for flag, words in rows for part in (flag, Padding(words, (0, 0, 0, 4)))))
    grid = Table.grid(padding=(0, 2, 0, 0))
    longest = max(flag.cell_len for flag, _ in rows)
    grid.add_column(width=min(longest, MOST), overflow="fold")
    grid.add_column(ratio=1, overflow="fold")  # keys after keys, without a blank, are longer than a line
    for row in rows:
        grid.add_row(*row)
    return grid
