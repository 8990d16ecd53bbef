"""`skineval demo`: a page on this machine that shows what a trained model says of an image."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skineval.base.errors import ExitCode, UsageError
from skineval.cli.flags import takes_keys
from skineval.cli.output import QuietOption, loaded_catalog, put, say, warn

if TYPE_CHECKING:
    import socket

    from starlette.applications import Starlette

    from skineval.catalog.catalog import Catalog

EXAMPLE = "Example: skineval demo runs/demo/cells/CELL"
LOCAL = "127.0.0.1"
#: The bench of a model that is made on the spot, beside what the recipe `demo` says: small, and it learns all classes.
MADE: dict[str, object] = {
    "models": "cnn",
    "imbalance": "class-weights",
    "data": "synthetic:images=1000",
    "epochs": 5,
    "replicates": 1000,
    "explainers": (),
}


@takes_keys(("device",))
def demo(
    model: Annotated[
        Path | None,
        typer.Argument(
            help="The folder of a trained cell, or of a bench that has only one. Without it a small model is trained "
            "on synthetic images first, in about a minute on two cores, and kept for the next time.",
            metavar="MODEL",
            show_default=False,
        ),
    ] = None,
    *,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any that is free.")] = 8642,
    host: Annotated[str, typer.Option("--host", help="The address of this machine that it answers at.")] = LOCAL,
    expose: Annotated[
        bool,
        typer.Option(
            "--expose",
            help="Allow a --host that others can reach. Everybody who can may use the model and see the sample images: "
            "nobody is asked for a password, and nothing is encrypted.",
        ),
    ] = False,
    open: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = False,
    quiet: QuietOption = False,
    **keys: Any,
) -> None:
    """Show what a trained model says of an image, on a page that runs on this machine. No diagnosis.

    The page takes a file, a paste or a photo, and shows probabilities, malignancy and where the network looked. It
    keeps nothing and fetches nothing from elsewhere. POST /api/predict answers programs. Ctrl-C ends it.
    """
    from skineval.demo.extra import require_server

    require_server()
    from skineval.demo.serving import address, bound, is_loopback, serve

    exposed = not is_loopback(host)
    if exposed and not expose:
        raise UsageError(
            f"--host is {host}, where others can reach it.",
            "Add --expose if everybody there may use the model and see the sample images: nobody is asked for a "
            "password, and nothing is encrypted. Or leave --host out.",
        )
    with bound(host, port) as listening:  # first: to learn after the training that there is no port would be late
        app = _app(model, keys, loaded_catalog(quiet), _hosts(host, exposed), exposed, quiet)
        if exposed:
            warn("Everybody who can reach this machine can use the model.")
        say("Ctrl-C ends it.", quiet)
        put(f"{address(listening)}\n")
        if open:
            _show(listening)
        serve(app, listening)
    say("Ended.", quiet)
    if app.state.worker.busy:
        # In the middle of a map, perhaps for a minute: Python would wait for it, or torch abort when it is torn down.
        sys.stderr.flush()
        os._exit(ExitCode.DONE)


def _app(
    model: Path | None, keys: dict[str, Any], catalog: Catalog, hosts: list[str], exposed: bool, quiet: bool
) -> Starlette:
    """The application, for a model that is there or made on the spot."""
    from skineval import api
    from skineval.cli.board import counting
    from skineval.train.cpu import use_cpu
    from skineval.values.recipe import make_recipe

    device = make_recipe({**keys, "models": "*", "data": "synthetic"}).device  # no recipe is without these
    cell = _made(keys, catalog, quiet) if model is None else model
    use_cpu()
    with counting("asking explainers", quiet) as progress:
        return api.demo_app(cell, device=device, hosts=hosts, any_address=exposed, progress=progress)


def _made(keys: dict[str, Any], catalog: Catalog, quiet: bool) -> Path:
    """The folder of a model that was trained on synthetic images just now, or at an earlier start."""
    from importlib.metadata import version

    from skineval import asking
    from skineval.base.places import cache_folder
    from skineval.cli.bench_progress import BenchDisplay
    from skineval.cli.board import Board

    say("No MODEL is named: a small one learns from invented pictures, in about a minute on two cores.", quiet)
    asked = asking.request("demo", {**MADE, **keys})
    with Board(quiet) as board:
        folder = cache_folder() / "demo" / version("skineval")
        result = asking.run_recipe(asked, catalog, BenchDisplay(board), out=folder, fail_fast=True)
    if not result.finished:
        raise UsageError("No model could be trained.", "Name one: the folder of a trained cell.")
    return result.folder / "cells" / result.finished[0].run_id


def _hosts(host: str, exposed: bool) -> list[str]:
    """What else the page may be called by."""
    import socket

    return [host, socket.gethostname()] if exposed else [host]


def _show(listening: socket.socket) -> None:
    """Open the page in a browser, which waits until it is answered."""
    import webbrowser

    from skineval.demo.serving import address

    webbrowser.open(address(listening))
