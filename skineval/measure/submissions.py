"""Predictions of any origin, and reference standards, brought into the columns of predictions.csv.

What people call images, classes and parts is read as everywhere (`skineval.data.spellings`); nothing is judged here but
what would otherwise be scored for something else: `skineval.measure.predictions.read_predictions` checks the rest.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from skineval.base.errors import DataError, first_few
from skineval.base.terms import UNSCORED
from skineval.data.spellings import IMAGE_COLUMNS, PART_COLUMNS, class_name, first_column, part_name, plain
from skineval.data.tables import ROW, GivenTable, is_missing
from skineval.values.predictions import COLUMNS, sum_to_one
from skineval.values.task import BINARY, DIAGNOSES, DX7, MALIGNANT, Task, malignant_of, unknown_of

#: What the column of the reference standard is called, the first that is there.
TARGETS = ("target", "dx", "diagnosis", "true_label", "true_class", "y_true", "ground_truth")
#: The same in a file that holds nothing but the truth; beside predictions it could be either.
LABELS = (*TARGETS, "label", "class")
#: Columns beside predictions that hold no scores of a class: what is known of images, and answers without scores.
ASIDE = frozenset(
    (
        "dx type", "age", "age approx", "sex", "localization", "anatom site general", "dataset", "group", "patient id",
        "diagnosis confirm type", "benign malignant", "index",
        "predicted label", "predicted class", "predicted", "prediction", "pred", "pred label", "pred class", "y pred",
        "confidence", "max prob", "max probability", "uncertainty", "entropy", "margin", "loss", "correct",
        *map(plain, IMAGE_COLUMNS[1:]),
    )
)  # fmt: skip

#: What stands around a class in a header.
_AROUND = frozenset(("prob", "proba", "probability", "p", "score", "softmax", "pred", "class", "output"))
_BRACKETS = re.compile(r"[()\[\]{}]")
_NUMBERED = re.compile(r"(.*?)(\d+)")
_NUMBER = re.compile(r"(\d+)(\.0+)?")
_WANTED = "Predictions have a row an image: image_id, a column of probabilities a class, and target or a truth file."


@dataclass(frozen=True, eq=False)
class Submission:
    """Predictions in the columns of predictions.csv, as text, with the row numbers of their file as index."""

    table: GivenTable
    classes: tuple[str, ...]  #: the class columns; diagnoses first, in their order
    remarks: tuple[str, ...] = ()  #: what was read otherwise than a reader might think
    foreign: tuple[str, ...] = ()  #: classes that the reference standard does not know: an answer of them is wrong

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


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference standard: `target`, and perhaps `lesion_id`, indexed by image id."""

    frame: pd.DataFrame
    source: str
    classes: frozenset[str]  #: that it tells apart, whether there is an image of each or not
    exhaustive: bool  #: lists what is to be scored, as a one-hot ground truth; else what is known
    remarks: tuple[str, ...] = ()  #: as those of a submission


def read_submission(given: GivenTable, numbered: Sequence[str] = ()) -> Submission:
    """Reads the columns of a table.

    `numbered` names the classes in the order in which columns or targets number them. Columns that are called like
    nothing else are classes. Raises DataError naming the table: no column of images, two of one class, classes that
    are numbered and not named, and the row of a target that is a number.
    """
    table = _prepared(given, _WANTED)
    source, written = table.name, table.columns
    spelt = {plain(name): name for name in COLUMNS}
    named = {column: spelt[plain(column)] for column in written if plain(column) in spelt}
    for name, meant in (("target", TARGETS), ("part", PART_COLUMNS)):
        column = first_column(written, meant)
        named |= {column: name} if column else {}
    table = table.having(table.frame.rename(columns=named))
    aside = tuple(column for column in table.columns if plain(column) in ASIDE)
    columns = [column for column in table.columns if column not in (*COLUMNS, *aside)]
    targets = set(map(str, table.frame["target"].dropna())) if "target" in table.frame else ()
    found, base = _class_columns(columns, targets, source, numbered)
    if len(found) < 2:
        has = f"only {', '.join(found)}" if found else f"none (it has {', '.join(written)})"
        raise DataError(f"{source} wants columns of probabilities, one a class, and has {has}.", _WANTED)
    frame = table.frame.drop(columns=list(aside)).rename(columns=found)
    classes = tuple(sorted(found.values(), key=_place))
    if set(BINARY) & set(classes) and set(DIAGNOSES) & set(classes):
        raise DataError(
            f"{source} has classes of two tasks: {', '.join(classes)}.",
            f"Leave {' and '.join(BINARY)} out, or the diagnoses.",
        )
    for column in ("lesion_id", "part", "target"):
        if column in frame:
            frame[column] = frame[column].where(~frame[column].map(is_missing), None)
    if "part" in frame:
        frame["part"] = frame["part"].map(part_name, na_action="ignore")
    remarks = [f"Not read, as no scores of a class: {', '.join(aside)}."] if aside else []
    counted = None
    if "target" in frame:
        frame["target"], counted = _class_names(table.having(frame), "target", classes, numbered, base)
    remarks += _remarks(numbered, counted if base is None else base, source)
    known = (*frame.get("target", ()), *DIAGNOSES, *BINARY)
    foreign = tuple(name for name in classes if name not in known)
    return Submission(table.having(frame), classes, tuple(remarks), foreign)


def read_reference(given: GivenTable, numbered: Sequence[str] = ()) -> Reference:
    """Reads a truth file: one-hot, as in ISIC 2018 Task 3, or with a column of `LABELS`, as the metadata of HAM10000.

    One-hot, columns that hold nothing but 0 and 1 are classes, too, if they are called like none. Raises DataError
    naming the table and the row: an image twice, no class or several, a column without a name that could be meant.
    """
    table = _prepared(
        given, "A truth file has image_id and dx, or one column a class of which each row marks one by 1."
    )
    lesions = first_column(table.columns, ("lesion_id",)) or ""
    table = table.having(table.frame.rename(columns={lesions: "lesion_id"}))
    frame = table.frame
    table.refuse_repeats(frame["image_id"].tolist(), "Each image has one row: remove the others.")
    label, counted = first_column(table.columns, LABELS), None
    if label is None:
        targets, classes = _marked(table)
    else:
        table.refuse(frame[label].map(is_missing), f"{label} is empty", "Remove the row, or complete it.")
        targets, counted = _class_names(table, label, (), numbered, None)
        classes = {*targets, *(BINARY if set(targets) <= set(BINARY) else DIAGNOSES)}
    known = pd.DataFrame({"target": targets.to_numpy()}, index=pd.Index(frame["image_id"].to_numpy(dtype=object)))
    if "lesion_id" in frame:
        hint = "Give every row its lesion_id, or remove the column."
        table.refuse(frame["lesion_id"].map(is_missing), "lesion_id is empty", hint)
        known["lesion_id"] = frame["lesion_id"].to_numpy()
    remarks = _remarks(numbered, counted, table.name)
    return Reference(known, table.name, frozenset(classes), label is None, remarks)


def refer(submission: Submission, reference: Reference) -> Submission:
    """The submission with the targets and the lesions of the reference standard.

    Where predictions name no parts and the reference standard is exhaustive, it must be covered, as in the challenge,
    but for the image that ISIC 2018 leaves out. Raises DataError naming the row of an image that is not in it, whose
    class has no scores, or of which the predictions say another target or lesion themselves; or the image not scored.
    """
    table, truth = submission.table, reference.source
    remarks = [*submission.remarks, *reference.remarks]
    if (table.frame["image_id"] == UNSCORED).any():
        remarks.append(f"{UNSCORED} is left out, as in ISIC 2018.")
        table = table.having(table.frame[table.frame["image_id"] != UNSCORED])
    ids = table.frame["image_id"]
    hint = "Every image needs its reference standard: give the truth file that belongs to these predictions."
    table.refuse(~ids.isin(reference.frame.index), lambda row: f"{ids.iloc[row]} is not in {truth}", hint)
    wanted = reference.frame.index.drop(UNSCORED, errors="ignore")
    absent = wanted.difference(pd.Index(ids))
    if len(absent) and "part" not in table.frame:
        of_all = f"{len(absent)} of {len(wanted)} images of {truth}"
        if reference.exhaustive:
            raise DataError(
                f"{table.name}: no scores for {absent[0]} ({of_all} missing)",
                "Score every image of the ground truth, or give metadata (image_id, dx) as truth to score a selection.",
            )
        remarks.append(f"{of_all} have no scores, and are not in any figure.")
    known = reference.frame.loc[ids].set_index(table.frame.index)
    known["target"] = [_as_class(target, submission.classes) for target in known["target"]]
    targets = known["target"]
    if reference.classes == set(BINARY):
        sums = f"scores of {', '.join(DX7.malignant or ())} to malignant, those of others to benign"
        hint = f"The truth knows no diagnoses: give one that does, or sum {sums}."
    else:
        hint = "Add the column; if the model does not know the class, one of zeros."
    has = f"and no column has its scores (classes: {', '.join(submission.classes)})"
    table.refuse(
        ~targets.isin(submission.classes),
        lambda row: f"{ids.iloc[row]} is {targets.iloc[row]} in {truth}, {has}",
        hint,
    )
    for column in [name for name in ("target", "lesion_id") if name in known and name in table.frame]:
        _refuse_contradictions(table, known, column, truth)
    classes = {_as_class(name, submission.classes) for name in reference.classes}
    foreign = tuple(name for name in submission.classes if name not in classes)
    _refuse_no_classes(submission, foreign)
    referred = table.having(table.frame.assign(**{str(column): known[column] for column in known}))
    return replace(submission, table=referred, remarks=tuple(remarks), foreign=foreign)


def is_binary(classes: Collection[str]) -> bool:
    """Whether classes are those of the malignant task, perhaps with some that no reference standard knows."""
    return set(BINARY) <= set(classes)


def task_of(submission: Submission) -> Task:
    """The task of a submission: a shipped one with its own classes.

    Malignancy is known where it is of every class that the reference standard knows; scores of the others are those of
    no image, and count as malignant only where that is known.
    """
    known = MALIGNANT if is_binary(submission.classes) else DX7
    unknown = unknown_of(name for name in submission.classes if name not in submission.foreign)
    malignant = None if unknown else malignant_of(submission.classes)
    return replace(known, classes=submission.classes, malignant=malignant or None)


def _refuse_no_classes(submission: Submission, foreign: Sequence[str]) -> None:
    """Raise DataError where the scores of the known classes sum to 1 by themselves, and with `foreign` ones do not."""
    scores = {name: submission.table.numbers(name) for name in submission.classes}
    known = np.column_stack([scores[name] for name in submission.classes if name not in foreign] or [np.zeros(0)])
    everything = np.column_stack(list(scores.values()))
    if foreign and known.size and np.isfinite(everything).all() and sum_to_one(known) and not sum_to_one(everything):
        what = f"{', '.join(foreign)} cannot be scores of a class: without, probabilities sum to 1."
        raise DataError(f"{submission.table.name}: {what}", "Remove the column, or correct the scores.")


def _refuse_contradictions(table: GivenTable, known: pd.DataFrame, column: str, truth: str) -> None:
    ids, said, true = table.frame["image_id"], table.frame[column], known[column]
    table.refuse(
        said.notna() & true.notna() & (said != true),
        lambda row: f"{column} of {ids.iloc[row]} is {said.iloc[row]}, and {true.iloc[row]} in {truth}",
        f"One of them is wrong: correct it, or the order of --classes, or leave {column} out of the predictions.",
    )


def _prepared(given: GivenTable, wanted: str) -> GivenTable:
    """The table with ids of images, columns called by text, and its row numbers, whatever becomes of the rows."""
    table = replace(given, frame=given.frame.rename(columns=str), hint=wanted).identified()
    return table.having(table.frame.set_index(pd.Index(table.rows, name=ROW)))


def _place(name: str) -> int:
    order = (*DIAGNOSES, *BINARY)
    return order.index(name) if name in order else len(order)


def _class_columns(
    columns: Sequence[str], targets: Collection[str], source: str, numbered: Sequence[str]
) -> tuple[dict[str, str], int | None]:
    """The class of each column, and the number of the first where they are numbered, else None."""
    names = [_of_header(name) for name in numbered]
    numbers = _numbers(columns)
    if numbers and not (targets and set(targets) <= set(columns)):
        base = min(numbers.values())
        if len(names) != len(columns):
            what = f"{len(names)} are named: {', '.join(names)}" if names else "nothing says which number means which"
            raise DataError(
                f"{source} numbers its classes ({first_few(columns)}), and {what}.",
                f"Name all {len(columns)} in their order, such as --classes {','.join(DIAGNOSES)}, if it is that.",
            )
        return {column: names[number - base] for column, number in numbers.items()}, base
    found = {column: _of_header(column) for column in columns}
    first: dict[str, str] = {}
    for column, name in found.items():
        if plain(name) in first:
            raise DataError(
                f"{source} has two columns of the class {name}: {first[plain(name)]!r} and {column!r}.",
                "Remove one of them.",
            )
        first[plain(name)] = column
    if names and set(names) != set(found.values()):
        raise DataError(
            f"{source} has the classes {', '.join(found.values())}, and --classes names {', '.join(names)}.",
            "Name the classes of the file, in the order in which it numbers them.",
        )
    return found, None


def _numbers(columns: Sequence[str]) -> dict[str, int]:
    """The number of each column, where all are one word with 0, 1, 2 ... or 1, 2, 3 ... behind it; else nothing."""
    matches = {column: match for column in columns if (match := _NUMBERED.fullmatch(column))}
    numbers = {column: int(match[2]) for column, match in matches.items()}
    counted = [list(range(base, base + len(columns))) for base in (0, 1)]
    of_one_kind = len({match[1] for match in matches.values()}) == 1
    return numbers if of_one_kind and len(columns) > 1 and sorted(numbers.values()) in counted else {}


def _of_header(column: str) -> str:
    """The class that the header of a column means: `prob_mel` and `Melanoma` are mel, and SCC stays as it is."""
    words = plain(_BRACKETS.sub(" ", column)).split()
    while len(words) > 1 and words[0] in _AROUND:
        words = words[1:]
    while len(words) > 1 and words[-1] in _AROUND:
        words = words[:-1]
    return class_name(column) or class_name(" ".join(words)) or column


def _class_names(
    table: GivenTable, column: str, classes: Sequence[str], numbered: Sequence[str], base: int | None
) -> tuple[pd.Series[str], int | None]:
    """The classes that the cells of a column mean, and the number of the first where cells are numbers, else None.

    Names are spelt as in `classes`; what means none of them stays as it is. `base` is what columns count from, None
    where they say nothing: then the numbers themselves must.
    """
    spelt = {plain(name): name for name in classes}
    given = table.frame[column]
    cells = [str(cell) for cell in given.dropna().unique()]
    numbers = {cell: int(match[1]) for cell in cells if (match := _NUMBER.fullmatch(cell)) and plain(cell) not in spelt}
    counted = (
        (_base(numbers.values(), len(numbered), column, table.name) if base is None else base) if numbers else None
    )
    names = dict(enumerate(map(_of_header, numbered), start=counted or 0))
    read = {
        cell: names.get(numbers[cell])
        if cell in numbers
        else _as_class(class_name(cell) or spelt.get(plain(cell), cell), classes)
        for cell in cells
    }
    unread = [cell for cell, name in read.items() if name is None]
    what = f"and {len(names)} classes are named" if names else "and nothing says which class it means"
    table.refuse(
        given.astype("str").isin(unread),
        lambda row: f"{column} is the number {given.iloc[row]}, {what}",
        f"Name the classes in the order in which they are numbered, such as --classes {','.join(DIAGNOSES)}.",
    )
    return given.map(lambda cell: read[str(cell)], na_action="ignore"), counted


def _base(numbers: Collection[int], n: int, column: str, source: str) -> int:
    """Whether numbers of `n` classes count from 0 or from 1; raises DataError where they could do both."""
    if n and min(numbers) > 0 and max(numbers) < n:
        raise DataError(
            f"{source}: {column} holds numbers from {min(numbers)} to {max(numbers)} of {n} classes, counted from 0 or "
            "from 1.",
            "Write the names of the classes in their place.",
        )
    return int(bool(n) and max(numbers) == n and min(numbers) > 0)


def _remarks(numbered: Sequence[str], base: int | None, source: str) -> tuple[str, ...]:
    """Which class each number was taken for, where there are numbers, which count from `base`."""
    if base is None:
        return ()
    pairs = (f"{number} is {_of_header(name)}" for number, name in enumerate(numbered, start=base))
    return (f"Classes by number in {source}: {', '.join(pairs)}.",)


def _as_class(name: str, classes: Collection[str]) -> str:
    """A diagnosis as one of the two classes of the malignant task, where `classes` are these; else the name itself."""
    return MALIGNANT.labels.get(name, name) if is_binary(classes) else name


def _marked(table: GivenTable) -> tuple[pd.Series[str], set[str]]:
    """What each row of a one-hot truth marks, and the classes that there are."""
    frame = table.frame
    found = {
        column: class_name(column) or column
        for column in table.columns
        if column not in ("image_id", "lesion_id")
        and (class_name(column) or np.isin(table.numbers(column), (0, 1)).all())
    }
    if len(found) < 2:
        raise DataError(f"{table.name} says no classes (it has {', '.join(table.columns)}).", table.hint)
    marks = np.column_stack([table.numbers(column) for column in found])
    table.refuse(
        ~(np.isin(marks, (0, 1)).all(axis=1) & (marks.sum(axis=1) == 1)),
        lambda row: f"{frame['image_id'].iloc[row]} has not exactly one class",
        f"A one-hot ground truth has a single 1 a row. These columns were taken for classes: {', '.join(found)}.",
    )
    names = np.array(list(found.values()), dtype=object)
    return pd.Series(names[marks.argmax(axis=1)], frame.index), set(names)
