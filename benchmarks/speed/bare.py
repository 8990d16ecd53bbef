"""The limit of any loop: forward, backward and optimizer on one batch that is already there."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F

from benchmarks.speed.case import Setting
from benchmarks.speed.side import Side, Turn, autocast, parameters, precision_words, synchronise
from skineval.values.task import DIAGNOSES

TURN = 5.0  #: seconds that a turn of the bare step should take where the number of images is free
FEWEST = 8  #: batches in such a turn
#: What the loop of skineval should reach of it, by augmentation, kind of device and precision.
WANTED = {
    ("basic", "cpu", "bf16"): 0.95,
    ("strong", "cpu", "bf16"): 0.85,
    ("basic", "cpu", "fp32"): 0.92,
    ("strong", "cpu", "fp32"): 0.85,
    ("basic", "cuda", "bf16"): 0.90,
}


def make_bare(setting: Setting) -> Side:
    """The bare step in torch's own words, in skineval's precision, memory format and kind of optimizer."""
    network = setting.build().train()
    # Not skineval's optimizer: what that may cost beyond torch's own must show.
    fused = setting.device.type in ("cpu", "cuda")
    optimizer = torch.optim.AdamW(parameters(network), lr=1e-3, fused=fused)
    size = setting.case.image_size
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(setting.batch_size, 3, size, size, generator=generator)
    images = images.to(setting.device, memory_format=torch.channels_last)
    targets = torch.arange(setting.batch_size, device=setting.device) % len(DIAGNOSES)

    def turn() -> Turn:
        synchronise(setting.device)
        started = time.perf_counter()
        for _ in range(setting.images // setting.batch_size):
            with autocast(setting.device, setting.precision):
                logits = network(images)
            F.cross_entropy(logits.float(), targets).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        synchronise(setting.device)
        return Turn(setting.images, time.perf_counter() - started)

    wanted = WANTED.get((setting.case.augment, setting.device.type, setting.precision))
    return Side("bare step", precision_words(setting.precision), "none", turn, wanted)


def affordable_images(setting: Setting, available: int) -> int:
    """Images in a turn of some seconds, in whole batches, at most `available`; `setting` says how many to try first."""
    trial = make_bare(setting)
    trial.turn()
    batches = round(TURN * trial.turn().rate / setting.batch_size)
    return min(max(batches, FEWEST), available // setting.batch_size) * setting.batch_size
