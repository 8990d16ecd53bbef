"""A bench of seconds that has everything a bench has, and what must not differ between two runs of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

EPOCHS = 8
#: Two cells, of which the second reads the network of the first.
BENCH = (
    "bench",
    "--data=synthetic:images=140",
    "--image-size=16",
    "--models=cnn:width=4",
    "--imbalance=none,smote",
    f"--epochs={EPOCHS}",
    "--precision=fp32",
    "--replicates=1000",
    "--out=out",
)
#: Without times, versions and commands; figures and reports have times in them.
SAME = (
    "out/cells/*/explanations/*/*.jpg",
    "out/cells/*/model.safetensors",
    "out/cells/*/predictions.csv",
    "out/comparisons.csv",
    "out/results.csv",
    "out/split.csv",
    "cache/pixels/*.uint8",
)
STEPPING = "stepping"
#: A network that takes its time, for each batch, in training or in prediction, and leaves a file of that name behind.
SLOW = f"""
import time
from pathlib import Path

import skineval

def network(num_classes, *, weights, training, predicting):
    from torch import nn

    class Slow(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, num_classes)

        def forward(self, images):
            if self.training:
                Path("{STEPPING}").touch()
            time.sleep(training if self.training else predicting)
            return self.head(images.mean(dim=(2, 3)))

    return Slow()

@skineval.hookimpl
def skineval_register_architectures():
    seconds = skineval.Parameter(0.0, "Seconds a batch.", minimum=0.0, maximum=60.0)
    parameters = dict(training=seconds, predicting=seconds)
    about = "A network that takes its time."
    return [skineval.Architecture("slow", network, about, min_image_size=16, parameters=parameters)]
"""
UNFINISHED = ("*.part", "best-*", "last.*")


def bench(*changes: str) -> tuple[str, ...]:
    """`BENCH` with other options."""
    replaced = {change.partition("=")[0] for change in changes}
    return (*(one for one in BENCH if one.partition("=")[0] not in replaced), *changes)


def hashes(folder: Path, patterns: tuple[str, ...] = SAME) -> Mapping[str, str]:
    """SHA-256 of every file below `folder` that two runs of one bench have to agree in."""
    files = sorted(file for pattern in patterns for file in folder.glob(pattern))
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def files(folder: Path) -> frozenset[str]:
    """Every file of the bench in `folder`, but for logs: those are there where a worker had something to say."""
    found = (file for file in (folder / "out").rglob("*") if file.is_file() and file.suffix != ".log")
    return frozenset(str(file.relative_to(folder)) for file in found)


def leftovers(folder: Path, undisturbed: Path | None = None) -> list[str]:
    """Files that a finished bench has no use for: by their names; and what an undisturbed one does not have."""
    found = files(folder)
    unfinished = {name for name in found if any(Path(name).match(pattern) for pattern in UNFINISHED)}
    return sorted(unfinished | (found - files(undisturbed) if undisturbed else set()))
