"""What choices made on validation images do to test images, as readers see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np

from skineval.base.terms import PRIMARY
from skineval.grid.choosing import AT_COVERAGE, AT_KEPT, AT_SENSITIVITY, TEMPERATURE, VECTORS
from skineval.measure.abstention import KEPT
from skineval.measure.conformal import COVERAGE
from skineval.measure.operating import SENSITIVITY, predictive_values
from skineval.report.bench import notes
from skineval.report.bench.leaderboard import Leaderboard
from skineval.report.document import formatting
from skineval.report.document.excerpt import excerpt
from skineval.report.document.tables import Cell, Column, Row, Shows, Table, tabulate
from skineval.values.measures import Choice, Estimate

_Found = Mapping[tuple[str, str], Mapping[str, Choice]]  # by metric and class, then by system
_Columns = Sequence[tuple[Column, Mapping[str, Cell]]]

_OF_SCALING = (
    "Fitted on the validation part of each cell by the likelihood (Guo et al. 2017). A temperature, here the geometric "
    "mean over cells, divides all logits and changes no answer: above 1, the system was too sure. Vector scaling "
    "multiplies the logits of each class and adds to them, which changes answers, often for the frequent classes."
)
_OF_THRESHOLD = (
    "Suspicious is what has at least this probability of malignancy (mean over cells): the largest with which "
    f"{formatting.percent(SENSITIVITY, 0)} of the malignant validation images are found. On test images the "
    "sensitivity may be another one. Predictive values are of as many malignant images as there are here."
)
_OF_PREVALENCE = (
    "By Bayes' rule from sensitivity and specificity at the operating point, as if patients elsewhere differed in "
    "nothing else; brackets are from the ends of both intervals, hence wider than 95 %."
)
_OF_KEEPING = (
    "Kept are images whose largest probability is at least that with which "
    f"{formatting.percent(KEPT, 0)} of the validation images are. Rare classes are often those that are left, so "
    "that balanced accuracy need not rise with accuracy; there is none where no image of a class is kept in some cell, "
    "since a mean over the other classes cannot be set beside that of all."
)
_OF_SETS = (
    f"A set holds every class that is not unusually improbable for it, as {formatting.percent(1 - COVERAGE, 0)} of "
    f"its validation images are: {formatting.percent(COVERAGE, 0)} of the sets of each class are to hold it "
    "(class-conditional conformal prediction, Sadinle et al. 2019). A class with fewer than "
    f"{round(1 / (1 - COVERAGE)) - 1} validation images is in every set."
)

#: Where a clinic may lie, between a screening programme and a referral clinic.
PREVALENCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)


@dataclass(frozen=True)
class Tables:
    """What a report shows of choices, by the section that it stands in; of many classes the best system alone."""

    calibration: tuple[Table, ...]
    decisions: tuple[Table, ...]
    abstention: tuple[Table, ...]


def made(choices: Sequence[Choice], board: Leaderboard) -> Tables:
    """All tables that there is something to show in."""
    best = next(iter(board.systems), "")
    return Tables(
        tuple(filter(None, [scaled(choices, board)])),
        tuple(filter(None, [operating(choices, board), elsewhere(choices, board, best)])),
        tuple(filter(None, [keeping(choices, board), sets(choices, board), sets_by_class(choices, board, best)])),
    )


def of(choices: Sequence[Choice], chosen: str) -> _Found:
    """The figures after one kind of choice, by metric and class, then by system."""
    found: dict[tuple[str, str], dict[str, Choice]] = {}
    for one in choices:
        if one.chosen == chosen:
            found.setdefault((one.metric, one.class_), {})[one.system] = one
    return found


def scaled(choices: Sequence[Choice], board: Leaderboard) -> Table | None:
    """Calibration as it is and once logits are scaled; None where nothing was."""
    cooled, vectors = of(choices, TEMPERATURE), of(choices, VECTORS)
    columns: list[tuple[Column, Mapping[str, Cell]]] = [
        (Column("temperature", "Temperature", "score"), _numbers(cooled, "temperature"))
    ]
    for place, (name, title) in enumerate((("nll", "NLL"), ("ece", "ECE"))):
        columns += [
            (Column(name, title, "score", "as it is", 2 * place), board.figures(name)),
            (Column(f"{name}_cooled", f"{title}, temperature", "score", "", 2 * place), cooled.get((name, ""), {})),
            (
                Column(f"{name}_vectors", f"{title}, vectors", "score", "", 2 * place + 1),
                vectors.get((name, ""), {}),
            ),
        ]
    balanced = Column("balanced_vectors", "Balanced accuracy, vectors", "score", priority=4)
    columns.append((balanced, vectors.get((PRIMARY, ""), {})))
    footnotes = (_OF_SCALING, notes.of_interval(board.unit))
    return _by_system("Calibration once logits are scaled", board, columns, footnotes)


def operating(choices: Sequence[Choice], board: Leaderboard) -> Table | None:
    """What the threshold of malignancy that is chosen on validation images does; None where none could be chosen."""
    found = of(choices, AT_SENSITIVITY)
    columns: _Columns = [
        (Column("threshold", "Threshold", "score", priority=1), _numbers(found, "threshold")),
        (Column("sensitivity", "Sensitivity", "score"), found.get(("sensitivity", ""), {})),
        (Column("specificity", "Specificity", "score"), found.get(("specificity", ""), {})),
        (Column("ppv", "PPV", "score", "positive predictive value", 2), found.get(("ppv", ""), {})),
        (Column("npv", "NPV", "score", "negative predictive value", 3), found.get(("npv", ""), {})),
    ]
    footnotes = (_OF_THRESHOLD, notes.of_interval(board.unit))
    return _by_system("Operating point: malignant or benign", board, columns, footnotes)


def elsewhere(choices: Sequence[Choice], board: Leaderboard, system: str) -> Table | None:
    """The predictive values of a system at its operating point where malignancy is rarer or more frequent."""
    found = of(choices, AT_SENSITIVITY)
    point = found.get(("sensitivity", ""), {}).get(system), found.get(("specificity", ""), {}).get(system)
    if point[0] is None or point[1] is None:
        return None
    rows = [
        Row((formatting.percent(prevalence, 0), *values_at(point[0], point[1], prevalence)))
        for prevalence in PREVALENCES
    ]
    columns = (
        Column("prevalence", "Prevalence of malignancy"),
        Column("ppv", "PPV", "score"),
        Column("npv", "NPV", "score"),
    )
    footnotes = (_OF_PREVALENCE,)
    title = f"Predictive values elsewhere: {formatting.plain(system)}"
    return Table(formatting.stamped(title, board.stamps), columns, tuple(rows), footnotes)


def values_at(sensitivity: Estimate, specificity: Estimate, prevalence: float) -> tuple[Estimate, Estimate]:
    """Positive and negative predictive value at a prevalence, from the ends of both intervals."""
    ends = [(getattr(sensitivity, end), getattr(specificity, end)) for end in ("value", "low", "high")]
    both = [predictive_values(np.array(a), np.array(b), np.array(prevalence)) for a, b in ends]
    (ppv, npv), (ppv_low, npv_low), (ppv_high, npv_high) = both
    return Estimate(float(ppv), float(ppv_low), float(ppv_high)), Estimate(float(npv), float(npv_low), float(npv_high))


def keeping(choices: Sequence[Choice], board: Leaderboard) -> Table | None:
    """How good systems are on what they are surest of."""
    found = of(choices, AT_KEPT)
    columns: _Columns = [
        (Column("kept", "Kept", "score"), found.get(("kept", ""), {})),
        (Column("balanced_accuracy", "Balanced accuracy of these", "score"), found.get((PRIMARY, ""), {})),
        (Column("of_all", "Of all", "score", priority=1), board.figures(PRIMARY)),
        (Column("accuracy", "Accuracy of these", "score", priority=2), found.get(("accuracy", ""), {})),
        (Column("aurc", "AURC", "score", "area under the risk-coverage curve", 3), board.figures("aurc")),
    ]
    footnotes = (_OF_KEEPING, notes.of_interval(board.unit))
    return _by_system("Keeping what one is sure of", board, columns, footnotes)


def sets(choices: Sequence[Choice], board: Leaderboard) -> Table | None:
    """How often sets of classes hold the right one, and how large they are, by system."""
    found = of(choices, AT_COVERAGE)
    of_classes = [systems for (metric, class_), systems in found.items() if metric == "set_coverage" and class_]
    lowest = {
        system: min(known, key=lambda one: one.value)
        for system in board.systems
        if (known := [one[system] for one in of_classes if system in one and not isnan(one[system].value)])
    }
    columns: _Columns = [
        (Column("set_coverage", "Coverage", "score", "mean over classes"), found.get(("set_coverage", ""), {})),
        (Column("lowest", "Lowest of a class", "score", priority=1), lowest),
        (Column("set_size", "Classes in a set", "score", "mean over images"), found.get(("set_size", ""), {})),
        (Column("single", "Sets of one class", "score", "share of images", 2), found.get(("single", ""), {})),
    ]
    footnotes = (_OF_SETS, notes.of_interval(board.unit))
    return _by_system("Sets of classes", board, columns, footnotes)


def sets_by_class(choices: Sequence[Choice], board: Leaderboard, system: str) -> Table | None:
    """Coverage and size of the sets of each class, of one system."""
    found = of(choices, AT_COVERAGE)
    columns = (
        Column("class", "Class"),
        Column("set_coverage", "Coverage", "score"),
        Column("set_size", "Classes in a set", "score"),
        Column("n_images", "Images", "count"),
    )

    def row(name: str) -> Row:
        covered, size = (found.get((metric, name), {}).get(system) for metric in ("set_coverage", "set_size"))
        return Row((name, covered, size, covered.n_images if covered else None))

    title = formatting.stamped(f"Sets of classes: {formatting.plain(system)}", board.stamps)

    def table(classes: Sequence[str]) -> Table:
        return Table(title, columns, tuple(map(row, classes)), (notes.of_interval(board.unit),))

    return excerpt(table, board.shown, "choices.csv has all.") if ("set_coverage", "") in found else None


def _numbers(found: _Found, name: str) -> dict[str, Cell]:
    return {system: one.value for system, one in found.get((name, ""), {}).items()}


def _by_system(title: str, board: Leaderboard, columns: _Columns, footnotes: Sequence[str]) -> Table | None:
    """A row for each system with a figure, in the order of the leaderboard; None where there is none."""
    chosen = [name for name in board.systems if name in columns[0][1]]
    shown: list[Shows[str]] = [(Column("system", "System"), lambda name: name)]
    shown += [(column, values.get) for column, values in columns if values]
    return tabulate(title, chosen, shown, footnotes, stamps=board.stamps) if chosen else None
