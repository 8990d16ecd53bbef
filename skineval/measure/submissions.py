"""Predictions of any origin, brought into the columns of predictions.csv.

What people call images, classes and parts is read as everywhere (`skineval.data.spellings`); nothing is judged here but
what would otherwise be scored for something else: `skineval.measure.predictions.read_predictions` checks the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from skineval.base.errors import DataError, first_few, plural
from skineval.data.cells import is_missing, mapped, missing
from skineval.data.spellings import IMAGE_COLUMNS, PART_COLUMNS, class_name, first_column, part_name, plain
from skineval.data.tables import ROW, GivenTable
from skineval.measure.class_columns import (
    AROUND,
    AS_WRITTEN,
    OUTCOME,
    Reading,
    class_names,
    class_of_header,
    is_binary,
    marked,
    order_of,
    told,
)
from skineval.measure.given_scores import ANSWERS, BESIDE_ANSWERS, WANTED, given_scores
from skineval.values.predictions import COLUMNS, SUM_TOLERANCE, sum_to_one, summed
from skineval.values.task import BINARY, DIAGNOSES, DX7, MALIGNANT, Task, malignant_of, unknown_of

#: What the column of the reference standard is called, the first that is there.
TARGETS = ("target", "targets", "dx", "diagnosis", "true_label", "true_labels", "true_class", "y_true", "ground_truth")
#: What else says it, to who tells the two classes of the malignant task apart.
TARGETS_OF_TWO = ("benign_malignant",)
#: What stands before a class in the headers of a reference standard that has a column a class.
_TRUE = frozenset(("true", "target", "label", "gt", "truth", "y", "is"))
#: Columns beside predictions that hold no scores of a class: what is known of images, and answers without scores.
ASIDE = frozenset(
    (
        "dx type", "age", "age approx", "sex", "localization", "anatom site general", "dataset", "group", "patient id",
        "diagnosis confirm type", "benign malignant", "index",
        "confidence", "max prob", "max probability", "uncertainty", "entropy", "margin", "loss", "correct",
        *map(plain, ANSWERS),
        *map(plain, IMAGE_COLUMNS[1:]),
    )
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Submission:
    """Predictions in the columns of predictions.csv, as text, with the row numbers of their file as index."""

    table: GivenTable
    classes: tuple[str, ...]  #: the class columns; diagnoses first, in their order
    remarks: tuple[str, ...] = ()  #: what was read otherwise than a reader might think
    foreign: tuple[str, ...] = ()  #: classes that the reference standard does not know: an answer of them is wrong
    answers_only: bool = False  #: scores are 1 for the class of each answer and 0 for all others
    rest: str = ""  #: the class of all diagnoses that have no column of their own; "": there is none

    def with_rest(self, targets: pd.Series[str]) -> pd.Series[str]:
        """Targets, of which diagnoses without a column are of the class `rest`, where there is one."""
        if not self.rest:
            return targets
        return targets.where(targets.isin(self.classes) | ~targets.isin(DIAGNOSES), self.rest)

    def select(self, part: str) -> Submission:
        """The rows of one part; all of a file that names no parts are test. Raises DataError where there are none."""
        frame, name = self.table.frame, self.table.name
        parts = frame["part"] if "part" in frame else pd.Series("test", frame.index)
        if parts.notna().any():
            self.table.refuse(parts.isna(), "part is empty", "Name the part of every row, or leave the column out.")
        if frame.empty:
            raise DataError(f"{name} has a header and no rows.", WANTED)
        if not (parts == part).any():
            has = ", ".join(map(str, dict.fromkeys(parts.dropna()))) or "no rows at all"
            raise DataError(f"{name} holds no rows of part {part!r} (it has {has}).", "Name another part with --part.")
        remarks = self.remarks
        others = parts[parts != part]
        if len(others) and not {"fold", "seed"} <= {*frame}:  # whoever has our own files knows of their parts
            named = first_few(list(map(str, dict.fromkeys(others))))
            remarks += (f"{plural(len(others), 'row is', 'rows are')} of other parts ({named}): --part names another.",)
        return replace(self, table=self.table.having(frame[parts == part]), remarks=remarks)


def read_submission(given: GivenTable, reading: Reading = AS_WRITTEN) -> Submission:
    """Reads the columns of a table.

    Columns that are called like nothing else are classes. Scores of a single class, and answers without scores, are
    taken for what they are, and a remark says so. Raises DataError naming the table: no column of images, two of one
    class, classes that are numbered and not named, scores of which nobody says what they are of, and the row of a
    target that is a number, or of logits that are none.
    """
    table, taken = _named(prepared(given, WANTED))
    aside = tuple(column for column in table.columns if plain(column) in ASIDE or _is_text(table, column, reading))
    scores = given_scores(table, aside, reading)
    remarks = [*taken, *scores.remarks]
    if scores.unread:
        remarks.append(f"Not read, as no scores of a class: {', '.join(scores.unread)}.")
    frame = scores.frame
    for column in ("lesion_id", "part", "target"):
        if column in frame:
            frame[column] = frame[column].where(~missing(frame[column]), None)
    if "part" in frame:
        frame["part"] = mapped(frame["part"], part_name)
    counted = None
    if "target" in frame:
        table = table.having(frame)
        base = scores.implied if scores.base is None else scores.base
        frame["target"], counted = class_names(table, "target", scores.classes, scores.numbered, base)
    remarks += told(scores.numbered, counted if scores.base is None else scores.base)
    submission = Submission(table.having(frame), scores.classes, tuple(remarks), (), scores.source != "", scores.rest)
    return _merged(submission, reading)


def task_of(submission: Submission, reading: Reading = AS_WRITTEN) -> Task:
    """The task of a submission: a shipped one with its own classes.

    Malignancy is known where it is of every class that the reference standard knows; scores of the others are those of
    no image, and count as malignant only where that is known. Classes that are one are malignant where all of them are,
    and benign where none of them is.
    """
    known = MALIGNANT if is_binary(submission.classes) else DX7
    malignant: list[str] = []
    for name in submission.classes:
        parts = reading.merges.get(name, (name,))
        found = malignant_of(parts)
        if name not in submission.foreign and (unknown_of(parts) or 0 < len(found) < len(parts)):
            return replace(known, classes=submission.classes, malignant=None)
        malignant += [name] if found else []
    return replace(known, classes=submission.classes, malignant=tuple(malignant) or None)


def prepared(given: GivenTable, wanted: str) -> GivenTable:
    """The table with ids of images, columns called by text, and its row numbers, whatever becomes of the rows."""
    table = replace(given, frame=given.frame.rename(columns=str), hint=wanted).identified()
    return table.having(table.frame.set_index(pd.Index(table.rows, name=ROW)))


def refuse_no_classes(submission: Submission, foreign: Sequence[str]) -> None:
    """Raise DataError where the scores of the known classes sum to 1 by themselves, and with `foreign` ones do not."""
    scores = {name: submission.table.numbers(name) for name in submission.classes}
    known = np.column_stack([scores[name] for name in submission.classes if name not in foreign] or [np.zeros(0)])
    everything = np.column_stack(list(scores.values()))
    if foreign and known.size and np.isfinite(everything).all() and sum_to_one(known) and not sum_to_one(everything):
        what = f"{', '.join(foreign)} cannot be scores of a class: without, probabilities sum to 1."
        raise DataError(f"{submission.table.name}: {what}", "Remove the column, or correct the scores.")


def _named(table: GivenTable) -> tuple[GivenTable, tuple[str, ...]]:
    """The table with its columns called as in predictions.csv, and a target where a column a class says it; remarks."""
    spelt = {plain(name): name for name in COLUMNS}
    named = {column: spelt[plain(column)] for column in table.columns if plain(column) in spelt}
    is_of_two = any(class_of_header(column) in BINARY for column in table.columns)
    for name, meant in (("target", (*TARGETS, *(TARGETS_OF_TWO * is_of_two))), ("part", PART_COLUMNS)):
        column = first_column(table.columns, meant)
        named |= {column: name} if column else {}
    beside = first_column(table.columns, BESIDE_ANSWERS) if first_column(table.columns, ANSWERS) else None
    taken: tuple[str, ...] = ()
    if beside and "target" not in named.values():
        named[beside] = "target"
        taken = (f"{beside} is taken for the reference standard.",)
    table = table.having(table.frame.rename(columns=named))
    marks = {column: name for column in table.columns if (name := _marked_class(column)) and column not in COLUMNS}
    scored = {class_of_header(column) for column in table.columns if column not in marks}
    if "target" in table.frame or len(marks) < 2 or not scored.issuperset(marks.values()):
        return table, taken
    return table.having(table.frame.drop(columns=list(marks)).assign(target=marked(table, marks))), taken


def _is_text(table: GivenTable, column: str, reading: Reading) -> bool:
    """Whether no cell of a column that is called like no class is a number, or names a class."""
    if {column, class_of_header(column)} & {*COLUMNS, *reading.known} or np.isfinite(table.numbers(column)).any():
        return False
    cells = [str(cell) for cell in table.frame[column].unique() if not is_missing(cell)]
    return bool(cells) and not any(map(class_name, cells))


def _marked_class(column: str) -> str:
    """The class that a header such as `true_mel` marks; "" of another one."""
    first, *rest = plain(column).split()
    if rest and first == OUTCOME and rest[0] in {*_TRUE, *AROUND}:
        first, *rest = rest
    return class_of_header(" ".join(rest)) if rest and first in _TRUE else ""


def _merged(submission: Submission, reading: Reading) -> Submission:
    """The submission with the classes that are to be one as one, whose scores are the sum of theirs."""
    if reading.merges:
        submission = _without_rounding(submission)
    frame, classes = submission.table.frame.copy(), list(submission.classes)
    for into, parts in reading.merges.items():
        there = [name for name in dict.fromkeys((*parts, into)) if name in classes]
        strange = {*parts} - {*classes, *DIAGNOSES, *BINARY, *frame.get("target", parts)}
        if strange:
            raise DataError(
                f"--map merges {first_few(sorted(strange))} into {into}; {submission.table.name} has no such class.",
                f"It has {', '.join(classes)}.",
            )
        if into in classes and into not in parts and len(there) > 1:
            raise DataError(
                f"{submission.table.name} has scores of {into} already, beside those that --map would call so.",
                f"Another name is wanted, or a sum with it: {into}={into}+{'+'.join(parts)}.",
            )
        if not there:
            continue  # the reference standard may have them
        table = submission.table.having(frame)
        merged = summed(np.column_stack([table.numbers(name) for name in there]))
        classes = [name for name in classes if name not in there] + [into]
        frame = frame.drop(columns=there).assign(**{into: merged})
    if "target" in frame:
        frame["target"] = mapped(submission.with_rest(frame["target"]), reading.merged)
    classes.sort(key=order_of)
    known = (*frame.get("target", ()), *reading.merges, *DIAGNOSES, *BINARY, submission.rest)
    foreign = tuple(name for name in classes if name not in known)
    if len(classes) < 2:
        raise DataError(f"{submission.table.name}: all classes would be one.", "Leave two classes apart with --map.")
    found = replace(submission, table=submission.table.having(frame), classes=tuple(classes), foreign=foreign)
    if "target" in frame:  # else who refers to another reference standard knows what is foreign
        refuse_no_classes(found, foreign)
    return found


def _without_rounding(submission: Submission) -> Submission:
    """The submission with probabilities that sum to 1, where its own do but for rounding: sums of them would be off."""
    table, classes = submission.table, list(submission.classes)
    scores = np.column_stack([table.numbers(name) for name in classes])
    sums = scores.sum(axis=1, keepdims=True)
    off = np.abs(sums - 1).max(initial=0)
    if off <= SUM_TOLERANCE or not sum_to_one(scores):
        return submission
    remark = f"Probabilities of an image are divided by their sum, which is 1 but for rounding, of up to {off:.2g}."
    frame = table.frame.assign(**dict(zip(classes, (scores / sums).T, strict=True)))
    return replace(submission, table=table.having(frame), remarks=(*submission.remarks, remark))
