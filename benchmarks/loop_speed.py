"""How fast the training loop is: against the loop of every tutorial, and against the bare step.

    python benchmarks/loop_speed.py --data DIR --image-size 64 --model resnet18

All sides train the same network on the same images of DIR, in turns, in one run; quote the ratios, since absolute
rates drift with the machine. The tutorial's side reads JPEG files from a folder with Pillow and torchvision's
transforms in a DataLoader, float32, contiguous; the tuned one adds bfloat16 and channels_last. The bare step is
forward, backward and optimizer on one batch that is already there: the limit of what any loop can reach.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from skineval.catalog import load_catalog, select
from skineval.data.lesions import labels
from skineval.data.pixels import cache_folder, open_store
from skineval.grid.sources import load_table
from skineval.runspec import RunSpec, Training, derive_seed
from skineval.specs import IMAGENET_MEAN, IMAGENET_STD, Selection
from skineval.train.augment import make_transform, normaliser
from skineval.train.device import choose_device, choose_precision
from skineval.train.fit import Task, cross_entropy, make_optimizer, run_epoch
from skineval.train.predict import Stage, put_on_device

BATCH = 64
Side = Callable[[], float]  #: trains for a while and returns images/s


class Files(Dataset):
    """JPEG files and labels, as in every tutorial."""

    def __init__(self, paths: list[Path], targets: np.ndarray, size: int) -> None:
        self.paths, self.targets = paths, targets
        self.transform = transforms.Compose(
            [
                transforms.Resize((size, size)),
                transforms.RandomHorizontalFlip(),
                transforms.RandomVerticalFlip(),
                transforms.RandomRotation(20),
                transforms.ColorJitter(0.1, 0.1, 0.1),
                transforms.ToTensor(),
                transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.open(self.paths[index]).convert("RGB")), int(self.targets[index])


def tutorial(build: Callable[[], nn.Module], files: Files, device: torch.device, tuned: bool) -> Side:
    """The tutorial loop, plain or tuned."""
    model = build().to(device)
    if tuned:
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    criterion = nn.CrossEntropyLoss()
    loader = DataLoader(files, batch_size=BATCH, shuffle=True, num_workers=os.cpu_count() or 1, drop_last=True)

    def side() -> float:
        model.train()
        started, done = time.perf_counter(), 0
        for images, targets in loader:
            images, targets = images.to(device), targets.to(device)
            if tuned:
                images = images.to(memory_format=torch.channels_last)
            optimizer.zero_grad()
            with torch.autocast(device.type, torch.bfloat16, enabled=tuned):
                loss = criterion(model(images), targets)
            loss.backward()
            optimizer.step()
            loss.item()
            done += len(images)
        return done / (time.perf_counter() - started)

    return side


def bare_step(build: Callable[[], nn.Module], spec: RunSpec, stage: Stage, steps: int) -> Side:
    """Forward, backward and optimizer on one batch, in skineval's precision and memory format."""
    model = build().to(stage.device).to(memory_format=torch.channels_last).train()
    optimizer = make_optimizer(model, spec)
    images = stage.normalise(stage.take(torch.arange(BATCH, device=stage.device)))
    targets = torch.arange(BATCH, device=stage.device) % len(spec.classes)

    def side() -> float:
        started = time.perf_counter()
        for _ in range(steps):
            with stage.autocast():
                logits = model(images)
            cross_entropy(logits.float(), targets).mean().backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if stage.device.type == "cuda":
            torch.cuda.synchronize()
        return steps * BATCH / (time.perf_counter() - started)

    return side


def ours(build: Callable[[], nn.Module], spec: RunSpec, task: Task, stage: Stage) -> Side:
    """Whole epochs of skineval's loop, as `images_per_second` in cells.csv counts them."""
    model = build().to(stage.device).to(memory_format=torch.channels_last)
    optimizer = make_optimizer(model, spec)
    epochs: Iterator[int] = iter(range(1, 10**6))

    def side() -> float:
        record = run_epoch(model, optimizer, spec, task, stage, next(epochs), lambda done: None)
        return record.images / record.train_seconds

    return side


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--images", type=int, default=1280, help="images a turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    arguments = parser.parse_args()

    catalog = load_catalog()
    architecture = catalog.architectures[arguments.model]
    device = choose_device(arguments.device)
    precision, reason = choose_precision(arguments.precision, architecture, device)
    table, _ = load_table(arguments.data, catalog)
    targets, classes = labels(table, "dx7")
    store = open_store(table, arguments.image_size, cache=cache_folder())
    count = min(arguments.images, len(table) - BATCH) // BATCH * BATCH
    spec = example_spec(select(architecture), classes, arguments.image_size, precision)
    mean, std = architecture.mean, architecture.std
    stage = Stage(
        put_on_device(store.array, device.torch), device.torch, precision, normaliser(mean, std, device.torch)
    )
    task = Task(
        train=np.arange(count),
        validation=np.arange(count, count + BATCH),
        targets=targets,
        loss=cross_entropy,
        draw_weights=None,
        transform=make_transform("basic", mean, std, device.torch),
        score=lambda targets, probabilities: 0.0,
    )

    def build() -> nn.Module:
        torch.manual_seed(0)
        return architecture.build(len(classes), weights=None, **spec.model.parameters)

    with tempfile.TemporaryDirectory() as folder:
        files = Files(write_files(table, count, Path(folder)), targets[:count], arguments.image_size)
        sides = {
            "tutorial loop, float32": tutorial(build, files, device.torch, tuned=False),
            "tutorial loop, bfloat16 + channels_last": tutorial(build, files, device.torch, tuned=True),
            "bare step": bare_step(build, spec, stage, count // BATCH),
            "skineval": ours(build, spec, task, stage),
        }
        rates: dict[str, list[float]] = {name: [] for name in sides}
        for turn in range(arguments.rounds + 1):
            for name, side in sides.items():
                rate = side()
                if turn:  # the first turn warms up
                    rates[name].append(rate)
    print(f"{arguments.model}, {arguments.image_size} px, batch {BATCH}, {device.name} ({precision}: {reason}), ")
    print(f"{torch.get_num_threads()} threads, {arguments.rounds} turns of {count} images each\n")
    print("| side | images/s, median | skineval / side, median (min to max over turns) |\n|---|---:|---:|")
    for name, values in rates.items():
        ratios = [a / b for a, b in zip(rates["skineval"], values, strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"| {name} | {statistics.median(values):.0f} | {spread} |")


def write_files(table: object, count: int, folder: Path) -> list[Path]:
    """The first images of the data set as JPEG files in a folder, byte for byte as they are stored."""
    paths = []
    for row, file in enumerate(table.images.files[:count]):  # type: ignore[attr-defined]
        paths.append(folder / f"{row}.jpg")
        paths[-1].write_bytes(file.read())
    return paths


def example_spec(selection: Selection, classes: tuple[str, ...], size: int, precision: str) -> RunSpec:
    """A cell like those of the recipe ham10000."""
    return RunSpec(
        model=selection,
        imbalance=Selection("none"),
        fold=0,
        seed=derive_seed("benchmark") % 1000,
        task="dx7",
        classes=classes,
        data="",
        split="",
        image_size=size,
        training=Training(epochs=100, batch_size=BATCH, learning_rate=1e-3, patience=100),
        weights="none",
        precision=precision,
    )


if __name__ == "__main__":
    main()
