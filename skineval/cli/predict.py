"""`skineval predict`: what a trained model says of anybody's images."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skineval.base.errors import ExitCode, UsageError, first_few
from skineval.cli.flags import takes_keys
from skineval.cli.output import ForceOption, QuietOption, TargetOption, complain, loaded_catalog, put, width

if TYPE_CHECKING:
    from skineval.base.errors import DataError
    from skineval.catalog.catalog import Catalog
    from skineval.cli.board import Board
    from skineval.data.given_images import Given, GivenImage
    from skineval.explain.drawing import Drawing
    from skineval.report.predicted import Writer
    from skineval.train.classifier import Classifier

EXAMPLE = "Example: skineval predict runs/demo/cells/CELL HAM10000/images --format csv"
STDIN = "-"  #: in place of a path: a list of paths


class Format(StrEnum):
    """How predictions are written."""

    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"


@takes_keys(("explainers", "device"))
def predict(
    model: Annotated[
        str,
        typer.Argument(help="The folder of a trained cell, or of a bench that has only one.", metavar="MODEL"),
    ],
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Images, folders and zip archives; - is a list of paths on standard input, one a line or each ended "
            "by NUL.",
            metavar="PATH",
        ),
    ],
    *,
    format: Annotated[
        Format, typer.Option("--format", help="How predictions are written to standard output.")
    ] = Format.TABLE,
    explain: Annotated[
        Path | None,
        typer.Option(
            "--explain",
            help="A folder for a picture of each image with its heatmap, called by the number of its row and its name.",
            metavar="FOLDER",
            show_default=False,
        ),
    ] = None,
    target: TargetOption = "predicted",
    force: ForceOption = False,
    quiet: QuietOption = False,
    **keys: Any,
) -> None:
    """Say what a trained model takes images for: a row an image, with the probability of each class. No diagnosis.

    Images are prepared as those that the model was trained on. Folders are searched with all that is in them, zip
    archives are read where they are. An image that cannot be read is named on standard error and passed over, and the
    exit code is 1 in the end. Rows are written while the work goes on, in the order in which images are given.
    """
    from skineval.cli.board import Board
    from skineval.data.given_images import GivenImage, given_images

    given: Iterable[Given] = given_images(_named(paths))
    total = None
    if STDIN not in paths:  # what is on standard input comes as it comes
        given = list(given)
        total = sum(isinstance(one, GivenImage) for one in given)
    if explain is None and ("explainers" in keys or target != "predicted"):
        raise UsageError(
            "--explainers and --target say how images are explained.", "Say where to, too: --explain FOLDER."
        )
    if explain is not None and explain.exists() and not explain.is_dir():
        raise UsageError(f"--explain is {explain}, which is a file.", "Name a folder, which may be new.")
    catalog = loaded_catalog(quiet)
    with Board(quiet) as board:
        problems = _Problems(board)
        images = problems.passing(given)
        first = next(images, None)
        if first is not None:
            draw = None if explain is None else partial(_drawing, explain, target, keys, catalog, force)
            _predict(lambda: _loaded(model, keys, catalog), chain([first], images), total, format, problems, draw)
    if first is None and problems.count:  # which are told
        raise typer.Exit(ExitCode.USAGE)
    if first is None:
        raise UsageError(
            f"There is no image in {first_few([_called(path) for path in paths])}.",
            "Name image files, zip archives, or folders that hold some.",
        )
    if problems.count:
        told = "is named above with its reason" if problems.count == 1 else "are named above with their reasons"
        complain(f"Not all could be predicted: {problems.count:,} {told}.")
        raise typer.Exit(ExitCode.CELLS_FAILED)


@dataclass
class _Problems:
    """What keeps images from being predicted, told as it is met."""

    board: Board
    count: int = 0

    def passing(self, given: Iterable[Given]) -> Iterator[GivenImage]:
        """The images among what is given."""
        from skineval.data.findings import Finding

        for one in given:
            if not isinstance(one, Finding):
                yield one
            elif one.severity == "error":
                self._tell(f"{one.where} {one.what}. {one.hint}")
            else:
                self.board.warn(_line(f"{one.where} {one.what}. {one.hint}"))

    def refused(self, error: DataError) -> None:
        """An image that cannot be decoded."""
        self._tell(f"{error.message} {error.hint}")

    def _tell(self, text: str) -> None:
        self.count += 1
        self.board.complain(_line(text))


def _predict(
    load: Callable[[], Classifier],
    images: Iterable[GivenImage],
    total: int | None,
    format: Format,
    problems: _Problems,
    drawing: Callable[[Classifier], Drawing] | None,
) -> None:
    """Write what a model says of `images`, of which there are `total`, while it says it."""
    from skineval.base.interrupts import stoppable
    from skineval.cli.board import Row
    from skineval.train.stream import predict_stream

    board = problems.board
    notes = set[str]()

    def note(text: str) -> None:
        if text not in notes:
            board.warn(text)
        notes.add(text)

    def write(text: str) -> None:
        with board.lifted(), stoppable() as is_asked:  # whoever reads has whole rows
            put(text)
        if is_asked():
            raise KeyboardInterrupt

    loading = board.add(Row("loading the model"))
    classifier = load()
    draw = drawing(classifier) if drawing else None
    board.remove(loading)
    if format is not Format.TABLE:  # which has a title and footnotes
        _introduce(classifier, board)
    row = board.add(Row("predicting", counted=True, total=total))
    writer, done = _writer(classifier, format), 0
    with closing(predict_stream(classifier, images, problems.refused, note)) as stream:
        for answers in stream:
            if draw is not None:
                draw(answers)
            write(writer.add(answers))
            done += len(answers.images)
            tried = done + problems.count
            row.done = tried
            if total is not None:
                row.count(min(tried, total), total)  # what is no image has its problems, too
    write(("" if done else writer.add()) + writer.end())
    if draw is not None and done:
        board.say(f"Pictures with heatmaps, called by the number of their row: {_line(str(draw.folder))}")


def _named(paths: Iterable[str]) -> Iterator[str]:
    """The paths, those on standard input where it is named."""
    from skineval.data.given_images import read_list

    for path in paths:
        if path != STDIN:
            yield path
        elif sys.stdin is not None:
            yield from read_list(sys.stdin.buffer)


def _loaded(model: str, keys: dict[str, Any], catalog: Catalog) -> Classifier:
    from skineval.grid.trained import open_trained
    from skineval.train.cpu import use_cpu
    from skineval.values.recipe import make_recipe

    device = make_recipe({**keys, "models": "*", "data": "synthetic"}).device  # no recipe is without these
    use_cpu()
    return open_trained(Path(model), catalog, device).classifier


def _drawing(
    folder: Path, target: str, keys: dict[str, Any], catalog: Catalog, force: bool, classifier: Classifier
) -> Drawing:
    """What makes pictures of answers in `folder`; it refuses what it cannot explain before anything is predicted."""
    from skineval.explain.drawing import Drawing
    from skineval.explain.panels import Explaining
    from skineval.explain.target import Target
    from skineval.values.recipe import make_recipe

    chosen = catalog.explainers.select(make_recipe({**keys, "models": "*", "data": "synthetic"}).explainers)
    explaining = [Explaining(one, catalog.explainers[one.name]) for one in chosen]
    return Drawing(folder, classifier, explaining, Target.of(target, classifier.classes), replace=force)


def _introduce(classifier: Classifier, board: Board) -> None:
    """Say on standard error what a table says in its title and below its rows."""
    from skineval.report.document import formatting
    from skineval.report.predicted import told

    for stamp in classifier.stamps:
        board.warn(formatting.stamp_meaning(stamp))
    for text in told(classifier):
        board.say(text)


def _writer(classifier: Classifier, format: Format) -> Writer:
    from rich.console import Console

    from skineval.report import predicted

    if format is Format.TABLE:
        console = Console() if sys.stdout.isatty() else Console(width=width(), color_system=None, force_terminal=False)
        return predicted.TableWriter(classifier, console)
    return predicted.CsvWriter(classifier) if format is Format.CSV else predicted.JsonLinesWriter(classifier)


def _line(text: str) -> str:
    """Untrusted text as one line without control characters."""
    from skineval.report.document import formatting

    return formatting.plain(text)


def _called(path: str) -> str:
    return "the list on standard input" if path == STDIN else path
