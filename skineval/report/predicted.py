"""What a classifier says of images, as it is written while it comes: a table, CSV, or JSON lines."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from skineval.base.terms import NO_DIAGNOSIS, UNDECIDED
from skineval.measure.metrics import predicted
from skineval.report.document import formatting
from skineval.report.document.console import Growing, as_csv
from skineval.report.document.tables import Column, Row, Table
from skineval.values.measures import system_name
from skineval.values.task import as_labelled

if TYPE_CHECKING:
    from rich.console import Console

    from skineval.train.classifier import Classifier
    from skineval.train.stream import Answers


def told(classifier: Classifier) -> tuple[str, ...]:
    """What a reader has to know of the answers of a classifier, beside the stamps."""
    head = classifier.about.head
    chosen = (f"Chosen on the validation part: {head}.",) if head else ()
    return (*chosen, *classifier.remarks, NO_DIAGNOSIS)


def predictions(classifier: Classifier, answers: Sequence[Answers]) -> Table:
    """Answers as a table: a row an image, with the class it is taken for, and the probability of each class."""
    classes = classifier.classes
    known = as_labelled(classes)  # the columns of malignant classes stay the longest where there is little room
    priorities = dict.fromkeys(known.malignant or (), 2) | {known.sought: 1}
    columns = (
        Column("image", "Image"),
        Column("predicted", "Predicted", whole=True),
        Column("confidence", "Confidence", "score"),
        *(Column(name, name, "score", priority=priorities.get(name, 3)) for name in classes),
    )
    names = (*classes, UNDECIDED)
    rows = tuple(
        Row((image, names[code], max(row), *row))
        for some in answers
        for image, code, row in zip(
            some.images, predicted(some.probabilities), some.probabilities.tolist(), strict=True
        )
    )
    title = f"Predictions of {system_name(classifier.about.architecture, classifier.about.imbalance)}"
    return Table(formatting.stamped(title, classifier.stamps), columns, rows, told(classifier))


class Writer(ABC):
    """What is written of answers that come batch by batch: each time whole lines."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    @abstractmethod
    def add(self, *answers: Answers) -> str:
        """What is to be written of more images; the first time with what stands above them."""

    def end(self) -> str:
        """What stands below all of them."""
        return ""


class TableWriter(Writer):
    """A table for people, whose columns stay as wide as the first rows want them."""

    def __init__(self, classifier: Classifier, console: Console) -> None:
        super().__init__(classifier)
        self._console = console
        self._growing = Growing(console)
        self._last = predictions(classifier, ())

    def add(self, *answers: Answers) -> str:
        self._last = predictions(self._classifier, answers)
        with self._console.capture() as captured:
            self._growing.add(self._last)
        return captured.get()

    def end(self) -> str:
        with self._console.capture() as captured:
            self._growing.end(self._last)
        return captured.get()


class CsvWriter(Writer):
    """CSV with a header, as `skineval evaluate` reads it; no name is a formula to a spreadsheet."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__(classifier)
        self._begun = False

    def add(self, *answers: Answers) -> str:
        header, newline, rows = as_csv(predictions(self._classifier, answers)).partition("\n")
        text = rows if self._begun else header + newline + rows
        self._begun = True
        return text


class JsonLinesWriter(Writer):
    """An object a line. Names are exact, and no character of them is one that a terminal obeys."""

    def add(self, *answers: Answers) -> str:
        lines = (
            {"image": image, "predicted": code, "confidence": confidence}
            | {"probabilities": dict(zip(self._classifier.classes, row, strict=True))}
            for image, code, confidence, *row in (one.cells for one in predictions(self._classifier, answers).rows)
        )
        return "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
