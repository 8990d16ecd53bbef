"""`skineval data ...`: one file a command."""

from __future__ import annotations

import typer

from skineval.cli.data import audit, cache, check, fetch, info, split
from skineval.cli.fast_start import QuickCommand, QuickGroup, RecipeCommand

app = typer.Typer(
    cls=QuickGroup,
    help="Fetch, check, audit and split data.",
    epilog="Example: skineval data info DIR",
    no_args_is_help=True,
)
app.command("audit", cls=RecipeCommand, epilog=audit.EXAMPLE)(audit.audit)
app.command("cache", cls=QuickCommand, epilog=cache.EXAMPLE)(cache.cache)
app.command("check", cls=RecipeCommand, epilog=check.EXAMPLE)(check.check)
app.command("fetch", cls=QuickCommand, epilog=fetch.EXAMPLE)(fetch.fetch)
app.command("info", cls=RecipeCommand, epilog=info.EXAMPLE)(info.info)
app.command("split", cls=RecipeCommand, epilog=split.EXAMPLE)(split.split)
