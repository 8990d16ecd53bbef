"""Which class a column of a table, or a cell of one, means: by its name as people spell it, or by its number."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from skineval.base.errors import DataError, UsageError, first_few
from skineval.data.cells import mapped
from skineval.data.spellings import class_name, plain
from skineval.data.tables import GivenTable
from skineval.values.task import BINARY, DIAGNOSES, MALIGNANT

#: What stands around a class in a header.
AROUND = frozenset(
    (
        *("prob", "proba", "probability", "p", "score", "softmax", "pred", "hat", "class", "output", "logit", "logits"),
        *("mean", "avg", "average"),
    )
)
OUTCOME = "y"  #: stands before these, as in `y_pred_mel`; alone it is what an image is
_BETWEEN = re.compile(r"[()\[\]{}.:%]")
_NUMBERED = re.compile(r"(.*?)(\d+)")
_NUMBER = re.compile(r"(?:(?:class|label)[ _]?)?(\d+)(\.0+)?", re.IGNORECASE)
_TRUTHS = {"true": "1", "false": "0"}  #: what pandas and numpy write for marks


@dataclass(frozen=True)
class Reading:
    """What tables of predictions, and of the truth, do not say of themselves."""

    numbered: tuple[str, ...] = ()  #: the classes, in the order in which columns or cells number them
    merges: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: what several classes are called as one
    logits: bool = False  #: scores are logits, of which the softmax is meant

    @classmethod
    def of(cls, classes: str | Sequence[str] = (), merges: str = "", *, logits: bool = False) -> Reading:
        """By `classes` as "A,B" or one by one, and `merges` as "other=bkl+df+vasc,x=a+b".

        Raises UsageError for a merge of no or one class, and for a class in two of them.
        """
        texts = classes.split(",") if isinstance(classes, str) else classes
        numbered = tuple(name.strip() for name in texts if name.strip())
        named = list(map(class_of_header, numbered))
        if twice := [name for name in named if named.count(name) > 1]:
            raise UsageError(f"--classes names {twice[0]} twice.", "Name each class once, in their order.")
        found: dict[str, tuple[str, ...]] = {}
        for text in filter(None, map(str.strip, merges.split(","))):
            into, _, parts = text.partition("=")
            names = tuple(class_of_header(part.strip()) for part in parts.split("+") if part.strip())
            name = class_of_header(into.strip())
            if name in DIAGNOSES and name not in names:
                raise UsageError(
                    f"--map has {text!r}, and {name} is a class of its own.",
                    f"Another name is wanted, or a sum with it: {name}={name}+{'+'.join(names)}.",
                )
            if not name or not names or name in found:
                raise UsageError(
                    f"--map has {text!r}, which merges nothing.",
                    "Say what classes are called as one: other=bkl+df+vasc.",
                )
            found[name] = names
        every = [part for parts in found.values() for part in parts]
        if twice := [part for part in every if every.count(part) > 1 or (part in found and part not in found[part])]:
            raise UsageError(f"--map has {twice[0]} in two classes.", "Name each class once.")
        return cls(numbered, found, logits)

    @property
    def known(self) -> frozenset[str]:
        """Classes whose names mean something by themselves."""
        return frozenset((*DIAGNOSES, *BINARY, *map(class_of_header, self.numbered)))

    def merged(self, name: str) -> str:
        """The class that a class is a part of; itself, where it is part of none."""
        return next((into for into, parts in self.merges.items() if name in parts), name)


#: Nothing has to be said.
AS_WRITTEN = Reading()


def is_binary(classes: Collection[str]) -> bool:
    """Whether classes are those of the malignant task, perhaps with some that no reference standard knows."""
    return set(BINARY) <= set(classes)


def order_of(name: str) -> int:
    """Where a class stands among others: diagnoses first, in their order."""
    order = (*DIAGNOSES, *BINARY)
    return order.index(name) if name in order else len(order)


def class_columns(
    columns: Sequence[str], targets: Collection[str], source: str, numbered: Sequence[str]
) -> tuple[dict[str, str], int | None]:
    """The class of each column, and the number of the first where they are numbered, else None."""
    names = [class_of_header(name) for name in numbered]
    numbers = _numbers(columns)
    names_of_targets = targets and set(targets) <= set(columns) and (not names or set(names) == set(columns))
    if numbers and not names_of_targets:
        base = min(numbers.values())
        if len(names) != len(columns):
            example = ",".join(BINARY if len(columns) == len(BINARY) else DIAGNOSES)
            what = f"{len(names)} are named: {', '.join(names)}" if names else "nothing says which number means which"
            raise DataError(
                f"{source} numbers its classes ({first_few(columns)}), and {what}.",
                f"Name all {len(columns)} in their order, such as --classes {example}, if it is that.",
            )
        return {column: names[number - base] for column, number in numbers.items()}, base
    found = {column: class_of_header(column) for column in columns}
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


def class_of_header(column: str) -> str:
    """The class that the header of a column means: `prob_mel` and `Melanoma` are mel, and SCC stays as it is."""
    words = plain(_BETWEEN.sub(" ", column)).split()
    if len(words) > 2 and words[0] == OUTCOME and words[1] in AROUND:
        words = words[1:]
    while len(words) > 1 and words[0] in AROUND:
        words = words[1:]
    while len(words) > 1 and words[-1] in AROUND:
        words = words[:-1]
    return class_name(column) or class_name(" ".join(words)) or column


def class_names(
    table: GivenTable, column: str, classes: Sequence[str], numbered: Sequence[str], base: int | None
) -> tuple[pd.Series[str], int | None]:
    """The classes that the cells of a column mean, and the number of the first where cells are numbers, else None.

    Names are spelt as in `classes`; what means none of them stays as it is. `base` is what columns count from, None
    where they say nothing: then the numbers themselves must.
    """
    spelt = {plain(name): name for name in classes}
    given = table.frame[column]
    cells = [str(cell) for cell in given.dropna().unique()]
    marks = _TRUTHS if {cell.lower() for cell in cells} <= {*_TRUTHS} else {}
    matches = {cell: _NUMBER.fullmatch(marks.get(cell.lower(), cell)) for cell in cells if plain(cell) not in spelt}
    numbers = {cell: int(match[1]) for cell, match in matches.items() if match}
    counted = (
        (_base(numbers.values(), len(numbered), column, table.name) if base is None else base) if numbers else None
    )
    names = dict(enumerate(map(class_of_header, numbered), start=counted or 0))
    read = {
        cell: names.get(numbers[cell])
        if cell in numbers
        else as_class(class_name(cell) or (cell if cell in classes else spelt.get(plain(cell), cell)), classes)
        for cell in cells
    }
    unread = [cell for cell, name in read.items() if name is None]
    what = f"and {len(names)} classes are named" if names else "and nothing says which class it means"
    example = ",".join(BINARY if {*numbers.values()} <= {0, 1} else DIAGNOSES)
    table.refuse(
        given.astype("str").isin(unread),
        lambda row: f"{column} is the number {given.iloc[row]}, {what}",
        f"Name the classes in the order in which they are numbered, such as --classes {example}.",
    )
    return mapped(given, lambda cell: read[str(cell)]), counted


def _base(numbers: Collection[int], n: int, column: str, source: str) -> int:
    """Whether numbers of `n` classes count from 0 or from 1; raises DataError where they could do both."""
    if n and min(numbers) > 0 and max(numbers) < n:
        raise DataError(
            f"{source}: {column} holds numbers from {min(numbers)} to {max(numbers)} of {n} classes, counted from 0 or "
            "from 1.",
            "Write the names of the classes in their place.",
        )
    return int(bool(n) and max(numbers) == n and min(numbers) > 0)


def told(numbered: Sequence[str], base: int | None, source: str = "") -> tuple[str, ...]:
    """Which class each number was taken for, where there are numbers, which count from `base`."""
    if base is None:
        return ()
    pairs = (f"{number} is {class_of_header(name)}" for number, name in enumerate(numbered, start=base))
    where = f" in {source}" if source else ""
    return (f"Classes by number{where}: {', '.join(pairs)}.",)


def as_class(name: str, classes: Collection[str]) -> str:
    """A diagnosis as one of the two classes of the malignant task, where `classes` are these; else the name itself."""
    return MALIGNANT.labels.get(name, name) if is_binary(classes) else name


def marked(table: GivenTable, columns: Mapping[str, str]) -> pd.Series[str]:
    """The class that each row marks by 1, of `columns` and the class of each; raises DataError for rows with another
    number of marks than one.
    """
    frame = table.frame
    written = frame.replace({mark.title(): number for mark, number in _TRUTHS.items()})
    marks = np.column_stack([table.having(written).numbers(column) for column in columns])
    table.refuse(
        ~(np.isin(marks, (0, 1)).all(axis=1) & (marks.sum(axis=1) == 1)),
        lambda row: f"{frame['image_id'].iloc[row]} has not exactly one class",
        f"A one-hot ground truth has a single 1 a row. These columns were taken for classes: {', '.join(columns)}.",
    )
    names = np.array(list(columns.values()), dtype=object)
    return pd.Series(names[marks.argmax(axis=1)], frame.index)
