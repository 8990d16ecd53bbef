"""How good systems are on parts of the images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from skineval.base.terms import Unit
from skineval.grid.evaluation import Evaluation
from skineval.measure.subgroups import LEAST, Part
from skineval.report.bench import notes
from skineval.report.document import formatting
from skineval.report.document.tables import Column, Row, Table

_TOLD = (
    f"Balanced accuracy is the mean over the classes of which a subgroup has {LEAST} {{units}} or more, and its gap is "
    "to the same classes of all images; an empty cell is one of too few to speak. Malignancy AUC wants as many "
    "malignant and benign ones. By chance alone about 1 in 20 of these gaps has an interval without 0. Skin tone is no "
    "attribute: estimates of it from dermoscopic pixels disagree with each other."
)
_GAP = "balanced accuracy of the subgroup minus that of all images, in the same classes"


def table(found: Evaluation) -> Table:
    """Every part of every system; the lowest figure of each attribute is marked as the worst."""
    return of_parts(found.parts, found.unit, found.stamps)


def of_parts(parts: Sequence[Part], unit: Unit, stamps: Sequence[str]) -> Table:
    """The same, of parts of images that are grouped by `unit`."""
    several = len({part.system for part in parts}) > 1
    worst = _worst(parts)
    columns = (
        *([Column("system", "System", note="model/imbalance strategy")] if several else []),
        Column("attribute", "Attribute"),
        Column("value", "Subgroup"),
        Column("n_images", "Images", "count", priority=3),
        Column("n_lesions", formatting.units(unit).capitalize(), "count", priority=2),
        Column("classes", "Classes", "count", "that its balanced accuracy is the mean over", 4),
        Column("balanced_accuracy", "Balanced accuracy", "score"),
        Column(
            "gap", "Gap", "score", "balanced accuracy of the subgroup minus that of all images, in the same classes", 1
        ),
        Column("malignancy_auc", "Malignancy AUC", "score", "area under the ROC curve of malignant against benign", 5),
        Column("malignancy_gap", "Its gap", "score", "the same difference of malignancy AUC", 6),
    )
    rows = tuple(
        Row(
            (
                *([part.system] if several else []),
                part.attribute,
                f"{part.value} (worst)" if part in worst else part.value,
                part.n_images,
                part.n_lesions if unit != "image" else None,
                len(part.classes) if part.score else None,
                part.score,
                part.gap,
                part.malignancy,
                part.malignancy_gap,
            )
        )
        for part in parts
    )
    told = _TOLD.format(units=formatting.units(unit))
    return Table(formatting.stamped("Subgroups", stamps), columns, rows, (told, notes.of_interval(unit)))


def _worst(parts: Iterable[Part]) -> set[Part]:
    """Of each system and attribute with several figures the part with the lowest gap."""
    by_attribute: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        if part.gap is not None:
            by_attribute.setdefault((part.system, part.attribute), []).append(part)
    return {min(mine, key=_gap) for mine in by_attribute.values() if len(mine) > 1}


def _gap(part: Part) -> float:
    assert part.gap is not None
    return part.gap.value
