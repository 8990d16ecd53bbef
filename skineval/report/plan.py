"""The table of `skineval bench --dry-run`: every cell and what it will cost."""

from __future__ import annotations

from collections.abc import Sequence

from skineval.grid.estimate import Cost
from skineval.report.document import formatting
from skineval.report.document.tables import Column, Row, Table


def plan(costs: Sequence[Cost], stamps: Sequence[str], jobs: int, notes: Sequence[str] = ()) -> Table:
    """One row a cell, and the sum in the footnotes, above `notes`."""
    columns = (
        Column("run_id", "Cell", priority=3),
        Column("model", "Model"),
        Column("imbalance", "Imbalance"),
        Column("fold", "Fold", "count", priority=2),
        Column("seed", "Seed", "count", priority=2),
        Column("precision", "Precision", priority=1),
        Column("seconds", "Time", "seconds"),
        Column("disk_mb", "Disk, MB", "count"),
        Column("memory_mb", "Memory, MB", "count"),
    )
    rows = [
        Row(
            (
                cost.cell.run_id,
                str(cost.cell.model),
                str(cost.cell.imbalance),
                cost.cell.fold,
                cost.cell.seed,
                cost.cell.precision,
                cost.seconds,
                round(cost.disk / 1e6),
                round(cost.memory / 1e6),
            )
        )
        for cost in costs
    ]
    seconds = sum(cost.seconds for cost in costs) / jobs
    footnotes = (
        (
            f"{formatting.plural(len(costs), 'cell')}, about {formatting.duration(seconds)} in all with {jobs} at a "
            f"time, {round(sum(cost.disk for cost in costs) / 1e6):,} MB on disk."
        ),
        "Estimated from a few seconds of training steps just now, as if every cell ran to its last epoch.",
        *notes,
    )
    return Table(formatting.stamped("What this bench would run", stamps), columns, tuple(rows), footnotes)
