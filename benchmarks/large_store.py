"""Whether a large data set passes through store, split and one training epoch in little memory.

    python -m benchmarks.large_store

300,000 images of 64 pixels go the way of `skineval bench --models cnn --epochs 1`: the same functions prepare, split
and decode in this process and train and predict in a worker; only the measuring of the predictions is left out. The
images are blobs on noise, made from their row number: the generator of the synthetic data set would need 25 minutes for
so many. Memory is the peak of what the system counts as resident of each process, mapped files included.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.machine import Watch, description
from skineval.base.files import atomic_write
from skineval.base.terms import DONE, Fit
from skineval.catalog.catalog import Catalog, Shelf, load_catalog
from skineval.catalog.loading import Provider
from skineval.catalog.shelf import Entry
from skineval.catalog.specs import DatasetSource
from skineval.data.pixels.store import open_store
from skineval.grid import run
from skineval.grid.cell.record import read_cell
from skineval.grid.destination import open_folder
from skineval.grid.events import Event, PhaseBegan
from skineval.grid.prepare import prepare
from skineval.values.lesion_table import LesionTable
from skineval.values.recipe import make_recipe
from skineval.values.task import DIAGNOSES

SHARES = (0.033, 0.051, 0.110, 0.011, 0.111, 0.670, 0.014)  #: of the diagnoses, about those of HAM10000
REPEATS = (0.74, 0.19, 0.07)  #: lesions with one, two and three images, as in HAM10000
LIMIT = 3000  #: MB
RESULTS = Path(__file__).parent / "results"


class Blobs:
    """Noise with a disc whose colour depends on the diagnosis; each a function of its row."""

    def __init__(self, codes: NDArray[np.int64]) -> None:
        self.codes = codes

    def pixels(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> NDArray[np.uint8]:
        """(n, size, size, 3) RGB; squares look the same however they are fitted."""
        distance = np.abs(np.arange(size) - size / 2)
        disc = distance[:, None] ** 2 + distance**2 < (size / 4) ** 2
        images = np.empty((len(rows), size, size, 3), dtype=np.uint8)
        for image, row in zip(images, rows, strict=True):
            image[:] = np.random.default_rng(row).integers(0, 160, image.shape, dtype=np.uint8)
            image[disc] += np.array([10, 80, 40][: 3 - self.codes[row] % 3] + [0] * (self.codes[row] % 3), np.uint8)
        return images

    def masks(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> None:
        """There are none."""


def blobs(images: int) -> LesionTable:
    """A data set of blobs."""
    rng = np.random.default_rng(0)
    lesion = np.repeat(np.arange(images), rng.choice([1, 2, 3], images, p=REPEATS))[:images]
    codes = rng.choice(len(DIAGNOSES), images, p=SHARES)[lesion]
    names = [f"B_{number:07}" for number in lesion]
    frame = pd.DataFrame(
        {
            "image_id": [f"BLOB_{row:07}" for row in range(images)],
            "lesion_id": names,
            "dx": np.array(DIAGNOSES, dtype=object)[codes],
            "dx_type": "histo",
            "age": 50.0,
            "sex": "unknown",
            "localization": "unknown",
            "dataset": "blobs",
            "group": names,
        }
    )
    digest = hashlib.sha256(f"blobs {images}".encode()).hexdigest()
    return LesionTable("blobs", frame, Blobs(codes), digest, synthetic=True, layout="made", licence="none")


def with_blobs(catalog: Catalog, images: int) -> Catalog:
    """The catalog with one more data set."""
    source = DatasetSource("blobs", lambda path: blobs(images), "Blobs on noise.")
    entries = {**catalog.datasets.entries, "blobs": Entry(source, Provider("benchmark", "benchmark"))}
    return replace(catalog, datasets=Shelf("datasets", "data set", MappingProxyType(entries)))


def main() -> None:
    """Measure, print, and write the table to benchmarks/results/."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=300_000)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--model", default="cnn")
    arguments = parser.parse_args()
    keys = {
        "models": arguments.model,
        "data": "blobs",
        "image_size": arguments.image_size,
        "epochs": 1,
        "explainers": "",
        "weights": "none",
        "replicates": 1000,
        "device": "cpu",
    }
    catalog = with_blobs(load_catalog(), arguments.images)
    phases: dict[str, float] = {}  # when the worker began what

    def report(event: Event) -> None:
        if isinstance(event, PhaseBegan):
            phases[event.phase] = time.perf_counter()

    with tempfile.TemporaryDirectory() as folder, Watch() as watch:
        started = time.perf_counter()
        prepared = prepare(make_recipe(keys), catalog)
        split = time.perf_counter()
        size = arguments.image_size
        pixels = open_store(prepared.table, size, cache=Path(folder))
        stored = time.perf_counter()
        os.environ["SKINEVAL_CACHE"] = folder
        bench = run.Run(prepared, open_folder(prepared, Path(folder) / "bench"), report)
        bench.run_cells(prepared.cells, bench.open_workspace())
        ended = time.perf_counter()
        record = read_cell(bench.folder.cell(prepared.cells[0].run_id))
        if record is None or record.status != DONE:
            raise SystemExit(f"the cell failed: {record.reason if record else 'no record'}")
        megabytes = pixels.path.stat().st_size / 1e6
    parts = prepared.parts[0]
    training = phases["predicting"] - phases["training"]
    lines = [
        f"{description()}; {arguments.images:,} images of {size} px, {megabytes:,.0f} MB, {arguments.model}\n",
        "| step | seconds |",
        "|---|---:|",
        f"| data set, split, plan | {split - started:.0f} |",
        f"| store: making the images, writing, checking | {stored - split:.0f} |",
        f"| training {len(parts.train):,} images, validating {len(parts.validation):,} | {training:.0f} |",
        f"| predicting {len(parts.validation) + len(parts.test):,} images | {ended - phases['predicting']:.0f} |",
        "",
        "| process | peak resident memory, MB | of its own | of mapped files |",
        "|---|---:|---:|---:|",
    ]
    for name, memory in watch.peaks.items():
        lines.append(f"| {name} | {memory['peak']:,.0f} | {memory['anonymous']:,.0f} | {memory['file']:,.0f} |")
    worst = max(memory["peak"] for memory in watch.peaks.values())
    met = "met" if worst < LIMIT else "missed"
    lines.append(f"\nLargest: {worst:,.0f} MB; under {LIMIT:,} MB: {met}.")
    text = "\n".join(lines) + "\n"
    print(text)
    atomic_write(RESULTS / "large-store.md", text)


if __name__ == "__main__":
    main()
