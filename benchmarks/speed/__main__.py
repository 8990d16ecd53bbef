"""How fast skineval trains: against the bare step, the loop of every tutorial, and other people's loops.

    python -m benchmarks.speed --data DIR [--case resnet18@64:basic ...] [--peers timm,lightning] [--out FOLDER]

All sides train the same network on the same JPEG files, in turns, in one run; quote the ratios, since absolute rates
drift with the machine. Writes speed.md, speed.svg and speed.csv (every turn), and prints the table.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from benchmarks.machine import description
from benchmarks.speed import chart, peers, tables
from benchmarks.speed.bare import FEWEST, affordable_images, make_bare
from benchmarks.speed.case import Case, Setting, find_network, parse_case
from benchmarks.speed.own import make_own
from benchmarks.speed.pictures import describe, write_pictures
from benchmarks.speed.rounds import Result, measure
from benchmarks.speed.tutorial import make_tutorial
from skineval.base.errors import SkinevalError, UsageError
from skineval.base.files import atomic_write
from skineval.catalog.catalog import Catalog, load_catalog
from skineval.data.pixels.threads import cores
from skineval.grid.sources import load_table
from skineval.train.cpu import use_cpu
from skineval.train.device import Device, choose_device, choose_precision
from skineval.values.lesion_table import LesionTable

CASES = ("resnet18@64:basic", "resnet50@128:basic", "resnet18@64:strong")
RESULTS = Path(__file__).parents[1] / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write and print; the exit code is that of the error, if there is one."""
    options = read_options(arguments)
    device = choose_device(options.device)
    out = options.out or RESULTS / f"speed-{device.kind}"
    results: list[Result] = []
    try:
        for result in run(options):
            results.append(result)
            write(results, device, options, out)  # after every case: the next one may fail
    except SkinevalError as error:
        print(f"error: {error.message} {error.hint}", file=sys.stderr)
        return error.exit_code
    print((out / "speed.md").read_text(encoding="utf-8"))
    return 0


def write(results: Sequence[Result], device: Device, options: argparse.Namespace, out: Path) -> None:
    """The cases so far: table, plot, and every turn."""
    out.mkdir(parents=True, exist_ok=True)
    atomic_write(out / "speed.csv", tables.as_csv(results))
    atomic_write(out / "speed.svg", chart.draw(results))
    atomic_write(out / "speed.md", tables.markdown(results, machine_of(device, options), options.rounds))


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line, as values."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", default="synthetic", help="a folder of HAM10000, or the name of a data set")
    parser.add_argument("--case", action="append", metavar="MODEL@SIZE:AUGMENT", help=f"default: {' '.join(CASES)}")
    parser.add_argument("--model", default="resnet18", help="with --image-size and --augment: one more case")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--augment", default="basic")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, help="images a turn; default: what the bare step does in five seconds")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=cores(), help="processes of each loader; default: one a core")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--peers", default=",".join(peers.PEERS), help=f"some of {', '.join(peers.PEERS)}, or none")
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/speed-cpu or speed-cuda")
    options = parser.parse_args(arguments)
    for name in ("rounds", "batch_size"):
        if getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    return options


def run(options: argparse.Namespace) -> Iterator[Result]:
    """Measure every case, one after the other."""
    catalog = load_catalog()
    device = choose_device(options.device)
    table, _ = load_table(options.data, catalog)
    for case in cases_of(options):
        yield run_case(case, table, catalog, device, options)


def cases_of(options: argparse.Namespace) -> list[Case]:
    """The cases that are asked for, or the default ones."""
    texts = list(options.case or ())
    if options.image_size:
        texts.append(f"{options.model}@{options.image_size}:{options.augment}")
    return list(dict.fromkeys(parse_case(text) for text in texts or CASES))


def run_case(case: Case, table: LesionTable, catalog: Catalog, device: Device, options: argparse.Namespace) -> Result:
    """All sides of one case, in turns."""
    names = peers.parse_peers(options.peers)
    use_cpu(cores())  # as a cell has that is trained alone
    with tempfile.TemporaryDirectory() as folder:
        setting = make_setting(case, table, catalog, device, options, Path(folder) / "files")
        makers = [
            partial(make_bare, setting),
            partial(make_tutorial, setting, tuned=False),
            partial(make_tutorial, setting, tuned=True),
            *peers.makers(names, setting),
            partial(make_own, setting, Path(folder) / "cache"),
        ]

        def tell(number: int, side: str) -> None:
            turn = f"round {number} of {options.rounds}" if number else "warming up"
            print(f"{case}: {turn}: {side}", file=sys.stderr)

        measured, fallen = measure(makers, options.rounds, device.torch, tell)
        return Result(
            case=case,
            images=setting.images,
            batch_size=setting.batch_size,
            workers=setting.workers,
            reason=setting.reason,
            files=describe(setting.files),
            sides=measured,
            skipped=(*fallen, *peers.absent(names)),
        )


def make_setting(
    case: Case, table: LesionTable, catalog: Catalog, device: Device, options: argparse.Namespace, files: Path
) -> Setting:
    """What all sides share; raises UsageError where there are too few images for a batch."""
    architecture, selection = find_network(case, catalog)
    precision, reason = choose_precision(options.precision, architecture, device)
    available = min(options.images or len(table), len(table))
    if available < options.batch_size:
        raise UsageError(f"{available} images make no batch of {options.batch_size}.", "Take a smaller --batch-size.")
    setting = Setting(
        case=case,
        architecture=architecture,
        selection=selection,
        files=files,
        table=table,
        batch_size=options.batch_size,
        images=min(available // options.batch_size, FEWEST) * options.batch_size,
        device=device.torch,
        precision=precision,
        reason=reason,
        workers=options.workers,
    )
    if options.images:
        images = available // options.batch_size * options.batch_size
    else:
        images = affordable_images(setting, available)
    files, written = write_pictures(table, images, files)
    return replace(setting, images=images, files=files, table=written)


def machine_of(device: Device, options: argparse.Namespace) -> str:
    """Where it was measured, and with which versions."""
    gpu = f"{device.description}, CUDA {torch.version.cuda}; " if device.kind == "cuda" else ""
    threads = f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    return f"{gpu}{description()}, {platform.system()}, {threads}{peers.versions(peers.parse_peers(options.peers))}"


if __name__ == "__main__":
    sys.exit(main())
