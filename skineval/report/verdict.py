"""The verdict of a report: which system is best, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from skineval.grid.result import BenchResult
from skineval.measure.names import is_ensemble
from skineval.report import rows, text
from skineval.report.document import Paragraph
from skineval.report.rows import PRIMARY
from skineval.report.systems import members, unranked

#: Above this a single model on seven classes is more likely to have seen its test lesions than to be so good.
_INCREDIBLE = 0.85
_SIGNIFICANT = 0.05
_ROUNDING = 1e-12


def verdict(bench: BenchResult) -> Iterator[Paragraph]:
    """Which system is best, by how much, and how sure that is."""
    found = rows.scores(bench.results)
    beside = unranked(bench)
    systems = [system for system in rows.ranking(found) if system not in beside]
    grid = rows.grid(bench.cells)
    failed = sum(not cell.done for cell in grid)
    if failed:
        of_all = f"{failed} of {text.plural(len(grid), 'cell')} did not finish"
        yield Paragraph(f"{of_all}; each is a row of the comparison, with its reason.", weighty=True)
    if beside:
        lacking = [f"{system} (without {text.numbered('fold', folds)})" for system, folds in beside.items()]
        yield Paragraph(
            f"Not ranked, because their figures are not of what those of the others are: {text.listed(lacking)}.",
            weighty=True,
        )
    if not systems:
        why = "Every system lacks a fold that another one has" if beside else "No cell finished"
        yield Paragraph(f"{why}, so there is nothing to compare.", weighty=True)
        return
    best, primary = systems[0], rows.of(found, PRIMARY)
    estimate = primary[best]
    sample = next(one for one in found if one.system == best and one.metric == PRIMARY)
    only = " with every fold" if beside else " that finished" if failed else ""
    place = "best" if len(systems) > 1 else f"the only system{only}"
    yield Paragraph(
        f"{best} is {place}: a balanced accuracy of {rows.said(estimate)} on the internal test "
        f"({text.sample(sample.n_images, sample.n_lesions, bench.lesions_known)})."
    )
    if sample.ensemble:
        single = next((system for system in systems if not is_ensemble(system)), None)
        alone = f"; the best system that is no ensemble, {single}, has {rows.said(primary[single])}" if single else ""
        made_of = members(next(one for one in bench.ensembles if one.system == best))
        yield Paragraph(f"It averages the networks of {made_of}{alone}.")
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
    """By how much the best system is ahead of the others, the next best first, and whether that may be chance.

    One that is not ahead on the same images is not said to be: two systems may be equally good.
    """
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
    ahead = (
        f"It is ahead of the next, {following.b}, by {lead}"
        if following.estimate.value > _ROUNDING
        else f"It is not ahead of the next, {following.b}, on the same images: their difference is {lead}"
    )
    yield Paragraph(f"{ahead}, {sure} (p {p} after Holm's correction).")
    if len(gaps) > 1:
        worse = sum(gap.p_holm < _SIGNIFICANT for gap in gaps)
        yield Paragraph(f"{worse} of the {len(gaps)} other systems differ significantly from the best.")
