"""What is wrong with a data set, or worth knowing of it: where, what, and what to do, one line each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from skineval.base.errors import DataError, first_few, plural

Severity = Literal["error", "remark"]


@dataclass(frozen=True)
class Doubt:
    """What a note of a lesion table says that `skineval data check` reports, too: known by some of its words."""

    code: str  #: of the remark
    says: str  #: words that no other note has
    hint: str

    def note(self, rest: str) -> str:
        """The note that begins with the words, and goes on with the rest."""
        return f"{self.says}{rest}"


UNREAD_TABLE = Doubt(
    "unread-knowledge",
    "a table or column is not read: ",
    "If it is meant, correct what is said of it, or add what it knows to the table that is read, by image id.",
)
TORN_LESIONS = Doubt(
    "labels-of-lesion",
    "lesions whose images have several labels: ",
    "Correct the label or the lesion; nothing needs be done if it is meant.",
)
DISPUTED = Doubt(
    "disputed-label",
    "images said to be benign or malignant against what they show, which is believed: ",
    "Correct the cell that is wrong.",
)
TORN_PAIRS = Doubt(
    "labels-of-pair",
    "images listed as duplicates that have two labels, and are kept together: ",
    "Correct the label or the list: one of them is wrong.",
)
NUMBERED = Doubt(
    "numbered-lesions",
    "lesion ids are numbers within a patient: ",
    "If they are ids of lesions that several patients share, correct the patients.",
)
UNPARTED = Doubt(
    "part",
    "some images alone have a part of the data set's own split, which is not used: ",
    "Complete the parts to use them with --split official.",
)
MISPLACED = Doubt(
    "class-folder",
    "images below folders of another class than their table says, which is believed: ",
    "Move the image to the folder of its class, or correct the table.",
)
ORPHANS = Doubt(
    "orphaned-images",
    " without metadata ",
    "If that is not meant, complete the table: a row for each image.",
)
DOUBTS = (ORPHANS, MISPLACED, UNREAD_TABLE, TORN_LESIONS, DISPUTED, TORN_PAIRS, NUMBERED, UNPARTED)

#: What there is besides mending an image, for whoever has no better copy of it.
LEAVE_OUT = (
    "To go on without: `skineval data check DIR --quarantine FILE`, with --columns where they are given, lists what "
    "cannot be used, and with `--quarantine FILE` it is left out."
)


@dataclass(frozen=True)
class Finding:
    """One line of `skineval data check`."""

    code: str  #: the same for everything of its kind, in every version
    where: str  #: file, member of an archive, or file and row
    what: str  #: what is wrong, with its value
    hint: str  #: what to do
    severity: Severity = "error"  #: a remark keeps nothing from being used
    image_ids: tuple[str, ...] = ()  #: leave these images out, and nothing is wrong; () where that would not help


@dataclass(frozen=True)
class Flaw:
    """What is wrong with a file by itself, or worth knowing of it, wherever it lies."""

    code: str
    what: str
    hint: str
    severity: Severity = "error"

    def at(self, where: str, image_ids: tuple[str, ...] = ()) -> Finding:
        """The finding on the file that lies `where`; without the images `image_ids` it would not be."""
        ids = image_ids if self.severity == "error" else ()
        return Finding(self.code, where, self.what, self.hint, self.severity, ids)


@dataclass(frozen=True)
class FaultyRow:
    """A row of a table with the value that cannot be meant."""

    number: int  #: in the file, where the header is row 1; 0 where the text names rows itself
    text: str  #: the value as it may be shown
    image_ids: tuple[str, ...] = ()  #: leave these out to be rid of it

    def __str__(self) -> str:
        return f"row {self.number} {self.text}" if self.number else self.text


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in some rows of a table, or in none."""

    code: str
    one: str  #: what is wrong with a single row
    counted: tuple[str, str]  #: the same as an error counts rows: of one, and of several
    hint: str
    rows: tuple[FaultyRow, ...]

    def findings(self, name: str) -> list[Finding]:
        """A finding for each row of the table called `name`."""
        return [
            Finding(
                self.code,
                f"{name}, row {row.number}" if row.number else name,
                f"{self.one}: {row.text}",
                self.hint,
                image_ids=row.image_ids,
            )
            for row in self.rows
        ]


def refuse(faults: Iterable[Fault], name: str) -> None:
    """Raise DataError for the first fault that the table called `name` has, counting its rows and naming a few."""
    for fault in faults:
        if fault.rows:
            out = [id_ for row in fault.rows for id_ in row.image_ids]
            hint = f"{fault.hint} {LEAVE_OUT}" if out else fault.hint
            refuse_any([str(row) for row in fault.rows], fault.counted, hint, name, out, fault.code)


def refuse_any(
    examples: Sequence[str],
    what: tuple[str, str],
    hint: str,
    name: str = "",
    image_ids: Iterable[str] = (),
    code: str = "refused",
) -> None:
    """Raise DataError where there are `examples` of what is wrong, in what is called `name`: how many, and a few.

    `what` says it of one, and of several.
    Without the images `image_ids` nothing would be.
    """
    if examples:
        where = f"{name}: " if name else ""
        raise DataError(f"{where}{plural(len(examples), *what)}: {first_few(examples)}.", hint, image_ids, code)
