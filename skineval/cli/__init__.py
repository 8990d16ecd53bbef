"""The command line: one file a command group, each of which parses, calls and renders."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from skineval.base.errors import ExitCode, Interrupted, SkinevalError
from skineval.base.memory import collect_seldom, keep_memory
from skineval.cli import bench, data, demo, embed, evaluate, explain, export, listing, plugins, predict, tune
from skineval.cli.fast_start import QuickCommand, QuickGroup, RecipeCommand
from skineval.cli.output import complain
from skineval.data.pixels.threads import waiting_briefly

#: The commands that save what is finished, and go on from there.
SAVING = (("bench",), ("tune",), ("explain",), ("data", "fetch"))


class Program(QuickGroup):
    """All commands; Ctrl-C ends any of them with the same words."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # for which typer has no words
            raise Interrupted from None


app = typer.Typer(
    cls=Program,
    name="skineval",
    help="Benchmark skin-lesion classifiers on HAM10000: leak-free parts, intervals, paired tests.",
    epilog="Example: skineval bench --models resnet34,densenet121",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # help is our own: see `skineval.cli.help`
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("bench", cls=RecipeCommand, epilog=bench.EXAMPLE)(bench.bench)
app.command("evaluate", cls=QuickCommand, epilog=evaluate.EXAMPLE)(evaluate.evaluate)
app.command("compare", cls=QuickCommand, epilog=evaluate.COMPARE_EXAMPLE)(evaluate.compare)
app.command("embed", cls=QuickCommand, epilog=embed.EXAMPLE)(embed.embed)
app.command("explain", cls=QuickCommand, epilog=explain.EXAMPLE)(explain.explain)
app.command("export", cls=QuickCommand, epilog=export.EXAMPLE)(export.export)
app.command("predict", cls=QuickCommand, epilog=predict.EXAMPLE)(predict.predict)
app.command("demo", cls=QuickCommand, epilog=demo.EXAMPLE)(demo.demo)
app.command("report", cls=QuickCommand, epilog=bench.REPORT_EXAMPLE)(bench.report)
app.command("tune", cls=RecipeCommand, epilog=tune.EXAMPLE)(tune.tune)
app.add_typer(data.app, name="data")
app.add_typer(listing.app, name="list")
app.add_typer(plugins.app, name="plugins")
app.command("doctor", cls=QuickCommand, epilog="Example: skineval doctor")(plugins.doctor)


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"skineval {version('skineval')}")
        raise typer.Exit


@app.callback()
def options(
    # A callback, since typer asks for a command before it comes to the body of this function.
    version: Annotated[
        bool,
        typer.Option("--version", "-V", help="Show the version and exit.", is_eager=True, callback=_show_version),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")] = False,
) -> None:
    """Options of all commands."""


def main() -> None:
    """Run the program; every error ends in a message and its exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    os.environ.update(waiting_briefly(os.environ))  # torch is not loaded yet
    keep_memory()
    collect_seldom()
    if sys.stdout is None:  # it was closed before the start: nobody wants to read anything
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the program runs
    try:
        app(arguments, prog_name="skineval")
    except SkinevalError as error:
        if debug:
            traceback.print_exc()
        complain(error.message, error.hint)
        sys.exit(error.exit_code)
    except Interrupted:
        complain("Interrupted.", _how_to_go_on(arguments))
        sys.exit(ExitCode.INTERRUPTED)
    except Exception as error:
        if debug:
            raise
        complain(
            f"Unexpected {type(error).__name__}: {error}",
            "This is a defect of skineval or of a plugin: run again with --debug for the traceback, and report it.",
        )
        sys.exit(ExitCode.CELLS_FAILED)


def _how_to_go_on(arguments: Sequence[str]) -> str:
    """What to do after Ctrl-C: whether the same command goes on from what it has saved, or begins again."""
    saves = any(tuple(arguments[: len(command)]) == command for command in SAVING)
    if not saves or "--dry-run" in arguments:
        return "Run the same command to begin again."
    again = "the same command without --fresh" if "--fresh" in arguments else "the same command again"
    return f"Everything finished is saved; run {again} to go on."
