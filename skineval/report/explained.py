"""The tables of what maps of a trained cell say, beside maps that know nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import isnan
from types import MappingProxyType

from skineval.explain import stability
from skineval.explain.faithfulness import BLUR, GRID, SHARES, STEPS
from skineval.explain.rating import FAITHFULNESS, GROUPS, OUTLINES, SANITY, STABILITY, UNTRAINED, Rated
from skineval.explain.scores import CENTRE, CENTRE_SPREAD
from skineval.grid.explained import PRIMARY, Explained
from skineval.grid.lesionless import WHOLE, Removed
from skineval.report.bench import notes
from skineval.report.document import formatting
from skineval.report.document.notebook import fragments
from skineval.report.document.tables import Cell, Column, Shows, Table, tabulate
from skineval.values.measures import Difference

_TITLES = {
    OUTLINES: "Explanations of {}",
    FAITHFULNESS: "Faithfulness of explanations of {}",
    SANITY: "Sanity of explanations of {}",
    STABILITY: "Stability of explanations of {}",
}
#: The scores: their names, what they are, their range, and which way is better.
_COLUMNS: Mapping[str, Column] = MappingProxyType(
    {
        one.key: one
        for one in (
            Column(
                "excess",
                "Inside − area",
                "score",
                "share of the relevance inside the lesion, less the share of the image that is (−1 to 1)",
                priority=2,
            ),
            Column(
                "rank_accuracy",
                "Rank accuracy",
                "score",
                "of as many of the most relevant pixels as the lesion has, the share that is inside (0 to 1)",
                priority=1,
            ),
            Column("pointing", "Pointing", "score", "how often the most relevant pixel is inside (0 to 1)", priority=3),
            Column("auc", "AUC", "score", "how often a pixel inside is more relevant than one outside (0 to 1)"),
            Column(
                "deletion",
                "Deletion",
                "score",
                "how probable the class is, on average, while pixels are blurred, the most relevant first (0 to 1; the "
                "less the better)",
                priority=2,
            ),
            Column(
                "insertion",
                "Insertion",
                "score",
                "how probable the class is, on average, while pixels come back into the blurred image, the most "
                "relevant first (0 to 1; the more the better)",
                priority=1,
            ),
            Column(
                "road",
                "ROAD",
                "score",
                "how much more probable the class is without the least relevant parts than without the most relevant "
                "ones, filled in from around them (−1 to 1, 0 for a random order; the more the better)",
            ),
            Column(
                "complexity_rise",
                "Complexity rise",
                "score",
                "how much higher the entropy of a map's values is once the network is untrained, as a share (above 0 "
                "where maps depend on what was learnt; the more the better)",
            ),
            Column(
                "random_logit",
                "Random logit",
                "score",
                "structural similarity of a map with that of another class, drawn at random (−1 to 1; the less the "
                "better, and 1 says nothing of the class)",
            ),
            Column(
                "mirrored",
                "Mirrored",
                "score",
                "rank correlation of a map with that of the mirrored image, turned back (−1 to 1; the more the better)",
            ),
            Column(
                "noisy",
                "Noisy",
                "score",
                f"the same of the image with noise, whose standard deviation is {stability.NOISE:g} of 255 grey levels",
            ),
        )
    }
)
_TIMED = {
    OUTLINES: ("", "to make the maps"),
    FAITHFULNESS: (FAITHFULNESS, "to ask the network about what is left of images"),
    SANITY: (SANITY, "to make the maps of other classes, where they are not made along with the first"),
    STABILITY: (STABILITY, "to make the maps of changed images"),
}


class ShownExplained(Explained):
    """Scores of explanations that a notebook shows as tables."""

    def _repr_html_(self) -> str:
        return fragments(tables(self))


def tables(explained: Explained) -> list[Table]:
    """One for each group of scores that was asked for, and one for the network without lesions.

    In the first, what holds for all.
    """
    found = [_table(explained, group) for group in explained.groups]
    if explained.removed:
        found.append(_of_removed(explained))
    return found


def _table(explained: Explained, group: str) -> Table:
    """One row a way to make maps: each explainer, the same of an untrained network, and maps of no network."""
    columns = GROUPS[group]
    key, what = _TIMED[group]

    def score(column: str) -> Callable[[Rated], Cell]:
        return lambda one: explained.scores[one.name].get(column)

    def images(one: Rated) -> Cell:
        return explained.scores[one.name][columns[-1]].n_images

    shown: list[Shows[Rated]] = [
        (Column("explainer", "Explainer"), lambda one: one.name),
        *((_COLUMNS[column], score(column)) for column in columns),
        *(_compared(explained, PRIMARY[group]) if group in PRIMARY else ()),
        (Column("n_images", "Images", "count", _SCORED[group], priority=7), images),
        (Column("seconds", "Time", "seconds", what, priority=4), lambda one: one.seconds.get(key)),
    ]
    first = group == explained.groups[0]
    return tabulate(
        _TITLES[group].format(formatting.plain(explained.system)),
        [one for one in explained.rated if columns[-1] in one.scores],
        shown,
        (*(_of_all(explained) if first else ()), *_FOOTNOTES[group](explained)),
        stamps=explained.stamps,
        mark=_mark,
    )


def _compared(explained: Explained, column: str) -> Iterator[Shows[Rated]]:
    """By how much the primary score of an explainer exceeds that of the two controls that are as smooth as it is."""
    differences = {(one.a, one.b): one for one in explained.differences if one.metric == column}

    def minus(whom: Callable[[Rated], str]) -> Callable[[Rated], Difference | None]:
        return lambda one: differences.get((one.name, whom(one)))

    def p_of(whom: Callable[[Rated], str]) -> Callable[[Rated], float | None]:
        found = minus(whom)
        return lambda one: difference.p_holm if (difference := found(one)) else None

    def centre(_: Rated) -> str:
        return CENTRE

    def twin(one: Rated) -> str:
        return f"{one.name} ({UNTRAINED})"

    name = _COLUMNS[column].name
    yield Column("minus_centre", f"{name} − {CENTRE}", "score"), minus(centre)
    yield Column("p_centre", "p", "p", beside="minus_centre"), p_of(centre)
    yield Column("minus_untrained", f"{name} − {UNTRAINED}", "score"), minus(twin)
    yield Column("p_untrained", "p", "p", beside="minus_untrained"), p_of(twin)


def _mark(one: Rated) -> tuple[str, str]:
    """The kind of its row, and why that holds no figures."""
    return ("unranked", one.silence) if one.silence else ("baseline" if one.is_control else "plain", "")


_MAPPED = "that are scored: those whose map is not zero everywhere"
_SCORED = {
    OUTLINES: "that are scored: those with a mask, and a map that is not zero everywhere",
    FAITHFULNESS: "that are scored",
    SANITY: _MAPPED,
    STABILITY: "that are scored: those whose maps are not the same everywhere",
}


def _of_all(explained: Explained) -> Iterator[str]:
    images = explained.images
    lesions = len(set(images.groups.tolist()))
    yield (
        f"Maps are of {explained.target.words}. {len(images):,} test images of {lesions:,} {explained.unit}s, all of "
        "which count alike."
    )
    if any(one.is_control for one in explained.rated):
        yield (
            f"{CENTRE}: a Gaussian in the middle, with {CENTRE_SPREAD:g} of the side as its standard deviation, for "
            "most pictures have the lesion there; uniform and noise have seen nothing; "
            f"{UNTRAINED}: the same explainer, asked of a network with random weights about the same classes."
        )
    yield (
        f"Brackets: 95 % interval; {explained.unit}s, with all of their images, are resampled within their class "
        f"({explained.replicates:,} replicates). Pointing, a share, has a Wilson interval, all else percentile "
        "intervals."
    )
    if any(isnan(one.low) and not isnan(one.value) for scores in explained.scores.values() for one in scores.values()):
        yield "A figure without brackets has no interval: it is the same in all replicates, or of too few images."
    if explained.differences:
        yield notes.of_test(explained.unit, "all comparisons of its table together")
    yield from explained.notes


def _of_outlines(explained: Explained) -> Iterator[str]:
    yield (
        "The more the better in all four; a map that says nothing has 0 in the first, the share of the image that is "
        "lesion in the next two, and an AUC of .5. What agrees with outlines is not shown to be what the network goes "
        "by, and what does not is not shown to be wrong: outlines say where a lesion is, not where its diagnosis is."
    )
    yield from _lacking(explained, OUTLINES)


def _of_faithfulness(explained: Explained) -> Iterator[str]:
    passes = 2 * STEPS + 2 * len(SHARES)
    shares = formatting.listed(f"{share:.0%}".removesuffix("%") for share in SHARES)
    yield (
        f"Curves have {STEPS} steps, the blur {BLUR:g} of the side as its standard deviation. ROAD removes {shares} % "
        f"of a grid of at most {GRID} × {GRID} cells. {passes} passes of the network for an image and a map."
    )
    yield (
        "noise is a random order, which a map has, too, where it is the same everywhere. Whatever they say, smooth "
        "maps do well in deletion and in ROAD (arXiv 2304.13836), ragged ones in insertion: compare a map with "
        f"controls that are as smooth, of class activation maps {CENTRE} and {UNTRAINED}."
    )


def _of_sanity(explained: Explained) -> Iterator[str]:
    blind = [one.name for one in explained.rated if one.class_blind]
    if blind:
        yield f"Blind to the class, so that Random logit is 1: {formatting.listed(blind)}."
    yield from _lacking(explained, SANITY)


def _of_stability(explained: Explained) -> Iterator[str]:
    yield "Maps are of the class of the unchanged image. Where they change, the network may, not the explainer alone."
    yield from _lacking(explained, STABILITY)


_FOOTNOTES: Mapping[str, Callable[[Explained], Iterator[str]]] = {
    OUTLINES: _of_outlines,
    FAITHFULNESS: _of_faithfulness,
    SANITY: _of_sanity,
    STABILITY: _of_stability,
}


def _lacking(explained: Explained, group: str) -> Iterator[str]:
    """Of how many images a map says nothing: a mean over the others flatters whoever is silent where it is hard."""
    column = GROUPS[group][-1]
    of_rows = {
        one.name: explained.scores[one.name][column].n_images
        for one in explained.rated
        if column in one.scores and not one.silence
    }
    n = max(of_rows.values(), default=0) if group == OUTLINES else len(explained.images)
    for name, scored in of_rows.items():
        if scored < n:
            yield f"{name}: {n - scored:,} of {n:,} images are left out, of which a map says nothing."


_ABOUT_REMOVED = (
    "filled in: the colours around the lesion go on in its place, with a soft edge; a patch without texture, larger "
    "than it was, is left. black: its shape is left. alone: all around it is black. Who guesses has a balanced "
    "accuracy of {:.3f}: what is above that without the lesion comes from elsewhere. The network was not trained on "
    "such images, so that some of what it loses may be due to how they look."
)


def _of_removed(explained: Explained) -> Table:
    """One row a kind of images."""
    columns: list[Shows[Removed]] = [
        (Column("images", "Images"), lambda one: one.name),
        (Column("balanced_accuracy", "Balanced accuracy", "score"), lambda one: one.scores[0]),
        (Column("macro_auc", "Macro AUC", "score", priority=2), lambda one: one.scores[1]),
        (Column("minus_whole", f"− {WHOLE}", "score"), lambda one: one.difference),
        (
            Column("p_whole", "p", "p", beside="minus_whole"),
            lambda one: one.difference.p_holm if one.difference else None,
        ),
        (Column("n_images", "Tested", "count", "with a mask", priority=3), lambda one: one.scores[0].n_images),
    ]
    return tabulate(
        f"{formatting.plain(explained.system)} without the lesion",
        explained.removed,
        columns,
        (
            _ABOUT_REMOVED.format(1 / len(set(explained.images.targets.tolist()))),
            notes.of_interval(explained.unit, explained.replicates),
            *notes.without_interval((score for one in explained.removed for score in one.scores), explained.unit),
            notes.of_test(explained.unit, "all comparisons of this table together"),
            *(() if explained.groups else explained.notes),
        ),
        stamps=explained.stamps,
    )
