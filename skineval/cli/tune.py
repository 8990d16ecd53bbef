"""`skineval tune`: hyper-parameters by validation balanced accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skineval.cli.output import Format, FormatOption, QuietOption, warn
from skineval.errors import Interrupted, UsageError
from skineval.options import HELP

EXAMPLE = "Example: skineval tune --models resnet18 --trials 20 --search learning_rate=1e-4..1e-2,weight_decay"
_RECIPE, _TRAINING, _RUN = (
    "What is trained (keys of a recipe)",
    "The recipe's own setting (keys, too)",
    "How it is searched",
)


def _key(name: str, metavar: str, panel: str = _RECIPE) -> Any:
    # Taken as text: the recipe checks it as it checks a file, and names the value that is wrong.
    return typer.Option(f"--{name.replace('_', '-')}", help=HELP[name], metavar=metavar, rich_help_panel=panel)


def _own(name: str, metavar: str) -> Any:
    return _key(name, metavar, _TRAINING)


def _run(name: str, text: str, **more: Any) -> Any:
    return typer.Option(f"--{name.replace('_', '-')}", help=text, rich_help_panel=_RUN, **more)


def tune(
    recipe: Annotated[
        str | None, typer.Argument(help="A shipped recipe or a TOML file; flags override its keys.", show_default=False)
    ] = None,
    models: Annotated[str | None, _key("models", "NAMES")] = None,
    imbalance: Annotated[str | None, _key("imbalance", "NAMES")] = None,
    data: Annotated[str | None, _key("data", "FOLDER|NAME")] = None,
    groups: Annotated[str | None, _key("groups", "FILE")] = None,
    quarantine: Annotated[str | None, _key("quarantine", "FILE")] = None,
    task: Annotated[str | None, _key("task", "dx7|malignant")] = None,
    protocol: Annotated[str | None, _key("protocol", "lesion|image|oversample-first")] = None,
    split: Annotated[str | None, _key("split", "FILE|official")] = None,
    folds: Annotated[str | None, _key("folds", "N")] = None,
    repeats: Annotated[str | None, _key("repeats", "N")] = None,
    seeds: Annotated[str | None, _key("seeds", "N,N")] = None,
    split_seed: Annotated[str | None, _key("split_seed", "N")] = None,
    image_size: Annotated[str | None, _key("image_size", "PIXELS")] = None,
    fit: Annotated[str | None, _key("fit", "squash|crop|pad")] = None,
    limit: Annotated[str | None, _key("limit", "IMAGES")] = None,
    epochs: Annotated[str | None, _own("epochs", "N")] = None,
    batch_size: Annotated[str | None, _own("batch_size", "N|auto")] = None,
    learning_rate: Annotated[str | None, _own("learning_rate", "RATE")] = None,
    weight_decay: Annotated[str | None, _own("weight_decay", "NUMBER")] = None,
    optimizer: Annotated[str | None, _own("optimizer", "adamw|adam|sgd")] = None,
    schedule: Annotated[str | None, _own("schedule", "NAME")] = None,
    warmup: Annotated[str | None, _own("warmup", "EPOCHS")] = None,
    plateau_factor: Annotated[str | None, _own("plateau_factor", "NUMBER")] = None,
    plateau_patience: Annotated[str | None, _own("plateau_patience", "EPOCHS")] = None,
    patience: Annotated[str | None, _own("patience", "EPOCHS")] = None,
    label_smoothing: Annotated[str | None, _own("label_smoothing", "NUMBER")] = None,
    gradient_clip: Annotated[str | None, _own("gradient_clip", "NORM")] = None,
    ema: Annotated[str | None, _own("ema", "DECAY")] = None,
    freeze: Annotated[str | None, _own("freeze", "none|backbone")] = None,
    freeze_epochs: Annotated[str | None, _own("freeze_epochs", "N")] = None,
    backbone_rate: Annotated[str | None, _own("backbone_rate", "FRACTION")] = None,
    augment: Annotated[str | None, _own("augment", "NAMES")] = None,
    weights: Annotated[str | None, _own("weights", "imagenet|none|FILE")] = None,
    precision: Annotated[str | None, _own("precision", "auto|fp32|bf16")] = None,
    device: Annotated[str | None, _key("device", "DEVICE", _RUN)] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help=HELP["deterministic"], rich_help_panel=_RUN)
    ] = False,
    trials: Annotated[str, _run("trials", "Settings to try, those of earlier runs included.", metavar="N")] = "20",
    search: Annotated[
        list[str] | None,
        _run(
            "search",
            "What varies: keys, each around the recipe's own value or with what it may be: "
            "epochs,learning_rate=1e-4..1e-2,augment=none,basic,flip+rotate. May be given again. By default "
            "learning_rate,weight_decay,batch_size,augment,schedule,epochs.",
            metavar="KEYS",
        ),
    ] = None,
    out: Annotated[
        Path | None, _run("out", "Folder of the search; by default one under runs/ that is this search's alone.")
    ] = None,
    fresh: Annotated[
        bool, _run("fresh", "Discard what an earlier run left there instead of going on from it.")
    ] = False,
    format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
) -> None:
    """Search the hyper-parameters of one model by balanced accuracy on the validation part.

    The first trial is the recipe's own setting; hopeless trials are given up early. With one fold the test part is
    never read: `skineval bench` with the recipe that is written measures the winner on it. With several folds or
    repeats the choice sees test images too, and only an external test is fair. Running the same command again goes on
    from what is there; more --trials extend it.
    """
    flags = {key: value for key, value in locals().items() if key in HELP and value not in (None, False)}
    from skineval import api
    from skineval.catalog import load_catalog
    from skineval.cli.output import print_table
    from skineval.cli.searching import Searching

    catalog = load_catalog()
    if not quiet:
        for problem in catalog.problems:
            warn(f"{problem}.")
    asked = api.request(recipe, flags)
    wanted = _whole(trials)
    try:
        with Searching(quiet) as display:
            found = api.run_search(asked, catalog, display, trials=wanted, search=search or [], out=out, fresh=fresh)
    except KeyboardInterrupt:  # outside of training there is nothing to stop gently
        raise Interrupted from None
    from skineval.report.tuning import table

    print_table(table(found), format)
    if not quiet:
        typer.echo(f"Winner: {found.folder / 'recipe.toml'}; plot: {found.folder / 'search.svg'}", err=True)


def _whole(trials: str) -> int:
    try:
        return int(trials)
    except ValueError:
        raise UsageError(f"--trials is {trials!r}, which is not a whole number.", "Give one, such as 20.") from None
