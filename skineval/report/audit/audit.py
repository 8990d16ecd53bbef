"""An audit as tables and as pages: what leaks, and which images are doubled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from skineval.base.terms import LEAKY, SYNTHETIC
from skineval.data.quality.audit import Audit
from skineval.data.quality.crossings import Crossing, Parting
from skineval.data.quality.leakage import ALL, MINORITY, Leak
from skineval.grid.audit import Audited
from skineval.report.audit.audit_pairs import doubled, similar
from skineval.report.document import formatting
from skineval.report.document.blocks import Block, Facts, Paragraph, Report, Section
from skineval.report.document.excerpt import Shown, excerpt, shown_classes
from skineval.report.document.notebook import fragments
from skineval.report.document.tables import Column, Shows, Table, tabulate, tabulate_facts

T = TypeVar("T")

LISTED = 20  #: pairs in a table on the console; the files have all

_APART_WORDS = ("across lesions", "across classes")
_UNKNOWN = "not known"
_LEAST = "Which images show one lesion is not known of all of them: what is counted of lesions may be more."
_CLASS = Column("class", "Class")


def _noun(found: Audit | Parting) -> str:
    """What images are grouped by."""
    return "lesion" if found.unit == "image" else found.unit


@dataclass(frozen=True)
class _Classes:
    """The classes that tables show, and where a reader finds the others."""

    shown: Shown
    where: str

    def table(self, rows: Mapping[str, T], make: Callable[[Mapping[str, T]], Table]) -> Table:
        """A table of one row a label: those that are no class, such as all, and those of the classes shown."""
        beside = {label: row for label, row in rows.items() if label not in self.shown.everything}
        return excerpt(
            lambda names: make({**beside, **{name: rows[name] for name in names if name in rows}}),
            self.shown,
            self.where,
        )


def _classes(found: Audit, where: str) -> _Classes:
    sizes = {one.label: one.n_images for one in found.oversampled if one.label not in (ALL, MINORITY)}
    return _Classes(shown_classes(sizes, sizes, "the fewest"), where)


class ShownAudit(Audited):
    """An audit that a notebook shows as tables."""

    def _repr_html_(self) -> str:
        return fragments(tables(self.audit, stamps_of(self.audit, self.subject.stamps)))


def tables(found: Audit, stamps: Sequence[str] = ()) -> tuple[Table, ...]:
    """Everything that a terminal has room for."""
    return tuple(
        table
        for section in _sections(found, stamps, listed=LISTED)
        for block in section.blocks
        for table in ([block] if isinstance(block, Table) else [])
    )


def stamps_of(found: Audit, known: Sequence[str] = ()) -> tuple[str, ...]:
    """What every page and table says: the stamps of the bench, if it is one, and those that the audit gives."""
    given = (
        *known,
        *((SYNTHETIC,) if found.synthetic else ()),
        *((LEAKY,) if found.actual is not None and found.actual.leaky else ()),
    )
    return tuple(dict.fromkeys(given))


def report(found: Audit, stamps: Sequence[str] = ()) -> Report:
    """The pages: the contact sheet is taken to lie in `SHEET`."""
    sections = [section for section in _sections(found, stamps, listed=None) if section.blocks]
    return Report(f"Audit of {formatting.plain(found.data)}", tuple(stamps), tuple(sections))


def _sections(found: Audit, stamps: Sequence[str], listed: int | None) -> Iterator[Section]:
    """All that is said; of candidates the first `listed`."""
    classes = _classes(found, "audit.json has all." if listed is None else "--format csv shows all.")
    yield Section("Verdict", (*_verdict(found), _overview(found, stamps)))
    if found.actual is not None:
        yield Section("The actual split", tuple(_actual(found.actual, classes, stamps)))
    # That one split leaks is not said of others: those that do say so themselves.
    stamps = [stamp for stamp in stamps if stamp != LEAKY]
    yield Section("Image-level split", tuple(_image_level(found, classes, stamps)))
    yield Section("Oversampling first", tuple(_oversampled(found, classes, stamps)))
    yield Section(f"{_noun(found).capitalize()}-level split", tuple(_lesion_level(found, stamps)))
    yield Section("Doubled images", tuple(doubled(found, stamps)))
    yield Section("Similar images", tuple(similar(found, _of_different(found), stamps, listed)))
    yield Section("Data", tuple(_data(found)))


def _verdict(found: Audit) -> Iterator[Paragraph]:
    if found.actual is not None:
        yield from _judged(found.actual)
    yield _siblings(found)
    copies = found.oversampled[0]
    yield Paragraph(
        "When classes are evened out by copies before single images are dealt out, "
        f"{formatting.percent(copies.expected)} of the test images are in train as well, pixel by pixel."
    )
    across = [one for one in found.doubled if one.copies.where in _APART_WORDS]
    if across:
        sets = formatting.plural(len(across), "set")
        yield Paragraph(f"{sets} of images with the same content count as different {_noun(found)}s.", weighty=True)
    if found.candidates:
        pairs = formatting.plural(len(found.candidates), "pair")
        yield Paragraph(
            f"{pairs} of images{_of_different(found)} are listed because they look alike. They are candidates: look at "
            "them, keep the rows of pairs.csv that show one lesion, and give the file to --groups."
        )


def _siblings(found: Audit) -> Paragraph:
    """What is known of the leak of an image-level split."""
    dealt = f"have an image of their {_noun(found)} in train when single images are dealt out"
    if not found.siblings_by_lesion:
        return Paragraph(f"Which images show one lesion is not known, nor how many test images {dealt}.", weighty=True)
    share = formatting.percent(found.siblings_by_lesion[0].expected)
    if found.lesions_known:
        return Paragraph(f"{share} of the test images {dealt}.")
    return Paragraph(
        f"Which images show one lesion is not known of all of them: at least {share} of the test images {dealt}, and "
        "nobody can say how many more.",
        weighty=True,
    )


def _of_different(found: Audit) -> str:
    return f" of different {_noun(found)}s" if found.lesions_known else ""


def _count(n: int | None, lesions_known: bool) -> str:
    """A number of lesions, or of images by their lesions, as far as it is known."""
    if n is None:
        return _UNKNOWN
    return formatting.count(n) if lesions_known else f"at least {formatting.count(n)}"


def _overview(found: Audit, stamps: Sequence[str]) -> Table:
    """The figures that matter, on one screen."""
    facts = [("images", formatting.count(found.images)), *_sizes(found)]
    noun = _noun(found)
    mates = "test images with a sibling" if noun == "lesion" else f"test images with an image of their {noun}"
    if found.actual is not None:
        mark = f", {LEAKY}" if found.actual.leaky else ""
        facts.append((f"{mates} in train or validation: {found.actual.name}{mark}", _seen(found.actual)))
    least = "" if found.lesions_known else "at least "
    siblings = least + _drawn(found.siblings_by_lesion[0]) if found.siblings_by_lesion else _UNKNOWN
    facts.append((f"{mates} in train: single images dealt out, LEAKY", siblings))
    facts.append(("test rows with a copy in train: oversampled, then dealt out, LEAKY", _drawn(found.oversampled[0])))
    parting = found.lesion_level.parting
    value = "not made" if parting is None else _seen(parting)
    facts.append((f"{mates} in train or validation: whole {noun}s dealt out", value))
    apart = sum(one.copies.where in _APART_WORDS for one in found.doubled)
    across = f"across {noun}s" if found.lesions_known else "across classes"
    facts.append(("sets of images with the same content", f"{len(found.doubled)}, of them {apart} {across}"))
    listed = f"most similar pairs of images{_of_different(found)}, listed to be looked at"
    facts.append((listed, str(len(found.candidates))))
    return tabulate_facts(f"Audit of {formatting.plain(found.data)}", facts, stamps=stamps)


def _sizes(found: Audit) -> Iterator[tuple[str, str]]:
    """How many lesions there are."""
    if found.unit in ("patient", "group"):
        yield "patients", formatting.count(found.patients) if found.patients is not None else "not known of all images"
    if found.lesions is None or found.lesion_ids is None:
        yield "lesions", _UNKNOWN
        return
    yield "lesions", formatting.count(found.lesions)
    if found.lesion_ids != found.lesions:
        yield "lesion ids", formatting.count(found.lesion_ids)


def _drawn(leak: Leak) -> str:
    return f"{formatting.percent(leak.expected)} expected, {formatting.percent(leak.drawn)} in one split"


def _seen(parting: Parting) -> str:
    """How many test images of an actual split have an image of their lesion before them."""
    images, seen = _tested(parting)
    return _UNKNOWN if seen is None else f"{_count(seen, parting.lesions_known)} of {formatting.count(images)}"


def _tested(parting: Parting) -> tuple[int, int | None]:
    """The test images of all folds, and those of which an image of their lesion is in a part before."""
    tested = [one for one in parting.crossings if one.part == "test" and one.label == ALL]
    return sum(one.images for one in tested), _total(one.by_lesion for one in tested)


def _total(counts: Iterable[int | None]) -> int | None:
    """The sum of counts; None where they are not known."""
    known = list(counts)
    return None if None in known else sum(n for n in known if n is not None)


def _judged(parting: Parting) -> Iterator[Paragraph]:
    """What is to be said of an actual split."""
    images, seen = _tested(parting)
    for contradiction in parting.contradictions:
        yield Paragraph(contradiction, weighty=True)
    if parting.leaky:
        share = formatting.percent((seen or 0) / images if images else math.nan)
        yield Paragraph(
            f"LEAKY: in {parting.name}, {_count(seen, parting.lesions_known)} of "
            f"{formatting.plural(images, 'test image')} ({share}) have an image of their {_noun(parting)} in the train "
            "or validation part.",
            weighty=True,
        )
    elif parting.lesions_known:
        yield Paragraph(f"In {parting.name}, no {_noun(parting)} has images in more than one part.")
    else:
        yield Paragraph(
            f"Whether a lesion has images in more than one part of {parting.name} is not known.", weighty=True
        )


def _actual(parting: Parting, classes: _Classes, stamps: Sequence[str]) -> Iterator[Block]:
    crossings = parting.crossings
    by_class: dict[str, list[Crossing]] = {}
    for one in crossings:
        by_class.setdefault(one.label, []).append(one)
    yield classes.table(by_class, lambda rows: _crossings(parting, "By class", rows, stamps))
    if parting.folds > 1:
        by_fold = {str(fold): [one for one in by_class[ALL] if one.fold == fold] for fold in range(parting.folds)}
        yield _crossings(parting, "By fold", by_fold, stamps)
    yield tabulate_facts("Proof", _proof(parting), stamps=stamps)


def _crossings(parting: Parting, title: str, rows: Mapping[str, Sequence[Crossing]], stamps: Sequence[str]) -> Table:
    """Images of the test and the validation part that have mates in the parts before, summed over `rows`."""

    def counted(
        part: str, field: str, name: str, note: str = "", priority: int = 0
    ) -> Shows[tuple[str, Sequence[Crossing]]]:
        column = Column(f"{part}_{field}", name, "count", note, priority)
        return column, lambda row: _total(getattr(one, field) for one in row[1] if one.part == part)

    noun = _noun(parting)
    columns = (
        (_CLASS if title == "By class" else Column("fold", "Fold"), lambda row: row[0]),
        counted("test", "images", "Test images"),
        counted(
            "test",
            "by_lesion",
            f"{noun.capitalize()} seen",
            f"of which an image of the {noun} is in train or validation",
        ),
        counted("test", "by_lesion_id", "by lesion_id", "of which one of the lesion id is", 2),
        counted("test", "copies", "Copy seen", "of which a copy is in train or validation"),
        counted("validation", "images", "Validation images", priority=3),
        counted(
            "validation", "by_lesion", f"{noun.capitalize()} in train", f"validation images whose {noun} is in train", 3
        ),
        counted("validation", "copies", "Copy in train", priority=4),
    )
    folds = f", summed over {parting.folds} folds" if parting.folds > 1 and title == "By class" else ""
    name = f"{title}: what crosses from part to part in {parting.name}{folds}"
    notes = () if parting.lesions_known else (_LEAST,)
    return tabulate(name, rows.items(), columns, notes, stamps=stamps)


def _proof(parting: Parting) -> Iterator[tuple[str, str]]:
    yield "protocol", parting.protocol
    yield "folds", formatting.count(parting.folds)
    yield f"{_noun(parting)}s in more than one part", _count(parting.parted_lesions, parting.lesions_known)
    yield "lesion ids in more than one part", _count(parting.parted_lesion_ids, parting.lesions_known)
    yield "fingerprint of the split", parting.fingerprint or "none: it breaks the rule of its protocol"
    if parting.recorded is not None:
        yield "fingerprint that was recorded", parting.recorded
    if parting.recorded_data is not None:
        yield "fingerprint of the data", parting.data
        yield "fingerprint of the data that was recorded", parting.recorded_data


def _image_level(found: Audit, classes: _Classes, stamps: Sequence[str]) -> Iterator[Table]:
    if not found.siblings_by_lesion:
        return
    by_lesion_id = {one.label: one for one in found.siblings_by_lesion_id}
    by_id = Column("expected_by_lesion_id", "by lesion_id", "percent", "expected, of test images by their lesion id", 1)
    told = found.lesion_ids is not None or any(one.expected for one in found.siblings_by_lesion_id)
    of_ids: tuple[Shows[Leak], ...] = ((by_id, lambda one: by_lesion_id[one.label].expected),) if told else ()
    columns = (*_leak_columns("Tested", found.settings.draws), *of_ids)
    share = _share(found.settings.test)
    title = f"Test images with an image of their {_noun(found)} in train: single images dealt out, {share}"
    notes = () if found.lesions_known else (_LEAST,)
    marks = dict.fromkeys([*stamps, LEAKY])
    rows = {one.label: one for one in found.siblings_by_lesion}
    yield classes.table(rows, lambda rows: tabulate(title, rows.values(), columns, notes, stamps=marks))


def _oversampled(found: Audit, classes: _Classes, stamps: Sequence[str]) -> Iterator[Table]:
    columns = _leak_columns("Rows tested", found.settings.draws)
    share = _share(found.settings.test)
    title = f"Test rows of which a copy is in train: classes evened out first, then dealt out, {share}"
    largest = max(one.n_images for one in found.oversampled if one.label not in (ALL, MINORITY))
    note = (
        "To every class, copies of its images drawn with replacement are appended until it has "
        f"{formatting.count(largest)} rows, as many as the largest class; then single rows are dealt out."
    )
    marks = dict.fromkeys([*stamps, LEAKY])
    rows = {one.label: one for one in found.oversampled}
    yield classes.table(rows, lambda rows: tabulate(title, rows.values(), columns, (note,), stamps=marks))


def _leak_columns(tested: str, draws: int) -> tuple[Shows[Leak], ...]:
    return (
        (_CLASS, lambda one: one.label),
        (Column("images", "Images", "count", priority=3), lambda one: one.n_images),
        (Column("tested", tested, "count", priority=2), lambda one: one.n_test),
        Column("expected", "Expected", "percent", "mean over all possible splits, exactly"),
        Column("mean", f"Mean of {draws}", "percent", "over draws", 1),
        Column("deviation", "± s.d.", "percent", "standard deviation over draws", 2),
        Column("drawn", "One split", "percent", "the first draw"),
    )


def _share(test: float) -> str:
    return f"{formatting.decimal(100 * (1 - test), 0)}/{formatting.decimal(100 * test, 0)} by class"


def _lesion_level(found: Audit, stamps: Sequence[str]) -> Iterator[Block]:
    parting = found.lesion_level.parting
    if parting is None:
        yield tabulate_facts(
            f"Whole {_noun(found)}s dealt out", [("not made", found.lesion_level.refused)], stamps=stamps
        )
        return
    tested = next(one for one in parting.crossings if one.part == "test" and one.label == ALL)
    facts = [
        ("images", formatting.count(found.images)),
        *_sizes(found),
        ("test images", formatting.count(tested.images)),
        (
            f"of them with an image of their {_noun(found)} in train or validation",
            _count(tested.by_lesion, found.lesions_known),
        ),
        ("of them with a copy in train or validation", formatting.count(tested.copies)),
        *((name, value) for name, value in _proof(parting) if name not in ("protocol", "folds")),
    ]
    yield tabulate_facts(f"Whole {_noun(found)}s dealt out, seed {found.settings.seed}", facts, stamps=stamps)


def _data(found: Audit) -> Iterator[Block]:
    settings = found.settings
    yield Facts(
        (
            ("data set", found.data),
            ("fingerprint", found.fingerprint),
            ("images", formatting.count(found.images)),
            *_sizes(found),
            ("test share", formatting.percent(settings.test)),
            ("seed", str(settings.seed)),
            ("draws", formatting.count(settings.draws)),
        )
    )
    for note in found.notes:
        yield Paragraph(f"{note.rstrip('.')}.")
