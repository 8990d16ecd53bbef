"""`skineval bench`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skineval.cli.output import Format, FormatOption, QuietOption, warn
from skineval.errors import ExitCode
from skineval.options import HELP

if TYPE_CHECKING:
    from skineval.api import Request
    from skineval.grid.result import BenchResult

EXAMPLE = "Example: skineval bench --models resnet34,densenet121 --imbalance none,class-weights"
_RECIPE, _TRAINING, _RUN = "What is benched (keys of a recipe)", "How networks are trained (keys, too)", "How it is run"


def _key(name: str, metavar: str = "TEXT", panel: str = _RECIPE) -> Any:
    # Taken as text: the recipe checks it as it checks a file, and names the value that is wrong.
    return typer.Option(f"--{name.replace('_', '-')}", help=HELP[name], metavar=metavar, rich_help_panel=panel)


def _training(name: str, metavar: str) -> Any:
    return _key(name, metavar, _TRAINING)


def _run(name: str, text: str) -> Any:
    return typer.Option(f"--{name.replace('_', '-')}", help=text, rich_help_panel=_RUN)


def bench(
    recipe: Annotated[
        str | None, typer.Argument(help="A shipped recipe or a TOML file; flags override its keys.", show_default=False)
    ] = None,
    models: Annotated[str | None, _key("models", "NAMES")] = None,
    imbalance: Annotated[str | None, _key("imbalance", "NAMES")] = None,
    explainers: Annotated[str | None, _key("explainers", "NAMES")] = None,
    data: Annotated[str | None, _key("data", "FOLDER|NAME")] = None,
    external: Annotated[list[str] | None, _key("external", "FOLDER|NAME")] = None,
    groups: Annotated[str | None, _key("groups", "FILE")] = None,
    quarantine: Annotated[str | None, _key("quarantine", "FILE")] = None,
    task: Annotated[str | None, _key("task", "dx7|malignant")] = None,
    protocol: Annotated[str | None, _key("protocol", "lesion|image|oversample-first")] = None,
    split: Annotated[str | None, _key("split", "FILE|official")] = None,
    folds: Annotated[str | None, _key("folds", "N")] = None,
    repeats: Annotated[str | None, _key("repeats", "N")] = None,
    seeds: Annotated[str | None, _key("seeds", "N,N")] = None,
    split_seed: Annotated[str | None, _key("split_seed", "N")] = None,
    epochs: Annotated[str | None, _training("epochs", "N")] = None,
    batch_size: Annotated[str | None, _training("batch_size", "N|auto")] = None,
    learning_rate: Annotated[str | None, _training("learning_rate", "RATE")] = None,
    weight_decay: Annotated[str | None, _training("weight_decay", "NUMBER")] = None,
    optimizer: Annotated[str | None, _training("optimizer", "adamw|adam|sgd")] = None,
    schedule: Annotated[str | None, _training("schedule", "NAME")] = None,
    warmup: Annotated[str | None, _training("warmup", "EPOCHS")] = None,
    plateau_factor: Annotated[str | None, _training("plateau_factor", "NUMBER")] = None,
    plateau_patience: Annotated[str | None, _training("plateau_patience", "EPOCHS")] = None,
    patience: Annotated[str | None, _training("patience", "EPOCHS")] = None,
    label_smoothing: Annotated[str | None, _training("label_smoothing", "NUMBER")] = None,
    gradient_clip: Annotated[str | None, _training("gradient_clip", "NORM")] = None,
    ema: Annotated[str | None, _training("ema", "DECAY")] = None,
    freeze: Annotated[str | None, _training("freeze", "none|backbone")] = None,
    freeze_epochs: Annotated[str | None, _training("freeze_epochs", "N")] = None,
    backbone_rate: Annotated[str | None, _training("backbone_rate", "FRACTION")] = None,
    augment: Annotated[str | None, _training("augment", "NAMES")] = None,
    tta: Annotated[str | None, _key("tta", "none|d4")] = None,
    ensemble: Annotated[str | None, _key("ensemble", "seeds,models,folds")] = None,
    image_size: Annotated[str | None, _key("image_size", "PIXELS")] = None,
    fit: Annotated[str | None, _key("fit", "squash|crop|pad")] = None,
    weights: Annotated[str | None, _training("weights", "imagenet|none|FILE")] = None,
    precision: Annotated[str | None, _training("precision", "auto|fp32|bf16")] = None,
    limit: Annotated[str | None, _key("limit", "IMAGES")] = None,
    replicates: Annotated[str | None, _key("replicates", "N")] = None,
    device: Annotated[str | None, _key("device", "DEVICE", _RUN)] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help=HELP["deterministic"], rich_help_panel=_RUN)
    ] = False,
    jobs: Annotated[str | None, _key("jobs", "N", _RUN)] = None,
    out: Annotated[
        Path | None, _run("out", "Folder of the bench; by default one under runs/ that is this recipe's alone.")
    ] = None,
    fresh: Annotated[
        bool, _run("fresh", "Discard what an earlier run left there instead of going on from it.")
    ] = False,
    fail_fast: Annotated[bool, _run("fail_fast", "Stop at the first cell that fails.")] = False,
    dry_run: Annotated[
        bool, _run("dry_run", "Show the cells with estimated time, disk and memory; train nothing.")
    ] = False,
    format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
) -> None:
    """Train a grid of models and imbalance strategies without leakage, and compare them.

    Without --data and without a recipe a synthetic data set and the recipe demo are used. Running the same command
    again goes on from what is there.
    """
    flags = {key: value for key, value in locals().items() if key in HELP and value not in (None, [], False)}
    from skineval import api
    from skineval.catalog import load_catalog
    from skineval.cli.display import Progressing

    catalog = load_catalog()
    if not quiet:
        for problem in catalog.problems:
            warn(f"{problem}.")
    asked = api.request(recipe, flags)
    if dry_run:
        _show_plan(asked, catalog, format)
        return
    with Progressing(quiet) as display:
        result = api.run_recipe(asked, catalog, display, out=out, fresh=fresh, fail_fast=fail_fast)
    _show(result, format, quiet)
    if result.unfinished:
        raise typer.Exit(ExitCode.CELLS_FAILED)


def _show(result: BenchResult, format: Format, quiet: bool) -> None:
    from skineval.cli.output import print_tables
    from skineval.report.bench import comparisons

    print_tables(comparisons(result), format)
    if not quiet:
        typer.echo(f"Report: {result.folder / 'report.md'} and report.html", err=True)


def _show_plan(asked: Request, catalog: Any, format: Format) -> None:
    from skineval import api
    from skineval.cli.output import print_table

    print_table(api.plan_table(asked, catalog), format)
