"""Which system looks where, beside how good it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from skineval.base.terms import PRIMARY
from skineval.explain.scores import CENTRE
from skineval.grid.looks import Look, looks
from skineval.report.bench import notes
from skineval.report.bench.leaderboard import Leaderboard
from skineval.report.bench.systems import ranked
from skineval.report.document import formatting
from skineval.report.document.blocks import Block, Figure, Fold, Links, Paragraph
from skineval.report.document.tables import Column, Shows, Table, tabulate
from skineval.values.result import BenchResult

_EXPLAINED = 3  #: systems whose explanations are shown; those of one take a megabyte


def tables(bench: BenchResult, board: Leaderboard) -> Iterator[Table]:
    """One an explainer whose maps were scored: its systems, the best balanced accuracy first."""
    found = looks(bench)
    accuracy = board.figures(PRIMARY)
    order = {name: place for place, name in enumerate(board.systems)}

    def place(one: Look) -> int:
        return order.get(one.system, len(order))

    columns: list[Shows[Look]] = [
        (Column("system", "System"), lambda one: one.system),
        (Column(PRIMARY, "Balanced accuracy", "score", priority=2), lambda one: accuracy.get(one.system)),
        (
            Column(
                "auc", "AUC of maps", "score", "how often a pixel inside the lesion is more relevant than one outside"
            ),
            lambda one: one.score,
        ),
        (
            Column("minus_centre", f"− {CENTRE}", "score", "the same of a map of the middle"),
            lambda one: one.minus_centre,
        ),
        (Column("p_centre", "p", "p", beside="minus_centre"), lambda one: one.minus_centre.p_holm),
        (
            Column("behind", "Behind the best", "score", "of the highest AUC of maps", priority=1),
            lambda one: one.behind,
        ),
        (
            Column("p_behind", "p", "p", beside="behind"),
            lambda one: one.behind.p_holm if one.behind else None,
        ),
        (
            Column("right", "Right − wrong", "score", "AUC of maps where the answer is right, less where it is not", 3),
            lambda one: one.right_minus_wrong,
        ),
        (Column("n_images", "Images", "count", "with a mask, and a map that is not zero everywhere", 4), _images),
    ]
    for explainer in dict.fromkeys(one.explainer for one in found):
        mine = sorted((one for one in found if one.explainer == explainer), key=place)
        yield tabulate(
            f"Where systems look, by {formatting.plain(explainer)}",
            mine,
            columns,
            tuple(_footnotes(board)),
            stamps=board.stamps,
        )


def _images(one: Look) -> int:
    return one.score.n_images


def _footnotes(board: Leaderboard) -> Iterator[str]:
    yield (
        "Maps are of the predicted class, and of the same images for every system: some of the test part, of each "
        f"class its share. {CENTRE}: a Gaussian in the middle, for most pictures have the lesion there. A map that "
        "agrees with outlines is not shown to be right, nor is a system that looks elsewhere shown to be wrong. "
        "Right − wrong hints at whether it helps to look at the lesion, and may be due to images that are easy."
    )
    if board.unranked:
        yield "What lacks folds has fewer images, and is compared on those alone."
    yield notes.of_interval(board.unit, board.replicates)
    yield notes.of_test(board.unit, "all comparisons of this table together")
    yield "skineval explain has the other scores: faithfulness, sanity, stability, and untrained networks as controls."


def galleries(bench: BenchResult, board: Leaderboard, panels: Mapping[str, Sequence[Figure]]) -> Iterator[Block]:
    """The panels of the first cell of the best systems; those of all other cells are linked, to keep files small."""
    for cell in bench.finished:
        there = {*cell.explanations, *cell.mapless}
        missing = [formatting.plain(name) for name in bench.recipe.explainers if name not in there]
        if missing:
            yield Paragraph(notes.lacking(cell, f"explanations by {formatting.listed(missing)}"), weighty=True)
    mapless = dict.fromkeys((cell.model, *why) for cell in bench.finished for why in cell.mapless.items())
    for model, explainer, reason in mapless:
        yield Paragraph(f"Of {formatting.plain(model)} there is no map by {explainer}: {formatting.plain(reason)}.")
    folds: list[Fold] = []
    for system in ranked(bench, board):
        blocks: list[Block] = []
        for cell in system.cells:
            every, words = panels.get(cell.run_id, ()), f"Fold {cell.fold}, seed {cell.seed}:"
            mine = [figure for figure in every if figure.title.rpartition(" ")[2] not in board.shown.others]
            if mine and not blocks and len(folds) < _EXPLAINED:
                blocks += [Paragraph(words), *mine]
            elif mine:
                blocks.append(Links(words, tuple(figure.file for figure in mine)))
            if left := tuple(figure.file for figure in every if figure not in mine):
                several = formatting.plural(len(left), "gallery", "galleries")
                title = f"Fold {cell.fold}, seed {cell.seed}: {several} of other classes"
                blocks.append(Fold(title, (Links("Of the classes that are not shown:", left),)))
        if blocks:
            folds.append(Fold(system.name, tuple(blocks), opened=not folds))
    if folds:
        yield Paragraph(
            "From left to right: the image, the heatmap, both. A heatmap shows where a model looked, not whether it "
            "was right to. Lesions fill the middle of most dermoscopic images, so a map of the middle looks convincing "
            "for any model, a good one or not."
        )
        yield from folds
