"""Curves of training: all systems on the same axes, which begin at zero and end where all of them have room."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from skineval.base.scheme import MUTED
from skineval.base.svg import shortened
from skineval.report.bench.systems import System
from skineval.report.document import formatting
from skineval.report.figures import style
from skineval.report.figures.scene import Scene
from skineval.report.figures.style import SQUARE, Drawn, Page
from skineval.values.result import CellResult

_LOSSES = ("train_loss", "val_loss")
_FAR = 3  # times the middle of all: a loss of which the axis does not follow


def curves(scene: Scene) -> Iterator[Drawn]:
    """A figure for each training, however many systems act on what came of it."""
    sharing: dict[frozenset[str], list[System]] = {}
    for system in scene.systems:
        if any(len(cell.history) for cell in system.cells):  # a probe has none
            sharing.setdefault(frozenset(cell.network or cell.run_id for cell in system.cells), []).append(system)
    for systems in sharing.values():
        trained = next((one for one in systems if not any(cell.network for cell in one.cells)), systems[0])
        yield draw(trained, scene, [one.name for one in systems if one is not trained])


def draw(system: System, scene: Scene, others: Sequence[str] = ()) -> Drawn:
    """Losses and validation balanced accuracy by epoch, one line a cell; `others` have the same networks."""
    shared = f" The same networks are those of {formatting.listed(map(formatting.plain, others))}." if others else ""
    return style.drawn(
        "training",
        f"Training: {formatting.plain(system.name)}",
        f"One line a cell ({formatting.plural(len(system.cells), 'cell')}), on axes that are the same for every "
        "system; the star marks the epoch with the best balanced accuracy on the validation part, the dotted line "
        f"chance.{shared}",
        f"Loss and validation balanced accuracy by epoch for {formatting.plain(system.name)}.",
        partial(_paint, system, scene, _largest_loss(scene.systems)),
        system.name,
        (SQUARE,),  # on wide pages, too: a bench has as many of these as it trains networks
    )


def _paint(system: System, scene: Scene, largest: float, page: Page) -> Canvas:
    title = f"Training: {shortened(style.drawable(system.name), 2 * page.name)}"
    figure = style.canvas(page, 5.1, title, scene.board.stamps)
    losses, accuracy = figure.subplots(2, 1)
    look = scene.looks[system.name]
    line: dict[str, Any] = {"color": look.color, "alpha": 1.0 if len(system.cells) == 1 else 0.6}
    if any(len(cell.history) == 1 for cell in system.cells):
        line["marker"] = "."  # a line of one point is invisible
    for cell in system.cells:
        history = cell.history
        for column, dashes in zip(_LOSSES, style.DASHES, strict=False):
            losses.plot(history["epoch"], history[column], linestyle=dashes, **line)
        accuracy.plot(history["epoch"], history["val_balanced_accuracy"], **line)
        best = _best_epoch(cell)
        if best is not None:
            accuracy.plot(*best, **style.star(10))
    accuracy.axhline(1 / len(scene.board.classes), color=MUTED, linewidth=1, linestyle=style.DASHES[2])
    losses.set(title="Loss", xlabel="epoch", ylabel="loss", ylim=(0, largest))
    accuracy.set(title="Balanced accuracy", xlabel="epoch", ylabel="on the validation part", ylim=(0, 1.02))
    style.round_ticks(losses.yaxis, 4)
    style.round_ticks(accuracy.yaxis)
    epochs = [int(cell.history["epoch"].max()) for one in scene.systems for cell in one.cells if len(cell.history)]
    longest = max(epochs, default=1)
    for panel in (losses, accuracy):
        panel.set_xlim(-0.02 * longest - 0.1, 1.02 * longest + 0.1)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    dashes = [Line2D([], [], color=look.color, linestyle=style.DASHES[place]) for place in range(2)]
    losses.legend(dashes, ["train", "validation"], loc="best")
    reached = _peak(system)
    if reached > largest:
        losses.text(0.98, 0.98, f"reaches {reached:.3g}", transform=losses.transAxes, ha="right", va="top", color=MUTED)
    marks = [Line2D([], [], **style.star(10)), Line2D([], [], color=MUTED, linewidth=1, linestyle=style.DASHES[2])]
    accuracy.legend(marks, ["best epoch, whose weights are kept", "chance"], loc="best")
    return figure


def _largest_loss(systems: Sequence[System]) -> float:
    """Where the axis of losses ends: at a round value above all of them, or of all but those far from the others."""
    peaks = [peak for system in systems if system.cells and math.isfinite(peak := _peak(system))]
    if not peaks:
        return 1.0
    return float(MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(0, min(max(peaks), _FAR * np.median(peaks)))[-1])


def _peak(system: System) -> float:
    losses = np.concatenate([cell.history[list(_LOSSES)].to_numpy(dtype=np.float64).ravel() for cell in system.cells])
    finite = losses[np.isfinite(losses)]
    return float(finite.max()) if len(finite) else math.nan


def _best_epoch(cell: CellResult) -> tuple[float, float] | None:
    accuracy = cell.history["val_balanced_accuracy"].to_numpy(dtype=np.float64)
    if not len(accuracy) or np.isnan(accuracy).all():
        return None
    place = int(np.nanargmax(accuracy))
    return float(cell.history["epoch"].to_numpy()[place]), float(accuracy[place])
