"""How good systems are on parts of the images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isnan

from skineval.base.terms import Unit
from skineval.measure.subgroups import LEAST
from skineval.report.bench import notes
from skineval.report.document import formatting
from skineval.report.document.tables import Column, Shows, Table, tabulate
from skineval.values.measures import Estimate, Subgroup

_TOLD = (
    f"Balanced accuracy is the mean over the classes of which a subgroup has {LEAST} {{units}} or more, and its gap is "
    "to the same classes of all images. Images of all folds and seeds count together, so that figures of all images "
    "may be others than the means over folds elsewhere. An empty cell is one of too few to speak. Malignancy AUC wants "
    "as many malignant and benign ones. By chance alone about 1 in 20 of these gaps has an interval without 0. Skin "
    "tone is no attribute: estimates of it from dermoscopic pixels disagree with each other."
)
_AREA = "area under the ROC curve of malignant against benign"
_GAP = "balanced accuracy of the subgroup minus that of all images, in the same classes"


def table(found: Sequence[Subgroup], unit: Unit, stamps: Sequence[str]) -> Table:
    """Every subgroup of every system, of images that are grouped by `unit`; the worst of each attribute is marked."""
    worst = _worst(found)

    def estimate(one: Subgroup, value: str, ends: str) -> Estimate | None:
        figure = getattr(one, value)
        return None if isnan(figure) else Estimate(figure, getattr(one, f"{ends}low"), getattr(one, f"{ends}high"))

    systems = {one.system for one in found}
    columns: tuple[Shows[Subgroup], ...] = (
        *([notes.of_system(systems)] if len(systems) > 1 else []),
        Column("attribute", "Attribute"),
        (Column("value", "Subgroup"), lambda one: f"{one.value} (worst)" if one in worst else one.value),
        Column("n_images", "Images", "count", priority=3),
        (
            Column("n_lesions", formatting.units(unit).capitalize(), "count", priority=2),
            lambda one: one.n_lesions if unit != "image" else None,
        ),
        (
            Column("n_classes", "Classes", "count", "that its balanced accuracy is the mean over", 4),
            lambda one: one.n_classes if one.n_classes > 1 else None,
        ),
        (
            Column("balanced_accuracy", "Balanced accuracy", "score"),
            lambda one: estimate(one, "balanced_accuracy", ""),
        ),
        (Column("gap", "Gap", "score", _GAP, 1), lambda one: estimate(one, "gap", "gap_")),
        (
            Column("malignancy_auc", "Malignancy AUC", "score", _AREA, 5),
            lambda one: estimate(one, "malignancy_auc", "malignancy_"),
        ),
        (
            Column("malignancy_gap", "Its gap", "score", "the same difference of malignancy AUC", 6),
            lambda one: estimate(one, "malignancy_gap", "malignancy_gap_"),
        ),
    )
    told = (_TOLD.format(units=formatting.units(unit)), notes.of_interval(unit))
    return tabulate("Subgroups", found, columns, told, stamps=stamps)


def _worst(found: Iterable[Subgroup]) -> set[Subgroup]:
    """Of each system and attribute with several figures the subgroup with the lowest gap."""
    by_attribute: dict[tuple[str, str], list[Subgroup]] = {}
    for one in found:
        if not isnan(one.gap):
            by_attribute.setdefault((one.system, one.attribute), []).append(one)
    return {min(mine, key=lambda one: one.gap) for mine in by_attribute.values() if len(mine) > 1}
