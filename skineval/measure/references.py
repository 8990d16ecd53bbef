"""Reference standards: what images are, from whoever knows it, and predictions that are set beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from skineval.base.errors import DataError, first_few, plural
from skineval.base.terms import UNSCORED
from skineval.data.cells import missing
from skineval.data.spellings import class_name, first_column, plain
from skineval.data.tables import GivenTable
from skineval.measure.class_columns import AS_WRITTEN, Reading, as_class, class_names, marked, told
from skineval.measure.submissions import TARGETS, Submission, prepared, refuse_no_classes
from skineval.values.lesion_table import LesionTable
from skineval.values.task import BINARY, DIAGNOSES, DX7, MALIGNANT

#: What the column of classes is called in a file of nothing but the truth; beside predictions it could be either.
LABELS = (*TARGETS, "label", "class")
_WEIGHTS = ("score weight", "validation weight")  #: beside the marks of ISIC 2019
_MANY = 12  #: classes that are all named in a message
_ALLOW = "With --allow-missing what is there is scored."


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference standard: `target`, and perhaps `lesion_id`, indexed by image id."""

    frame: pd.DataFrame
    source: str
    classes: frozenset[str]  #: that it tells apart, whether there is an image of each or not
    exhaustive: bool  #: lists what is to be scored, as a one-hot ground truth; else what is known
    remarks: tuple[str, ...] = ()  #: as those of a submission
    groups: Mapping[str, str] | None = None  #: lesion id -> its group; None: nobody says


def read_reference(given: GivenTable, reading: Reading = AS_WRITTEN) -> Reference:
    """Reads a truth file: one-hot, as in ISIC 2018 Task 3, or with a column of `LABELS`, as the metadata of HAM10000.

    One-hot, columns that hold nothing but 0 and 1 are classes, too, if they are called like none. Raises DataError
    naming the table and the row: an image twice, no class or several, a column without a name that could be meant.
    """
    table = prepared(given, "A truth file has image_id and dx, or one column a class of which each row marks one by 1.")
    lesions = first_column(table.columns, ("lesion_id",)) or ""
    table = table.having(table.frame.rename(columns={lesions: "lesion_id"}))
    frame = table.frame
    table.refuse_repeats(frame["image_id"].tolist(), "Each image has one row: remove the others.")
    label, counted = first_column(table.columns, LABELS), None
    if label is None:
        targets, classes = _marked(table)
    else:
        table.refuse(missing(frame[label]), f"{label} is empty", "Remove the row, or complete it.")
        targets, counted = class_names(table, label, (), reading.numbered, None)
        classes = {*targets, *(BINARY if set(targets) <= set(BINARY) else DIAGNOSES)}
    known = pd.DataFrame({"target": targets.to_numpy()}, index=pd.Index(frame["image_id"].to_numpy(dtype=object)))
    if "lesion_id" in frame:
        hint = "Give every row its lesion_id, or remove the column."
        table.refuse(missing(frame["lesion_id"]), "lesion_id is empty", hint)
        known["lesion_id"] = frame["lesion_id"].to_numpy()
    remarks = told(reading.numbered, counted, table.name)
    return _merged(Reference(known, table.name, frozenset(classes), label is None, remarks), reading)


def reference_of(table: LesionTable, reading: Reading = AS_WRITTEN) -> Reference:
    """What a data set knows of its images, and of which of them show one lesion."""
    frame = table.frame
    ids = pd.Index(frame["image_id"].to_numpy(dtype=object))
    named = {label: class_name(label) or label for label in table.labels}  # a melanoma is a mel, as in tables
    known = pd.DataFrame({"target": frame["dx"].map(named).to_numpy(dtype=object)}, index=ids)
    groups = None
    if table.siblings_known:
        known["lesion_id"] = frame["lesion_id"].to_numpy(dtype=object)
        groups = dict(zip(frame["lesion_id"].tolist(), frame["group"].tolist(), strict=True))
    return _merged(Reference(known, table.name, frozenset(named.values()), exhaustive=False, groups=groups), reading)


def refer(submission: Submission, reference: Reference, *, allow_missing: bool = False) -> Submission:
    """The submission with the targets and the lesions of the reference standard.

    Where predictions name no parts and the reference standard is exhaustive, it must be covered, as in the challenge,
    but for the image that ISIC 2018 leaves out. Raises DataError naming the row of an image that is not in it, whose
    class has no scores, or of which the predictions say another target or lesion themselves; or the image not scored.
    With `allow_missing`, images that one of both lacks are left out, and a remark says so.
    """
    table, truth = submission.table, reference.source
    remarks = [*submission.remarks, *reference.remarks]
    if (table.frame["image_id"] == UNSCORED).any():
        remarks.append(f"{UNSCORED} is left out, as in ISIC 2018.")
        table = table.having(table.frame[table.frame["image_id"] != UNSCORED])
    ids = table.frame["image_id"]
    hint = "Every image needs its reference standard: give the truth file that belongs to these predictions."
    strange = ~ids.isin(reference.frame.index)
    if allow_missing and strange.any() and not strange.all():
        n, names = int(strange.sum()), first_few(ids[strange].tolist())
        remarks.append(f"{plural(n, 'image is', 'images are')} not in {truth}, and left out: {names}.")
        table = table.having(table.frame[~strange])
        ids, strange = table.frame["image_id"], strange[~strange]
    if len(ids) and strange.all():
        raise DataError(
            f"No image of {table.name} is in {truth}: there is no {ids.iloc[0]}, but {reference.frame.index[0]}.",
            "Give the truth file that belongs to these predictions, or write ids of images as it does.",
        )
    table.refuse(strange, lambda row: f"{ids.iloc[row]} is not in {truth}", f"{hint} {_ALLOW}")
    wanted = reference.frame.index.drop(UNSCORED, errors="ignore")
    absent = wanted.difference(pd.Index(ids))
    if len(absent) and "part" not in table.frame:
        of_all = f"{len(absent):,} of {len(wanted):,} images of {truth}"
        if reference.exhaustive and not allow_missing:
            raise DataError(
                f"{table.name}: no scores for {absent[0]} ({of_all} missing)",
                "Score every image of the ground truth, or give metadata (image_id, dx) as truth to score a selection. "
                f"{_ALLOW}",
            )
        remarks.append(f"{of_all} have no scores, and are not in any figure.")
    known = reference.frame.loc[ids].set_index(table.frame.index)
    known["target"] = [as_class(target, submission.classes) for target in known["target"]]
    targets = known["target"] = submission.with_rest(known["target"])
    if reference.classes == set(BINARY):
        sums = f"scores of {', '.join(DX7.malignant or ())} to malignant, those of others to benign"
        hint = f"The truth knows no diagnoses: give one that does, or sum {sums}."
    else:
        unknown = [name for name in submission.classes if name not in (*DIAGNOSES, *BINARY, *targets)]
        other = f"If it is one of {first_few(unknown)}, call it as the truth does. " if unknown else ""
        hint = f"{other}Add the column; if the model does not know the class, one of zeros."
    named = ", ".join(submission.classes) if len(submission.classes) <= _MANY else first_few(submission.classes)
    has = f"and no column has its scores (classes: {named})"
    table.refuse(
        ~targets.isin(submission.classes),
        lambda row: f"{ids.iloc[row]} is {targets.iloc[row]} in {truth}, {has}",
        hint,
    )
    for column in [name for name in ("target", "lesion_id") if name in known and name in table.frame]:
        _refuse_contradictions(table, known, column, truth)
    classes = {as_class(name, submission.classes) for name in reference.classes} | {submission.rest}
    foreign = tuple(name for name in submission.classes if name not in classes)
    refuse_no_classes(submission, foreign)
    referred = table.having(table.frame.assign(**{str(column): known[column] for column in known}))
    return replace(submission, table=referred, remarks=tuple(remarks), foreign=foreign)


def _merged(reference: Reference, reading: Reading) -> Reference:
    """The reference standard with the classes that are to be one as one."""
    known = {*reference.classes, *reading.merges}
    for into, parts in reading.merges.items():
        # A truth that has them as one already needs no parts of it.
        if strange := [name for name in parts if name not in known and into not in reference.classes]:
            raise DataError(
                f"--map merges {first_few(strange)} into {into}, and {reference.source} has no such class.",
                f"It has {', '.join(sorted(reference.classes))}.",
            )
    classes = frozenset(map(reading.merged, reference.classes))
    # A diagnosis that --map leaves out would be called by what is known of it, against what --map says.
    if lost := [name for name in DIAGNOSES if name in classes and MALIGNANT.labels[name] in reading.merges]:
        raise DataError(
            f"--map says what {MALIGNANT.labels[lost[0]]} is, and nothing of {first_few(lost)}.",
            f"Say of each diagnosis whether it is {' or '.join(BINARY)}.",
        )
    frame = reference.frame.assign(target=reference.frame["target"].map(reading.merged))
    return replace(reference, frame=frame, classes=classes)


def _refuse_contradictions(table: GivenTable, known: pd.DataFrame, column: str, truth: str) -> None:
    ids, said, true = table.frame["image_id"], table.frame[column], known[column]
    table.refuse(
        said.notna() & true.notna() & (said != true),
        lambda row: f"{column} of {ids.iloc[row]} is {said.iloc[row]}, and {true.iloc[row]} in {truth}",
        f"One of them is wrong: correct it, or the order of --classes, or leave {column} out of the predictions.",
    )


def _marked(table: GivenTable) -> tuple[pd.Series[str], set[str]]:
    """What each row of a one-hot truth marks, and the classes that there are."""
    found = {
        column: class_name(column) or column
        for column in table.columns
        if column not in ("image_id", "lesion_id")
        and plain(column) not in _WEIGHTS
        and (class_name(column) or np.isin(table.numbers(column), (0, 1)).all())
    }
    if len(found) < 2:
        raise DataError(f"{table.name} says no classes (it has {', '.join(table.columns)}).", table.hint)
    return marked(table, found), set(found.values())
