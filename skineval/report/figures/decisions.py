"""What comes of acting on the probability of malignancy: decision curves, and predictive values by prevalence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from skineval.base.scheme import FAINT, MUTED
from skineval.base.svg import shortened
from skineval.grid.choosing import AT_SENSITIVITY
from skineval.measure.decisions import benefit_at, benefit_of_all
from skineval.measure.intervals import estimate
from skineval.report.bench import choices
from skineval.report.bench.systems import System
from skineval.report.document import formatting
from skineval.report.figures import style
from skineval.report.figures.scene import Scene
from skineval.report.figures.style import NARROW, Drawn, Page
from skineval.values.measures import Choice, Estimate

NAMED = 4  #: systems whose curves can be told apart
_THRESHOLDS = np.concatenate([[0.01], np.arange(0.02, 0.501, 0.02)])
_PREVALENCES = np.geomspace(0.005, 0.5, 60)
_HEIGHT = 3.4  # inches of a panel
_TITLE = "Acting on the probability of malignancy"


def draw(scene: Scene, found: Sequence[Choice], replicates: int) -> Drawn | None:
    """Both panels, the second one where thresholds were chosen; None where malignancy or probabilities are unknown."""
    known = [one for one in scene.systems if one.test.malignant is not None and one.test.normalised]
    shown = [one for one in known if 0 < one.test.malignancy.targets.mean() < 1][:NAMED]
    if not shown:
        return None
    of_best = estimate([shown[0].test], [benefit_at(t) for t in _THRESHOLDS], replicates=replicates)
    points = choices.of(found, AT_SENSITIVITY)
    left = len(known) - len(shown)
    return style.drawn(
        "decisions",
        _TITLE,
        "Net benefit: malignant images found less false alarms at their price, by the probability from which on one "
        "acts (Vickers and Elkin 2006), with a 95 % band of the best system; grey: acting on all images, or on none. "
        "Predictive values: at the operating point of the best system, where malignancy is rarer or more frequent; "
        f"bands are from the ends of both intervals.{' Other systems are left out.' * bool(left)}",
        f"Decision curves of {formatting.plural(len(shown), 'system')}, and predictive values by prevalence.",
        partial(_paint, scene, shown, of_best, points),
    )


def _paint(
    scene: Scene,
    shown: Sequence[System],
    of_best: Sequence[Estimate],
    points: Mapping[tuple[str, str], Mapping[str, Choice]],
    page: Page,
) -> Canvas:
    name = shown[0].name
    ends = [points.get((metric, ""), {}).get(name) for metric in ("sensitivity", "specificity")]
    n = 2 if all(ends) else 1
    lines, columns = (n, 1) if page is NARROW else (1, n)
    legend = (len(shown) + 1) * page.letters * 1.5 / 72
    figure = style.canvas(page, lines * _HEIGHT + legend, _TITLE, scene.board.stamps)
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    _curves(axes[0], scene, shown, of_best, page)
    if ends[0] is not None and ends[1] is not None:
        prevalence = float(shown[0].test.malignancy.targets.mean())
        _values(axes[1], scene, name, ends[0], ends[1], prevalence)
    return figure


def _curves(panel: Axes, scene: Scene, shown: Sequence[System], of_best: Sequence[Estimate], page: Page) -> None:
    tests = [one.test.malignancy for one in shown]
    prevalence = float(tests[0].targets.mean())
    panel.axhline(0, color=MUTED, linewidth=1)
    panel.plot(_THRESHOLDS, benefit_of_all(_THRESHOLDS, prevalence), color=MUTED, linestyle=(0, (4, 2)), linewidth=1)
    low, high = ([getattr(one, end) for one in of_best] for end in ("low", "high"))
    panel.fill_between(_THRESHOLDS, low, high, color=scene.looks[shown[0].name].color, alpha=0.18, linewidth=0)
    for system, test in reversed(list(zip(shown, tests, strict=True))):
        metrics = [benefit_at(t) for t in _THRESHOLDS]
        once = np.ones((1, len(test)))
        curve = [one.compute(test.targets, test.probabilities, once, test.classes)[0] for one in metrics]
        look = scene.looks[system.name]
        panel.plot(_THRESHOLDS, curve, linewidth=1.3, markevery=8, markersize=4.5, **(look.point | look.line))
    panel.set(xlim=(0, 0.5), ylim=(-0.15 * prevalence, 1.05 * prevalence), title="Decision curves")
    panel.set_xlabel("threshold probability")
    panel.set_ylabel("net benefit")
    letters = style.fitting(page.width / (1 if page is NARROW else 2) - 0.8, page.letters)
    panel.legend(
        [*(style.handle(scene.looks[one.name]) for one in shown), Line2D([], [], color=MUTED, linestyle=(0, (4, 2)))],
        [*(shortened(style.drawable(one.name), letters) for one in shown), "acting on all"],
        loc="upper left",
        bbox_to_anchor=(0, -0.22),
        handlelength=2.6,
    )


def _values(
    panel: Axes, scene: Scene, name: str, sensitivity: Estimate, specificity: Estimate, prevalence: float
) -> None:
    color = scene.looks[name].color
    both = [choices.values_at(sensitivity, specificity, float(one)) for one in _PREVALENCES]
    for place, (label, dashes) in enumerate(
        (("positive predictive value", "-"), ("negative predictive value", (0, (5, 1.5))))
    ):
        found = [one[place] for one in both]
        panel.plot(
            _PREVALENCES, [one.value for one in found], color=color, linestyle=dashes, linewidth=1.3, label=label
        )
        panel.fill_between(
            _PREVALENCES, [one.low for one in found], [one.high for one in found], color=color, alpha=0.18, linewidth=0
        )
    panel.axvline(prevalence, color=FAINT, linewidth=1.5)
    panel.annotate(
        "these images",
        (prevalence, 0.6),
        xycoords=panel.get_xaxis_transform(),
        xytext=(3, 0),
        textcoords="offset points",
        color=MUTED,
    )
    panel.set_xscale("log")
    ticks = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
    panel.set_xticks(ticks, [formatting.percent(one, 1 if one < 0.01 else 0) for one in ticks])
    panel.minorticks_off()
    panel.set(xlim=(_PREVALENCES[0], _PREVALENCES[-1]), ylim=(0, 1.02), title="Predictive values")
    style.unit_axis(panel.yaxis)
    panel.set_xlabel("prevalence of malignancy")
    panel.legend(loc="upper left", bbox_to_anchor=(0, -0.22), handlelength=2.6)
