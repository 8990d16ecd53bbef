"""What intervals hold and what tests see, where the truth is known.

    python -m benchmarks.statistics [--quick] [--out FILE]

With --quick a few samples, which show that it runs and no more.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from threadpoolctl import threadpool_limits

from benchmarks.statistics import coverage, power
from benchmarks.statistics.few_lesions import of_shares
from benchmarks.statistics.world import Size
from skineval.report.document.console import render
from skineval.report.document.tables import Table

QUICK, WHOLE = Size(2, 50, 200), Size(400, 300, 20_000)
MAKERS: tuple[Callable[[Size], Table], ...] = (
    *(partial(power.of_tests, world) for world in power.WORLDS),
    of_shares,
    *(partial(coverage.of_figures, world) for world in coverage.WORLDS),
    *(partial(coverage.of_differences, world) for world in coverage.WORLDS),
)


def tables(size: Size) -> Iterator[Table]:
    """All of them, one after the other; each core makes one at a time."""
    with ProcessPoolExecutor(os.cpu_count(), initializer=threadpool_limits, initargs=(1,)) as cores:
        yield from (made.result() for made in [cores.submit(make, size) for make in MAKERS])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print every table, and write all of them as Markdown where a file is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few samples, to see that it runs")
    parser.add_argument("--out", type=Path, help="a Markdown file to write")
    options = parser.parse_args(arguments)
    written = []
    for table in tables(QUICK if options.quick else WHOLE):
        print(render(table, "table", width=140), flush=True)
        written.append(f"## {table.title}\n\n" + render(table, "markdown").partition("\n\n")[2])
    if options.out:
        options.out.write_text("\n".join(written), encoding="utf-8")


if __name__ == "__main__":
    main()
