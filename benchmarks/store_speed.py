"""How fast the pixel store decodes: against Pillow on one core, and with more cores.

    python -m benchmarks.store_speed [--data DIR]

JPEG files of 600 x 450 pixels at quality 90 are made for the purpose: pictures of the synthetic generator, or those of
a HAM10000 folder enlarged. Both sides decode and resize the same bytes in memory, on one core, in turns; quote the
ratio, since absolute rates drift with the machine. Then a store of as many images as HAM10000 has is built from these
files in a process of its own, with one core and with more.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.machine import description, peak_memory
from skineval.base.files import atomic_write
from skineval.data.files.stored_files import StoredFile
from skineval.data.layouts.ham10000 import load as load_ham10000
from skineval.data.layouts.images import StoredImages
from skineval.data.pixels.decoding import decode_bytes
from skineval.data.pixels.resizing import accelerated
from skineval.data.pixels.store import open_store
from skineval.data.pixels.threads import cores, in_order
from skineval.data.synthetic import synthetic
from skineval.values.lesion_table import COLUMNS, LesionTable

WIDTH, HEIGHT, QUALITY = 600, 450, 90  #: as HAM10000, but for the quality
TARGET = 1.8
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure, print, and write the table to benchmarks/results/."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a HAM10000 folder whose images are enlarged")
    parser.add_argument("--files", type=int, default=1000, help="different JPEG files")
    parser.add_argument("--images", type=int, default=10_015, help="images of the store, made of these files")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--turn-files", type=int, default=150, help="files decoded by each side in a turn")
    parser.add_argument("--build", nargs=2, metavar=("FILES", "CORES"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.build:
        print(json.dumps(build(Path(arguments.build[0]), int(arguments.build[1]), arguments)))
        return
    with tempfile.TemporaryDirectory() as folder:
        size, source = write_files(Path(folder), arguments)
        text = f"{description()}; {arguments.files} JPEG files of {source}, {size / 1000:.0f} kB on average\n\n"
        text += compare(Path(folder), arguments)
        text += "\n" + scale(Path(folder), arguments)
    print(text)
    name = "store-speed-enlarged.md" if arguments.data else "store-speed.md"
    atomic_write(RESULTS / name, text)


def write_files(folder: Path, arguments: argparse.Namespace) -> tuple[float, str]:
    """Write the JPEG files; their mean size in bytes, and where the pictures are from."""
    if arguments.data:
        table, side, source = load_ham10000(arguments.data), WIDTH, "enlarged HAM10000 images"
    else:
        table, side, source = synthetic.load(images=max(arguments.files, 100)), 300, "synthetic images"
    rows = np.linspace(0, len(table) - 1, arguments.files).astype(int)

    def write(number: int) -> int:
        picture = Image.fromarray(table.images.pixels([rows[number]], side)[0])
        buffer = io.BytesIO()
        picture.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=QUALITY)
        return (folder / f"{number:05}.jpg").write_bytes(buffer.getvalue())

    return statistics.mean(in_order(write, range(arguments.files))), source


def compare(folder: Path, arguments: argparse.Namespace) -> str:
    """Both sides on one core, in turns."""
    size = arguments.image_size
    contents = [path.read_bytes() for path in sorted(folder.iterdir())]

    def by_pillow(content: bytes) -> np.ndarray:
        with Image.open(io.BytesIO(content)) as image:
            return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))

    def by_the_store(content: bytes) -> np.ndarray:
        return decode_bytes(content, size, "")

    sides: dict[str, Callable[[bytes], np.ndarray]] = {"Pillow": by_pillow, "store": by_the_store}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    different = 0
    allowed = use_cores(1)
    with accelerated():
        source = cycle(contents)
        for turn in range(arguments.turns + 1):
            mine = list(islice(source, arguments.turn_files))
            decoded = {}
            for name, decode in sides.items():
                started = time.perf_counter()
                decoded[name] = [decode(content) for content in mine]
                if turn:  # the first turn imports torch and warms up
                    seconds[name].append(time.perf_counter() - started)
            pairs = zip(decoded["Pillow"], decoded["store"], strict=True)
            different = max(different, *(int(np.abs(a.astype(int) - b).max()) for a, b in pairs))
    os.sched_setaffinity(0, allowed)
    rates = {name: [arguments.turn_files / value for value in values] for name, values in seconds.items()}
    ratios = [store / pillow for pillow, store in zip(rates["Pillow"], rates["store"], strict=True)]
    lines = [f"Decode and resize to {size} px on one core, {arguments.turns} turns of {arguments.turn_files} files:\n"]
    lines += ["| side | images/s, median (min to max) | store / Pillow |", "|---|---:|---:|"]
    lines += [f"| {name} | {spread(values, '.0f')} | |" for name, values in rates.items()]
    met = "met" if statistics.median(ratios) >= TARGET else "missed"
    lines += [f"| ratio | | {spread(ratios, '.2f')}; at least {TARGET}: {met} |"]
    lines += ["", f"Largest difference between the sides: {different} grey level(s)."]
    return "\n".join(lines) + "\n"


def scale(folder: Path, arguments: argparse.Namespace) -> str:
    """Whole stores with one core and with more, each in a process of its own."""
    counts = sorted({1, 2, cores()} & set(range(1, cores() + 1)))
    lines = [f"Store of {arguments.images} images at {arguments.image_size} px, written to disk:\n"]
    lines += ["| cores | images/s | to one core | importing torch, s | checking it when opened, s | peak memory, MB |"]
    lines += ["|---:|---:|---:|---:|---:|---:|"]
    first = 0.0
    for count in counts:
        options = ["--images", str(arguments.images), "--image-size", str(arguments.image_size)]
        command = [sys.executable, "-m", "benchmarks.store_speed", "--build", str(folder), str(count), *options]
        done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        rate = arguments.images / done["seconds"]
        first = first or rate
        lines.append(
            f"| {count} | {rate:.0f} | {rate / first:.2f} | {done['importing']:.1f} | {done['opening']:.2f} "
            f"| {done['memory']['peak']:.0f} |"
        )
    return "\n".join(lines) + "\n"


def build(folder: Path, count: int, arguments: argparse.Namespace) -> dict[str, object]:
    """Build one store with `count` cores, and open it again."""
    use_cores(count)
    files = [StoredFile(path, "", path.stat().st_size, None) for path in sorted(folder.iterdir())]
    table = many(files, arguments.images)
    started = time.perf_counter()
    with accelerated():
        decode_bytes(files[0].read(), arguments.image_size, "")
    imported = time.perf_counter()
    with tempfile.TemporaryDirectory() as cache:
        open_store(table, arguments.image_size, cache=Path(cache))
        built = time.perf_counter()
        open_store(table, arguments.image_size, cache=Path(cache))
        opened = time.perf_counter()
    return {
        "importing": imported - started,
        "seconds": built - imported,
        "opening": opened - built,
        "memory": peak_memory(),
    }


def many(files: Sequence[StoredFile], count: int) -> LesionTable:
    """A table of `count` images, the files over and over."""
    frame = pd.DataFrame({column: [f"I{row}" for row in range(count)] for column in COLUMNS})
    chosen = tuple(islice(cycle(files), count))
    return LesionTable("made", frame, StoredImages(chosen, (None,) * count), fingerprint=f"made-{count}")


def use_cores(count: int) -> set[int]:
    """Restrict this process to so many cores; those it might use before."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count])
    return before


def spread(values: Sequence[float], form: str) -> str:
    """Median, minimum and maximum."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


if __name__ == "__main__":
    main()
