"""What `evaluate` and `compare` share: which predictions are scored, and what they are set against."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skineval.cli.flags import takes_keys
from skineval.cli.output import Format, FormatOption, QuietOption, loaded_catalog, warn
from skineval.values.keys import HELP, READ_BY, Keys

if TYPE_CHECKING:
    from skineval.grid.evaluation import Evaluation

    Show = Callable[[Evaluation, int, Format], None]

_SOURCES = Annotated[
    list[Path],
    typer.Argument(
        help="CSV files as predictions.csv, as submissions to ISIC, or alike; folders of trained cells; benches.",
        metavar="PREDICTIONS",
    ),
]
#: What is scored, and against what: the annotation and the default of each option.
_OPTIONS: Mapping[str, tuple[Any, Any]] = {
    "truth": (
        Annotated[
            Path | None,
            typer.Option(
                "--truth",
                help="Reference labels: metadata or one-hot; by default those in PREDICTIONS.",
                metavar="FILE",
            ),
        ],
        None,
    ),
    "data": (
        Annotated[
            str | None,
            typer.Option(
                "--data",
                help="The data set that the images are of, by folder, file or name: it knows what they are, and which "
                "show one lesion.",
                metavar="DIR",
                show_default=False,
            ),
        ],
        None,
    ),
    "part": (
        Annotated[str, typer.Option("--part", help="Which part is scored, where the file names parts.")],
        "test",
    ),
    "classes": (
        Annotated[
            str,
            typer.Option(
                "--classes",
                help="The classes in order, where the file numbers them; of scores of one class the other one first.",
                metavar="A,B",
                show_default=False,
            ),
        ],
        "",
    ),
    "map": (
        Annotated[
            list[str],
            typer.Option(
                "--map",
                help="Classes that count as one, in scores and in the truth; once for each such one, or with commas.",
                metavar="OTHER=A+B",
                show_default=False,
            ),
        ],
        [],
    ),
    "logits": (
        Annotated[bool, typer.Option("--logits", help="Scores are logits: their softmax is meant.")],
        False,
    ),
    "allow_missing": (
        Annotated[bool, typer.Option("--allow-missing", help="Leave out images that PREDICTIONS or the truth lacks.")],
        False,
    ),
    "protocol": (
        Annotated[
            str,
            typer.Option("--protocol", help="How the parts were made; all but lesion are LEAKY.", show_default=False),
        ],
        "",
    ),
    "replicates": (
        Annotated[int, typer.Option("--replicates", help=HELP["replicates"])],
        Keys.replicates,
    ),
}

_FURTHER: Mapping[str, tuple[Any, Any]] = {
    "replicates": (
        Annotated[int, typer.Option("--replicates", min=0, help=f"{HELP['replicates'][:-1]}; 0 leaves intervals out.")],
        Keys.replicates,
    ),
    "preset": (
        Annotated[
            str,
            typer.Option(
                "--preset",
                help="isic2018: the figures of the official scorer of that challenge, in place of all others.",
                metavar="NAME",
                show_default=False,
            ),
        ],
        "",
    ),
    "subgroups": (
        Annotated[
            bool,
            typer.Option(
                "--subgroups",
                help="Score parts of the images, too, by what --data knows of them: age, sex, localization, and more.",
            ),
        ],
        False,
    ),
}


def takes_predictions(show: Show, further: Sequence[str] = ()) -> Callable[..., None]:
    """The command that scores predictions, and then shows what came of it as `show` does.

    `show` has the help of the command, and is given the evaluation, its number of replicates and the format. The
    command has all of `_OPTIONS`, and of `_FURTHER` those that are named, in place of others of that name.
    """
    own = {**_OPTIONS, **{name: _FURTHER[name] for name in further}}

    def command(predictions: list[Path], *, format: Format, quiet: bool, **values: Any) -> None:
        options = {name: values.pop(name) for name in own}
        found = _evaluation(predictions, options, values, quiet)
        if format is Format.CSV and not quiet:  # which has no title and no footnotes
            from skineval.scoring import told

            for words in told(found):
                warn(words)
        show(found, options["replicates"], format)

    flags = {**own, "format": (FormatOption, Format.TABLE), "quiet": (QuietOption, False)}
    named = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in flags.items()
    ]
    first = Parameter("predictions", Parameter.POSITIONAL_OR_KEYWORD, annotation=_SOURCES)
    parameters = [first, *named, Parameter("keys", Parameter.VAR_KEYWORD, annotation=Any)]
    command.__name__, command.__doc__ = show.__name__, show.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # which typer reads
    return takes_keys(READ_BY)(command)


def _evaluation(
    predictions: Sequence[Path], options: Mapping[str, Any], keys: Mapping[str, object], quiet: bool
) -> Evaluation:
    from skineval.grid.evaluation import Question, evaluate
    from skineval.measure.class_columns import Reading

    question = Question(
        truth=options["truth"],
        data=options["data"],
        keys=keys,
        part=options["part"],
        reading=Reading.of(options["classes"], ",".join(options["map"]), logits=options["logits"]),
        allow_missing=options["allow_missing"],
        protocol=options["protocol"],
        replicates=options["replicates"],
        preset=options.get("preset", ""),
        subgroups=options.get("subgroups", False),
    )
    return evaluate(predictions, question, loaded_catalog(quiet))
