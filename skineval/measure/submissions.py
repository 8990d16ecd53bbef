"""Predictions of any origin, brought into the columns of predictions.csv.

What people call images, classes and parts is read as everywhere (`skineval.data.spellings`); nothing is judged here but
what would otherwise be scored for something else: `skineval.measure.predictions.read_predictions` checks the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from skineval.base.errors import DataError, first_few
from skineval.data.cells import is_missing, mapped, missing
from skineval.data.spellings import IMAGE_COLUMNS, PART_COLUMNS, class_name, first_column, part_name, plain
from skineval.data.tables import ROW, GivenTable
from skineval.measure.class_columns import (
    AS_WRITTEN,
    Reading,
    class_columns,
    class_names,
    class_of_header,
    is_binary,
    marked,
    order_of,
    told,
)
from skineval.measure.predictions import ROUNDED, SCALED
from skineval.values.predictions import COLUMNS, summed
from skineval.values.task import BINARY, DIAGNOSES, DX7, MALIGNANT, Task, malignant_of, unknown_of

#: What the column of the reference standard is called, the first that is there.
TARGETS = ("target", "dx", "diagnosis", "true_label", "true_class", "y_true", "ground_truth")
#: What stands before a class in the headers of a reference standard that has a column a class.
_TRUE = frozenset(("true", "target", "label", "gt", "truth", "y", "is"))
#: What the column of answers without scores is called, the first that is there.
_ANSWERS = (
    *("predicted_label", "predicted_class", "predicted", "prediction"),
    *("pred", "pred_label", "pred_class", "y_pred"),
)
#: What the column of the reference standard is called, too, where answers without scores stand beside it.
_BESIDE_ANSWERS = ("label", "true", "actual", "truth", "gt", "class", "y")
#: Columns beside predictions that hold no scores of a class: what is known of images, and answers without scores.
ASIDE = frozenset(
    (
        "dx type", "age", "age approx", "sex", "localization", "anatom site general", "dataset", "group", "patient id",
        "diagnosis confirm type", "benign malignant", "index",
        "confidence", "max prob", "max probability", "uncertainty", "entropy", "margin", "loss", "correct",
        *map(plain, _ANSWERS),
        *map(plain, IMAGE_COLUMNS[1:]),
    )
)  # fmt: skip
_WANTED = "Predictions have a row an image: image_id, a column of probabilities a class, and target or a truth file."
_OTHER = "other"  #: what all classes are called but the one that has scores


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
            raise DataError(f"{name} has a header and no rows.", _WANTED)
        if not (parts == part).any():
            has = ", ".join(map(str, dict.fromkeys(parts.dropna()))) or "no rows at all"
            raise DataError(f"{name} holds no rows of part {part!r} (it has {has}).", "Name another part with --part.")
        return replace(self, table=self.table.having(frame[parts == part]))


def read_submission(given: GivenTable, reading: Reading = AS_WRITTEN) -> Submission:
    """Reads the columns of a table.

    Columns that are called like nothing else are classes. Scores of a single class, and answers without scores, are
    taken for what they are, and a remark says so. Raises DataError naming the table: no column of images, two of one
    class, classes that are numbered and not named, scores of which nobody says what they are of, and the row of a
    target that is a number, or of logits that are none.
    """
    table, taken = _named(prepared(given, _WANTED))
    aside = tuple(column for column in table.columns if plain(column) in ASIDE or _is_text(table, column, reading))
    scores = _scores(table, aside, reading)
    remarks = [*taken, *scores.remarks]
    if unread := [column for column in aside if column != scores.source]:
        remarks.append(f"Not read, as no scores of a class: {', '.join(unread)}.")
    frame = scores.frame
    for column in ("lesion_id", "part", "target"):
        if column in frame:
            frame[column] = frame[column].where(~missing(frame[column]), None)
    if "part" in frame:
        frame["part"] = mapped(frame["part"], part_name)
    counted = None
    if "target" in frame:
        table = table.having(frame)
        frame["target"], counted = class_names(table, "target", scores.classes, scores.numbered, scores.base)
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


@dataclass(frozen=True, eq=False)
class _Scores:
    """A table whose scores are in a column a class."""

    frame: pd.DataFrame
    classes: tuple[str, ...]
    numbered: tuple[str, ...]  #: the classes that targets may number
    base: int | None = None  #: what columns of classes count from; None where they have names
    source: str = ""  #: the column of answers that scores were made of; "": they are scores
    rest: str = ""
    remarks: tuple[str, ...] = ()


def _named(table: GivenTable) -> tuple[GivenTable, tuple[str, ...]]:
    """The table with its columns called as in predictions.csv, and a target where a column a class says it; remarks."""
    spelt = {plain(name): name for name in COLUMNS}
    named = {column: spelt[plain(column)] for column in table.columns if plain(column) in spelt}
    for name, meant in (("target", TARGETS), ("part", PART_COLUMNS)):
        column = first_column(table.columns, meant)
        named |= {column: name} if column else {}
    beside = first_column(table.columns, _BESIDE_ANSWERS) if first_column(table.columns, _ANSWERS) else None
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
    known = {*COLUMNS, *DIAGNOSES, *BINARY, *map(class_of_header, reading.numbered)}
    if {column, class_of_header(column)} & known or np.isfinite(table.numbers(column)).any():
        return False
    cells = [str(cell) for cell in table.frame[column].unique() if not is_missing(cell)]
    return bool(cells) and not any(map(class_name, cells))


def _marked_class(column: str) -> str:
    """The class that a header such as `true_mel` marks; "" of another one."""
    first, _, rest = plain(column).partition(" ")
    return class_of_header(rest) if first in _TRUE and rest else ""


def _scores(table: GivenTable, aside: Sequence[str], reading: Reading) -> _Scores:
    columns = [column for column in table.columns if column not in (*COLUMNS, *aside)]
    frame = table.frame.drop(columns=list(aside))
    _refuse_long(table, columns)
    if len(columns) == 1:
        of_one = _of_one_class(table.having(frame), columns[0], reading)
        for answers in (column for column in aside if plain(column) in map(plain, _ANSWERS)):
            _refuse_confidence(table, columns[0], answers, of_one.classes)
        return of_one
    if not columns and (source := first_column(aside, _ANSWERS)):
        return _of_answers(table, frame, source, reading)
    if not columns and "target" in frame:
        _refuse_scores(table, "target")
    targets = set(map(str, frame["target"].dropna())) if "target" in frame else ()
    found, base = class_columns(columns, targets, table.name, reading.numbered)
    if len(found) < 2:
        has = f"only {', '.join(found)}" if found else f"none (it has {', '.join(table.columns)})"
        raise DataError(f"{table.name} wants columns of probabilities, one a class, and has {has}.", _WANTED)
    frame = frame.rename(columns=found)
    classes = tuple(sorted(found.values(), key=order_of))
    if set(BINARY) & set(classes) and set(DIAGNOSES) & set(classes):
        raise DataError(
            f"{table.name} has classes of two tasks: {', '.join(classes)}.",
            f"Leave {' and '.join(BINARY)} out, or the diagnoses.",
        )
    if reading.logits:
        frame[list(classes)] = _of_logits(table.having(frame), classes)
    return _Scores(frame, classes, reading.numbered, base)


def _refuse_scores(table: GivenTable, column: str) -> None:
    """Raise DataError where what should name classes holds scores."""
    values = table.numbers(column)
    table.refuse(
        table.frame[column].astype("str").str.match(r"[\[(]"),
        lambda row: f"{column} is {str(table.frame[column].iloc[row])[:40]}, which is a list and no class",
        "Give each class a column of its scores.",
    )
    table.refuse(
        np.isfinite(values) & (values % 1 != 0),
        lambda row: f"{column} is {table.frame[column].iloc[row]}, which is a score and no class",
        "Call the column by what it has scores of, such as malignant or mel.",
    )


def _refuse_confidence(table: GivenTable, column: str, source: str, classes: Sequence[str]) -> None:
    """Raise DataError where a column of scores that names no class does not follow the answers beside it.

    Scores of a class are larger where it is the answer. How sure each answer is, a threshold or a time are not.
    """
    if class_of_header(column) in classes:
        return
    _refuse_scores(table, source)
    answers, values = class_names(table, source, (), classes, 0)[0], table.numbers(column)
    of_class = (answers == classes[1]).to_numpy()
    if of_class.any() and not of_class.all() and values[of_class].min() < values[~of_class].max():
        raise DataError(
            f"{table.name}: {column} is no score of {classes[1]}, for it does not follow the answers in {source}.",
            f"Leave {column} out to score the answers, or write scores of {classes[1]} in a column of that name.",
        )


def _refuse_long(table: GivenTable, columns: Sequence[str]) -> None:
    """Raise DataError for a table with a row for each image and class."""
    ids = table.frame["image_id"]
    if len(columns) == 2 and ids.duplicated().any():
        cells = [set(map(str, table.frame[column].dropna())) for column in columns]
        if any(found and all(map(class_name, found)) for found in cells):
            raise DataError(
                f"{table.name} has a row for each image and class: {ids[ids.duplicated()].iloc[0]} has several.",
                "Give each image one row, and each class a column of its scores.",
            )


def _of_one_class(table: GivenTable, column: str, reading: Reading) -> _Scores:
    """Scores of one class, of which those of all others together are what is left of 1."""
    name, rest, classes = class_of_header(column), "", tuple(map(class_of_header, reading.numbered))
    if len(classes) == 2:
        name = name if name in classes else classes[1]
    elif name in BINARY:
        classes = BINARY
    elif name in DIAGNOSES:
        rest, classes = _OTHER, (_OTHER, name)
    else:
        raise DataError(
            f"{table.name} has scores of one class, in the column {column!r}, and does not say of which.",
            f"Name both, the one that is scored last: --classes {','.join(BINARY)}.",
        )
    values = table.numbers(column)
    other = classes[1 - classes.index(name)]
    frame = table.frame.drop(columns=column)
    frame[other], frame[name] = (0.0 if reading.logits else 1 - values), values
    if reading.logits:
        frame[list(classes)] = _of_logits(table.having(frame), classes)
    remark = f"{column} is taken for scores of {name}: what is left of 1 are those of {other}."
    return _Scores(frame, classes, classes, 0, rest=rest, remarks=(remark,))


def _of_answers(table: GivenTable, frame: pd.DataFrame, source: str, reading: Reading) -> _Scores:
    """Answers without scores: 1 for the class of the answer, 0 for all others."""
    table.refuse(missing(table.frame[source]), f"{source} is empty", "Give every image its answer.")
    _refuse_scores(table, source)
    answers, base = class_names(table, source, (), reading.numbered, None)
    targets = class_names(table, "target", (), reading.numbered, base)[0].dropna() if "target" in table.frame else ()
    expected = {*DIAGNOSES, *BINARY, *map(class_of_header, reading.numbered)}
    strange, idle = {*targets} - {*answers, *expected}, {*answers} - {*targets}
    if strange and idle:
        raise DataError(
            f"{table.name}: {first_few(sorted(strange))} in target is the answer of no image, and "
            f"{first_few(sorted(idle))} in {source} the target of none.",
            "Spell classes alike in both columns, or name all of them: --classes A,B.",
        )
    named = {*answers, *targets, *map(class_of_header, reading.numbered)}
    known = next((group for group in (BINARY, DIAGNOSES) if named <= {*group}), ())
    if len({*named, *known}) < 2:
        raise DataError(
            f"{table.name} has one answer alone, {next(iter(named))}, and nothing says which classes there are.",
            "Name them: --classes A,B.",
        )
    classes = tuple(sorted({*named, *known}, key=lambda name: (order_of(name), name)))
    scores = pd.DataFrame({name: (answers == name).astype(np.float64) for name in classes}, index=frame.index)
    remark = f"{source} has answers without scores: figures that need scores are left out."
    return _Scores(frame.join(scores), classes, reading.numbered, base, source, remarks=(remark,))


def _of_logits(table: GivenTable, classes: Sequence[str]) -> pd.DataFrame:
    """The softmax of the columns of classes; raises DataError for what are no logits."""
    logits = np.column_stack([table.numbers(name) for name in classes])
    table.refuse(
        ~np.isfinite(logits).all(axis=1),
        lambda row: f"{classes[int((~np.isfinite(logits[row])).argmax())]} is no number",
        "A logit is a finite number.",
    )
    sums = logits.sum(axis=1)
    if len(logits) and logits.min() >= -ROUNDED:
        if logits.max() <= 1 + ROUNDED:
            raise DataError(f"{table.name} holds no logits: all scores are from 0 to 1.", "Leave --logits out.")
        # Beside those of one class stand zeros: their sum is no other number.
        if len(logits) > 1 and logits.any(axis=0).all() and np.ptp(sums) <= SCALED * sums.mean():
            raise DataError(
                f"{table.name} holds no logits: none is below 0, and an image has about {sums.mean():.3g} in all.",
                "Leave --logits out, and divide each score by the sum of its image.",
            )
    from scipy.special import softmax  # which takes long to import

    return pd.DataFrame(softmax(logits, axis=1), columns=list(classes), index=table.frame.index)


def _merged(submission: Submission, reading: Reading) -> Submission:
    """The submission with the classes that are to be one as one, whose scores are the sum of theirs."""
    frame, classes = submission.table.frame.copy(), list(submission.classes)
    for into, parts in reading.merges.items():
        there = [name for name in (*parts, into) if name in classes]
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
    return replace(submission, table=submission.table.having(frame), classes=tuple(classes), foreign=foreign)
