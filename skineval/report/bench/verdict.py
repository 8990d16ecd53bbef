"""The verdict of a report: which system is best, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from skineval.base.terms import PRIMARY
from skineval.measure.names import LOWER_IS_BETTER, is_ensemble
from skineval.report.bench import standings
from skineval.report.bench.leaderboard import Leaderboard
from skineval.report.bench.notes import members
from skineval.report.document import formatting
from skineval.report.document.blocks import Bullets, Paragraph
from skineval.values.measures import Difference, Estimate

_ROUNDING = 1e-12
_NAMED = 6  # systems that are named in one sentence


def verdict(board: Leaderboard) -> Iterator[Paragraph | Bullets]:
    """Which system is best, by how much, and how sure that is."""
    systems, beside = board.ranked, board.unranked
    failed = sum(not cell.done for cell in board.cells)
    if failed:
        of_all = f"{failed} of {formatting.plural(len(board.cells), 'cell')} did not finish"
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
    best, primary = board.best, board.figures(PRIMARY)
    score = primary[best]
    only = " with every fold" if beside else " that finished" if failed else ""
    equal = [one for one in systems if one != best and score.value - primary[one].value <= _ROUNDING]
    place = "ranks first" if len(systems) > 1 else f"is the only system{only}"
    if equal:
        place = f"ranks first together with {formatting.listed(equal)}"
    yield Paragraph(
        f"{best} {place}: a balanced accuracy of {formatting.format_estimate(score)} on the internal test "
        f"({formatting.sample(score.n_images, score.n_lesions, board.unit)})."
    )
    if is_ensemble(best):
        single = next((system for system in systems if not is_ensemble(system)), None)
        alone = (
            f"; the best system that is no ensemble, {single}, has {formatting.format_estimate(primary[single])}"
            if single
            else ""
        )
        made_of = members(next(one for one in board.ensembles if one.system == best))
        yield Paragraph(f"It averages the networks of {made_of}{alone}.")
    behind = board.behind
    yield from _lead([behind[system] for system in systems if system in behind])
    ranked = [one for one in board.differences if one.a == best and one.b in systems]
    yield from _elsewhere(ranked, standings.names(board))
    trivial = max((one.value for one in board.figures(PRIMARY, baseline=True).values()), default=None)
    if trivial is None:
        return
    if score.low > trivial:
        yield Paragraph(f"A trivial rule, which looks at no image, has {formatting.decimal(trivial)}.")
    else:
        yield Paragraph(
            f"It is not shown to be better than a trivial rule ({formatting.decimal(trivial)}).", weighty=True
        )


def _lead(differences: Sequence[Difference]) -> Iterator[Paragraph]:
    """By how much the best system is ahead of the others, the next best first, and from which it cannot be told apart.

    One that is not ahead on the same images is not said to be: two systems may be equally good.
    """
    if not differences:
        return
    following = differences[0]
    lead = formatting.format_estimate(following)
    ahead = (
        f"It is ahead of the next, {following.b}, by {lead}"
        if following.value > _ROUNDING
        else f"It is not ahead of the next, {following.b}, on the same images: their difference is {lead}"
    )
    sure = "a difference that chance would rarely make" if following.is_certain else "which may be chance"
    yield Paragraph(f"{ahead}, {sure} ({_p(following)} after Holm's correction).")
    alike = [one.b for one in differences if not one.is_certain]
    others = len(differences) - len(alike)
    if alike:
        more = [f"{len(alike) - _NAMED} more"] if len(alike) > _NAMED else []
        from_others = f"; from the other {others} it can" if others > 1 else "; from the other one it can" * others
        named = formatting.listed([*alike[:_NAMED], *more])
        yield Paragraph(f"On these images it cannot be told apart from {named}{from_others}.")
    elif len(differences) > 1:
        yield Paragraph(f"It can be told apart from each of the {others} other systems.")


def _elsewhere(differences: Sequence[Difference], names: Mapping[str, str]) -> Iterator[Paragraph | Bullets]:
    """On which other metrics other systems are ahead of the best, by how much, and whether that may be chance."""
    compared = {one.metric for one in differences} - {PRIMARY}
    leaders = {
        name: _leader([one for one in differences if one.metric == metric])
        for metric, name in names.items()
        if metric in compared
    }
    behind = {name: leader for name, leader in leaders.items() if leader}
    if behind:
        yield Paragraph("On other metrics others are ahead of it, on the same images (p after Holm's correction):")
        yield Bullets(
            tuple(
                f"{name}: {one.b} by "
                f"{formatting.format_estimate(_advantage(one))}{'' if one.is_certain else ', which may be chance'} "
                f"({_p(one)})."
                for name, one in behind.items()
            )
        )
    elsewhere = [_inside(name) for name in leaders if name not in behind]
    if elsewhere:
        yield Paragraph(f"No other system is ahead of it on {formatting.listed(elsewhere)}.")


def _leader(differences: Sequence[Difference]) -> Difference | None:
    """Who is furthest ahead of the best on one metric: of those of whom that is no chance, if there are any."""
    ahead = [one for one in differences if _advantage(one).value > _ROUNDING]
    sure = [one for one in ahead if one.is_certain]
    return max(sure or ahead, key=lambda one: _advantage(one).value, default=None)


def _advantage(one: Difference) -> Estimate:
    """By how much B is better than A."""
    return one if one.metric in LOWER_IS_BETTER else Estimate(-one.value, -one.high, -one.low)


def _p(one: Difference) -> str:
    p = formatting.p_value(one.p_holm)
    return f"p {p}" if p.startswith("<") else f"p = {p}"


def _inside(name: str) -> str:
    """A name that stands inside a sentence: `macro AUC`, but `NLL`."""
    return name if name[1:2].isupper() else name[:1].lower() + name[1:]
