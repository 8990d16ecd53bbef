"""The verdict of a report: which system is best, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from skineval.measure.names import FIGURES, is_ensemble
from skineval.report.bench import rows, standings
from skineval.report.bench.rows import PRIMARY, Gap
from skineval.report.bench.systems import members, unranked
from skineval.report.document import formatting
from skineval.report.document.blocks import Bullets, Paragraph
from skineval.report.document.formatting import Estimate
from skineval.values.result import BenchResult

#: Above this a single model on seven classes is more likely to have seen its test lesions than to be so good.
_INCREDIBLE = 0.85
_SIGNIFICANT = 0.05
_ROUNDING = 1e-12
_NAMED = 6  # systems that are named in one sentence
_LOWER_IS_BETTER = {figure.name for figure in FIGURES if not figure.higher_is_better}


def verdict(bench: BenchResult) -> Iterator[Paragraph | Bullets]:
    """Which system is best, by how much, and how sure that is."""
    found = rows.scores(bench.results)
    beside = unranked(bench)
    systems = [system for system in rows.ranking(found) if system not in beside]
    grid = rows.grid(bench.cells)
    failed = sum(not cell.done for cell in grid)
    if failed:
        of_all = f"{failed} of {formatting.plural(len(grid), 'cell')} did not finish"
        yield Paragraph(f"{of_all}; each is a row of the comparison, with its reason.", weighty=True)
    if beside:
        lacking = [f"{system} (without {formatting.numbered('fold', folds)})" for system, folds in beside.items()]
        yield Paragraph(
            f"Not ranked, because their figures are not of what those of the others are: {formatting.listed(lacking)}.",
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
    place = "ranks first" if len(systems) > 1 else f"is the only system{only}"
    yield Paragraph(
        f"{best} {place}: a balanced accuracy of {formatting.format_estimate(estimate)} on the internal test "
        f"({formatting.sample(sample.n_images, sample.n_lesions, bench.lesions_known)})."
    )
    if sample.ensemble:
        single = next((system for system in systems if not is_ensemble(system)), None)
        alone = (
            f"; the best system that is no ensemble, {single}, has {formatting.format_estimate(primary[single])}"
            if single
            else ""
        )
        made_of = members(next(one for one in bench.ensembles if one.system == best))
        yield Paragraph(f"It averages the networks of {made_of}{alone}.")
    gaps = [gap for gap in rows.gaps(bench.comparisons) if gap.a == best and gap.b in systems]
    behind = rows.behind(gaps, best)
    yield from _lead([behind[system] for system in systems if system in behind])
    yield from _elsewhere(gaps)
    trivial = max((one.value for one in rows.of(found, PRIMARY, baseline=True).values()), default=None)
    if trivial is None:
        return
    if estimate.low > trivial:
        yield Paragraph(f"A trivial rule, which looks at no image, has {formatting.decimal(trivial)}.")
    else:
        yield Paragraph(
            f"It is not shown to be better than a trivial rule ({formatting.decimal(trivial)}).", weighty=True
        )
    if len(bench.classes) > 2 and estimate.value > _INCREDIBLE and not bench.warnings:
        yield Paragraph(
            f"A balanced accuracy above {_INCREDIBLE} is more than single models have reached without leakage: "
            "audit the data before believing it.",
            weighty=True,
        )


def _lead(gaps: Sequence[Gap]) -> Iterator[Paragraph]:
    """By how much the best system is ahead of the others, the next best first, and from which it cannot be told apart.

    One that is not ahead on the same images is not said to be: two systems may be equally good.
    """
    if not gaps:
        return
    following = gaps[0]
    lead = formatting.format_estimate(following.estimate)
    ahead = (
        f"It is ahead of the next, {following.b}, by {lead}"
        if following.estimate.value > _ROUNDING
        else f"It is not ahead of the next, {following.b}, on the same images: their difference is {lead}"
    )
    sure = "a difference that chance would rarely make" if _certain(following) else "which may be chance"
    yield Paragraph(f"{ahead}, {sure} ({_p(following)} after Holm's correction).")
    alike = [gap.b for gap in gaps if not _certain(gap)]
    others = len(gaps) - len(alike)
    if alike:
        more = [f"{len(alike) - _NAMED} more"] if len(alike) > _NAMED else []
        from_others = f"; from the other {others} it can" if others > 1 else "; from the other one it can" * others
        named = formatting.listed([*alike[:_NAMED], *more])
        yield Paragraph(f"On these images it cannot be told apart from {named}{from_others}.")
    elif len(gaps) > 1:
        yield Paragraph(f"It can be told apart from each of the {others} other systems.")


def _elsewhere(gaps: Sequence[Gap]) -> Iterator[Paragraph | Bullets]:
    """On which other metrics other systems are ahead of the best, by how much, and whether that may be chance."""
    compared = {gap.metric for gap in gaps} - {PRIMARY}
    leaders = {
        name: _leader([gap for gap in gaps if gap.metric == metric])
        for metric, name in standings.NAMES.items()
        if metric in compared
    }
    behind = {name: leader for name, leader in leaders.items() if leader}
    if behind:
        yield Paragraph("On other metrics others are ahead of it, on the same images (p after Holm's correction):")
        yield Bullets(
            tuple(
                f"{name}: {gap.b} by "
                f"{formatting.format_estimate(_advantage(gap))}{'' if _certain(gap) else ', which may be chance'} "
                f"({_p(gap)})."
                for name, gap in behind.items()
            )
        )
    elsewhere = [_inside(name) for name in leaders if name not in behind]
    if elsewhere:
        yield Paragraph(f"No other system is ahead of it on {formatting.listed(elsewhere)}.")


def _leader(gaps: Sequence[Gap]) -> Gap | None:
    """Who is furthest ahead of the best on one metric: of those of whom that is no chance, if there are any."""
    ahead = [gap for gap in gaps if _advantage(gap).value > _ROUNDING]
    return max(list(filter(_certain, ahead)) or ahead, key=lambda gap: _advantage(gap).value, default=None)


def _advantage(gap: Gap) -> Estimate:
    """By how much B is better than A."""
    one = gap.estimate
    return one if gap.metric in _LOWER_IS_BETTER else Estimate(-one.value, -one.high, -one.low)


def _certain(gap: Gap) -> bool:
    """Whether chance would rarely make such a difference."""
    return gap.p_holm < _SIGNIFICANT


def _p(gap: Gap) -> str:
    p = formatting.p_value(gap.p_holm)
    return f"p {p}" if p.startswith("<") else f"p = {p}"


def _inside(name: str) -> str:
    """A name that stands inside a sentence: `macro AUC`, but `NLL`."""
    return name if name[1:2].isupper() else name[:1].lower() + name[1:]
