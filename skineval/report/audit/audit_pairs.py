"""The images of an audit that are doubled, or look alike: tables of them, and the words around these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from skineval.data.quality.audit import Audit, JoinedPair, Pair
from skineval.report.document import formatting
from skineval.report.document.blocks import Block, Figure, Fold, Paragraph
from skineval.report.document.tables import Cell, Column, Row, Table

SHEET, NARROW_SHEET = "figures/near-duplicates.svg", "figures/near-duplicates-narrow.svg"
PICTURED = 30  #: pairs on the contact sheet
FIRST = 100  #: candidates within which known pairs are counted

_TABLE_OF_PAIRS = (
    Column("image_a", "Image A"),
    Column("image_b", "Image B"),
    Column("dx_a", "A is"),
    Column("dx_b", "B is"),
    Column("lesion_a", "Lesion id A", priority=4),
    Column("lesion_b", "Lesion id B", priority=4),
    Column("contrast", "Contrast", "score", "how much more alike than is usual around the two images"),
    Column("distance", "Distance", "score", "0 for the same picture, about 1 for two with nothing in common", 2),
    Column("transform", "B becomes A by", priority=3),
)
_APART = Column("folds_apart", "Folds apart", "count", "folds in which some are tested and others are not", 1)


def doubled(found: Audit, stamps: Sequence[str]) -> Iterator[Block]:
    """Images of the same content, and where they lie."""
    if not found.doubled:
        yield Paragraph("No two images have the same content.")
        return
    columns = (
        Column("images", "Images"),
        Column("same", "Identical", note="bytes: the files; pixels: only the pictures in them"),
        Column("where", "Where"),
        Column("dx", "Diagnoses", priority=1),
        Column("lesion_ids", "Lesion ids", priority=2),
        *((_APART,) if found.actual is not None else ()),
    )

    def row(place: int) -> Row:
        one = found.doubled[place]
        copies = one.copies
        words = (
            ", ".join(copies.image_ids),
            copies.same,
            copies.where,
            ", ".join(dict.fromkeys(copies.dx)),
            ", ".join(dict.fromkeys(copies.lesion_ids)),
        )
        return Row((*words, one.folds_apart)[: len(columns)])

    yield Table(
        formatting.stamped("Images with the same content", stamps), columns, tuple(map(row, range(len(found.doubled))))
    )


def similar(found: Audit, stamps: Sequence[str], listed: int | None) -> Iterator[Block]:
    """The contact sheet, the first `listed` candidates (all of them, folded, where that is None), and known pairs."""
    different = " of different lesions" if found.lesions_known else ""
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
        columns = (*_TABLE_OF_PAIRS, *((_APART,) if found.actual is not None else ()))
        left_out = len(found.candidates) - len(shown)
        notes = (
            (f"{formatting.plural(left_out, 'further pair')} in pairs.csv, which --out writes.",) if left_out else ()
        )
        yield _foldable(
            Table(
                formatting.stamped(f"Candidates: images{different} that look like one lesion", stamps),
                columns,
                tuple(Row(_pair_cells(pair)[: len(columns)]) for pair in shown),
                notes,
            ),
            listed,
        )
    if found.joined:
        yield _foldable(_joined(found.joined, stamps), listed)


def _foldable(table: Table, listed: int | None) -> Table | Fold:
    """Long tables of a page are opened when wanted."""
    return table if listed is not None else Fold(table.title, (table,))


def _joined(joined: Sequence[JoinedPair], stamps: Sequence[str]) -> Table:
    columns = (
        Column("rank", "Rank", "count", "where the pair would stand among the candidates"),
        Column("random", "Random pairs ahead", "percent", "random pairs of different lesions with as much contrast", 1),
        *_TABLE_OF_PAIRS,
    )
    rows = tuple(Row((one.rank, one.random, *_pair_cells(one.pair)[: len(_TABLE_OF_PAIRS)])) for one in joined)
    early, median = sum(one.rank <= FIRST for one in joined), float(np.median([one.rank for one in joined]))
    note = (
        f"The most similar images of each two lesion ids that are known to be of one lesion. {early} of {len(joined)} "
        f"stand among the first {FIRST}, the median rank is {formatting.count(median)}: so good is the search where "
        "the answer is known."
    )
    return Table(
        formatting.stamped("Already joined: lesion ids known to be of one lesion", stamps), columns, rows, (note,)
    )


def _pair_cells(pair: Pair) -> tuple[Cell, ...]:
    return tuple(getattr(pair, column.key) for column in (*_TABLE_OF_PAIRS, _APART))
