"""What of a split leaks, counted image by image: siblings and copies on both sides of its borders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import DataError, first_few, plural
from skineval.base.terms import LESION, PARTS, UNUSED, Unit
from skineval.data.findings import LEAVE_OUT
from skineval.data.quality.duplicates import find_copies
from skineval.data.quality.leakage import ALL
from skineval.data.splits.split import TEST, TRAIN, VALIDATION, Split, used
from skineval.values.lesion_table import LesionTable

#: The parts that must know nothing of others, each with those that come before it.
BORDERS = ((VALIDATION, (TRAIN,)), (TEST, (TRAIN, VALIDATION)))
_IN_NONE = -1  # in place of a part


@dataclass(frozen=True)
class Crossing:
    """Images of one part of one fold that have mates in the parts before it; copies of an image are counted each."""

    fold: int
    part: str  #: "validation", whose images are compared with train, or "test": with train and validation
    label: str  #: a diagnosis, or `skineval.data.quality.leakage.ALL`
    images: int
    by_lesion_id: int | None  #: of which an image with the same lesion_id is in a part before; None where not known
    by_lesion: int | None  #: the same for lesions: those of several ids too
    copies: int  #: of which an image with the same content is


@dataclass(frozen=True)
class Parting:
    """An actual split and what leaks from it."""

    name: str  #: whose split it is, in words
    protocol: str  #: what it claims to be: one of `skineval.base.terms.PROTOCOLS`, or "official"
    folds: int
    fingerprint: str  #: of the split as it is; "" where it breaks the rule of its protocol
    parted_lesion_ids: int | None  #: with images in several parts of a fold, counted in every fold; None: not known
    parted_lesions: int | None
    crossings: tuple[Crossing, ...]
    lesions_known: bool = True  #: False where counts of lesions are of those that are known, so that there may be more
    unit: Unit = "lesion"  #: what images are grouped by: what is said of lesions is said of that
    recorded: str | None = None  #: the fingerprint that was written down when it was made
    data: str = ""  #: the fingerprint of the data now
    recorded_data: str | None = None  #: that of the data it was made of

    @property
    def leaky(self) -> bool:
        """Whether a lesion is known to be on both sides of a border."""
        return bool(self.parted_lesions)

    @property
    def contradictions(self) -> tuple[str, ...]:
        """What is not as it was claimed or recorded."""
        found = []
        if self.protocol == LESION and self.leaky:
            found.append(
                "It claims to keep lesions together, and "
                f"{plural(self.parted_lesions or 0, 'lesion is', 'lesions are')} parted."
            )
        if self.recorded is not None and self.fingerprint and self.recorded != self.fingerprint:
            found.append(
                f"The fingerprint of the split is {self.fingerprint[:16]}, and {self.recorded[:16]} was recorded: it "
                "was changed."
            )
        if self.recorded_data is not None and self.recorded_data != self.data:
            found.append(
                f"The fingerprint of the data is {self.data[:16]}, and {self.recorded_data[:16]} was recorded: it is "
                "not the data that was benched."
            )
        return tuple(found)


@dataclass(frozen=True)
class Claims:
    """What is said of a split by those who made it."""

    name: str
    protocol: str
    fingerprint: str | None = None
    data: str | None = None  #: fingerprint of the data that it was made of
    data_now: str = ""  #: that of the data now


def examine(table: LesionTable, split: Split, claims: Claims, contents: NDArray[np.int64]) -> Parting:
    """Count what crosses the borders of `split`, whatever its protocol promises.

    `contents` (n,) are equal for images of equal content. A split that leaks can be read with the protocol "image", or
    "oversample-first" if it holds copies; the fingerprint is that under the protocol that is claimed.
    """
    parts = part_codes(split)
    frame = table.frame.iloc[split.rows]
    lesion_ids, lesions = (frame[column].to_numpy(dtype=str) for column in ("lesion_id", "group"))
    try:
        fingerprint = replace(split, protocol=LESION if claims.protocol == LESION else split.protocol).fingerprint
    except DataError:  # its lesions are parted: counted below
        fingerprint = ""
    found = Parting(
        name=claims.name,
        protocol=claims.protocol,
        folds=split.folds,
        fingerprint=fingerprint,
        parted_lesion_ids=_parted(split, lesion_ids),
        parted_lesions=_parted(split, lesions),
        crossings=_crossings(parts, frame["dx"].to_numpy(), lesion_ids, lesions, contents[split.rows]),
        lesions_known=table.unit != "image",
        unit=table.unit,
        recorded=claims.fingerprint,
        data=claims.data_now or table.fingerprint,
        recorded_data=claims.data,
    )
    # No zeros where no two images are known to show one lesion.
    if table.alone.all():
        crossings = tuple(replace(one, by_lesion_id=None) for one in found.crossings)
        found = replace(found, parted_lesion_ids=None, crossings=crossings)
    if not table.siblings_known:
        crossings = tuple(replace(one, by_lesion_id=None, by_lesion=None) for one in found.crossings)
        found = replace(found, parted_lesion_ids=None, parted_lesions=None, crossings=crossings)
    return found


def refuse_parted_copies(table: LesionTable, split: Split, pixels: NDArray[np.uint8]) -> None:
    """Raise DataError for pictures that lie in several parts of a fold, under several names.

    `pixels` (N, S, S, 3) are those of all images. Files that agree byte for byte were found before, but not these.
    """
    parts, place_of = part_codes(split), {row: place for place, row in enumerate(split.rows.tolist())}
    copies = find_copies(table, pixels)
    parted = [
        one
        for one in copies
        if len(places := [place_of[row] for row in one.rows if row in place_of]) > 1
        and any(len(set(fold) - {_IN_NONE}) > 1 for fold in parts[:, places].tolist())
    ]
    if parted:
        raise DataError(
            f"{plural(len(parted), 'picture is', 'pictures are')} under several names, in several parts of a fold: "
            f"{first_few([' and '.join(one.image_ids) for one in parted])}.",
            f"Keep each together (--groups takes a list of pairs, as pairs.csv of skineval data audit). {LEAVE_OUT}",
            [id_ for one in parted for id_ in one.image_ids[1:]],
            "parted-copies",
        )


def part_codes(split: Split) -> NDArray[np.int64]:
    """The part of each row of `split.rows` in each fold, (folds, m), as a position in `PARTS`; -1: in none."""
    position = {UNUSED: _IN_NONE, **{part: code for code, part in enumerate(PARTS)}}
    return np.array([position[part] for part in split.frame["part"]], dtype=np.int64).reshape(split.folds, -1)


def folds_apart(parts: NDArray[np.int64], places: Sequence[int] | NDArray[np.int64]) -> int:
    """In how many folds some of what stands at `places` of `parts` is tested, while others are trained or chosen on."""
    some = parts[:, list(places)]
    return int(((some == TEST).any(axis=1) & np.isin(some, (TRAIN, VALIDATION)).any(axis=1)).sum())


def _crossings(parts: NDArray[np.int64], dx: NDArray[np.object_], *units: NDArray[np.generic]) -> tuple[Crossing, ...]:
    """Every fold and border: for all images, and for each diagnosis."""
    found = []
    for fold, part_of in enumerate(parts):
        for part, before in BORDERS:
            mine = part_of == part
            seen = np.isin(part_of, before)
            mated = [mine & np.isin(unit, unit[seen]) for unit in units]
            for label in (ALL, *np.unique(dx).tolist()):
                some = mine if label == ALL else mine & (dx == label)
                counts = [int((some & mates).sum()) for mates in mated]
                found.append(Crossing(fold, PARTS[part], label, int(some.sum()), *counts))
    return tuple(found)


def _parted(split: Split, units: NDArray[np.str_]) -> int:
    """Units with images in several parts, summed over folds."""
    dealt = used(split.frame.assign(unit=np.tile(units, split.folds)))
    return int((dealt.groupby(["fold", "unit"])["part"].nunique() > 1).sum())
