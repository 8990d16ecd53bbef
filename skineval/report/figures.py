"""Every figure of a report, drawn from a bench, the same bytes every time; the charts are drawn here, as SVG."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from skineval.data.lesions import DIAGNOSIS_NAMES
from skineval.grid.result import BenchResult, CellResult
from skineval.measure.calibration import reliability
from skineval.measure.curves import confusion, roc
from skineval.measure.predictions import Predictions
from skineval.report import rows, style, text
from skineval.report.document import Figure, LeftOut
from skineval.report.galleries import photographs
from skineval.report.rows import PRIMARY, Estimate, Score, Unranked
from skineval.report.style import BLUE, FAINT, FOLDER, INK, MUTED, VERMILLION, Drawn, filled
from skineval.report.systems import System, ranked, unranked

_COLUMNS = 4
_UNIT = ([0, 0.5, 1], ["0", "0.5", "1"])  # short, so that those of neighbouring panels do not meet
_SMALL: dict[str, Any] = {"fontsize": 7, "title_fontsize": 7}


def draw(bench: BenchResult) -> Iterator[Drawn | LeftOut]:
    """Every figure of the bench, in the order of the report; and what could not be drawn."""
    systems = ranked(bench)
    scores = rows.scores(bench.results)
    beside = unranked(bench)
    with style.styled():
        if rows.ranking(scores):
            yield _overview(scores, beside, bench.warnings)
            yield _recall(scores, beside, bench.classes, bench.warnings)
        if systems:
            yield _roc(systems, scores, bench.classes, bench.warnings)
            yield _reliability(systems, scores, bench.warnings)
        for system in systems:
            yield _confusion(system, bench.warnings)
            if system.cells:
                yield _training(system, bench.warnings)
        if systems:
            yield from photographs(systems[0], bench)


def _overview(scores: Sequence[Score], beside: Unranked, stamps: Sequence[str]) -> Drawn:
    names = rows.ranking(scores, beside)
    figure = style.canvas(10, 1.5 + 0.42 * len(names) + 0.2 * len(stamps), "Systems compared", stamps)
    panels = [(PRIMARY, "Balanced accuracy"), ("macro_auc", "Macro AUC")]
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for panel, (metric, name) in zip(axes, panels, strict=True):
        estimates = rows.of(scores, metric)
        _forest(panel, names, estimates, beside)
        for place, system in enumerate(names):
            if system in estimates:
                one = estimates[system]
                panel.text(
                    1.03,
                    place,
                    text.estimate(one.value, one.low, one.high),
                    transform=panel.get_yaxis_transform(),
                    va="center",
                    fontsize=7.5,
                )
        for value, trivial in _same(rows.of(scores, metric, baseline=True)):
            panel.axvline(value, color=MUTED, linestyle=(0, (4, 2)), linewidth=1)
            # In points above the axes, below the title, however many systems make them tall.
            panel.annotate(
                style.drawable(", ".join(trivial)),
                (value, 1),
                xycoords=panel.get_xaxis_transform(),
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                fontsize=7.5,
                color=MUTED,
            )
        panel.set_title(name, pad=17)
    first = text.decimal(rows.of(scores, PRIMARY)[names[0]].value)
    ahead = f"{text.plain(names[0])} leads with a balanced accuracy of {first}"
    return Drawn(
        Figure(
            f"{FOLDER}/overview.svg",
            "Systems compared",
            "Balanced accuracy, the primary metric, and macro AUC of every system with 95 % intervals; "
            f"dashed: the trivial baselines.{_beside(beside)}",
            f"Forest plot of {text.plural(len(names), 'system')}; {'none is ranked' if names[0] in beside else ahead}.",
            "overview",
        ),
        style.encoded(figure, "svg"),
    )


def _recall(scores: Sequence[Score], beside: Unranked, classes: Sequence[str], stamps: Sequence[str]) -> Drawn:
    names = rows.ranking(scores, beside)
    columns, lines = _grid(len(classes))
    height = 1.0 + lines * (0.7 + 0.3 * len(names))
    figure = style.canvas(2.2 * columns + 2.2, height, "Recall of each class", stamps)
    axes = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for panel, label in filled(axes, classes):
        _forest(panel, names, rows.of(scores, "recall", label), beside)
        sizes = {one.n_images for one in scores if one.metric == "recall" and one.label == label}
        n = f" (n = {text.count(sizes.pop())})" if len(sizes) == 1 else ""
        panel.set_title(f"{style.drawable(label)}{n}")
        panel.set_xlim(-0.03, 1.03)
        panel.set_xticks(*_UNIT)
    return Drawn(
        Figure(
            f"{FOLDER}/recall.svg",
            "Recall of each class",
            f"Share of the test images of each class that are called right, with 95 % intervals. {_meanings(classes)}"
            f"{_beside(beside)}",
            f"Recall with intervals of {text.plural(len(names), 'system')} "
            f"for {text.listed(map(text.plain, classes))}.",
            "recall",
        ),
        style.encoded(figure, "svg"),
    )


def _roc(systems: Sequence[System], scores: Sequence[Score], classes: Sequence[str], stamps: Sequence[str]) -> Drawn:
    # With two classes the curve of one is that of the other, seen from the corner opposite.
    shown = list(range(len(classes))) if len(classes) > 2 else [len(classes) - 1]
    panels = [*(classes[place] for place in shown), *(["macro"] if len(shown) > 1 else [])]
    columns, lines = _grid(len(panels))
    looks = style.looks(min(len(systems), len(style.PALETTE)))
    others = len(systems) - len(looks)
    width, height = (2.4 * columns + 2.4, 0.8 + 2.5 * lines) if len(panels) > 1 else (7.0, 4.6)
    figure = style.canvas(width, height, "ROC curves, one class against the rest", stamps)
    axes = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    curves = [_roc_curves(system.test, shown) for system in systems]
    for place, (panel, label) in enumerate(filled(axes, panels)):
        metric = ("macro_auc", "") if label == "macro" and len(shown) > 1 else ("auc", label)
        areas = rows.of(scores, *metric)
        panel.plot([0, 1], [0, 1], color=FAINT, linewidth=1)
        for curve in curves[len(looks) :]:
            panel.plot(*curve[place], color=FAINT, linewidth=1)
        for system, curve, look in zip(systems, curves, looks, strict=False):
            area = text.decimal(areas[system.name].value) if system.name in areas else text.MISSING
            panel.plot(*curve[place], color=look.color, linestyle=look.dashes, linewidth=1.3, label=area)
        panel.legend(loc="lower right", title="AUC", handlelength=2.6, labelspacing=0.25, borderpad=0, **_SMALL)
        panel.set(title=style.drawable(label), aspect="equal", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        panel.set_xticks(*_UNIT)
        panel.set_yticks(*_UNIT)
    for panel in axes[-1]:
        panel.set_xlabel("1 − specificity")
    for panel in axes[:, 0]:
        panel.set_ylabel("sensitivity")
    handles = [Line2D([], [], color=look.color, linestyle=look.dashes) for look in looks]
    names = [style.name_lines(system.name) for system, _ in zip(systems, looks, strict=False)]
    if others:
        handles.append(Line2D([], [], color=FAINT))
        names.append(text.plural(others, "other system"))
    figure.legend(handles, names, loc="outside right upper", handlelength=2.6)
    also = " Only the best six are told apart; the areas of all are in the tables." if others else ""
    return Drawn(
        Figure(
            f"{FOLDER}/roc.svg",
            "ROC curves",
            f"Curves over the test images of all folds and seeds; areas as in the tables, the mean over cells.{also}",
            f"ROC curves of {text.plural(len(systems), 'system')}, one panel for each of "
            f"{text.listed(map(text.plain, panels))}.",
            "roc",
        ),
        style.encoded(figure, "svg"),
    )


def _roc_curves(test: Predictions, shown: Sequence[int]) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """False and true positive rates of each class against the rest, and of their mean if they are several."""
    curves = [roc(test.targets == place, test.probabilities[:, place]) for place in shown]
    defined = [curve for curve in curves if not np.isnan(curve).any()]
    if len(shown) > 1 and defined:
        rates = np.linspace(0, 1, 201)
        mean = np.mean([np.interp(rates, *curve) for curve in defined], axis=0)
        curves.append((np.append(0, rates), np.append(0, mean)))
    return curves


def _reliability(systems: Sequence[System], scores: Sequence[Score], stamps: Sequence[str]) -> Drawn:
    columns, lines = _grid(len(systems))
    figure = style.canvas(max(2.55 * columns, 5.2), 0.8 + 3.6 * lines, "Reliability of the probabilities", stamps)
    axes = figure.subplots(2 * lines, columns, squeeze=False, sharex=True, height_ratios=[4, 1] * lines)
    errors, likelihoods = rows.of(scores, "ece"), rows.of(scores, "nll")
    for place in range(lines * columns):
        upper, lower = axes[2 * (place // columns) : 2 * (place // columns) + 2, place % columns]
        if place >= len(systems):
            upper.set_visible(False)
            lower.set_visible(False)
            continue
        system = systems[place]
        test = system.test
        curve = reliability(test.targets, test.probabilities)
        used = curve.count > 0
        upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 2)))
        upper.plot(curve.confidence[used], curve.accuracy[used], color=BLUE, marker="o", markersize=4)
        upper.set(xlim=(0, 1), ylim=(0, 1.02))
        upper.set_xticks(*_UNIT)
        upper.set_yticks(*_UNIT)
        figures = [
            f"{name} {text.decimal(found[system.name].value)}"
            for name, found in (("ECE", errors), ("NLL", likelihoods))
            if system.name in found
        ]
        upper.set_title("\n".join([style.name_lines(system.name), ", ".join(figures)]), fontsize=8.5)
        bins = np.linspace(0, 1, len(used) + 1)
        shares = curve.count / max(1, len(test))
        lower.bar(bins[:-1], shares, width=np.diff(bins), align="edge", color=BLUE, alpha=0.55, edgecolor="white")
        lower.set(ylim=(0, None), xlabel="confidence")
        lower.yaxis.set_major_locator(MaxNLocator(2))
        lower.yaxis.set_major_formatter(PercentFormatter(1, 0, " %"))
        if place % columns == 0:
            upper.set_ylabel("share right")
            lower.set_ylabel("share of\nimages")
    return Drawn(
        Figure(
            f"{FOLDER}/reliability.svg",
            "Reliability of the probabilities",
            "How often a prediction is right, by how confident it is (its largest probability); on the dashed line, "
            "probabilities can be taken at their word. Below: how confidences are spread over the test images.",
            f"Reliability diagrams of {text.plural(len(systems), 'system')}.",
            "reliability",
        ),
        style.encoded(figure, "svg"),
    )


def _confusion(system: System, stamps: Sequence[str]) -> Drawn:
    test = system.test
    classes = [style.drawable(label) for label in test.classes]
    matrix = confusion(test)
    counts, totals = matrix[:, :-1], matrix.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, None]
    side = 2.2 + 0.62 * len(classes)
    title = f"Confusion matrix: {style.shortened(system.name, 50)}"
    figure = style.canvas(side, side - 0.1 + 0.2 * len(stamps), title, stamps)
    axes = figure.subplots()
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1.5)
    for (row, column), share in np.ndenumerate(shares):
        ink = "white" if share > 0.68 else INK
        weight = "bold" if row == column else "normal"
        centre = (column + 0.5, row + 0.42)
        axes.text(*centre, text.count(float(counts[row, column])), ha="center", va="center", color=ink, weight=weight)
        axes.text(column + 0.5, row + 0.72, f"{100 * share:.0f} %", ha="center", va="center", color=ink, fontsize=7)
    ticks = np.arange(len(classes)) + 0.5
    axes.set_xticks(ticks, classes)
    axes.set_yticks(ticks, [f"{label} ({text.count(n)})" for label, n in zip(classes, totals, strict=True)])
    axes.set(xlabel="predicted", ylabel="reference standard (images)", aspect="equal")
    axes.invert_yaxis()
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    undecided = int(matrix[:, -1].sum())
    also = f" {text.plural(undecided, 'prediction')} undecided (tied) and in no column." if undecided else ""
    return Drawn(
        Figure(
            f"{FOLDER}/confusion-{_slug(system.name)}.svg",
            f"Confusion matrix: {text.plain(system.name)}",
            f"Test images of {system.made_of} by reference standard (rows) and prediction (columns); "
            f"colour and percentages are shares of a row.{also}",
            f"Confusion matrix of {text.plain(system.name)}. Shares called right: "
            + ", ".join(f"{label} {100 * shares[i, i]:.0f} %" for i, label in enumerate(classes))
            + ".",
            "confusion",
            system.name,
        ),
        style.encoded(figure, "svg"),
    )


def _training(system: System, stamps: Sequence[str]) -> Drawn:
    figure = style.canvas(8.5, 3.2 + 0.2 * len(stamps), f"Training: {style.shortened(system.name, 60)}", stamps)
    losses, accuracy = figure.subplots(1, 2)
    line: dict[str, Any] = {"alpha": 1.0 if len(system.cells) == 1 else 0.65}
    if any(len(cell.history) == 1 for cell in system.cells):
        line["marker"] = "."  # a line of one point is invisible
    for cell in system.cells:
        history = cell.history
        losses.plot(history["epoch"], history["train_loss"], color=BLUE, **line)
        losses.plot(history["epoch"], history["val_loss"], color=VERMILLION, linestyle=style.DASHES[1], **line)
        accuracy.plot(history["epoch"], history["val_balanced_accuracy"], color=VERMILLION, **line)
        best = _best_epoch(cell)
        if best is not None:
            accuracy.plot(*best, marker="*", markersize=11, color=INK, markeredgecolor="white", linestyle="none")
    losses.set(title="Loss", xlabel="epoch", ylim=(0, None))
    accuracy.set(title="Balanced accuracy on the validation part", xlabel="epoch")
    for panel in (losses, accuracy):
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        panel.margins(x=0.02)
    losses.legend(
        [Line2D([], [], color=BLUE), Line2D([], [], color=VERMILLION, linestyle=style.DASHES[1])],
        ["train", "validation"],
    )
    star = Line2D([], [], marker="*", markersize=11, color=INK, markeredgecolor="white", linestyle="none")
    accuracy.legend([star], ["best epoch, whose weights are kept"], loc="lower right")
    return Drawn(
        Figure(
            f"{FOLDER}/training-{_slug(system.name)}.svg",
            f"Training: {text.plain(system.name)}",
            f"One line a cell ({text.plural(len(system.cells), 'cell')}); "
            "the star marks the epoch with the best balanced accuracy on the validation part.",
            f"Loss and validation balanced accuracy by epoch for {text.plain(system.name)}.",
            "training",
            system.name,
        ),
        style.encoded(figure, "svg"),
    )


def _beside(beside: Unranked) -> str:
    """What the grey points of a forest plot are."""
    return " Grey: not ranked, for want of a fold that others have." if beside else ""


def _forest(panel: Axes, names: Sequence[str], estimates: dict[str, Estimate], beside: Unranked) -> None:
    """One point with its interval for each name, the first name on top; the first is marked as the best.

    Those in `beside`, which are not ranked, are grey.
    """
    for place, name in enumerate(names):
        one = estimates.get(name)
        if one is None or math.isnan(one.value):
            continue
        color, marker = (VERMILLION, "D") if place == 0 and len(names) > 1 else (BLUE, "o")
        if name in beside:
            color, marker = MUTED, "o"
        if not math.isnan(one.low):
            panel.plot([one.low, one.high], [place, place], color=color, linewidth=2, solid_capstyle="butt")
        panel.plot(one.value, place, color=color, marker=marker, markersize=5.5, linestyle="none")
    panel.set_yticks(range(len(names)), [style.name_lines(name) for name in names])
    panel.set_ylim(len(names) - 0.5, -0.5)
    panel.spines["left"].set_visible(False)
    panel.tick_params(axis="y", length=0)
    panel.xaxis.set_major_locator(MaxNLocator(5))


def _same(estimates: dict[str, Estimate]) -> Iterator[tuple[float, list[str]]]:
    """The names that share a value to three decimals, by value."""
    found: dict[float, list[str]] = {}
    for name, one in estimates.items():
        if not math.isnan(one.value):
            found.setdefault(round(one.value, 3), []).append(name)
    yield from found.items()


def _grid(n: int) -> tuple[int, int]:
    """Columns and lines for `n` panels."""
    columns = min(n, _COLUMNS)
    return columns, math.ceil(n / columns)


def _best_epoch(cell: CellResult) -> tuple[float, float] | None:
    accuracy = cell.history["val_balanced_accuracy"].to_numpy(dtype=np.float64)
    if not len(accuracy) or np.isnan(accuracy).all():
        return None
    place = int(np.nanargmax(accuracy))
    return float(cell.history["epoch"].to_numpy()[place]), float(accuracy[place])


def _meanings(classes: Sequence[str]) -> str:
    known = [f"{label}: {DIAGNOSIS_NAMES[label]}" for label in classes if label in DIAGNOSIS_NAMES]
    return f"{'; '.join(known)}." if known else ""


def _slug(name: str) -> str:
    """A file name for a system; the hash keeps apart names that differ only in what a file name cannot hold."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{re.sub(r'[^a-z0-9._]+', '-', name.lower()).strip('-.')[:60]}-{digest}"
