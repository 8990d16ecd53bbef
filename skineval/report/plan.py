"""The table of `skineval bench --dry-run`: every cell and what it will cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from skineval.grid.estimate import Cost
from skineval.grid.sources import SHARED
from skineval.report.document import formatting
from skineval.report.document.tables import Column, Table, tabulate
from skineval.values.recipe import Recipe


def plan(costs: Sequence[Cost], stamps: Sequence[str], recipe: Recipe, notes: Sequence[str] = ()) -> Table:
    """One row a cell, and the sum in the footnotes, above `notes`; what was not measured for it is named."""
    seconds = sum(cost.seconds for cost in costs) / recipe.jobs
    footnotes = (
        (
            f"{formatting.plural(len(costs), 'cell')}, about {formatting.duration(seconds)} in all with {recipe.jobs} "
            f"at a time, {round(sum(cost.disk for cost in costs) / 1e6):,} MB on disk."
        ),
        (
            "Estimated from a few seconds of training steps just now, as if every cell ran to its last epoch. "
            f"Left out: {formatting.listed(_left_out(recipe))}."
        ),
        *notes,
    )
    under = f" under protocol {recipe.protocol}" if recipe.split == SHARED else ""
    return tabulate(
        f"What this bench would run{under}",
        costs,
        (
            (Column("run_id", "Cell", priority=3), lambda cost: cost.cell.run_id),
            (Column("model", "Model"), lambda cost: str(cost.cell.model)),
            (Column("imbalance", "Imbalance"), lambda cost: str(cost.cell.imbalance)),
            (Column("fold", "Fold", "count", priority=2), lambda cost: cost.cell.fold),
            (Column("seed", "Seed", "count", priority=2), lambda cost: cost.cell.seed),
            (Column("work", "Network", priority=1), lambda cost: cost.work),
            (Column("precision", "Precision", priority=2), lambda cost: cost.cell.precision),
            Column("seconds", "Time", "seconds"),
            (Column("disk_mb", "Disk, MB", "count"), lambda cost: round(cost.disk / 1e6)),
            (Column("memory_mb", "Memory, MB", "count"), lambda cost: round(cost.memory / 1e6)),
        ),
        footnotes,
        stamps=stamps,
    )


def _left_out(recipe: Recipe) -> Iterator[str]:
    """What takes time and is not measured beforehand."""
    yield f"the start of {formatting.plural(recipe.jobs, 'process', 'processes')} that load torch"
    yield "decoding what is not in the cache"
    if recipe.external:
        yield "predictions of external tests"
    if recipe.explainers:
        yield "explanations with their galleries"
    yield "intervals, tests and reports at the end"
