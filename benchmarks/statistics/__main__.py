"""What intervals hold and what tests see, where the truth is known.

    python -m benchmarks.statistics [--quick] [--out FILE]

With --quick a few samples, which show that it runs and no more.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.statistics.coverage import of_differences, of_figures
from benchmarks.statistics.power import of_tests
from skineval.report.document.console import render
from skineval.report.document.tables import Table


def tables(quick: bool) -> Iterator[Table]:
    """All of them, one after the other."""
    samples, replicates, per_class = (4, 50, 200) if quick else (200, 300, 20_000)
    yield from of_tests(samples, replicates)
    yield from of_figures(samples, replicates, per_class)
    yield from of_differences(samples, replicates, per_class)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print every table, and write all of them as Markdown where a file is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few samples, to see that it runs")
    parser.add_argument("--out", type=Path, help="a Markdown file to write")
    options = parser.parse_args(arguments)
    written = []
    for table in tables(options.quick):
        print(render(table, "table", width=140), flush=True)
        written.append(f"## {table.title}\n\n" + render(table, "markdown").partition("\n\n")[2])
    if options.out:
        options.out.write_text("\n".join(written), encoding="utf-8")


if __name__ == "__main__":
    main()
