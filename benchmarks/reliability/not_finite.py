"""Row 14: a loss that is not finite, once or from then on, in one cell of a bench."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.reliability import toy
from benchmarks.reliability.outcome import Outcome
from benchmarks.reliability.programs import Surroundings, ready, run
from tests.conftest import install_plugin

ROW = 14
EPOCHS, BATCH = 3, 48  #: two steps make an epoch
KINDS = ("never", "once", "always", "predictions", "weights")
MAX_SECONDS = 5.0  #: until a cell has failed that cannot be mended

#: A network whose logits are NaN at its third step, or from then on; whose predictions are NaN after two steps; whose
#: weights become infinite.
BROKEN = """
import skineval

def network(num_classes, *, weights, kind):
    import torch
    from torch import nn

    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, num_classes)
            self.steps = 0

        def forward(self, images):
            logits = self.head(images.mean(dim=(2, 3)))
            self.steps += self.training
            if kind == "weights" and self.steps == 3 and self.training:
                with torch.no_grad():
                    self.head.weight.fill_(float("inf"))
                self.steps += 1
            wrong = {
                "once": self.training and self.steps == 3,
                "always": self.training and self.steps >= 3,
                "predictions": not self.training and self.steps >= 2,
            }
            return logits * float("nan") if wrong.get(kind) else logits

    return Broken()

@skineval.hookimpl
def skineval_register_architectures():
    kinds = ("nothing", "never", "once", "always", "predictions", "weights")
    parameter = skineval.Parameter("nothing", "What is wrong.", choices=kinds)
    parameters = {"kind": parameter}
    return [skineval.Architecture("broken", network, "It breaks.", min_image_size=16, parameters=parameters)]
"""

#: Kind -> how its cell ends, and what the reason says.
EXPECTED = {
    "never": ("done", ""),
    "once": ("done", "nan in step 1 of epoch 2. Training went back to epoch 1 and on at half the learning rate."),
    "always": ("failed", "nan in step 1 of epoch 2. Going back and halving the learning rate had not helped."),
    "predictions": ("failed", "After epoch 1 the network returns NaN or infinite logits for validation images. Going"),
    "weights": ("done", "nan in step 2 of epoch 2. Training went back to epoch 1 and on at half the learning rate."),
}


def measure() -> list[Outcome]:
    """One bench in which each cell has another fault."""
    ready()
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder, "site")
        install_plugin(site, "broken", BROKEN)
        models = ",".join(f"broken:kind={kind}" for kind in KINDS)
        changes = (
            f"--models={models}",
            "--imbalance=none",
            "--explainers=",
            f"--epochs={EPOCHS}",
            f"--batch-size={BATCH}",
        )
        surroundings = Surroundings(Path(folder, "bench"), site=site, reports=False)
        code, said = run(toy.bench(*changes), surroundings)
        cells = pd.read_csv(surroundings.folder / "out/cells.csv", keep_default_na=False).set_index("model")
        outcomes = [outcome(kind, cells.loc[f"broken:kind={kind}"]) for kind in KINDS]
    if code != 1 or not all(one.passed for one in outcomes):
        print(f"not_finite: exit {code}\n{said}", file=sys.stderr)
    statuses = ", ".join(f"{kind}: {cells.loc[f'broken:kind={kind}', 'status']}" for kind in KINDS)
    passed = code == 1 and "Traceback" not in said
    return [*outcomes, Outcome(ROW, "cells beside those that fail", f"exit {code}; {statuses}", passed)]


def outcome(kind: str, cell: pd.Series) -> Outcome:
    """Whether a cell ended as it should, for the reason it should."""
    status, reason = EXPECTED[kind]
    right = cell["status"] == status and (reason in cell["reason"] if reason else not cell["reason"])
    figure = f"{cell['status']} after {cell['seconds']:.2f} s: {cell['reason'] or 'no remark'}"
    return Outcome(ROW, f"loss not finite: {kind}", figure, bool(right and cell["seconds"] <= MAX_SECONDS))
