"""What `skineval explain` writes: a page with its tables and galleries, and the scores of each image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from skineval.base.errors import DataError
from skineval.base.files import atomic_write
from skineval.grid.explained import Explained
from skineval.grid.tables import csv_text, read_frame
from skineval.report.document import formatting, html
from skineval.report.document.blocks import Figure, Paragraph, Report, Section
from skineval.report.explained import tables

PAGE = "index.html"
SCORES = "scores.csv"
_TO_READ = (
    "From left to right: the image, the heatmap, both. A heatmap shows where a model looked, not whether it was right "
    "to. Which images are shown is decided by ranks of probability, not by eye."
)


def write(explained: Explained, folder: Path) -> None:
    """Write the page and the scores into the folder where the galleries are; those of an earlier run go."""
    for file in _outdated(explained, folder):
        file.unlink(missing_ok=True)
    atomic_write(folder / SCORES, csv_text(explained.frame()))
    atomic_write(folder / PAGE, html.document(report(explained, folder), lambda file: (folder / file).read_bytes()))


def _outdated(explained: Explained, folder: Path) -> set[Path]:
    """Where an earlier run, of other explainers or images, may have left galleries: what else is there is not ours."""
    try:
        found = read_frame(folder / SCORES, ("explainer", "image_id", "lesion_id"))["explainer"]
    except DataError:  # not there, or not ours
        return set()
    names = {str(name).replace(":", "-") for name in found}
    places = [folder / name for name in names if Path(name).name == name]
    kept = {file for files in explained.galleries.values() for file in files}
    return {place / f"{code}.svg" for place in places for code in explained.images.classes} - kept


def report(explained: Explained, folder: Path) -> Report:
    """The page as a document; figures are named as they lie in `folder`."""
    title = f"Explanations of {formatting.plain(explained.system)}"
    return Report(title, explained.stamps, tuple(_sections(explained, folder)))


def _sections(explained: Explained, folder: Path) -> Iterator[Section]:
    yield Section("Scores", tuple(tables(explained)))
    for explainer, files in explained.galleries.items():
        figures = (
            Figure(
                file.relative_to(folder).as_posix(),
                f"{explainer}: {file.stem}",
                f"{explainer}, test images of class {file.stem}",
                f"Images of class {file.stem}, their {explainer} heatmaps, and both laid over each other.",
                "explanation",
            )
            for file in files
        )
        yield Section(explainer, (Paragraph(_TO_READ), *figures))
