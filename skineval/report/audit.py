"""An audit as tables and as pages: what leaks, and which images are doubled."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from skineval.data.audit import Audit
from skineval.data.leakage import ALL, Leak
from skineval.data.parting import Crossing, Parting
from skineval.report import text
from skineval.report.audit_pairs import doubled, similar
from skineval.report.document import Block, Facts, Paragraph, Report, Section
from skineval.report.tables import Cell, Column, Row, Table

LISTED = 20  #: pairs in a table on the console; the files have all

_LEAKY = ("LEAKY",)
_APART_WORDS = ("across lesions", "across classes")
_CLASS = Column("class", "Class")


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
        *(("SYNTHETIC",) if found.synthetic else ()),
        *(_LEAKY if found.actual is not None and found.actual.leaky else ()),
    )
    return tuple(dict.fromkeys(given))


def report(found: Audit, stamps: Sequence[str] = ()) -> Report:
    """The pages: the contact sheet is taken to lie in `SHEET`."""
    sections = [section for section in _sections(found, stamps, listed=None) if section.blocks]
    return Report(f"Audit of {text.plain(found.data)}", tuple(stamps), tuple(sections))


def _sections(found: Audit, stamps: Sequence[str], listed: int | None) -> Iterator[Section]:
    """All that is said; of candidates the first `listed`."""
    yield Section("Verdict", (*_verdict(found), _overview(found, stamps)))
    if found.actual is not None:
        yield Section("The actual split", tuple(_actual(found.actual, stamps)))
    # That one split leaks is not said of others: those that do say so themselves.
    stamps = [stamp for stamp in stamps if stamp not in _LEAKY]
    yield Section("Image-level split", tuple(_image_level(found, stamps)))
    yield Section("Oversampling first", tuple(_oversampled(found, stamps)))
    yield Section("Lesion-level split", tuple(_lesion_level(found, stamps)))
    yield Section("Doubled images", tuple(doubled(found, stamps)))
    yield Section("Similar images", tuple(similar(found, stamps, listed)))
    yield Section("Data", tuple(_data(found)))


def _verdict(found: Audit) -> Iterator[Paragraph]:
    if found.actual is not None:
        yield from _judged(found.actual)
    siblings, copies = found.siblings_by_group[0], found.oversampled[0]
    if found.lesions_known:
        yield Paragraph(
            f"When single images are dealt out, {text.percent(siblings.expected)} of the test images have an image of "
            "their lesion in train."
        )
    else:
        yield Paragraph(
            f"Which images show one lesion is not known of all of them: at least {text.percent(siblings.expected)} of "
            "the test images have an image of their lesion in train when single images are dealt out, and nobody can "
            "say how many more.",
            weighty=True,
        )
    yield Paragraph(
        f"When classes are evened out by copies before single images are dealt out, {text.percent(copies.expected)} of "
        "the test images are in train as well, pixel by pixel."
    )
    across = [one for one in found.doubled if one.copies.where in _APART_WORDS]
    if across:
        yield Paragraph(
            f"{text.plural(len(across), 'set')} of images with the same content: under lesions that are not joined.",
            weighty=True,
        )
    if found.candidates:
        yield Paragraph(
            f"{text.plural(len(found.candidates), 'pair')} of images of different lesions are listed because they look "
            "alike. They are candidates: look at them, keep the rows of pairs.csv that show one lesion, and give the "
            "file to --groups."
        )


def _overview(found: Audit, stamps: Sequence[str]) -> Table:
    """The figures that matter, on one screen."""
    facts = [("images", f"{text.count(found.images)} of {text.plural(found.groups, 'group')} (lesions)")]
    if found.actual is not None:
        mark = ", LEAKY" if found.actual.leaky else ""
        facts.append(
            (f"test images with a sibling in train or validation: {found.actual.name}{mark}", _seen(found.actual))
        )
    drawn = "{} expected, {} in one split"
    for name, leak in (
        ("test images with a sibling in train: single images dealt out, LEAKY", found.siblings_by_group[0]),
        ("test rows with a copy in train: oversampled, then dealt out, LEAKY", found.oversampled[0]),
    ):
        facts.append((name, drawn.format(text.percent(leak.expected), text.percent(leak.drawn))))
    parting = found.lesion_level.parting
    value = "not made" if parting is None else _seen(parting)
    facts.append(("test images with a sibling in train or validation: whole lesions dealt out", value))
    apart = sum(one.copies.where in _APART_WORDS for one in found.doubled)
    facts.append(("sets of images with the same content", f"{len(found.doubled)}, of them {apart} across lesions"))
    facts.append(("pairs of similar images of different lesions, to be looked at", str(len(found.candidates))))
    return _facts_table(f"Audit of {text.plain(found.data)}", facts, stamps)


def _seen(parting: Parting) -> str:
    """How many test images of an actual split have an image of their group before them."""
    tested = [one for one in parting.crossings if one.part == "test" and one.label == ALL]
    return f"{text.count(sum(one.by_group for one in tested))} of {text.count(sum(one.images for one in tested))}"


def _judged(parting: Parting) -> Iterator[Paragraph]:
    """What is to be said of an actual split."""
    tested = [one for one in parting.crossings if one.part == "test" and one.label == ALL]
    crossing = sum(one.by_group for one in tested)
    images = sum(one.images for one in tested)
    for contradiction in parting.contradictions:
        yield Paragraph(contradiction, weighty=True)
    if parting.leaky:
        yield Paragraph(
            f"LEAKY: in {parting.name}, {text.count(crossing)} of {text.plural(images, 'test image')} "
            f"({text.percent(crossing / images if images else math.nan)}) have an image of their lesion in the train "
            "or validation part.",
            weighty=True,
        )
    else:
        yield Paragraph(f"In {parting.name}, no group of images of one lesion is in more than one part.")


def _actual(parting: Parting, stamps: Sequence[str]) -> Iterator[Block]:
    yield _crossings(parting, "By class", _by_class(parting), stamps)
    if parting.folds > 1:
        yield _crossings(parting, "By fold", _by_fold(parting), stamps)
    yield _facts_table("Proof", _proof(parting), stamps)


def _by_class(parting: Parting) -> Iterator[tuple[str, Sequence[Crossing]]]:
    for label in dict.fromkeys(one.label for one in parting.crossings):
        yield label, [one for one in parting.crossings if one.label == label]


def _by_fold(parting: Parting) -> Iterator[tuple[str, Sequence[Crossing]]]:
    for fold in range(parting.folds):
        yield str(fold), [one for one in parting.crossings if one.fold == fold and one.label == ALL]


def _crossings(
    parting: Parting, title: str, rows: Iterator[tuple[str, Sequence[Crossing]]], stamps: Sequence[str]
) -> Table:
    """Images of the test and the validation part that have mates in the parts before, summed over `rows`."""
    columns = (
        _CLASS if title == "By class" else Column("fold", "Fold"),
        Column("test_images", "Test images", "count"),
        Column("test_by_group", "Lesion seen", "count", "of which an image of the group is in train or validation"),
        Column("test_by_lesion", "by lesion_id", "count", "the same without joining lesions known to be one", 2),
        Column("test_copies", "Copy seen", "count", "of which a copy is in train or validation"),
        Column("validation_images", "Validation images", "count", priority=3),
        Column("validation_by_group", "Lesion in train", "count", "validation images whose group is in train", 3),
        Column("validation_copies", "Copy in train", "count", priority=4),
    )

    def row(name: str, mine: Sequence[Crossing]) -> Row:
        test, validation = ([one for one in mine if one.part == part] for part in ("test", "validation"))
        cells: tuple[Cell, ...] = (
            name,
            *(sum(getattr(one, field) for one in test) for field in ("images", "by_group", "by_lesion", "copies")),
            *(sum(getattr(one, field) for one in validation) for field in ("images", "by_group", "copies")),
        )
        return Row(cells)

    folds = f", summed over {parting.folds} folds" if parting.folds > 1 and title == "By class" else ""
    name = f"{title}: what crosses from part to part in {parting.name}{folds}"
    return Table(text.stamped(name, stamps), columns, tuple(row(name, mine) for name, mine in rows))


def _proof(parting: Parting) -> Iterator[tuple[str, str]]:
    yield "protocol", parting.protocol
    yield "folds", text.count(parting.folds)
    yield "groups in more than one part", text.count(parting.parted_groups)
    yield "lesion ids in more than one part", text.count(parting.parted_lesions)
    yield "fingerprint of the split", parting.fingerprint or "none: it breaks the rule of its protocol"
    if parting.recorded is not None:
        yield "fingerprint that was recorded", parting.recorded
    if parting.recorded_data is not None:
        yield "fingerprint of the data", parting.data
        yield "fingerprint of the data that was recorded", parting.recorded_data


def _image_level(found: Audit, stamps: Sequence[str]) -> Iterator[Table]:
    settings = found.settings
    by_lesion = {one.label: one for one in found.siblings_by_lesion}
    columns = (
        _CLASS,
        Column("images", "Images", "count", priority=3),
        Column("tested", "Tested", "count", priority=2),
        Column("expected", "Expected", "percent", "mean over all possible splits, exactly"),
        Column("mean", f"Mean of {settings.draws}", "percent", "over draws", 1),
        Column("deviation", "± s.d.", "percent", "standard deviation over draws", 2),
        Column("drawn", "One split", "percent", "the first draw"),
        Column("expected_by_lesion", "by lesion_id", "percent", "expected, without joining lesions known to be one", 1),
    )
    rows = tuple(Row((*_leak_cells(one), by_lesion[one.label].expected)) for one in found.siblings_by_group)
    title = f"Test images with an image of their lesion in train: single images dealt out, {_share(settings.test)}"
    notes = () if found.lesions_known else ("Lesions are not known of every image: the shares are at least these.",)
    yield Table(text.stamped(title, dict.fromkeys([*stamps, *_LEAKY])), columns, rows, notes)


def _oversampled(found: Audit, stamps: Sequence[str]) -> Iterator[Table]:
    settings = found.settings
    columns = (
        _CLASS,
        Column("images", "Images", "count", priority=3),
        Column("tested", "Rows tested", "count", priority=2),
        Column("expected", "Expected", "percent", "mean over all possible splits, exactly"),
        Column("mean", f"Mean of {settings.draws}", "percent", "over draws", 1),
        Column("deviation", "± s.d.", "percent", "standard deviation over draws", 2),
        Column("drawn", "One split", "percent", "the first draw"),
    )
    title = f"Test rows of which a copy is in train: classes evened out first, then dealt out, {_share(settings.test)}"
    largest = max(one.n_images for one in found.oversampled if one.label != ALL)
    note = (
        f"To every class, copies of its images drawn with replacement are appended until it has {text.count(largest)} "
        "rows, as many as the largest class; then single rows are dealt out."
    )
    rows = tuple(Row(_leak_cells(one)) for one in found.oversampled)
    yield Table(text.stamped(title, dict.fromkeys([*stamps, *_LEAKY])), columns, rows, (note,))


def _leak_cells(one: Leak) -> tuple[Cell, ...]:
    return (one.label, one.n_images, one.n_test, one.expected, one.mean, one.deviation, one.drawn)


def _share(test: float) -> str:
    return f"{text.decimal(100 * (1 - test), 0)}/{text.decimal(100 * test, 0)} by class"


def _lesion_level(found: Audit, stamps: Sequence[str]) -> Iterator[Block]:
    parting = found.lesion_level.parting
    if parting is None:
        yield _facts_table("Whole lesions dealt out", [("not made", found.lesion_level.refused)], stamps)
        return
    tested = next(one for one in parting.crossings if one.part == "test" and one.label == ALL)
    facts = [
        ("images", text.count(found.images)),
        ("groups dealt out", text.count(found.groups)),
        ("test images", text.count(tested.images)),
        ("of them with an image of their lesion in train or validation", text.count(tested.by_group)),
        ("of them with a copy in train or validation", text.count(tested.copies)),
        *((name, value) for name, value in _proof(parting) if name not in ("protocol", "folds")),
    ]
    yield _facts_table(f"Whole lesions dealt out, seed {found.settings.seed}", facts, stamps)


def _facts_table(
    title: str, facts: Iterator[tuple[str, str]] | Sequence[tuple[str, str]], stamps: Sequence[str]
) -> Table:
    columns = (Column("what", "What"), Column("value", "Value"))
    return Table(text.stamped(title, stamps), columns, tuple(Row(fact) for fact in facts))


def _data(found: Audit) -> Iterator[Block]:
    settings = found.settings
    yield Facts(
        (
            ("data set", found.data),
            ("fingerprint", found.fingerprint),
            ("images", text.count(found.images)),
            ("lesions", text.count(found.lesions) if found.lesions_known else "not known"),
            ("groups", text.count(found.groups)),
            ("test share", text.percent(settings.test)),
            ("seed", str(settings.seed)),
            ("draws", text.count(settings.draws)),
        )
    )
    for note in found.notes:
        yield Paragraph(f"{note.rstrip('.')}.")
