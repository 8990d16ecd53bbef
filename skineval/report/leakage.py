"""The report of an experiment on leakage: by how much figures rise where train holds what is tested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path

from skineval.base.files import atomic_write
from skineval.base.terms import LEAKY, LESION, OVERSAMPLE_FIRST, PRIMARY, UNUSED, Unit
from skineval.grid.folder import ExperimentFolder
from skineval.grid.inflation import ALL, OVERALL, RECALL, WITH, WITHOUT, seen, told_apart
from skineval.grid.leakage import Leakage
from skineval.measure.subgroups import LEAST
from skineval.report.bench import notes
from skineval.report.bench.bench import subject
from skineval.report.bench.leaderboard import internal
from skineval.report.document import formatting, html, markdown
from skineval.report.document.blocks import Block, Bullets, Facts, Figure, Links, Paragraph, Report, Section
from skineval.report.document.excerpt import excerpt
from skineval.report.document.notebook import fragments
from skineval.report.document.tables import Column, Row, Shows, Table, tabulate
from skineval.report.figures import inflation
from skineval.values.measures import Estimate, Inflation
from skineval.values.result import BenchResult

_TOGETHER = "all systems and protocols in a metric together, and for the recalls of all classes together"


class ShownLeakage(Leakage):
    """An experiment that a notebook shows as its main tables."""

    def _repr_html_(self) -> str:
        return fragments(tables(self))


def write(found: Leakage) -> None:
    """Write report.md, its figure and report.html into the folder; what would not change is left as it is."""
    drawn, folder = inflation.draw(found), ExperimentFolder(found.folder)
    made = report(found, [drawn.figure] if drawn else [])
    for file, data in drawn.files.items() if drawn else ():
        _put(found.folder / file, data)
    _put(folder.markdown, markdown.document(made).encode())
    _put(folder.html, html.document(made, lambda file: (found.folder / file).read_bytes()).encode())


def tables(found: Leakage) -> list[Table]:
    """The main tables: what leaks add over all test images, and apart for those with and without siblings in train."""
    return [overall(found), *_filled(siblings(found))]


def report(found: Leakage, figures: Sequence[Figure] = ()) -> Report:
    """The report as a document, with the figures that were drawn for it."""
    sections = (
        Section("Verdict", tuple(_verdict(found))),
        Section("What leaks add", (*_filled(overall(found)), *figures)),
        Section("With and without siblings", tuple(_siblings(found))),
        Section("Classes", _filled(classes(found))),
        Section("Parts", tuple(_parts(found))),
        Section("Methods", tuple(_methods(found))),
        Section("Limitations", (Bullets(tuple(_limitations(found))),)),
        Section("Benches", tuple(_benches(found))),
    )
    filled = tuple(section for section in sections if section.blocks)
    return Report(f"Leakage experiment: {formatting.plain(found.folder.resolve().name)}", found.stamps, filled)


def overall(found: Leakage) -> Table:
    """Every system under each protocol that leaks and under the one that does not, in the metrics over all classes."""
    mine = [row for row in found.inflations if row.images == ALL and row.metric in OVERALL]
    mine.sort(key=lambda row: OVERALL.index(row.metric))
    columns = (_SYSTEM, _PROTOCOL, Column("metric", "Metric"), *_figures(found), *_tests(_unit(found)))
    return tabulate("What leaks add", mine, columns, _footnotes(found), stamps=found.stamps)


def classes(found: Leakage) -> Table:
    """The same for the recall of each class."""
    mine = [row for row in found.inflations if row.metric.startswith(RECALL)]
    name: Shows[Inflation] = (Column("class", "Class"), lambda row: row.metric.removeprefix(RECALL))
    columns = (_SYSTEM, name, _PROTOCOL, *_figures(found), *_tests(_unit(found)))
    return tabulate("What leaks add to recalls", mine, columns, _footnotes(found), stamps=found.stamps)


def siblings(found: Leakage) -> Table:
    """Balanced accuracy on test images of which something is in the leaky train part, and on the others."""
    mine = [row for row in found.inflations if row.images in (WITH, WITHOUT)]
    mine.sort(key=lambda row: (row.a, row.system))
    images: Shows[Inflation] = (Column("images", "Test images"), lambda row: f"{row.images} in train")
    difference: Shows[Inflation] = (Column("difference", f"{LEAKY} − {LESION}", "score"), lambda row: row)
    columns = (_SYSTEM, _PROTOCOL, images, difference, *_tests(_unit(found)))
    title = "What leaks add to balanced accuracy, with and without siblings in train"
    spoken = {bench.recipe.protocol: told_apart(bench) for bench in _leaky(found)}
    apart = (
        f"Protocol {protocol}: images of {formatting.listed(map(formatting.plain, labels))}, of which there are enough."
        for protocol, labels in spoken.items()
        if labels
    )
    return tabulate(title, mine, columns, (*apart, *_footnotes(found)), stamps=found.stamps)


_SYSTEM = Column("system", "System")
_PROTOCOL: Shows[Inflation] = (Column("a", "Protocol"), lambda row: f"{row.a} ({LEAKY})")


def _figures(found: Leakage) -> tuple[Shows[Inflation], ...]:
    """The figures under both protocols, and by how much the leaky one is higher."""
    known = {
        (protocol, score.system, score.metric, score.class_): score
        for protocol, bench in found.benches.items()
        for score in bench.scores
    }

    def figure(row: Inflation, protocol: str) -> Estimate | None:
        is_recall = row.metric.startswith(RECALL)
        name, label = ("recall", row.metric.removeprefix(RECALL)) if is_recall else (row.metric, "")
        return known.get((protocol, row.system, name, label))

    return (
        (Column("leaky", LEAKY, "score", priority=2), lambda row: figure(row, row.a)),
        (Column("clean", LESION, "score", priority=1), lambda row: figure(row, row.b)),
        (Column("difference", f"{LEAKY} − {LESION}", "score"), lambda row: row),
    )


def _tests(unit: Unit) -> tuple[Shows[Inflation], ...]:
    lesions: Shows[Inflation] = (
        Column("n_lesions", formatting.units(unit).capitalize(), "count", priority=5),
        lambda row: row.n_lesions,
    )
    return (
        Column("p_holm", "Holm p", "p"),
        Column("n_images", "Images", "count", priority=3),
        lesions,
    )


def _footnotes(found: Leakage) -> tuple[str, ...]:
    unit = _unit(found)
    tested = {(row.n_images, row.n_lesions) for row in found.inflations if row.metric == PRIMARY and row.images == ALL}
    samples = formatting.listed(formatting.sample(*sizes, unit) for sizes in sorted(tested))
    return (
        *([f"Internal test, the same under all protocols: {samples}."] if tested else []),
        notes.of_interval(unit, found.recipe.replicates),
        notes.of_test(unit, _TOGETHER),
    )


def _verdict(found: Leakage) -> Iterator[Block]:
    yield Paragraph(subject(found.benches[LESION]))
    for protocol in found.unfinished:
        yield Paragraph(f"Protocol {protocol} is not finished: what it lacks is not compared.", weighty=True)
    for bench in _leaky(found):
        mine = [row for row in found.inflations if row.a == bench.recipe.protocol and row.metric == PRIMARY]
        said = "; ".join(filter(None, (_said(mine, images, _unit(found)) for images in (ALL, WITH, WITHOUT))))
        if said:
            yield Paragraph(
                f"Protocol {bench.recipe.protocol} ({LEAKY}) changes balanced accuracy, against {LESION} and paired on "
                f"the same test images, {said}."
            )


def _said(rows: Sequence[Inflation], images: str, unit: Unit) -> str:
    """By how much balanced accuracy differs on some of the test images: of all systems from the least to the most."""
    mine = sorted((row for row in rows if row.images == images and not isnan(row.value)), key=lambda row: row.value)
    if not mine:
        return ""
    which = "" if images == ALL else f" {images} in train"
    named = [f"{formatting.format_estimate(row)} ({formatting.plain(row.system)})" for row in (mine[0], mine[-1])]
    span = named[0] if len(mine) == 1 else " to ".join(named)
    certain = sum(row.is_certain and row.value > 0 for row in mine)
    return (
        f"on {formatting.sample(mine[0].n_images, mine[0].n_lesions, unit)}{which} by {span}, a rise beyond chance for "
        f"{certain} of {formatting.plural(len(mine), 'system')}"
    )


def _siblings(found: Leakage) -> Iterator[Block]:
    for bench in _leaky(found):
        if not told_apart(bench):
            yield Paragraph(
                f"Not under {bench.recipe.protocol}: of two classes at least there must be {LEAST} "
                f"{formatting.units(bench.unit)} that are tested with siblings or copies in train, and {LEAST} without."
            )
    table = siblings(found)
    if table.rows:
        yield Paragraph(
            "Test images of which the leaky train part holds nothing are the control: leaks add nothing to them, and "
            "what is left is due to a larger train part. Both are of the same classes."
        )
        yield table


def _parts(found: Leakage) -> Iterator[Block]:
    clean = found.benches[LESION]
    if not clean.finished:
        return
    yield Paragraph(
        f"Test and validation images are the same under all protocols. Under {LESION}, train images of their "
        f"{formatting.units(clean.unit)} are left out, so that its train part is smaller."
    )
    shown = internal(clean).shown
    yield excerpt(lambda labels: _parts_table(found, clean, labels), shown, "report.html has all.")


def _parts_table(found: Leakage, clean: BenchResult, labels: Sequence[str]) -> Table:
    columns = (
        Column("protocol", "Protocol"),
        Column("fold", "Fold", "count"),
        Column("train", "Train", "count"),
        Column("rows", "Rows", "count", "train images with their copies; classes are counted in rows", 1),
        Column("validation", "Validation", "count"),
        Column("test", "Test", "count"),
        Column("seen", "Test with siblings in train", "count", "or copies"),
        Column("unused", "In no part", "count", "of a row of the split, be it an image or a copy", 2),
        *(Column(f"train_{label}", f"Train {label}", "count", priority=3) for label in labels),
    )
    body = []
    for protocol, bench in found.benches.items():
        counts = {cell.fold: dict(zip(bench.classes, cell.train_counts, strict=True)) for cell in bench.finished}
        for fold in sorted(counts):
            parts = bench.split[bench.split["fold"] == fold].groupby("part")["image_id"]
            sizes, rows = parts.nunique(), parts.size()
            unused = int(rows.get(UNUSED, 0))
            images = (int(sizes["train"]), int(rows["train"]), int(sizes["validation"]), int(sizes["test"]))
            name = protocol if protocol == LESION else f"{protocol} ({LEAKY})"
            body.append(Row((name, fold, *images, seen(bench, fold)[0], unused, *map(counts[fold].get, labels))))
    return Table(formatting.stamped("Images of each part", found.stamps), columns, tuple(body))


def _methods(found: Leakage) -> Iterator[Block]:
    unit = _unit(found)
    yield Paragraph(
        "Test images are single ones, dealt out as by protocol image, stratified by class; validation images are dealt "
        f"out of the others, but none of a {unit} that is tested. Protocol image trains on all other images; {LESION} "
        f"on those of every other {unit}; oversample-first on all other images, and on copies of any image, which are "
        "dealt out as that protocol does it by itself: those that fall to train are used, and each test image is "
        "tested once. Cells are trained with the same settings and seeds."
    )
    yield Paragraph(
        "A difference is the figure under the leaky protocol minus the one under "
        f"{LESION}, paired on the same images, folds and seeds. {notes.of_interval(unit, found.recipe.replicates)} "
        f"{notes.of_test(unit, _TOGETHER)}"
    )
    yield Facts(tuple((key, formatting.plain(value)) for key, value in _settings(found)))


def _settings(found: Leakage) -> Iterator[tuple[str, object]]:
    for key in ("protocol", "folds", "repeats", "split_seed", "epochs"):
        yield key, getattr(found.recipe, key)
    yield "seeds", ", ".join(map(str, found.recipe.seeds))
    for protocol, bench in found.benches.items():
        yield f"fingerprint of the split, {protocol}", bench.environment.split.fingerprint


def _limitations(found: Leakage) -> Iterator[str]:
    yield from (f"{formatting.stamp_meaning(stamp)}." for stamp in found.stamps)
    yield (
        "Train parts differ in size and in their images, so that a difference is not of leaks alone; images without "
        "siblings in train show how much of it is not."
    )
    if OVERSAMPLE_FIRST in found.benches:
        yield (
            f"Under {OVERSAMPLE_FIRST} classes are even and an epoch has more steps, which by itself raises balanced "
            f"accuracy: under {LESION} the strategy oversample does the same without a leak."
        )
    if len(found.recipe.seeds) == 1:
        yield "One seed: how far results spread when training is repeated was not measured."
    yield "What is found holds for these data and settings: larger networks and longer training remember more."


def _benches(found: Leakage) -> Iterator[Block]:
    for protocol in found.benches:
        yield Links(f"Protocol {protocol}:", (f"{protocol}/report.html",))


def _leaky(found: Leakage) -> list[BenchResult]:
    return [bench for protocol, bench in found.benches.items() if protocol != LESION]


def _unit(found: Leakage) -> Unit:
    return found.benches[LESION].unit


def _filled(table: Table) -> tuple[Table, ...]:
    return (table,) if table.rows else ()


def _put(file: Path, data: bytes) -> None:
    if not file.is_file() or file.read_bytes() != data:
        atomic_write(file, data)
