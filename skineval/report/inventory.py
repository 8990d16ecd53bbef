"""The tables of what a data set holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from skineval.base.terms import SYNTHETIC
from skineval.data.quality.inventory import UNKNOWN, ClassCounts, Inventory
from skineval.report.document import formatting
from skineval.report.document.excerpt import Shown, excerpt, shown_classes
from skineval.report.document.notebook import fragments
from skineval.report.document.tables import Cell, Column, Row, Shows, Table, tabulate, tabulate_facts
from skineval.values.lesion_table import PATIENT
from skineval.values.task import BINARY, CLASS_NAMES, DX7, LABELS, MAPPINGS

SHOWN = 10  #: sizes of images that are listed one by one
LESIONS = 5  #: lesions named where something differs between their images

_WHERE = "--format csv shows all."
_WHAT = Column("what", "What")
_DX = Column("dx", "Diagnosis")
_IMAGES = Column("images", "Images", "count")
_LESIONS = Column("lesions", "Lesions", "count")
_SHARE = Column("share", "Share", "percent", priority=1)


class ShownInventory(Inventory):
    """What a data set holds, which a notebook shows as tables."""

    def _repr_html_(self) -> str:
        return fragments(inventory_tables(self))


def inventory_tables(found: Inventory) -> tuple[Table, ...]:
    """Everything that `found` says, as tables."""
    return tuple(_tables(found))


def _tables(found: Inventory) -> Iterator[Table]:
    yield _overview(found)
    yield _classes(found)
    if dict(found.unknown)["dx_type"] < found.everything.images:
        yield _dx_types(found)
    if found.table.lesions_known:
        yield _lesions(found)
    yield _gaps(found)
    yield from _values(found)
    if found.malignant:
        yield _prevalences(found)
    if found.said:
        columns = (Column("said", "The data set says"), _IMAGES, _SHARE)
        total = found.everything.images
        yield Table("Malignancy", columns, tuple(Row((said, n, n / total)) for said, n in found.said))
    yield _baselines(found)
    if found.official:
        yield _official(found)
    if found.headers is not None and len(found.headers.counts) > 1:
        yield _sizes(found)


def _overview(found: Inventory) -> Table:
    facts: dict[str, Cell] = {
        "data set": found.table.name,
        "layout": found.table.layout or None,
        "licence": found.table.licence or "not known",
        "images": found.everything.images,
        "lesions": found.everything.lesions if found.table.lesions_known else "not known",
        "lesion ids": found.everything.lesion_ids if found.table.lesions_known else None,
        **_patients(found),
        "first image id": found.first_id,
        "last image id": found.last_id,
        **_headers(found),
        **_ages(found),
        "fingerprint": found.fingerprint[:16],
    }
    known = [(what, value) for what, value in facts.items() if value is not None]
    joined = formatting.joined(found.everything.lesion_ids, found.everything.lesions, found.table.unit)
    return tabulate_facts("Data set", known, (*joined, *found.table.notes), [SYNTHETIC] * found.table.synthetic)


def _patients(found: Inventory) -> dict[str, Cell]:
    if found.patients and dict(found.unknown)[PATIENT]:
        return {"patients, where one is named": found.patients}
    return {"patients": found.patients or "not known"}


def _headers(found: Inventory) -> dict[str, Cell]:
    """The size that most images have, and how many are others; all of them have a table of their own."""
    if found.headers is None:
        return {}
    facts: dict[str, Cell] = {}
    for one, n in found.headers.counts[:1]:
        facts = {"image size": f"{one.width} × {one.height} {one.mode} {one.format}", "images of that size": n}
    others = len(found.headers.counts) - 1
    unreadable = len(found.headers.unreadable)
    return facts | {
        "other sizes or kinds": others if others > 0 else None,
        "unreadable headers, which skineval data check names": unreadable or None,
        "lesion masks": found.headers.masks,
    }


def _ages(found: Inventory) -> dict[str, Cell]:
    if found.ages is None:
        return {"ages": "not known"}
    return {"lowest age": found.ages.lowest, "highest age": found.ages.highest, "step between ages": found.ages.step}


def _classes(found: Inventory) -> Table:
    repeated = Column("repeated", "In repeats", "percent", "share of images whose lesion has several images", 2)
    clustering = Column("clustering", "Clustering", "score", "sum(m²)/sum(m) over lesions of m images", 3)
    meaning: Shows[ClassCounts] = (Column("meaning", "Meaning", priority=1), lambda one: CLASS_NAMES.get(one.dx))
    of_images: tuple[Shows[ClassCounts], ...] = (
        (_DX, lambda one: one.dx or "all"),
        *([meaning] if CLASS_NAMES.keys() & {one.dx for one in found.classes} else []),
        _IMAGES,
        (_SHARE, lambda one: one.images / found.everything.images),
    )
    of_lesions: tuple[Shows[ClassCounts], ...] = (
        _LESIONS,
        Column("lesion_ids", "Lesion ids", "count", "of those known to be of one lesion, each is counted", 4),
        (repeated, lambda one: one.repeated / one.images if one.images else None),
        (clustering, lambda one: one.clustering if one.images else None),
    )
    columns = (*of_images, *of_lesions) if found.table.lesions_known else of_images
    return _of_classes(found, lambda counted: tabulate("Classes", counted, columns))


def _of_classes(found: Inventory, make: Callable[[Sequence[ClassCounts]], Table]) -> Table:
    """A table of one row a class, those of many that are shown, and one for all of them."""
    counted = {one.dx: one for one in found.classes}
    return excerpt(lambda names: make((*map(counted.__getitem__, names), found.everything)), _shown(found), _WHERE)


def _shown(found: Inventory) -> Shown:
    sizes = {one.dx: one.images for one in found.classes}
    return shown_classes(sizes, sizes, "the fewest")


def _dx_types(found: Inventory) -> Table:
    names = [name for name, _ in found.everything.dx_types]
    columns = (_DX, *(Column(name, name, "count") for name in names))

    def row(one: ClassCounts) -> Row:
        types = dict(one.dx_types)
        return Row((one.dx or "all", *(types.get(name, 0) for name in names)))

    title = "Images by way of diagnosis (dx_type)"
    return _of_classes(found, lambda counted: Table(title, columns, tuple(map(row, counted))))


def _lesions(found: Inventory) -> Table:
    columns = (Column("images_per_lesion", "Images per lesion", "count"), _LESIONS, _IMAGES)
    rows = tuple(Row((size, count, size * count)) for size, count in found.lesions_by_images)
    several = [(size, count) for size, count in found.lesions_by_images if size > 1]
    lesions = formatting.plural(sum(count for _, count in several), "lesion")
    images = formatting.plural(sum(size * count for size, count in several), "image")
    note = f"{lesions} with several images hold {images}." if several else "No lesion has several images."
    return Table("Images per lesion", columns, rows, (note,))


def _gaps(found: Inventory) -> Table:
    images = {"age missing": found.age_missing, "age written as 0": found.age_zero}
    images |= {f"{column} unknown": n for column, n in found.unknown}
    columns: tuple[Column, ...] = (_WHAT, _IMAGES)
    rows = [Row((what, n)) for what, n in images.items()]
    if found.table.lesions_known:
        columns, rows = (*columns, _LESIONS), [Row((*row.cells, None)) for row in rows]
        rows += [Row((f"{column} differs inside a lesion", None, len(ids))) for column, ids in found.varying]
    notes = [
        f"{column} differs inside {', '.join(ids[:LESIONS])}{', ...' if len(ids) > LESIONS else ''}."
        for column, ids in found.varying
        if ids and found.table.lesions_known
    ]
    return Table("Gaps and contradictions", columns, tuple(rows), tuple(notes))


def _values(found: Inventory) -> Iterator[Table]:
    """The values of each column of which anything is known; no table where there is none."""
    columns = (Column("column", "Column"), Column("value", "Value"), _IMAGES)
    listed = {column: counts for column, counts in found.values.items() if [name for name, _ in counts] != [UNKNOWN]}
    rows = tuple(Row((column, value, n)) for column, counts in listed.items() for value, n in counts)
    notes = [
        formatting.plural(len(counts), f"value of {column}", f"values of {column}") for column, counts in listed.items()
    ]
    if listed:
        yield Table("Values", columns, rows, (f"{formatting.listed(notes)}; unknown counts as one.",))


def _prevalences(found: Inventory) -> Table:
    columns = (
        Column("mapping", "Called malignant by"),
        Column("classes", "Diagnoses"),
        _IMAGES,
        Column("share", "Prevalence", "percent"),
    )
    total = found.everything.images
    rows = tuple(Row((name, " + ".join(MAPPINGS[name]), n, n / total)) for name, n in found.malignant.items())
    return Table("Malignant", columns, rows)


def _baselines(found: Inventory) -> Table:
    columns = (
        Column("answer", "Always saying"),
        Column("task", "Task"),
        Column("accuracy", "Accuracy", "percent"),
        Column("balanced_accuracy", "Balanced accuracy", "percent"),
    )
    task = DX7.name if found.malignant else LABELS
    rows = [Row((found.majority, task, found.majority_accuracy, found.majority_balanced_accuracy))]
    for mapping, malignant in list(found.malignant.items())[:1]:
        rows.append(Row((BINARY[0], f"malignant ({mapping})", 1 - malignant / found.everything.images, 0.5)))
    return Table("What trivial answers score", columns, tuple(rows))


def _official(found: Inventory) -> Table:
    def table(names: Sequence[str]) -> Table:
        of_class = (Column(f"images_{name}", name, "count", priority=1) for name in names)
        rows = (
            Row((part, sum(n for _, n in counts), *map(dict(counts).get, names))) for part, counts in found.official
        )
        return Table("The data set's own parts", (Column("part", "Part"), _IMAGES, *of_class), tuple(rows))

    return excerpt(table, _shown(found), _WHERE)


def _sizes(found: Inventory) -> Table:
    assert found.headers is not None
    columns = (
        Column("width", "Width", "count"),
        Column("height", "Height", "count"),
        Column("mode", "Mode"),
        Column("format", "Format"),
        _IMAGES,
    )
    counts = found.headers.counts
    rows = tuple(Row((one.width, one.height, one.mode, one.format, n)) for one, n in counts[:SHOWN])
    rest = counts[SHOWN:]
    notes = (f"{formatting.plural(len(rest), 'further size or kind', 'further sizes or kinds')}.",) if rest else ()
    return Table("Image sizes", columns, rows, notes)
