"""The verdict of a report: which system is best, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from skineval.grid.result import BenchResult
from skineval.measure.names import is_ensemble
from skineval.report import rows, text
from skineval.report.document import Paragraph
from skineval.report.rows import PRIMARY

#: Above this a single model on seven classes is more likely to have seen its test lesions than to be so good.
_INCREDIBLE = 0.85
_SIGNIFICANT = 0.05


def verdict(bench: BenchResult) -> Iterator[Paragraph]:
    """Which system is best, by how much, and how sure that is."""
    found = rows.scores(bench.results)
    systems = rows.ranking(found)
    grid = rows.grid(bench.cells)
    failed = sum(not cell.done for cell in grid)
    if failed:
        of_all = f"{failed} of {text.plural(len(grid), 'cell')} did not finish"
        yield Paragraph(f"{of_all}; each is a row of the comparison, with its reason.", weighty=True)
    if not systems:
        yield Paragraph("No cell finished, so there is nothing to compare.", weighty=True)
        return
    best, primary = systems[0], rows.of(found, PRIMARY)
    estimate = primary[best]
    sample = next(one for one in found if one.system == best and one.metric == PRIMARY)
    yield Paragraph(
        f"{best} {'is best' if len(systems) > 1 else 'is the only system'}: a balanced accuracy of "
        f"{rows.said(estimate)} on the internal test "
        f"({text.sample(sample.n_images, sample.n_lesions, bench.lesions_known)})."
    )
    if sample.ensemble:
        single = next(system for system in systems if not is_ensemble(system))
        yield Paragraph(
            f"It averages the networks of {text.plural(sample.n_cells, 'cell')}; the best system that is no ensemble, "
            f"{single}, has {rows.said(primary[single])}."
        )
    behind = rows.behind(rows.gaps(bench.comparisons), best)
    yield from _lead([behind[system] for system in systems if system in behind])
    trivial = max((one.value for one in rows.of(found, PRIMARY, baseline=True).values()), default=None)
    if trivial is None:
        return
    if estimate.low > trivial:
        yield Paragraph(f"A trivial rule, which looks at no image, has {text.decimal(trivial)}.")
    else:
        yield Paragraph(f"It is not shown to be better than a trivial rule ({text.decimal(trivial)}).", weighty=True)
    if len(bench.classes) > 2 and estimate.value > _INCREDIBLE and not bench.warnings:
        yield Paragraph(
            f"A balanced accuracy above {_INCREDIBLE} is more than single models have reached without leakage: "
            "audit the data before believing it.",
            weighty=True,
        )


def _lead(gaps: Sequence[rows.Gap]) -> Iterator[Paragraph]:
    """By how much the best system is ahead of the others, the next best first, and whether that may be chance."""
    if not gaps:
        return
    following = gaps[0]
    lead = rows.said(following.estimate)
    sure = (
        "a difference that chance would rarely make"
        if following.p_holm < _SIGNIFICANT
        else "which may be chance: the two cannot be told apart on these images"
    )
    p = text.p_value(following.p_holm)
    p = p if p.startswith("<") else f"= {p}"
    yield Paragraph(f"It is ahead of the next, {following.b}, by {lead}, {sure} (p {p} after Holm's correction).")
    if len(gaps) > 1:
        worse = sum(gap.p_holm < _SIGNIFICANT for gap in gaps)
        yield Paragraph(f"{worse} of the {len(gaps)} other systems differ significantly from the best.")
