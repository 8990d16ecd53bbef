"""Estimates with their intervals, one line a system: of all classes together, and of each class."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from skineval.base.scheme import INK, MUTED
from skineval.base.terms import PRIMARY
from skineval.report.bench import notes
from skineval.report.document import formatting
from skineval.report.figures import style
from skineval.report.figures.scene import Scene, grid
from skineval.report.figures.style import NARROW, Drawn, Page
from skineval.values.measures import Estimate
from skineval.values.task import CLASS_NAMES, Task

_PANELS = (PRIMARY, "macro_auc")
_UNKNOWN = "no interval"


def overview(scene: Scene) -> Drawn:
    """The primary metric and macro AUC of every system, beside what looks at no image."""
    best = scene.board.systems[0]
    first = formatting.decimal(scene.board.figures(PRIMARY)[best].value)
    ahead = f"{formatting.plain(best)} leads with a balanced accuracy of {first}"
    return style.drawn(
        "overview",
        "Systems compared",
        f"Balanced accuracy, the primary metric, and macro AUC of every system with 95 % intervals; dashed: the "
        f"trivial baselines. {notes.OF_OVERLAP} A system has the same colour and marker in every figure."
        f"{scene.not_ranked}",
        f"Forest plot of {formatting.plural(len(scene.board.systems), 'system')}; "
        f"{'none is ranked' if best in scene.board.unranked else ahead}.",
        partial(_overview, scene),
    )


def recall(scene: Scene) -> Drawn:
    """The recall of each class, with how many images and lesions that is of."""
    shown = scene.board.shown
    return style.drawn(
        "recall",
        "Recall of each class",
        "Share of the test images of each class that are called right, with 95 % intervals. "
        f"{meanings(shown.classes, scene.task)}{shown.words}{scene.not_ranked}",
        f"Recall with intervals of {formatting.plural(len(scene.board.systems), 'system')} "
        f"for {formatting.listed(map(formatting.plain, shown.classes))}.",
        partial(_recall, scene),
    )


def _overview(scene: Scene, page: Page) -> Canvas:
    n = len(_PANELS)
    lines, columns = (n, 1) if page is NARROW else (1, n)
    inches = lines * (0.75 + height(scene.board.systems, page))
    figure = style.canvas(page, inches, "Systems compared", scene.board.stamps)
    axes = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel()
    for panel, metric, name in zip(axes, _PANELS, ("balanced accuracy", "macro AUC"), strict=True):
        estimates = scene.board.figures(metric)
        trivial = list(_same(scene.board.figures(metric, baseline=True)))
        rows(panel, scene, scene.board.systems, estimates, page)
        for place, system in enumerate(scene.board.systems):
            if system in estimates:
                panel.text(
                    1.03,
                    place,
                    formatting.format_estimate(estimates[system]),
                    transform=panel.get_yaxis_transform(),
                    va="center",
                )
        for value, names in trivial:
            panel.axvline(value, color=MUTED, linestyle=(0, (4, 2)), linewidth=1)
            # In points above the axes, below the title, however many systems make them tall.
            panel.annotate(
                style.drawable(", ".join(names)),
                (value, 1),
                xycoords=panel.get_xaxis_transform(),
                xytext=(0, 4),
                textcoords="offset points",
                ha="left",
                color=MUTED,
            )
        values = [*estimates.values(), *(Estimate(value) for value, _ in trivial)]
        known = [x for one in values for x in (one.value, one.low, one.high) if not math.isnan(x)]
        panel.set_xlim(style.round_limits(min(known, default=0), max(known, default=1), 4))
        style.round_ticks(panel.xaxis, 4)
        panel.set_xlabel(name)
    return figure


def _recall(scene: Scene, page: Page) -> Canvas:
    classes = scene.board.shown.classes
    lines, columns = grid(len(classes), 2 if page is NARROW else 4)
    width, size = page.width / (columns + 1), page.letters + 0.5
    titles = {label: style.class_lines(label, width, size) for label in classes}
    samples = {label: style.wrapped(_sample(scene, label), width, page.letters) for label in classes}
    words = (0.78 if page is NARROW else 0.65) + style.further_lines(titles.values(), size)
    words += style.further_lines(samples.values(), page.letters)
    inches = 0.2 + lines * (words + height(scene.board.systems, page))
    figure = style.canvas(page, inches, "Recall of each class", scene.board.stamps)
    axes = figure.subplots(lines, columns, sharey=True, squeeze=False)
    for panel, label in style.filled(axes, classes):
        rows(panel, scene, scene.board.systems, scene.board.figures("recall", label), page, said=True)
        panel.set_title(titles[label])
        panel.set_xlim(-0.03, 1.03)
        style.unit_axis(panel.xaxis)
        panel.set_xlabel(f"recall\n{samples[label]}")
    return figure


def _sample(scene: Scene, label: str) -> str:
    """How many images of a class were tested; nothing where systems differ in it."""
    sizes = {(one.n_images, one.n_lesions) for one in scene.board.everyone("recall", label).values()}
    return formatting.sample(*sizes.pop(), scene.board.unit) if len(sizes) == 1 else ""


def rows(
    panel: Axes,
    scene: Scene,
    names: Sequence[str],
    estimates: Mapping[str, Estimate],
    page: Page,
    *,
    said: bool = False,
) -> None:
    """One point with its interval for each system, the first on top; where one of them is missing, `said` says so."""
    for place, name in enumerate(names):
        one = estimates.get(name)
        if one is None or math.isnan(one.value):
            if said:
                panel.text(0, place, "not known", va="center", color=MUTED)
            continue
        look = scene.looks[name]
        alone = math.isnan(one.low) or one.low == one.high
        if not alone:
            panel.plot([one.low, one.high], [place, place], color=look.color, linewidth=2, solid_capstyle="butt")
        elif said:
            right = one.value < 0.5
            panel.annotate(
                _UNKNOWN,
                (one.value, place),
                xytext=(6 if right else -6, 0),
                textcoords="offset points",
                ha="left" if right else "right",
                va="center",
                color=MUTED,
            )
        panel.plot(one.value, place, markersize=4.8, linestyle="none", clip_on=False, **look.point)
    lines(panel, names, page)
    for tick, name in zip(panel.yaxis.get_major_ticks(), names, strict=True):
        tick.label1.set_color(MUTED if name in scene.board.unranked else INK)


def lines(panel: Axes, names: Sequence[str], page: Page) -> None:
    """A line for each system, with its name, the first on top."""
    panel.set_ylim(len(names) - 0.5, -0.5)
    panel.set_yticks(range(len(names)), [style.name_lines(name, page.name) for name in names])
    panel.spines["left"].set_visible(False)
    panel.tick_params(axis="y", length=0)


def height(names: Sequence[str], page: Page) -> float:
    """Inches that so many systems take, some of whose names have several lines."""
    lines = 1 + max((style.name_lines(name, page.name).count("\n") for name in names), default=0)
    return len(names) * max(0.26, lines * page.letters * 1.35 / 72 + 0.06)


def _same(estimates: Mapping[str, Estimate]) -> Iterator[tuple[float, list[str]]]:
    """The names that share a value to three decimals, by value."""
    found: dict[float, list[str]] = {}
    for name, one in estimates.items():
        if not math.isnan(one.value):
            found.setdefault(round(one.value, 3), []).append(name)
    yield from found.items()


def meanings(classes: Sequence[str], task: Task) -> str:
    """What the codes of classes stand for: all labels that each takes."""
    known = []
    for name in classes:
        if name in CLASS_NAMES:
            taken = (CLASS_NAMES.get(label, label) for label, of in task.labels.items() if of == name)
            known.append(f"{name}: {formatting.listed(map(formatting.plain, taken))}")
    return f"{'; '.join(known)}." if known else ""
