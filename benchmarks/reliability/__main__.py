"""What becomes of each injected fault, as one table.

    python -m benchmarks.reliability [MODULE ...] [--trials N]

Every module of this package with a function `measure` takes part. Exit code 1 means that a promise did not hold.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import pkgutil
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from types import ModuleType

from benchmarks import reliability
from benchmarks.reliability.outcome import Outcome
from skineval.report.document.console import render
from skineval.report.document.tables import Column, Row, Table

BROKEN = 0  #: row of a module that ended with an exception


def names() -> list[str]:
    """The modules that measure something."""
    found = (module.name for module in pkgutil.iter_modules(reliability.__path__) if module.name != "__main__")
    return [name for name in found if hasattr(_module(name), "measure")]


def limited() -> list[str]:
    """Those that make as many injections as they are told."""
    return [name for name in names() if "most" in inspect.signature(_measure(name)).parameters]


def measure(name: str, most: int | None = None) -> list[Outcome]:
    """The outcomes of one module; an exception is one, too. Of each kind it makes `most` injections at most."""
    try:
        return list(_measure(name)(most) if most is not None and name in limited() else _measure(name)())
    except Exception as error:
        traceback.print_exc()
        return [Outcome(BROKEN, name, f"{type(error).__name__}: {error}", False)]


def table(outcomes: Sequence[Outcome]) -> Table:
    """One row a fault, in the order of the list of faults."""
    columns = (Column("row", "Row"), Column("fault", "Fault"), Column("figure", "Figure"), Column("passed", "Passed"))
    ordered = sorted(outcomes, key=lambda outcome: outcome.row)
    rows = [Row((str(one.row), one.fault, one.figure, "yes" if one.passed else "NO")) for one in ordered]
    passed = sum(outcome.passed for outcome in outcomes)
    return Table(f"Reliability: {passed} of {len(outcomes)} promises held", columns, tuple(rows))


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{reliability.__name__}.{name}")


def _measure(name: str) -> Callable[..., list[Outcome]]:
    function: Callable[..., list[Outcome]] = _module(name).measure
    return function


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"some of: {', '.join(names())}; default: all")
    parser.add_argument(
        "--trials",
        type=int,
        metavar="N",
        help=f"injections of each kind at most, in: {', '.join(limited())}; default: as many as each says",
    )
    parser.add_argument("--format", choices=["table", "json", "csv", "markdown"], default="table")
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.modules) - set(names())
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    outcomes: list[Outcome] = []
    for name in chosen.modules or names():
        started = time.perf_counter()
        outcomes += measure(name, chosen.trials)
        print(f"{name}: {time.perf_counter() - started:.1f} s", file=sys.stderr)
    sys.stdout.write(render(table(outcomes), chosen.format, width=160))
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
