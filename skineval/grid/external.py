"""External tests: further data sets that every cell predicts, without what the bench has seen of them.

Where images of classes that the task does not have are to be rejected, cells predict them as well, into a file of their
own: `outside_of(name)` is its name, where `name` is that of the test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skineval.base.errors import DataError
from skineval.data.layouts.known_pairs import KNOWN_DUPLICATES
from skineval.data.quality.duplicates import digest
from skineval.data.same_picture import is_one_picture
from skineval.data.tasks import counted
from skineval.values.lesion_table import PATIENT, LesionTable
from skineval.values.result import OTHER_CLASS, ExternalData
from skineval.values.task import OUTSIDE

COLUMNS = ("image_id", "lesion_id", "group", "excluded")
SAME_ID, SAME_CONTENT, SAME_GROUP = "same image id", "same pixels", "same lesion"
SAME_PATIENT = "same patient"
SUFFIX = ".outside"  #: of the file of images that are of no class


@dataclass(frozen=True, eq=False)
class External:
    """A data set that takes no part in training."""

    name: str  #: of its folder in the bench, and in the reports
    table: LesionTable
    targets: NDArray[np.int64]  #: (N,) indices into the classes of the bench; `OUTSIDE` where it has none
    reject: bool = False  #: whether images of classes that the bench does not have are to be rejected

    @property
    def key(self) -> str:
        """What tells whether a cell has predicted this very data set."""
        return key_of(self.name, self.table.fingerprint)

    @property
    def keys(self) -> tuple[str, ...]:
        """The same of all that a cell predicts of it."""
        outside = self.reject and bool((self.targets == OUTSIDE).any())
        return self.key, *[key_of(outside_of(self.name), self.table.fingerprint)] * outside


def key_of(name: str, fingerprint: str) -> str:
    """What tells whether a cell has predicted what is called `name`, of the data set of this fingerprint."""
    return f"{name}:{fingerprint[:16]}"


def outside_of(name: str) -> str:
    """What the images outside of the task are called, of the external test `name`; no test is called so."""
    return name + SUFFIX


def overlaps(
    internal: LesionTable,
    internal_pixels: NDArray[np.uint8],
    external: LesionTable,
    external_pixels: NDArray[np.uint8],
) -> NDArray[np.object_]:
    """Why each external image may not be tested, (n,) str, "" where it may.

    An image is known where its id (see `is_one_picture`), its pixels (n, S, S, 3) at the size of the bench, or its
    lesion stands anywhere in the internal data, whatever the part: with several folds every part is trained on once.
    Lesions are compared by name as far as both sides know them, and by the known pairs of image ids of one lesion, of
    which one may be here and the other there; patients by name as well. Images of an external lesion, or patient where
    images are grouped by those, of which one image is known are all left out.
    """
    row_of = dict(zip(internal.frame["image_id"], range(len(internal)), strict=True))
    ids = np.array(
        [
            any(
                is_one_picture(id_, (internal.images, row_of[known]), (external.images, row))
                for known in (id_, *internal.aliases.get(id_, ()))
                if known in row_of
            )
            for row, id_ in enumerate(external.frame["image_id"])
        ],
        dtype=np.bool_,
    )
    known = set(map(digest, internal_pixels))
    content = np.fromiter((digest(image) in known for image in external_pixels), dtype=np.bool_, count=len(external))
    groups = external.frame["group"]
    seen = ids | content | _among(external.frame["image_id"], _duplicates(internal.frame["image_id"]))
    here, there = internal.frame[~internal.alone], ~external.alone
    for column in ("lesion_id", "group"):
        seen |= there & _among(external.frame[column], {*here[column], *internal.further.get(column, ())})
    patients = np.zeros(len(external), dtype=np.bool_)
    if PATIENT in internal.frame and PATIENT in external.frame:
        named = {*internal.frame[PATIENT], *internal.further.get(PATIENT, ())}
        patients = _among(external.frame[PATIENT], named - {"unknown"})
    lesion = _among(groups, groups[seen])
    reasons = np.select(
        [ids, content, lesion, patients | _among(groups, groups[patients])],
        [SAME_ID, SAME_CONTENT, SAME_GROUP, SAME_PATIENT],
        "",
    )
    return reasons.astype(object)


def exclusions(external: External, reasons: NDArray[np.object_]) -> pd.DataFrame:
    """images.csv: every image of the external data with the reason why it is left out.

    Raises DataError where nothing is left to test.
    """
    reasons = np.where((reasons == "") & (external.targets == OUTSIDE), OTHER_CLASS, reasons)
    if all(reasons):
        raise DataError(
            f"No image of the external data {external.name} can be tested: {_counted(reasons)}.",
            "An external test needs images of other lesions than the bench, and of its classes.",
        )
    return external.table.frame[["image_id", "lesion_id", "group"]].assign(excluded=reasons)


def about(external: External, images: pd.DataFrame) -> ExternalData:
    """What an external test is made of."""
    kept = images["excluded"] == ""
    table = external.table
    return ExternalData(
        name=external.name,
        data=table.name,
        layout=table.layout,
        licence=table.licence,
        fingerprint=table.fingerprint,
        key=external.key,
        synthetic=table.synthetic,
        images=len(table),
        lesions_known=table.lesions_known,
        tested_images=int(kept.sum()),
        tested_lesions=int(images["group"][kept].nunique()),
        excluded=dict(Counter(images["excluded"][~kept].tolist())),
        notes=tuple(table.notes),
        by_patient=table.unit in ("patient", "group"),
        patients=table.n_patients,
        outside=dict(Counter(table.frame["dx"][images["excluded"].to_numpy() == OTHER_CLASS].tolist())),
    )


def described(facts: ExternalData, *, reject: bool = False) -> str:
    """What was left out of an external test, and whether it is of use to `reject`."""
    occurring = {reason: count for reason, count in facts.excluded.items() if reason != OTHER_CLASS}
    told = "None of its images, by id, by pixels, by lesion or by patient, occurs in the data of the bench."
    if occurring:
        counts = ", ".join(f"{count} by {reason}" for reason, count in sorted(occurring.items()))
        told = f"{sum(occurring.values())} images that occur in the data of the bench were left out: {counts}."
    if not facts.outside_images:
        nothing = " No further image is of a class that the task does not have: there is nothing to reject."
        return told + nothing * reject
    use = "are there to be rejected" if reject else "were left out"
    labels = f": {counted(facts.outside)}" if facts.outside else ""
    return f"{told} {facts.outside_images} of classes that the task does not have {use}{labels}."


def _counted(reasons: NDArray[np.object_]) -> str:
    return ", ".join(f"{count} for {reason}" for reason, count in sorted(Counter(reasons.tolist()).items()))


def _duplicates(image_ids: Iterable[str]) -> set[str]:
    """The other image of each known pair of which one is among `image_ids`."""
    here = set(image_ids)
    return {there for pair in KNOWN_DUPLICATES for one, there in (pair, pair[::-1]) if one in here}


def _among(values: pd.Series[Any], known: Iterable[Any]) -> NDArray[np.bool_]:
    return values.isin(set(known)).to_numpy(dtype=np.bool_)
