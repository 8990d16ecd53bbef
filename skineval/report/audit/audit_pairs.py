"""The images of an audit that are doubled, or look alike: tables of them, and the words around these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter

import numpy as np

from skineval.data.quality.audit import Audit, DoubledImage, JoinedPair
from skineval.report.document import formatting
from skineval.report.document.blocks import Block, Figure, Fold, Paragraph
from skineval.report.document.tables import Column, Shows, Table, tabulate

SHEET, NARROW_SHEET = "figures/near-duplicates.svg", "figures/near-duplicates-narrow.svg"
PICTURED = 30  #: pairs on the contact sheet
FIRST = 100  #: candidates within which known pairs are counted

_TABLE_OF_PAIRS = (
    Column("image_a", "Image A", whole=True),
    Column("image_b", "Image B", whole=True),
    Column("dx_a", "A is", priority=1),
    Column("dx_b", "B is", priority=1),
    Column("lesion_a", "Lesion id A", priority=4, whole=True),
    Column("lesion_b", "Lesion id B", priority=4, whole=True),
    Column("contrast", "Contrast", "score", "how much more alike than is usual around the two images"),
    Column("distance", "Distance", "score", "0 for the same picture, about 1 for two with nothing in common", 2),
    Column("transform", "B becomes A by", priority=3),
)


def _apart(found: Audit) -> tuple[Column, ...]:
    """The column that only an actual split has."""
    apart = Column("folds_apart", "Folds apart", "count", "folds in which some are tested and others are not", 1)
    return () if found.actual is None else (apart,)


def doubled(found: Audit, stamps: Sequence[str]) -> Iterator[Block]:
    """Images of the same content, and where they lie."""
    if not found.doubled:
        yield Paragraph("No two images have the same content.")
        return
    same = Column("same", "Identical", note="bytes: the files; pixels: only the pictures in them")
    columns: tuple[Shows[DoubledImage], ...] = (
        (Column("images", "Images", whole=True), lambda one: ", ".join(one.copies.image_ids)),
        (same, lambda one: one.copies.same),
        (Column("where", "Where"), lambda one: one.copies.where),
        (Column("dx", "Diagnoses", priority=1), lambda one: ", ".join(dict.fromkeys(one.copies.dx))),
        (
            Column("lesion_ids", "Lesion ids", priority=2, whole=True),
            lambda one: ", ".join(dict.fromkeys(one.copies.lesion_ids)),
        ),
        *_apart(found),
    )
    yield tabulate("Images with the same content", found.doubled, columns, stamps=stamps)


def similar(found: Audit, different: str, stamps: Sequence[str], listed: int | None) -> Iterator[Block]:
    """The contact sheet, the first `listed` candidates (all of them, folded, where that is None), and known pairs.

    `different` says of what they are different.
    """
    if found.candidates:
        shown = found.candidates[:listed]
        yield Figure(
            SHEET,
            f"Similar images{different}",
            f"The {formatting.plural(min(PICTURED, len(found.candidates)), 'pair')} of images{different} that stand "
            "out most; zoomed, turned and mirrored copies are found too. Only a person can say which of them show one "
            "lesion.",
            "Pairs of dermatoscopic images side by side, with their ids, diagnoses and distance.",
            "duplicates",
            narrow=NARROW_SHEET,
        )
        title = f"Candidates: images{different} that look like one lesion"
        left_out = len(found.candidates) - len(shown)
        notes = [f"{formatting.plural(left_out, 'further pair')} in pairs.csv, which --out writes."] if left_out else []
        yield _foldable(tabulate(title, shown, (*_TABLE_OF_PAIRS, *_apart(found)), notes, stamps=stamps), listed)
    if found.joined:
        yield _foldable(_joined(found.joined, stamps), listed)


def _foldable(table: Table, listed: int | None) -> Table | Fold:
    """Long tables of a page are opened when wanted."""
    return table if listed is not None else Fold(table.title, (table,))


def _joined(joined: Sequence[JoinedPair], stamps: Sequence[str]) -> Table:
    columns: tuple[Shows[JoinedPair], ...] = (
        Column("rank", "Rank", "count", "where the pair would stand among the candidates"),
        Column("random", "Random pairs ahead", "percent", "random pairs of different lesions with as much contrast", 1),
        *((column, attrgetter(f"pair.{column.key}")) for column in _TABLE_OF_PAIRS),
    )
    early, median = sum(one.rank <= FIRST for one in joined), float(np.median([one.rank for one in joined]))
    note = (
        f"The most similar images of each two lesion ids that are known to be of one lesion. {early} of {len(joined)} "
        f"stand among the first {FIRST}, the median rank is {formatting.count(median)}: so good is the search where "
        "the answer is known."
    )
    return tabulate("Already joined: lesion ids known to be of one lesion", joined, columns, (note,), stamps=stamps)
