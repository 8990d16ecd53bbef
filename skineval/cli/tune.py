"""`skineval tune`: hyper-parameters by validation balanced accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skineval.base.errors import Interrupted, UsageError
from skineval.cli.flags import FreshOption, RecipeArgument, run_option, takes_keys
from skineval.cli.output import Format, FormatOption, QuietOption, loaded_catalog, print_table, say
from skineval.values.keys import ANY, KEYS

EXAMPLE = "Example: skineval tune --models resnet18 --trials 20 --search learning_rate=1e-4..1e-2,weight_decay"
SEARCH = "What is searched"


@takes_keys(name for name, key in KEYS.items() if key.tuned and key.keeps != ANY)
def tune(
    recipe: RecipeArgument = None,
    trials: Annotated[
        str,
        typer.Option(
            "--trials",
            help="Settings to try, those of earlier runs included.",
            rich_help_panel=SEARCH,
            metavar="N",
        ),
    ] = "20",
    search: Annotated[
        list[str] | None,
        typer.Option(
            "--search",
            help="What varies: keys, each around the recipe's own value or with what it may be: "
            "epochs,learning_rate=1e-4..1e-2,augment=none,basic. May be given again. By default learning_rate, "
            "weight_decay, batch_size, augment, schedule and epochs.",
            rich_help_panel=SEARCH,
            metavar="KEYS",
        ),
    ] = None,
    *,
    out: Annotated[
        Path | None,
        run_option("--out", "Folder of the search; by default one under runs/ that is this search's alone."),
    ] = None,
    fresh: FreshOption = False,
    format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    **keys: Any,
) -> None:
    """Search the hyper-parameters of one model, which is to be named, by balanced accuracy on the validation part.

    The first trial is the recipe's own setting; hopeless trials are given up early. With one fold the test part is
    never read: `skineval bench` with the recipe that is written measures the winner on it. With several folds or
    repeats the choice sees test images too, and only an external test is fair. Running the same command again goes on
    from what is there; more --trials extend it.
    """
    from skineval import asking
    from skineval.cli.board import Board
    from skineval.cli.tune_progress import SearchDisplay

    catalog = loaded_catalog(quiet)
    asked = asking.request(recipe, keys)
    wanted = _whole(trials)
    try:
        with Board(quiet) as board:
            display = SearchDisplay(board)
            found = asking.run_search(asked, catalog, display, trials=wanted, search=search or [], out=out, fresh=fresh)
    except KeyboardInterrupt:  # outside of training there is nothing to stop gently
        raise Interrupted from None
    from skineval.report.tuning import table

    print_table(table(found), format)
    what = "Recipe, your own" if found.best is found.own else "Winning recipe"
    say(f"{what}: {found.folder / 'recipe.toml'}; plot: {found.folder / 'search.svg'}", quiet)


def _whole(trials: str) -> int:
    try:
        return int(trials)
    except ValueError:
        raise UsageError(f"--trials is {trials!r}, which is not a whole number.", "Give one, such as 20.") from None
