"""timm's way to train: its data set, its loader with prefetching, its augmentation, and the step of its train.py.

The step is that of https://github.com/huggingface/pytorch-image-models/blob/main/train.py with `--amp --amp-dtype
bfloat16 --channels-last --opt adamw`. The loss is read every 50 steps, as newer versions do, not at each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from timm.data import FastCollateMixup, create_dataset, create_loader
from timm.loss import SoftTargetCrossEntropy
from timm.optim import create_optimizer_v2
from timm.utils import AverageMeter
from torch import Tensor, nn

from benchmarks.speed.case import Setting
from benchmarks.speed.loaders import JITTER, SCALE
from benchmarks.speed.side import Side, Turn, autocast, precision_words, timed
from skineval.values.task import DIAGNOSES

NAME = "timm"
WANTED = {"bf16": 1.0, "fp32": 1.15}  #: what the loop of skineval should at least be, by its own precision
LOG_INTERVAL = 50  #: steps
#: Without the usual noise in the magnitude (mstd0.5): at 10 timm's posterize asks for 0 bits, which Pillow refuses.
RANDAUGMENT = "rand-m9-inc1"
SHARE = 0.25  #: of the images in which something is erased


def make_side(setting: Setting) -> Side:
    """timm's loop on the network of the case."""
    network = setting.build()
    optimizer = create_optimizer_v2(network, opt="adamw", lr=1e-3, weight_decay=0.05)
    mixing = mixing_of(setting.components)
    criterion = SoftTargetCrossEntropy() if mixing else nn.CrossEntropyLoss()
    loader = make_loader(setting, mixing)
    losses = AverageMeter()
    steps = 0

    def step(images: Tensor, targets: Tensor) -> None:
        nonlocal steps
        images = images.contiguous(memory_format=torch.channels_last)
        with autocast(setting.device, setting.precision):
            loss = criterion(network(images), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if steps % LOG_INTERVAL == 0:
            losses.update(loss.item(), len(images))
        steps += 1

    def turn() -> Turn:
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = True
        network.train()
        return timed(step, loader, setting.device)

    return Side(
        NAME, precision_words(setting.precision), words(setting.components), turn, WANTED[setting.precision], peer=True
    )


def make_loader(setting: Setting, mixing: FastCollateMixup | None) -> Iterator[tuple[Tensor, Tensor]]:
    """timm's loader; workers end with the epoch, so that none is there in another side's turn."""
    size = setting.case.image_size
    loader: Any = create_loader(
        create_dataset("", root=str(setting.files), split="train", is_training=True),
        input_size=(3, size, size),
        batch_size=setting.batch_size,
        is_training=True,
        mean=setting.architecture.mean,
        std=setting.architecture.std,
        num_workers=setting.workers,
        collate_fn=mixing,
        pin_memory=setting.device.type == "cuda",
        device=setting.device,
        persistent_workers=False,
        **augmentation_of(setting.components),
    )
    return loader


def augmentation_of(components: Sequence[str]) -> dict[str, Any]:
    """The options of `create_loader` that come nearest to skineval's components."""
    chosen = set(components)
    if not chosen:
        return {"no_aug": True}
    cropped = chosen & {"zoom", "shift"}
    return {
        "scale": (1 / (1 + SCALE) ** 2, 1.0) if cropped else (1.0, 1.0),  # shares of the area
        "ratio": (1 / (1 + SCALE), 1 + SCALE) if cropped else (1.0, 1.0),
        "hflip": 0.5 if "flip" in chosen else 0.0,
        "vflip": 0.5 if "flip" in chosen else 0.0,
        "color_jitter": JITTER if "colour" in chosen else None,
        "auto_augment": RANDAUGMENT if "randaugment" in chosen else None,
        "re_prob": SHARE if "erase" in chosen else 0.0,
    }


def mixing_of(components: Sequence[str]) -> FastCollateMixup | None:
    """timm's mixup and cutmix, done while batches are made."""
    alphas = {f"{name}_alpha": float(name in components) for name in ("mixup", "cutmix")}
    if not any(alphas.values()):
        return None
    return FastCollateMixup(**alphas, label_smoothing=0.0, num_classes=len(DIAGNOSES))


def words(components: Sequence[str]) -> str:
    """What timm does to images: it turns and shears them in RandAugment alone, whose colours replace its jitter."""
    known = {"flip", "zoom", "shift", "colour", "randaugment", "erase", "mixup", "cutmix"}
    if "randaugment" in components:
        known |= {"rotate", "shear"}
    done = [name for name in components if name in known]
    missing = [name for name in components if name not in known]
    return (", ".join(done) or "none") + (f" (not {', '.join(missing)})" if missing else "")
