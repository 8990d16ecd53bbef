"""The table of what maps of a trained cell say, beside maps that know nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from skineval.explain.rating import CENTRE, UNTRAINED, Rated
from skineval.explain.scores import CENTRE_SPREAD
from skineval.grid.explained import Explained
from skineval.report.bench import notes
from skineval.report.document import formatting
from skineval.report.document.tables import Cell, Column, Table, tabulate
from skineval.values.measures import Difference

_NOTES = {
    "excess": "share of the relevance inside the lesion, less the share of the image that is",
    "rank_accuracy": "of as many of the most relevant pixels as the lesion has, the share that is inside",
    "pointing": "how often the most relevant pixel is inside",
    "auc": "how often a pixel inside is more relevant than one outside",
}
_SCORED = "that are scored: those with a mask, and a map that is not zero everywhere"
_NAMES = {"excess": "Inside − area", "rank_accuracy": "Rank accuracy", "pointing": "Pointing", "auc": "AUC"}


def _mark(one: Rated) -> tuple[str, str]:
    """The kind of its row, and why that holds no figures."""
    return ("unranked", one.silence) if one.silence else ("baseline" if one.is_control else "plain", "")


def _lacking(explained: Explained) -> Iterator[str]:
    """Of how many images a map says nothing: a mean over the others flatters whoever is silent where it is hard."""
    n = max(scores[0].n_images for scores in explained.scores.values())
    few = {one.name: explained.scores[one.name][0].n_images for one in explained.rated if not one.silence}
    for name, scored in few.items():
        if scored < n:
            yield f"{name}: {n - scored:,} of {n:,} images are left out, whose map is zero everywhere."


def _centre(_: Rated) -> str:
    return CENTRE


def _twin(one: Rated) -> str:
    """The same explainer, asked of an untrained network."""
    return f"{one.name} ({UNTRAINED})"


def _footnotes(explained: Explained) -> Iterator[str]:
    images = explained.images
    lesions = len(set(images.groups.tolist()))
    yield (
        f"Maps are of {explained.target.words}. {len(images):,} test images of {lesions:,} {explained.unit}s, all of "
        "which count alike."
    )
    yield (
        f"{CENTRE}: a Gaussian in the middle, with {CENTRE_SPREAD:g} of the side as its standard deviation, for most "
        "pictures have the lesion there; uniform and noise have seen nothing; "
        f"{UNTRAINED}: the same explainer, asked of a network with random weights about the same classes."
    )
    yield (
        "What agrees with outlines is not shown to be what the network goes by, and what does not is not shown to be "
        "wrong: outlines say where a lesion is, not where its diagnosis is."
    )
    yield (
        f"Brackets: 95 % percentile interval; {explained.unit}s, with all of their images, are resampled within their "
        f"class ({explained.replicates:,} replicates)."
    )
    yield notes.of_test(explained.unit, "all comparisons of this table together")
    yield from _lacking(explained)
    yield from explained.notes


def table(explained: Explained) -> Table:
    """One row a way to make maps: each explainer, the same of an untrained network, and maps of no network."""
    differences = {(one.a, one.b): one for one in explained.differences}

    def minus(whom: Callable[[Rated], str]) -> Callable[[Rated], Difference | None]:
        return lambda one: differences.get((one.name, whom(one)))

    def p_of(whom: Callable[[Rated], str]) -> Callable[[Rated], float | None]:
        found = minus(whom)
        return lambda one: difference.p_holm if (difference := found(one)) else None

    def score(place: int) -> Callable[[Rated], Cell]:
        return lambda one: explained.scores[one.name][place]

    columns: list[tuple[Column, Callable[[Rated], Cell]]] = [
        (Column("explainer", "Explainer"), lambda one: one.name),
        *(
            (Column(key, _NAMES[key], "score", _NOTES[key], priority=(2, 1, 3, 0)[place]), score(place))
            for place, key in enumerate(_NAMES)
        ),
        (Column("minus_centre", f"AUC − {CENTRE}", "score"), minus(_centre)),
        (Column("p_centre", f"p of − {CENTRE}", "p", "corrected by Holm's method", priority=6), p_of(_centre)),
        (Column("minus_untrained", f"AUC − {UNTRAINED}", "score"), minus(_twin)),
        (Column("p_untrained", f"p of − {UNTRAINED}", "p", "corrected by Holm's method", priority=5), p_of(_twin)),
        (
            Column("n_images", "Images", "count", _SCORED, priority=7),
            lambda one: explained.scores[one.name][0].n_images,
        ),
        (Column("seconds", "Time", "seconds", "to make the maps", priority=4), lambda one: one.seconds),
    ]
    return tabulate(
        f"Explanations of {formatting.plain(explained.system)}",
        explained.rated,
        columns,
        tuple(_footnotes(explained)),
        stamps=explained.stamps,
        mark=_mark,
    )
