"""What the imbalance strategies of each model gain over `none`, what that costs, and which cannot be told apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skineval.base.terms import PRIMARY, UNCHANGED
from skineval.grid.measuring import remedies, train_counts
from skineval.measure.comparisons import best_first
from skineval.measure.ranks import LAG_P
from skineval.measure.rarity import HEAD_RECALL, OF_SIDES, TAIL_RECALL, sides
from skineval.report.bench import differences, notes, standings
from skineval.report.bench.leaderboard import Leaderboard
from skineval.report.document import formatting
from skineval.report.document.blocks import Block, Fold, Paragraph
from skineval.report.document.excerpt import listed
from skineval.report.document.tables import Cell, Column, Shows, Table, tabulate
from skineval.values.measures import SIGNIFICANT, Difference, system_name
from skineval.values.predictions import Predictions
from skineval.values.result import BenchResult

_NAMED = 6  # strategies that can be told apart and are named
_OPENING = (
    f"For each model, {UNCHANGED} leaves the classes as frequent as they are; other strategies are to make up for it. "
    "Balanced accuracy counts all classes alike, NLL and ECE count them as often as they occur: what shifts logits for "
    "the one often loses in the others, so read them together."
)
_ALONE = (
    f"Of {{}} strategies were benched without {UNCHANGED}, so that nothing says what they gain: name it beside them."
)
_PICKED = (
    f"Told apart from {UNCHANGED} is what has a Holm p below {SIGNIFICANT} in the table and an interval without 0. "
    "Which strategy is the best was seen on these images, so that its lead over the others is corrected for every pair "
    f"that might have been picked (maxT over resamples, p below {SIGNIFICANT})."
)
_STRATEGY = Column("imbalance", "Strategy")
_MINUS_NONE = Column("minus_none", f"Minus {UNCHANGED}", "score", "of the balanced accuracy, on the same images", 1)
_P_HOLM = Column("p_holm", "Holm p", "p", "of that difference, corrected for those of the model", 2, _MINUS_NONE.key)
_HEAD = Column(HEAD_RECALL, "Head recall", "score", "mean recall of the frequent classes", 5)
_TAIL = Column(TAIL_RECALL, "Tail recall", "score", "mean recall of the rare classes", 3)
_OWN = (
    "sum over cells, without the training of a network that another strategy has in its own time; with explanations, "
    "and with embeddings where it was the first to need them"
)
_TIME = Column("seconds", "Own time", "seconds", _OWN, 6)


@dataclass(frozen=True, eq=False)
class Ladder:
    """The strategies of one model."""

    model: str
    predicted: Mapping[str, Sequence[Predictions]]  #: by strategy
    differences: Sequence[Difference]  #: of the other strategies minus `none`
    order: Sequence[str]  #: strategies as they are shown: `none`, then by balanced accuracy
    lags: Mapping[str, float]  #: by strategy, the p of how far it is behind the best
    best: str  #: the strategy that is best in balanced accuracy; "" where nothing is compared

    def system(self, strategy: str) -> str:
        """The name of the model with a strategy."""
        return system_name(self.model, strategy)

    @property
    def gains(self) -> dict[str, Difference]:
        """By how much the other strategies exceed `none` in balanced accuracy."""
        names = {self.system(name): name for name in self.order}
        return {names[one.a]: one for one in self.differences if one.metric == PRIMARY}

    def falls_short(self, strategy: str) -> bool:
        """Whether the best one can be told apart from this one.

        Of a pair with `none` that is what is said of it in the table; of any other two the best was picked after all
        had been seen, so that its lead is corrected for every pair (`skineval.measure.ranks.lags`).
        """
        of_none = strategy == UNCHANGED or strategy in self.idle  # which say the same of every image
        if self.best == UNCHANGED or of_none:
            pair = self.gains.get(strategy if self.best == UNCHANGED else self.best)
            return pair is not None and pair.is_certain
        return self.lags[strategy] < SIGNIFICANT

    @property
    def idle(self) -> list[str]:
        """The strategies whose predictions are those of `none`, to the last bit, in every cell."""
        none = _answers(self.predicted[UNCHANGED])
        return [name for name in self.order if name != UNCHANGED and _alike(_answers(self.predicted[name]), none)]


def ladders(bench: BenchResult, board: Leaderboard) -> list[Ladder]:
    """The models that were trained with `none` and with other strategies, in the order of the best system of each."""
    found = []
    for model, predicted in remedies(bench).items():
        names = {system_name(model, name): name for name in predicted}
        figures = {name: one.value for name, one in board.figures(PRIMARY).items() if name in names}
        first = [names[name] for name in best_first(figures)]
        mine = [one for one in bench.ladders if one.a in names]
        lags = {names[name]: one.value for name, one in board.figures(LAG_P).items() if name in names}
        order = (UNCHANGED, *(name for name in first if name != UNCHANGED))
        best = next((name for name in first if name in lags), "")
        found.append(Ladder(model, predicted, mine, order, lags, best))
    place = {name: at for at, name in enumerate(board.systems)}
    return sorted(found, key=lambda one: min(place.get(one.system(name), len(place)) for name in one.order))


def imbalance(bench: BenchResult, board: Leaderboard, figures: Sequence[Block]) -> Iterator[Block]:
    """What strategies did, in figures, and in words and a table for each model that was trained with several."""
    found = ladders(bench, board)
    if found:
        yield Paragraph(_OPENING)
    alone = _without_none(bench)
    if alone:
        yield Paragraph(_ALONE.format(formatting.listed(map(formatting.plain, alone))))
    for place, ladder in enumerate(found):
        blocks: list[Block] = [*map(Paragraph, _words(ladder)), table(bench, board, ladder)]
        if ladder.differences:
            compared = differences.table(replace(board, differences=ladder.differences), notes.IN_LADDERS)
            blocks.append(Fold(f"Paired differences of {formatting.plain(ladder.model)}", (compared,)))
        yield Fold(formatting.plain(ladder.model), tuple(blocks), opened=place == 0)
    yield from figures


def _without_none(bench: BenchResult) -> list[str]:
    """The models of several strategies that have nothing to be compared with."""
    strategies: dict[str, set[str]] = {}
    for cell in bench.finished:
        strategies.setdefault(cell.model, set()).add(cell.imbalance)
    return [model for model, names in strategies.items() if len(names) > 1 and UNCHANGED not in names]


def table(bench: BenchResult, board: Leaderboard, ladder: Ladder) -> Table:
    """One row a strategy, `none` first, then by balanced accuracy; the trivial baselines last."""
    known, time = standings.shown(board), _times(bench, ladder)
    minus = {ladder.system(name): one for name, one in ladder.gains.items()}
    columns: list[tuple[Column, Mapping[str, Cell]]] = [
        known[PRIMARY],
        (_MINUS_NONE, minus),
        (_P_HOLM, {system: one.p_holm for system, one in minus.items()}),
        *(known[key] for key in ("nll", "ece", "macro_auc", f"recall_{board.sought}") if key in known),
        (_HEAD, board.everyone(HEAD_RECALL)),
        (_TAIL, board.everyone(TAIL_RECALL)),
        (_TIME, {ladder.system(name): seconds for name, seconds in time.items()}),
    ]
    names = {ladder.system(name): name for name in ladder.order}
    title: Shows[str] = (_STRATEGY, lambda system: names.get(system, f"{system} (baseline)"))
    footnotes = (
        f"{UNCHANGED.capitalize()} first, then by balanced accuracy.",
        *_sides(bench),
        *_told(bench, ladder),
        notes.of_interval(board.unit, board.replicates),
        *([notes.of_test(board.unit, notes.IN_LADDERS)] if minus else []),
        *notes.of_few_replicates(len(minus), board.replicates),
        *notes.without_interval(board.scores, board.unit),
    )

    def mark(system: str) -> tuple[str, str]:
        if system in board.unranked:
            return "unranked", notes.why_unranked(board.unranked[system])
        kind = "baseline" if system not in names else "best" if names[system] == ladder.best else "plain"
        return kind, ""

    return tabulate(
        f"Imbalance strategies of {formatting.plain(ladder.model)}",
        (*names, *board.baselines),
        [title, *((column, values.get) for column, values in columns if values)],
        footnotes,
        stamps=board.stamps,
        mark=mark,
    )


def _told(bench: BenchResult, ladder: Ladder) -> Iterator[str]:
    """What cells say of a strategy, such as that it has not done what its parameters say; of each the first cell."""
    for name in ladder.order:
        mine = [cell.reason for cell in bench.finished if (cell.model, cell.imbalance) == (ladder.model, name)]
        told = re.compile(rf"(?:^|(?<= )){re.escape(name)}: [^.]+\.")
        found = [" ".join(said) for reason in mine if (said := told.findall(reason))]
        if found:
            where = f" (and {len(found) - 1} more cells of {len(mine)} something of the kind)" if len(found) > 1 else ""
            yield formatting.plain(f"{found[0]}{where}")


def _sides(bench: BenchResult) -> Iterator[str]:
    """Which classes head and tail are."""
    found = sides(bench.classes, train_counts(bench))
    if found:
        head, tail = (
            listed([formatting.plain(name) for name in found[key]], "classes") for key in (HEAD_RECALL, TAIL_RECALL)
        )
        yield f"{OF_SIDES}. Tail: {tail}. Head: {head}."


def _words(ladder: Ladder) -> Iterator[str]:
    """Which strategies changed nothing, and which cannot be told apart from the best one."""
    idle = [formatting.plain(name) for name in ladder.idle]
    if idle:
        yield f"{formatting.listed(idle)} changed no prediction here: all are those of {UNCHANGED}, to the last bit."
    if not ladder.best:
        return
    others = [name for name in ladder.order if name in ladder.lags and name != ladder.best]
    alike = [formatting.plain(name) for name in others if not ladder.falls_short(name)]
    apart = [formatting.plain(name) for name in others if ladder.falls_short(name)]
    subject = f"On these images {formatting.plain(ladder.best)}, the best strategy in balanced accuracy,"
    whom = formatting.listed(apart) if len(apart) <= _NAMED else f"the other {len(apart)}"
    if not alike:
        yield f"{subject} can be told apart from each of the others: {formatting.listed(apart)}."
    else:
        rest = f"; from {whom} it can" if apart else ""
        yield f"{subject} cannot be told apart from {formatting.listed(alike)}{rest}."
    yield _PICKED


def _times(bench: BenchResult, ladder: Ladder) -> dict[str, float]:
    """What each strategy costs, summed over cells, without a network that another cell of the bench trained."""
    seconds: dict[str, float] = dict(zip(bench.cells["run_id"], bench.cells["seconds"], strict=True))
    trained = {cell.run_id for cell in bench.finished if not cell.network}
    found: dict[str, float] = {}
    for name in ladder.order:
        cells = [cell for cell in bench.finished if cell.system == ladder.system(name) and cell.run_id in seconds]
        epochs = sum(float(cell.history["seconds"].sum()) for cell in cells if cell.network in trained)
        found[name] = max(0.0, sum(seconds[cell.run_id] for cell in cells) - epochs)
    return found


def _answers(cells: Sequence[Predictions]) -> dict[tuple[int, int], Predictions]:
    return {(cell.fold, cell.seed): cell.take(np.argsort(cell.image_ids, kind="stable")) for cell in cells}


def _alike(ours: Mapping[tuple[int, int], Predictions], theirs: Mapping[tuple[int, int], Predictions]) -> bool:
    """Whether both have the same cells with the same answers."""

    def same(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
        return np.array_equal(one, other)

    return ours.keys() == theirs.keys() and all(
        same(one.image_ids, theirs[key].image_ids) and same(one.probabilities, theirs[key].probabilities)
        for key, one in ours.items()
    )
