"""Published systems under their own protocol, which leaks, and under --protocol lesion, which does not: one table.

    python -m benchmarks.recipes [NAME ...] --data DIR [--out FOLDER] [any option of `skineval bench`]

Runs every recipe of this folder, or those that are named, under both protocols; the same command goes on from what an
earlier one left in --out. Exit code 1 means that a bench failed.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from skineval.base.files import atomic_write
from skineval.base.terms import MAJORITY
from skineval.grid.folder import BenchFolder
from skineval.grid.reading import load_bench
from skineval.report.document import formatting
from skineval.values.recipe import make_recipe, read_recipe

FOLDER = Path(__file__).parent
HONEST = "lesion"
AUC = {"dx7": "macro_auc", "malignant": "malignancy_auc"}
METRICS = ("accuracy", "balanced_accuracy")
#: Options of `skineval bench` that would make something else of a recipe than one system of the table, or nothing.
FIXED = ("--protocol", "--models", "--imbalance", "--ensemble", "--task", "--external", "--dry-run")
FOOTNOTE = (
    "95 % intervals resample lesions. AUC: macro over seven classes, or of malignant against benign. The accuracy of "
    "always naming the most frequent class stands beside. LEAKY: test images have siblings or copies in the train "
    "part, the figures are too good. Each protocol has test images of its own: differences of rows are not paired."
)


@dataclass(frozen=True)
class Bench:
    """One recipe under one protocol."""

    name: str
    protocol: str
    task: str
    reported: str  #: as the recipe's comment has it
    folder: Path


def recipes() -> dict[str, Path]:
    """The recipes of this folder, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


def benches(names: Sequence[str], out: Path) -> list[Bench]:
    """Every recipe of `names` under its own protocol and under the one without leaks."""
    read = {name: make_recipe(read_recipe(str(recipes()[name])), name) for name in names}
    return [
        Bench(name, protocol, recipe.task, reported(recipes()[name]), out / f"{name}-{protocol}")
        for name, recipe in read.items()
        for protocol in dict.fromkeys([recipe.protocol, HONEST])
    ]


def reported(path: Path) -> str:
    """The figures that the comment of a recipe says were reported."""
    (line,) = re.findall(r"^# Reported: (.+?)[;.](?:\s|$)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return str(line)


def run(bench: Bench, data: str, flags: Sequence[str]) -> bool:
    """Run `skineval bench`, its tables and its progress on standard error; whether every cell is done."""
    print(f"{bench.name}, protocol {bench.protocol}", file=sys.stderr, flush=True)
    keys = (f"--data={data}", f"--protocol={bench.protocol}", f"--out={bench.folder}")
    command = [sys.executable, "-m", "skineval", "bench", str(recipes()[bench.name]), *keys, *flags]
    return subprocess.run(command, stdout=sys.stderr, check=False).returncode == 0


def markdown(done: Sequence[Bench], failed: Sequence[Bench], flags: Sequence[str]) -> str:
    """What came out, beside what was reported."""
    heads = ["recipe", "reported", "protocol", "accuracy", "balanced accuracy", "AUC", "always the most frequent class"]
    heads += ["test images", "lesions"]
    lines = [heads, ["---"] * 3 + ["---:"] * 6, *(_row(bench) for bench in done)]
    lines += [[bench.name, bench.reported, bench.protocol, "failed", *[""] * 5] for bench in failed]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"`skineval bench RECIPE {shlex.join(flags)}`\n\n{table}\n{FOOTNOTE}\n"


def _row(bench: Bench) -> list[str]:
    result = load_bench(BenchFolder(bench.folder))
    overall = [one for one in result.scores if not one.class_]
    trained = {one.metric: one for one in overall if not one.baseline}
    (trivial,) = (one for one in overall if (one.system, one.metric) == (MAJORITY, "accuracy"))
    figures = [formatting.format_estimate(trained[metric]) for metric in (*METRICS, AUC[bench.task])]
    sizes = [formatting.count(n) for n in (trained["accuracy"].n_images, trained["accuracy"].n_lesions)]
    marks = "".join(f" **{formatting.stamp_word(stamp)}**" for stamp in result.warnings)
    return [bench.name, bench.reported, bench.protocol + marks, *figures, formatting.decimal(trivial.value), *sizes]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, write and print the table, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recipes",
        usage="%(prog)s [NAME ...] [--out FOLDER] --data DIR [options of skineval bench]",
        description=(__doc__ or "").partition("\n")[0],
        epilog=f"Names: {', '.join(recipes())}; all where none is given.",
        allow_abbrev=False,
    )
    parser.add_argument("--data", required=True, help="a folder of HAM10000; it is not named in the table")
    parser.add_argument("--out", type=Path, default=Path("runs/recipes"), help="benches and recipes.md are left here")
    words = list(sys.argv[1:] if arguments is None else arguments)
    names = list(takewhile(lambda word: not word.startswith("-"), words))
    chosen, flags = parser.parse_known_args(words[len(names) :])
    unknown = [name for name in names if name not in recipes()]
    if unknown:
        parser.error(f"there is no recipe {', '.join(unknown)}; there are {', '.join(recipes())}")
    taken = [flag for flag in flags if flag.partition("=")[0] in FIXED]
    if taken:
        parser.error(f"what is run, under two protocols, is what the recipes say: leave {', '.join(taken)} out")
    done, failed = [], []
    for bench in benches(names or list(recipes()), chosen.out):
        (done if run(bench, chosen.data, flags) else failed).append(bench)
    table = markdown(done, failed, flags)
    chosen.out.mkdir(parents=True, exist_ok=True)
    atomic_write(chosen.out / "recipes.md", table)
    print(table)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
