"""What it costs and gains that threads which wait for one another spin only briefly, on a quiet and on a busy machine.

    python -m benchmarks.busy [--model resnet18] [--spins default,10000,1000,passive] [--beside 2] [--out FILE]

Each setting has a process of its own, all of which train the same network, in turns: alone, then beside processes that
do nothing but compute. Quote the ratios, since absolute rates drift with the machine. Linux, where torch has GNU's
OpenMP. Writes a table as Markdown and prints it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.machine import description
from skineval.base.files import atomic_write
from skineval.data.pixels.threads import BRIEFLY, POLICY, cores

COUNT = "GOMP_SPINCOUNT"
DEFAULT, PASSIVE = "default", "passive"  #: as OpenMP has it; never spinning
SPINS = (DEFAULT, "100000", "10000", "1000", PASSIVE)
OUT = Path(__file__).parents[1] / "results" / "busy.md"
Rates = Mapping[str, Sequence[float]]  #: setting -> images per second, by round


class Side:
    """A process that trains with one setting."""

    def __init__(self, spins: str, setting: Mapping[str, object]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.busy.side"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(os.environ, spins),
            text=True,
        )
        self.precision = str(self._ask(json.dumps(setting))["precision"])

    def turn(self, steps: int) -> float:
        """Seconds that so many steps take."""
        return float(self._ask(str(steps)))

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def _ask(self, line: str) -> object:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def environment(found: Mapping[str, str], spins: str) -> dict[str, str]:
    """The environment of a process that spins so often, whatever the one that was found says of it."""
    own = {DEFAULT: {}, PASSIVE: {POLICY: "PASSIVE"}}.get(spins, {COUNT: spins})
    return {name: value for name, value in found.items() if name not in (POLICY, *BRIEFLY)} | own


@contextlib.contextmanager
def others(count: int) -> Iterator[None]:
    """Within, so many processes compute and never wait."""
    found = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for one in found:
            one.kill()
            one.wait()


def measure(sides: Mapping[str, Side], options: argparse.Namespace) -> Rates:
    """Every side once a round, another one first each time, after a round that warms up and does not count."""
    rates: dict[str, list[float]] = {spins: [] for spins in sides}
    names = list(sides)
    for number in range(options.rounds + 1):
        for place in range(len(names)):
            spins = names[(place + number) % len(names)]
            seconds = sides[spins].turn(options.steps)
            if number:
                rates[spins].append(options.steps * options.batch_size / seconds)
    return rates


def table(quiet: Rates, busy: Rates, beside: int, about: str) -> str:
    """Both measurements as Markdown: rates, and each setting over the default, by rounds."""
    share = cores() / (cores() + beside)
    fair = share * statistics.median(quiet[DEFAULT])
    lines = [
        f"{about}. Every setting once a round, {len(quiet[DEFAULT])} rounds after one to warm up, another first each",
        "time; ratios are of turns of the same round, median (min to max).",
        "",
        f"| {COUNT} | alone, images/s | to the default | beside {beside} busy processes, images/s | to the default |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {named(spins)} | {spread(quiet[spins], '.0f')} | {spread(ratios(quiet, spins), '.2f')} "
            f"| {spread(busy[spins], '.0f')} | {spread(ratios(busy, spins), '.2f')} |"
            for spins in quiet
        ),
        "",
        f"With {cores()} of {cores() + beside} threads that want to compute, a fair share is {fair:.0f} images/s.",
    ]
    return "\n".join(lines) + "\n"


def named(spins: str) -> str:
    """A setting as the table calls it."""
    names = {
        DEFAULT: "not set",
        PASSIVE: f"{POLICY}=PASSIVE",
        BRIEFLY[COUNT]: f"**{int(BRIEFLY[COUNT]):,}** (skineval)",
    }
    return names.get(spins) or f"{int(spins):,}"


def ratios(rates: Rates, spins: str) -> list[float]:
    """One setting over the default, by round."""
    return [one / other for one, other in zip(rates[spins], rates[DEFAULT], strict=True)]


def spread(values: Sequence[float], form: str) -> str:
    """Median, minimum and maximum."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.busy", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--spins", default=",".join(SPINS), help=f"counts, {DEFAULT} and {PASSIVE}")
    parser.add_argument("--beside", type=int, default=cores(), help="processes that compute; default: one a core")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5, help="of a turn")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    keys = ("model", "image_size", "batch_size", "precision")
    setting = {key: getattr(options, key) for key in keys}
    sides = {spins: Side(spins, setting) for spins in dict.fromkeys((DEFAULT, *options.spins.split(",")))}
    quiet = measure(sides, options)
    with others(options.beside):
        busy = measure(sides, options)
    for side in sides.values():
        side.close()
    trained = f"{options.model}, {options.image_size} px, {sides[DEFAULT].precision}, batches of {options.batch_size}"
    about = f"{description()}; {trained}"
    written = table(quiet, busy, options.beside, about)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(options.out, written)
    print(written)


if __name__ == "__main__":
    main()
