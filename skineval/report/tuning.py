"""A search as a table and as a picture."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from skineval.base.scheme import BLUE, MUTED, VERMILLION
from skineval.base.svg import shortened
from skineval.report.document import formatting
from skineval.report.document.notebook import fragments
from skineval.report.document.tables import Column, Shows, Table, tabulate
from skineval.report.figures import style
from skineval.report.figures.style import WIDE
from skineval.tuning.search import Search
from skineval.tuning.space import Choices, Dimension, Range
from skineval.tuning.trials import DONE, FAILED, PRUNED, Trial

_COLUMNS = 3  #: panels side by side
#: How a trial is marked: state, colour, marker, words.
_MARKS = ((PRUNED, MUTED, "x", "pruned (best until then)"), (DONE, BLUE, "o", "done"))


class ShownSearch(Search):
    """A search that a notebook shows as the table of its trials."""

    def _repr_html_(self) -> str:
        return fragments([table(self)])


def table(search: Search) -> Table:
    """Every trial, the best first; those that were given up come after those that reached their end."""
    gain = Column("gain", "Over the recipe", "score", "balanced accuracy above that of the recipe's own setting", 2)
    columns: tuple[Shows[Trial], ...] = (
        Column("number", "Trial", "count"),
        Column("value", "Balanced accuracy", "score", "on the validation part; of a pruned trial the best until then"),
        (gain, lambda trial: trial.score - search.own.score if trial.state == DONE else None),
        *map(_parameter, search.space),
        Column("state", "State"),
        (Column("epochs_trained", "Epochs trained", "count", priority=4), lambda trial: trial.epochs),
        Column("seconds", "Time", "seconds", priority=3),
    )

    def mark(trial: Trial) -> tuple[str, str]:
        kind = "best" if trial is search.best else "baseline" if trial is search.own else "plain"
        return kind if trial.state == DONE else trial.state, trial.reason

    trials, title = ranked(search.trials), f"Search for {search.system}"
    return tabulate(title, trials, columns, _notes(search), stamps=search.stamps, mark=mark)


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """Best first: done, pruned, failed, each by value; of equal ones the first."""
    order = (DONE, PRUNED, FAILED)
    return sorted(trials, key=lambda trial: (order.index(trial.state), -(trial.value or 0.0), trial.number))


def draw(search: Search) -> bytes:
    """The search as SVG, the same bytes every time: the score trial by trial, and against each dimension."""
    with style.styled():
        lines = -(-len(search.space) // _COLUMNS)
        height = 2.8 + 2.3 * lines
        figure = style.canvas(WIDE, height, f"Search for {shortened(search.system, 60)}", search.stamps)
        grid = figure.add_gridspec(lines + 1, _COLUMNS, height_ratios=[1.25, *[1.0] * lines])
        first = figure.add_subplot(grid[0, :])
        _by_trial(first, search)
        for place, one in enumerate(search.space):
            panel = figure.add_subplot(grid[1 + place // _COLUMNS, place % _COLUMNS], sharey=first)
            _by_value(panel, one, search)
            if place % _COLUMNS == 0:
                panel.set_ylabel("balanced accuracy")
            else:
                panel.tick_params(labelleft=False)
        return style.encoded(figure)


def _parameter(one: Dimension) -> Shows[Trial]:
    return Column(one.key, _name(one), priority=1), lambda trial: trial.parameters[one.key]


def _notes(search: Search) -> Iterator[str]:
    best, own = search.best, search.own
    yield (
        f"Trial 0 is the recipe's own setting: {formatting.decimal(own.score)}. "
        + (
            "No trial is better."
            if best is own
            else f"Trial {best.number} is the best: {formatting.decimal(best.score)}, "
            f"{formatting.decimal(best.score - own.score)} more."
        )
    )
    over = "" if search.cells == 1 else f"; each value is the mean over {search.cells} networks"
    sample = formatting.sample(search.n_images, search.n_groups, search.unit)
    yield f"Validation part: {sample}{over}."
    bench = f"`skineval bench {formatting.plain(search.folder / 'recipe.toml')}"
    yield "The best of many trials on the same images is optimistic, and no figure to report. " + (
        f"{search.caveat} {bench} --external DATA` makes an external test."
        if search.caveat
        else f"The test part was not read: {bench}` measures the winner on it."
    )
    given_up = sum(trial.state == PRUNED for trial in search.trials)
    if given_up:
        yield (
            f"{formatting.plural(given_up, 'trial')} pruned: given up while below the median of the others when they "
            "had come as far."
        )
    yield from search.notes


def _by_trial(panel: Axes, search: Search) -> None:
    _points(panel, [float(trial.number) for trial in search.trials], search)
    best = list(itertools.accumulate((t.score if t.state == DONE else 0.0 for t in search.trials), max))
    panel.step(range(len(best)), best, where="post", color=BLUE, label="best so far", zorder=1)
    for trial in search.trials:
        if trial.state == FAILED:
            panel.axvline(trial.number, color=VERMILLION, linewidth=1, linestyle=style.DASHES[2], label="failed")
    panel.set_title("Balanced accuracy on the validation part", pad=22)
    panel.set(xlabel="trial", ylabel="balanced accuracy")
    panel.set_xlim(-0.6, max(len(search.trials) - 0.4, 1))
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    named = dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))  # each once
    panel.legend(named.values(), named.keys(), ncols=len(named), loc="lower left", bbox_to_anchor=(-0.01, 0.98))


def _by_value(panel: Axes, one: Dimension, search: Search) -> None:
    places = _places(one, search.trials)
    _points(panel, places, search)
    panel.set_title(_name(one))
    if isinstance(one, Choices):
        words = _words(one, search.trials)
        panel.set_xticks(range(len(words)), [shortened(style.drawable(word), 14) for word in words])
        panel.set_xlim(-0.5, len(words) - 0.5)
        return
    if one.logarithmic and min(places) > 0:
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.xaxis.set_minor_formatter(NullFormatter())
    elif one.whole:
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    panel.update_datalim([(one.low, search.own.score), (one.high, search.own.score)])  # all that could be tried
    panel.autoscale_view()


def _name(one: Dimension) -> str:
    return one.key.replace("_", " ").capitalize()


def _places(one: Dimension, trials: Sequence[Trial]) -> list[float]:
    """Where each trial stands on the axis of a dimension."""
    if isinstance(one, Range):
        return [float(trial.parameters[one.key]) for trial in trials]
    words = _words(one, trials)
    return [float(words.index(str(trial.parameters[one.key]))) for trial in trials]


def _words(one: Choices, trials: Sequence[Trial]) -> list[str]:
    """The values of a dimension without order, with that of the recipe where it is not among them."""
    return list(dict.fromkeys([*map(str, one.values), *(str(trial.parameters[one.key]) for trial in trials)]))


def _points(panel: Axes, places: Sequence[float], search: Search) -> None:
    """Every trial that has a value, at its place, with the winner and the level of the recipe's own setting."""
    for state, color, marker, label in _MARKS:
        some = [trial for trial in search.trials if trial.state == state]
        if some:
            at = [places[trial.number] for trial in some]
            scores = [trial.score for trial in some]
            panel.plot(at, scores, color=color, marker=marker, linestyle="none", alpha=0.7, label=label)
    panel.plot(places[search.best.number], search.best.score, label="winner", **style.star(12))
    panel.axhline(
        search.own.score, color=MUTED, linewidth=1, linestyle=style.DASHES[1], label="the recipe's own", zorder=1
    )
