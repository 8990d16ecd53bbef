"""The report of a bench: its sections, and what each of them says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from skineval.base.terms import LEAKY, MAJORITY, PARTS, PRIMARY, SYNTHETIC
from skineval.data.layouts import ham10000
from skineval.grid.external import described
from skineval.report.bench import choices, differences, looks, notes, sanity, standings, subgroups
from skineval.report.bench.checklist import checklist
from skineval.report.bench.ladders import imbalance
from skineval.report.bench.leaderboard import Leaderboard, external, internal
from skineval.report.bench.methods import environment, left_out, methods
from skineval.report.bench.sources import by_source
from skineval.report.bench.verdict import verdict
from skineval.report.document import formatting
from skineval.report.document.blocks import (
    Block,
    Bullets,
    Figure,
    Fold,
    LeftOut,
    Paragraph,
    Report,
    Section,
    Topic,
)
from skineval.report.document.excerpt import Shown, listed
from skineval.report.document.tables import Table
from skineval.report.split_table import lesions_parted, parts_table
from skineval.values.result import BenchResult

_FEW_IMAGES = 30


def build(bench: BenchResult, figures: Sequence[Figure | LeftOut], panels: Mapping[str, Sequence[Figure]]) -> Report:
    """The report of a bench; `panels` are the explanations of each finished cell, by run id."""
    board, album = internal(bench), _Album(figures)
    spaces = _folded(album.of("embedding-space"), "Embedding space of ")
    made = choices.made(bench.choices, board)
    sections = (
        Section("Verdict", (Paragraph(subject(bench)), *verdict(board), *sanity.doubts(bench, board))),
        Section("Comparison", (_comparison(bench, board), *album.of("overview"))),
        Section("Imbalance", tuple(imbalance(bench, board, [*album.of("trade"), *spaces]))),
        Section("Data sets", _filled(by_source(bench, board))),
        Section("External tests", tuple(externals(bench, board))),
        Section("Classes", tuple(_classes(board, album))),
        Section("Subgroups", tuple(_subgroups(bench))),
        Section("Confusion", tuple(_folded(album.of("confusion")))),
        Section("Differences", (*album.of("told-apart"), *_differences(board))),
        Section("Calibration", (*_filled(standings.calibration(board), *album.of("reliability")), *made.calibration)),
        Section("Operating point", (*made.decisions, *album.of("decisions"))),
        Section("Abstention", (*made.abstention, *album.of("risk-coverage"))),
        Section("Further metrics", _filled(standings.further(board))),
        Section("Training", tuple(_folded(album.of("training")))),
        Section("Gallery", (*album.of("samples"), *album.of("mistakes"))),
        Section("Explanations", (*looks.tables(bench, board), *looks.galleries(bench, board, panels))),
        Section(f"Images and {formatting.units(bench.unit)}", tuple(flow(bench, board.shown))),
        Section("Methods", tuple(methods(bench, board))),
        Section("Cells", _filled(standings.cell_list(board))),
        Section("Limitations", (Bullets(tuple(limitations(bench, board))),)),
        Section("Environment", tuple(environment(bench))),
    )
    filled = tuple(section for section in sections if section.blocks)
    asked = Section("Checklist", tuple(checklist(bench, board, filled)))
    title = f"Benchmark report: {formatting.plain(bench.folder.name)}"
    return Report(title, bench.warnings, (*filled, asked) if asked.blocks else filled)


def subject(bench: BenchResult) -> str:
    """What is told apart, what is left out for it, and on what."""
    data, task = bench.environment.data, bench.task
    classes = listed([formatting.plain(name) for name in task.classes], "classes")
    sample = formatting.sample(data.images, bench.split["group"].nunique(), bench.unit)
    lacking = " ".join([f"{classes}.", *left_out(bench)])
    return f"Task {formatting.plain(task.name)}: {lacking} Data: {formatting.plain(data.name)}, {sample}."


@dataclass(frozen=True)
class _Album:
    """The figures by topic, and in words those that are missing."""

    figures: Sequence[Figure | LeftOut]

    def of(self, topic: Topic) -> tuple[Block, ...]:
        mine = (figure for figure in self.figures if figure.topic == topic)
        return tuple(figure if isinstance(figure, Figure) else Paragraph(figure.words) for figure in mine)


def _subgroups(bench: BenchResult) -> Iterator[Block]:
    """How good the best system is on parts of the images."""
    if bench.subgroups:
        system = formatting.plain(bench.subgroups[0].system)
        yield Paragraph(f"Of {system}, which has the best balanced accuracy; all folds and seeds together.")
        yield subgroups.table(bench.subgroups, bench.unit, bench.warnings)


def comparisons(bench: BenchResult) -> list[Table]:
    """The main tables: that of the internal test, then one for each external test."""
    boards = [external(bench, test) for test in bench.externals]
    externals = [table for board in boards for table in (standings.comparison(board), standings.rejection(board))]
    return [_comparison(bench, internal(bench)), *filter(None, externals)]


def _comparison(bench: BenchResult, board: Leaderboard) -> Table:
    table = standings.comparison(board)
    return replace(table, footnotes=(*table.footnotes, *_remarks(bench, board)))


def _remarks(bench: BenchResult, board: Leaderboard) -> Iterator[str]:
    """What one should know of the bench as a whole."""
    yield from sanity.remarks(bench, board)
    threads = sorted({cell.threads for cell in bench.finished if cell.threads})
    if len(threads) > 1:
        yield (
            f"Cells were made with {formatting.listed(map(str, threads))} threads, on which the last digits of every "
            "sum depend, so after some epochs a network as a whole: what strategies that train it differ by is partly "
            "chance. A folder of its own with one number of threads is without that."
        )
    yield from map(formatting.plain, bench.environment.remarks)


def externals(bench: BenchResult, board: Leaderboard) -> Iterator[Block]:
    """What became of the systems on data that took no part in training, apart from the internal test."""
    for test in bench.externals:
        for cell in bench.finished:
            if cell.run_id not in test.predictions:
                yield Paragraph(notes.lacking(cell, f"predictions for {test.name}"), weighty=True)
            elif test.outside is not None and cell.run_id not in test.outside:
                what = f"predictions for the images of {test.name} that are of no class"
                yield Paragraph(notes.lacking(cell, what), weighty=True)
        about = test.about
        sample = formatting.sample(about.tested_images, about.tested_lesions, about.unit)
        yield Paragraph(
            f"{test.name} ({formatting.plain(about.data)}): {sample}, on which nothing was trained or chosen. "
            f"{described(about, reject=bench.recipe.reject)}"
        )
        if about.notes:
            yield Bullets(about.notes)
        yield from _external(board, external(bench, test))


def _external(board: Leaderboard, there: Leaderboard) -> Iterator[Block]:
    """What the systems reached on an external test, and the best of the internal test on both."""
    name, best = there.external, board.best
    figures = board.figures(PRIMARY), there.figures(PRIMARY)
    if all(best in found for found in figures):
        inside, outside = (formatting.format_estimate(found[best]) for found in figures)
        yield Paragraph(
            f"The best system of the internal test, {best}, with a balanced accuracy of {inside} on that, has "
            f"{outside} on this external test."
        )
    yield standings.comparison(there)
    rejection = standings.rejection(there)
    if rejection:
        yield rejection
    if there.ensembles:
        yield _titled(name, standings.ensembles(there))
    for place, system in enumerate(there.systems):
        yield Fold(
            f"{name}: {system}", (_titled(name, standings.per_class(there, system, board.shown)),), opened=place == 0
        )
    if there.differences:
        yield Fold(f"{name}: paired differences", (_titled(name, differences.table(there)),))


def _titled(external: str, table: Table) -> Table:
    whole = table.whole and _titled(external, table.whole)
    return replace(table, title=f"External test {external}: {table.title}", whole=whole)


def _classes(board: Leaderboard, album: _Album) -> Iterator[Block]:
    yield from album.of("recall")
    yield from album.of("roc")
    for place, system in enumerate(board.systems):
        yield Fold(system, (standings.per_class(board, system, board.shown),), opened=place == 0)


def _differences(board: Leaderboard) -> Iterator[Block]:
    if board.differences:
        yield Paragraph(
            "Each row is the best system against another one, on the same images. The best was chosen on these very "
            "images, which flatters its lead a little: confirm it on further ones."
        )
        yield differences.table(board)


def _filled(table: Table | None, *beside: Block) -> tuple[Block, ...]:
    """A table with what stands beside it; nothing where it has no rows."""
    return (table, *beside) if table and table.rows else ()


def _folded(blocks: Iterable[Block], what: str = "") -> Iterator[Block]:
    """Each picture in a fold of its own, called `what` and its system, the first one open."""
    for place, block in enumerate(blocks):
        yield Fold(f"{what}{block.system}", (block,), opened=place == 0) if isinstance(block, Figure) else block


def flow(bench: BenchResult, shown: Shown) -> Iterator[Block]:
    """Images and lesions of each part, with the proof that no lesion is in two of them."""
    split = bench.split
    if split.empty:
        return
    counts: dict[tuple[int, str], Sequence[int]] = {}
    for cell in bench.finished:
        counts.setdefault((cell.fold, "train"), cell.train_counts)
        for part in PARTS[1:]:
            targets = cell.predictions.select(part).targets.tolist()
            counts.setdefault((cell.fold, part), [targets.count(place) for place in range(len(bench.classes))])
    yield parts_table(split, counts, shown, "report.html has all.", bench.warnings, bench.unit)
    shared = lesions_parted(split)
    unknown = "Which images show one lesion is not known, nor whether they stand in one part."
    if shared and bench.unit == "image":
        known = formatting.plural(shared, "lesion is known to have", "lesions are known to have")
        yield Paragraph(f"{LEAKY}: {known} images in more than one part. Beyond that: {unknown}", weighty=True)
    elif shared:
        parted = formatting.plural(shared, formatting.units(bench.unit)[:-1])
        yield Paragraph(f"{LEAKY}: {parted} with images in more than one part.", weighty=True)
    elif bench.unit == "image":
        yield Paragraph(unknown, weighty=True)
    else:
        yield Paragraph(f"No {bench.unit} has images in more than one part: counted from split.csv.")


def limitations(bench: BenchResult, board: Leaderboard) -> Iterator[str]:
    """What these figures do not say."""
    for stamp in bench.warnings:
        yield f"{formatting.stamp_meaning(stamp)}."
    if len(bench.recipe.seeds) == 1:
        yield "One seed: how far results spread when training is repeated was not measured."
    if bench.recipe.folds == 1 and bench.recipe.repeats == 1:
        yield "One hold-out: how far results depend on the split was not measured."
    few = [
        f"{formatting.plain(one.class_)} ({formatting.sample(one.n_images, one.n_lesions, board.unit)})"
        for one in board.scores
        if one.metric == "recall" and one.n_images < _FEW_IMAGES and one.system == MAJORITY
    ]
    if few:
        yield f"Few test images, hence little to be said, of {listed(few, 'classes')}."
    yield (
        "The internal test has images from where the train images come from. Elsewhere, performance is usually lower"
        + ("." if bench.externals else "; no external test is part of this report.")
    )
    yield from _remarks(bench, board)
    yield from _data_limitations(bench)
    yield "Nothing here is a medical device, and no figure here is evidence of a benefit to patients."


def _data_limitations(bench: BenchResult) -> Iterator[str]:
    data = bench.environment.data
    name, licence = formatting.plain(data.name), formatting.plain(data.licence)
    yield from data.notes
    if any(formatting.stamp_word(stamp) == SYNTHETIC for stamp in bench.warnings):
        return
    if data.layout.startswith(ham10000.NAME):  # any folder may be called so
        yield from ham10000.LIMITATIONS
    elif licence:
        yield f"{name} is licensed {licence}."
    else:
        yield f"The licence of {name} is not known: find out what it allows."
