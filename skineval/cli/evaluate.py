"""`skineval evaluate`: scores of predictions of any origin. `skineval compare`: their differences."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from skineval.cli.output import Format, print_table, print_tables
from skineval.cli.scoring import takes_predictions

if TYPE_CHECKING:
    from skineval.grid.evaluation import Evaluation

EXAMPLE = "Example: skineval evaluate runs/demo/cells/CELL/predictions.csv"
COMPARE_EXAMPLE = "Example: skineval compare ours.csv theirs.csv --data HAM10000 --classes akiec,bcc,bkl,df,mel,nv,vasc"


@partial(takes_predictions, further=("replicates", "preset", "subgroups"))
def evaluate(found: Evaluation, replicates: int, format: Format) -> None:
    """Score predictions of any origin, every figure with its interval. Needs no torch.

    Several are scored on the images that all of them have, and ranked; the best one is set against each other one by a
    paired test. For programs, and of one alone, every figure is a row.
    """
    from skineval.report.bench import standings, subgroups
    from skineval.report.bench.leaderboard import scored

    board = scored(found, replicates)
    for_people = format not in (Format.CSV, Format.JSON)
    ranked = for_people and len(board.systems) > 1
    make = standings.comparison if ranked else standings.scores
    by_part = [subgroups.table(found.subgroups, found.unit, found.stamps)] if found.subgroups else []
    print_tables([standings.remarked(make(board), found.remarks), *by_part], format)


@takes_predictions
def compare(found: Evaluation, replicates: int, format: Format) -> None:
    """Set systems against each other on the images that all of them have: the best one, less each other one.

    They are those of benches, of trained cells and of files of predictions, in any mixture. CSV and JSON have the
    columns of comparisons.csv.
    """
    from skineval.report.bench import differences, standings
    from skineval.report.bench.leaderboard import scored

    board = scored(found.of_several(), replicates)
    for_people = format not in (Format.CSV, Format.JSON)
    make = differences.table if for_people else differences.plain_table
    print_table(standings.remarked(make(board), found.remarks), format)
