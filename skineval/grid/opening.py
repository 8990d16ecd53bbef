"""The images of a bench and of its external tests, decoded, and all that one should know of them before training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from skineval.base.errors import DataError
from skineval.base.places import cache_folder
from skineval.data.pixels.store import PixelStore, open_store
from skineval.data.quality.crossings import refuse_parted_copies
from skineval.grid.events import ImagesDecoded, Noted, Report
from skineval.grid.external import External, about, described, exclusions, overlaps
from skineval.grid.prepare import Prepared
from skineval.values.lesion_table import LesionTable
from skineval.values.recipe import Recipe
from skineval.values.result import ExternalData


@dataclass(frozen=True, eq=False)
class Tested:
    """An external test whose images are decoded."""

    external: External
    pixels: PixelStore
    images: pd.DataFrame  #: images.csv: those that the bench knows, and others that are not tested, with the reason

    @property
    def about(self) -> ExternalData:
        """What it is made of."""
        return about(self.external, self.images)


@dataclass(frozen=True, eq=False)
class Opened:
    """What all cells of a bench are about."""

    pixels: PixelStore
    externals: tuple[Tested, ...]
    notes: tuple[str, ...]  #: what one should know of the data and of what networks begin with


def open_images(prepared: Prepared, report: Report) -> Opened:
    """Decode the images of a bench and of its external tests, and find out what of these it knows.

    Raises DataError for images that cannot be decoded, for pictures on both sides of a split that is to keep lesions
    together, and for an external test of which nothing is left.
    """
    pixels = open_pixels(prepared.table, prepared.recipe, report)
    if not prepared.split.leaky:
        refuse_parted_copies(prepared.table, prepared.split, pixels.array)
    tests = tuple(_open_external(external, prepared, pixels, report) for external in prepared.externals)
    of_tests = (
        of_external(test.external.name, note)
        for test in tests
        for note in (*test.external.table.notes, *test.pixels.notes)
    )
    return Opened(pixels, tests, (*prepared.table.notes, *pixels.notes, *prepared.remarks, *of_tests))


def open_pixels(table: LesionTable, recipe: Recipe, report: Report) -> PixelStore:
    """The decoded images of a data set, as the recipe wants them."""
    return open_store(
        table,
        recipe.image_size,
        fit=recipe.fit,
        cache=cache_folder(),
        progress=lambda done, total: report(ImagesDecoded(done, total)),
        on_wait=lambda text: report(Noted(text)),
    )


def made_of(tests: Sequence[ExternalData], recipe: Recipe) -> tuple[str, ...]:
    """What was left out of each external test."""
    return tuple(of_external(facts.name, described(facts, reject=recipe.reject)) for facts in tests)


def of_external(name: str, note: str) -> str:
    """A note on the external test `name`."""
    return f"external test {name}: {note}"


def _open_external(external: External, prepared: Prepared, pixels: PixelStore, report: Report) -> Tested:
    try:
        opened = open_pixels(external.table, prepared.recipe, report)
    except DataError as error:
        raise DataError(
            f"External test {external.name}: {error.message}",
            "Restore them, or leave them out: --quarantine takes a list of their ids, also of external data.",
        ) from error
    known = overlaps(prepared.table, pixels.array, external.table, opened.array)
    return Tested(external, opened, exclusions(external, known))
