"""Scores of classes as tables hold them: a column a class, one column alone, answers without scores, logits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skineval.base.errors import DataError, first_few
from skineval.data.cells import mapped, missing
from skineval.data.spellings import class_name, first_column, plain
from skineval.data.tables import GivenTable
from skineval.measure.class_columns import Reading, class_columns, class_names, class_of_header, order_of
from skineval.measure.predictions import ROUNDED, SCALED
from skineval.values.predictions import COLUMNS
from skineval.values.task import BINARY, DIAGNOSES

#: What the column of answers without scores is called, the first that is there.
ANSWERS = (
    *("predicted_label", "predicted_class", "predicted", "prediction"),
    *("pred", "pred_label", "pred_class", "y_pred"),
)
#: What the column of the reference standard is called, too, where answers without scores stand beside it.
BESIDE_ANSWERS = ("label", "true", "actual", "truth", "gt", "class", "y")
WANTED = "Predictions have a row an image: image_id, a column of probabilities a class, and target or a truth file."
_SURE = 30  #: a logit that says what no network is so sure of: percentages reach further
_OTHER = "other"  #: what all classes are called but the one that has scores


@dataclass(frozen=True, eq=False)
class GivenScores:
    """A table whose scores are in a column a class."""

    frame: pd.DataFrame
    classes: tuple[str, ...]
    numbered: tuple[str, ...]  #: the classes that targets may number
    base: int | None = None  #: what columns of classes count from; None where they have names
    source: str = ""  #: the column of answers that scores were made of; "": they are scores
    rest: str = ""  #: the class of all diagnoses that have no column of their own; "": there is none
    unread: tuple[str, ...] = ()  #: columns that are no scores of a class
    remarks: tuple[str, ...] = ()
    implied: int | None = None  #: what targets that are numbers count from, where columns have names


def given_scores(table: GivenTable, aside: Sequence[str], reading: Reading) -> GivenScores:
    """The scores of a table whose columns are called as in predictions.csv but for those of classes.

    Columns `aside` are no scores. Raises DataError as `skineval.measure.submissions.read_submission` does.
    """
    columns = [column for column in table.columns if column not in (*COLUMNS, *aside)]
    _refuse_long(table, columns)
    if source := _answers(table, columns, aside, reading):
        found = _of_answers(table, table.frame.drop(columns=[*aside, *columns]), source, reading)
        return replace(found, unread=tuple(column for column in (*aside, *columns) if column != source))
    frame = table.frame.drop(columns=list(aside))
    if len(columns) == 1:
        of_one = _of_one_class(table.having(frame), columns[0], reading)
        for answers in (column for column in aside if plain(column) in map(plain, ANSWERS)):
            _refuse_confidence(table, columns[0], answers, of_one.classes)
        return replace(of_one, unread=tuple(aside))
    if not columns:
        for column in ("target", *aside):
            if column in table.frame:
                _refuse_scores(table, column)
    if "target" not in frame:
        _refuse_either(table, columns, reading)
    targets = set(map(str, frame["target"].dropna())) if "target" in frame else ()
    named, base = class_columns(columns, targets, table.name, reading.numbered)
    if len(named) < 2:
        has = f"only {', '.join(named)}" if named else f"none (it has {', '.join(table.columns)})"
        raise DataError(f"{table.name} wants columns of probabilities, one a class, and has {has}.", WANTED)
    frame = frame.rename(columns=named)
    classes = tuple(sorted(named.values(), key=order_of))
    _refuse_two_tasks(table, classes)
    if reading.logits:
        frame[list(classes)] = _of_logits(table.having(frame), classes)
    return GivenScores(frame, classes, reading.numbered, base, unread=tuple(aside))


def _answers(table: GivenTable, columns: Sequence[str], aside: Sequence[str], reading: Reading) -> str | None:
    """The column of answers of a table without scores; what stands beside it says at most how sure each answer is."""
    if not reading.known.isdisjoint(map(class_of_header, columns)):
        return None
    source = first_column(aside, ANSWERS)
    if source is not None:
        return source if not columns or (len(columns) == 1 and len(reading.numbered) != 2) else None
    named = [column for column in columns if _names_classes(table, column, reading)]
    return named[0] if len(named) == 1 and len(columns) <= 2 else None


def _names_classes(table: GivenTable, column: str, reading: Reading) -> bool:
    """Whether all cells are names of classes, or whole numbers, some of which count further than to 1."""
    values = table.numbers(column)
    if np.isfinite(values).all():
        return bool(len(values)) and bool((values % 1 == 0).all()) and values.min() >= 0 and values.max() > 1
    cells = [str(cell) for cell in table.frame[column].dropna().unique()]
    return bool(cells) and all(class_name(cell) or class_of_header(cell) in reading.known for cell in cells)


def _refuse_either(table: GivenTable, columns: Sequence[str], reading: Reading) -> None:
    """Raise DataError for numbers in a column that may be what images are, or scores."""
    for column in columns:
        may_be = plain(column) in BESIDE_ANSWERS and class_of_header(column) not in reading.known
        if may_be and np.isfinite(table.numbers(column)).all():
            raise DataError(
                f"{table.name} has the column {column}, and nothing says whether it is what images are, or scores.",
                "If it is the reference standard, call it target; else call it by the class that it has scores of.",
            )


def _refuse_two_tasks(table: GivenTable, classes: Collection[str]) -> None:
    """Raise DataError for diagnoses beside the two classes of the malignant task."""
    if set(BINARY) & set(classes) and set(DIAGNOSES) & set(classes):
        raise DataError(
            f"{table.name} has classes of two tasks: {', '.join(classes)}.",
            f"Leave {' and '.join(BINARY)} out, or the diagnoses, or say what is one: --map benign=nv+bkl,... .",
        )


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
    both = of_class.any() and not of_class.all()
    astray = both and (values[of_class].min() < values[~of_class].max() or np.ptp(values) == 0)
    if astray or {*answers.dropna()} - {*classes}:
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


def _of_one_class(table: GivenTable, column: str, reading: Reading) -> GivenScores:
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
    if rest and (idle := [into for into in reading.merges if into != name]):
        raise DataError(
            f"{table.name} has scores of {name} alone, and --map says what {idle[0]} is.",
            f"Leave that out: all that is not {name} is one class.",
        )
    values, other = table.numbers(column), classes[1 - classes.index(name)]
    if not reading.logits:
        _refuse_no_share(table, column, values)
    frame = table.frame.drop(columns=column)
    frame[other], frame[name] = (0.0 if reading.logits else 1 - values), values
    if reading.logits:
        frame[list(classes)] = _of_logits(table.having(frame), classes, of_one=column)
    remark = f"{column} is taken for scores of {name}: what is left of 1 are those of {other}."
    return GivenScores(frame, classes, classes, implied=0, rest=rest, remarks=(remark,))


def _refuse_no_share(table: GivenTable, column: str, values: NDArray[np.float64]) -> None:
    """Raise DataError where a number of a single column is none from 0 to 1, by the column that there is."""
    percent = values.min(initial=0) >= -ROUNDED and values.max(initial=0) <= 100 * (1 + ROUNDED)
    table.refuse(
        np.isfinite(values) & ((values < -ROUNDED) | (values > 1 + ROUNDED)),
        lambda row: f"{column} is {table.frame[column].iloc[row]}, not a number from 0 to 1",
        "If these are percentages, divide them by 100." if percent else "If these are logits, say so: --logits.",
    )


def _of_answers(table: GivenTable, frame: pd.DataFrame, source: str, reading: Reading) -> GivenScores:
    """Answers without scores: 1 for the class of the answer, 0 for all others."""
    table.refuse(missing(table.frame[source]), f"{source} is empty", "Give every image its answer.")
    _refuse_scores(table, source)
    answers, base = class_names(table, source, (), reading.numbered, None)
    said = class_names(table, "target", (), reading.numbered, base)[0] if "target" in table.frame else answers[:0]
    # Of names that differ in their letters' case alone, the first is meant, the reference standard's before answers'.
    spelt = {plain(name): name for name in reversed([*said.dropna(), *answers])}
    answers, said = (mapped(one, lambda name: reading.merged(spelt[plain(name)])) for one in (answers, said))
    targets = said.dropna()
    numbered = {reading.merged(class_of_header(name)) for name in reading.numbered}
    strange, idle = {*targets} - {*answers, *DIAGNOSES, *BINARY, *numbered}, {*answers} - {*targets}
    if strange and idle:
        raise DataError(
            f"{table.name}: {first_few(sorted(strange))} in target is the answer of no image, and "
            f"{first_few(sorted(idle))} in {source} the target of none.",
            "Spell classes alike in both columns, or name all of them: --classes A,B.",
        )
    named = {*answers, *targets, *numbered}
    known = next((group for group in (BINARY, DIAGNOSES) if named <= {*group}), ())
    if len({*named, *known}) < 2:
        raise DataError(
            f"{table.name} has one answer alone, {next(iter(named))}, and nothing says which classes there are.",
            "Name them: --classes A,B.",
        )
    classes = tuple(sorted({*named, *map(reading.merged, known)}, key=lambda name: (order_of(name), name)))
    _refuse_two_tasks(table, classes)
    scores = pd.DataFrame({name: (answers == name).astype(np.float64) for name in classes}, index=frame.index)
    remark = f"{source} has answers without scores: figures that need scores are left out."
    return GivenScores(frame.join(scores), classes, reading.numbered, base, source, remarks=(remark,))


def _of_logits(table: GivenTable, classes: Sequence[str], of_one: str = "") -> pd.DataFrame:
    """The softmax of the columns of classes; raises DataError for what are no logits.

    `of_one` is the column of those of a single class, beside which stand zeros.
    """
    logits = np.column_stack([table.numbers(name) for name in classes])
    table.refuse(
        ~np.isfinite(logits).all(axis=1),
        lambda row: f"{of_one or classes[int((~np.isfinite(logits[row])).argmax())]} is no number",
        "A logit is a finite number.",
    )
    sums = logits.sum(axis=1)
    if len(logits) and logits.min() >= -ROUNDED:
        if logits.max() <= 1 + ROUNDED:
            raise DataError(f"{table.name} holds no logits: all scores are from 0 to 1.", "Leave --logits out.")
        if of_one and logits.max() > _SURE:
            raise DataError(
                f"{table.name} holds no logits: none in {of_one} is below 0, and one is {logits.max():.3g}.",
                "Leave --logits out; divide percentages by 100.",
            )
        # Beside those of one class stand zeros: their sum is no other number.
        if len(logits) > 1 and logits.any(axis=0).all() and np.ptp(sums) <= SCALED * sums.mean():
            raise DataError(
                f"{table.name} holds no logits: none is below 0, and an image has about {sums.mean():.3g} in all.",
                "Leave --logits out, and divide each score by the sum of its image.",
            )
    from scipy.special import softmax  # which takes long to import

    return pd.DataFrame(softmax(logits, axis=1), columns=list(classes), index=table.frame.index)
