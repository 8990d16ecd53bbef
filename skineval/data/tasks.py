"""The task that a recipe names: a shipped one, the labels of the data, or a file of one's own; and what it leaves out.

A file of a task is TOML:

    malignant = ["malignant"]      # the classes that are; leave it out where that is not known
    sought = "malignant"           # the class whose recall is shown beside the overall figures

    [classes]                      # in order, each with the labels of the data that it takes
    benign = ["nevus", "seborrheic keratosis"]
    malignant = ["melanoma", "BCC"]
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from skineval.base.errors import DataError, UsageError, first_few, hint_for, plural
from skineval.base.toml import parse_toml
from skineval.data.spellings import class_name, guess, label_name, nearest, plain
from skineval.values.lesion_table import LesionTable
from skineval.values.predictions import COLUMNS
from skineval.values.task import (
    BINARY,
    CLASS_NAMES,
    DIAGNOSES,
    FEWEST,
    LABELS,
    OUTSIDE,
    SHIPPED,
    Task,
    as_labelled,
    shipped_task,
    unknown_of,
)

_MANY = 12  # labels that are told one by one
LONGEST = 80  #: letters of the name of a class: the ISIC Archive has one of 71
LEFT_OUT, ABSENT = "left out, since the task", "no class of the task"  #: how notes on what a task lacks begin
NEAR = 0.8  #: how near a label must be to a diagnosis for a note to ask whether that is meant
_MEANT = CLASS_NAMES.keys() - unknown_of(CLASS_NAMES)  #: by whose names something is meant
_KEYS = ("classes", "malignant", "sought")


def find_task(name: str, *tables: LesionTable) -> Task:
    """The task called `name`, or in the file `name`, for these data sets as one. Raises UsageError for what is none."""
    if name == LABELS:
        there = {label for table in tables for label in table.frame["dx"]}
        return as_labelled([label for label in labels_of(tables) if label in there], malignancy_of(tables))
    path = Path(name).expanduser()
    if name in SHIPPED or path.suffix != ".toml":
        return shipped_task(name)
    return read_task(path)


def labels_of(tables: Iterable[LesionTable]) -> tuple[str, ...]:
    """What the data sets tell apart together: the diagnoses of HAM10000 in their order, or all labels by name."""
    found = {label for table in tables for label in table.labels}
    return DIAGNOSES if found <= set(DIAGNOSES) else tuple(sorted(found))


def malignancy_of(tables: Iterable[LesionTable]) -> dict[str, str]:
    """What the data sets say of labels, of those of which all say the same."""
    said: dict[str, set[str]] = {}
    for table in tables:
        for label, one in table.malignancy.items():
            said.setdefault(label, set()).add(one)
    return {label: ones.pop() for label, ones in said.items() if len(ones) == 1}


def read_task(path: Path) -> Task:
    """The task in a file. Raises UsageError naming the key, class or label that cannot be meant."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"--task is {path}, which cannot be read: {error.strerror}.", "Check the path.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--task is {path}, which is no text: {error}.", "A task is a TOML file in UTF-8.") from error
    quotes = "A name with other letters than A to Z, or with blanks, stands in quotes."
    given = parse_toml(text, f"--task is {path}, which", quotes)
    for key in given:
        if key not in _KEYS:
            raise UsageError(f"{path}: there is no key {key!r} in a task.", hint_for(key, _KEYS))
    labels = _labels(given.get("classes"), path)
    classes = tuple(dict.fromkeys(labels.values()))
    malignant = tuple(_texts(given["malignant"], "malignant", path)) if "malignant" in given else None
    sought = [("sought", given["sought"])] if "sought" in given else []
    for key, name in (*(("malignant", name) for name in malignant or ()), *sought):
        if name not in classes:
            raise UsageError(
                f"{path}: {key} is {name!r}, no class of the task.", f"Its classes are {', '.join(classes)}."
            )
    return Task(path.stem, classes, labels, malignant, given.get("sought", ""), shipped=False)


def widened(table: LesionTable, task: Task) -> tuple[LesionTable, Task]:
    """The task that also takes labels for what the data set says of them, with notes of the table on which they are."""
    return replace(table, notes=(*table.notes, *_taken_besides(table, task))), task.widened(table.malignancy)


def told_apart(table: LesionTable, task: Task, *, strict: bool) -> tuple[LesionTable, Task]:
    """The images whose labels are of classes of the task, and the task without the classes of which there are none.

    A label that the task does not know is taken for what the data set says it is, benign or malignant. That is a note
    of the table, and so are what is left out and labels in the file of a task that no image has; where it is `strict`,
    a class without images is an error instead, and so is a label that no image has and that is nearly one which is left
    out. Raises UsageError for these, for a class without images that may be for want of a letter in its label, and
    where no label of the data is one of the task; DataError where one class alone is left.
    """
    _check_names(task.classes, table.name)
    written = {} if task.shipped else task.labels
    table, task = widened(table, task)
    notes = list(table.notes)
    targets = task.targets(table.frame["dx"])
    outside = Counter(table.frame["dx"][targets == OUTSIDE])
    there = set(table.frame["dx"])
    unused = {label: _meant(label, outside) for label in written if label not in there}
    if len(table) and sum(outside.values()) == len(table):
        raise UsageError(
            f"The task {task.name} has no class for any label of {table.name}: {counted(outside)}.",
            f"Use --task {LABELS} to tell these labels apart, or a file that says which class takes which.",
        )
    absent = [name for target, name in enumerate(task.classes) if not (targets == target).any()]
    for label, meant in unused.items():
        if meant and (strict or written[label] in absent):
            lacking = f"has no images of {written[label]}" if written[label] in absent else "leaves images out"
            raise UsageError(
                f"The task {task.name} {lacking}: no image of {table.name} is {label!r}.",
                f"Is {meant!r} meant? Correct the file, or take the label out of it.",
            )
    if absent and strict:
        raise UsageError(
            f"There are no images of {', '.join(absent)} in {table.name}, and --strict-classes is set.",
            "Leave it out, and the other classes are told apart.",
        )
    if outside:
        table = table.take(np.flatnonzero(targets != OUTSIDE))
        near = {f"{label}{guess(label, NEAR) if task.shipped else ''}": n for label, n in outside.items()}
        instead = f" (--task {LABELS} tells them apart)" if task.shipped else ""
        notes.append(f"{LEFT_OUT} {task.name} has no class for their labels: {counted(near)}{instead}")
    if unused:
        asked = sorted(unused, key=lambda label: not unused[label])
        told = [f"{label} (is {unused[label]} meant?)" if unused[label] else label for label in asked]
        notes.append(f"labels of the task {task.name} that no image has: {first_few(told)}")
    if absent:
        try:
            task = task.without(absent)
        except DataError as error:
            untaken = f" No class takes {counted(outside)}." if outside else ""
            raise DataError(error.message + untaken, error.hint) from error
        notes.append(f"{ABSENT} for want of images: {', '.join(absent)}")
    if len(task.classes) < FEWEST:
        raise DataError(
            f"All images of {table.name} are of one class, {task.classes[0]}.", "Add images of another one."
        )
    return replace(table, notes=tuple(notes)), task


def _meant(label: str, others: Collection[str]) -> str:
    """Which of the labels that no class takes may be meant by one that no image has; "" where none is near."""
    near = nearest(plain(label), NEAR)  # whatever else a diagnosis is called
    return near if near in others else next(iter(difflib.get_close_matches(label, others, n=1, cutoff=NEAR)), "")


def counted(labels: Mapping[str, int]) -> str:
    """The most frequent labels with their images, and how many images are of the others."""
    counts = sorted(labels.items(), key=lambda one: (-one[1], one[0]))
    listed = counts if len(counts) <= _MANY else counts[: _MANY - 1]
    others = counts[len(listed) :]
    rest = [f"{plural(len(others), 'further label')} ({plural(sum(n for _, n in others), 'image')})"] if others else []
    return ", ".join([*(f"{label} ({plural(n, 'image')})" for label, n in listed), *rest])


def _taken_besides(table: LesionTable, task: Task) -> Iterator[str]:
    """Notes on labels that belong to a class by what the data set says of them, or in spite of it."""
    counts = Counter(table.frame["dx"])
    said = {label: one for label, one in table.malignancy.items() if label in counts}
    further = task.widened(said).labels
    taken = {f"{label} as {further[label]}": counts[label] for label in said if label in further.keys() - task.labels}
    if taken:
        yield f"taken for what {table.name} says that they are: {counted(taken)}"
    against = {
        f"{label}, {one} in {table.name},": counts[label]
        for label, one in said.items()
        if task.labels.get(label) in BINARY and task.labels[label] != one
    }
    if against:
        yield f"classes of the task {task.name} differ from what the data set says: {counted(against)}"


def _labels(given: object, path: Path) -> dict[str, str]:
    """The class of each label, in the order of classes."""
    if not isinstance(given, dict) or len(given) < FEWEST:
        raise UsageError(
            f"{path} names {plural(len(given), 'class', 'classes') if isinstance(given, dict) else 'no classes'}.",
            'A task has two or more, such as benign = ["nevus", "wart"] and malignant = ["melanoma"], each on its own '
            "line below a line [classes].",
        )
    for key in (key for key in _KEYS[1:] if key in given):
        meant = given[key] if isinstance(given[key], list) else [given[key]]
        if set(map(str, meant)) <= given.keys() - {key}:
            raise UsageError(f"{path}: {key} stands below [classes] and names classes.", "Write it above [classes].")
    found: dict[str, str] = {}
    _check_names(given, path, {name for name in given if label_name(name) != name})
    for name, labels in given.items():
        for label in _texts(labels, name, path):
            if not label_name(label):
                raise UsageError(f"{path}: the label {label!r} has neither letter nor digit.", "Give it a name.")
            if (other := found.setdefault(label_name(label), name)) != name:
                raise UsageError(
                    f"{path}: the label {label!r} is of two classes, {other} and {name}.", "Name it in one of them."
                )
    _check_meaning(found, path)
    return found


def _check_meaning(labels: Mapping[str, str], path: Path) -> None:
    """Raise UsageError for a class that is called like a diagnosis and takes another one without its own."""
    for label, name in labels.items():
        if label != name in _MEANT and label in _MEANT and labels.get(name) != name:
            raise UsageError(
                f"{path}: the class {name} ({CLASS_NAMES[name]}) takes {label} ({CLASS_NAMES[label]}), and not {name}.",
                "Call the class after what it takes, or name its own label in it.",
            )


def _check_names(classes: Iterable[str], source: object, others: Collection[str] = ()) -> None:
    """Raise UsageError for what no class can be called, since columns and files are called after it; `others` too."""
    for name in classes:
        if name in (*COLUMNS, *others) or not 0 < len(name) <= LONGEST:
            like = label_name(name)[:LONGEST]
            other = f", which is another name of {like}" if class_name(name) not in (None, name) else ""
            raise UsageError(
                f"{source}: a class cannot be called {name!r}{other}.",
                f"Class names, which stand before = in a file for --task, are at most {LONGEST} small letters, digits "
                f"and _.+-, such as {like if like not in ('', name) else 'wart'}, no further name of a known class, "
                f"and none of {', '.join(COLUMNS)}.",
            )


def _texts(given: object, key: str, path: Path) -> list[str]:
    """A list of texts that is not empty unless it says that nothing is malignant."""
    texts = [one for one in given if isinstance(one, str) and one.strip()] if isinstance(given, list) else None
    if texts is None or texts != given or not (given or key == "malignant"):
        raise UsageError(f"{path}: {key} is {given!r}, which should be a list of labels.", 'Write it as ["a", "b"].')
    return texts
