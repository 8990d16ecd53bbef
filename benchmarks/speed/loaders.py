"""The data pipeline of every tutorial: a folder of JPEG files, torchvision's transforms, torch's DataLoader."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from benchmarks.speed.case import Setting
from skineval.values.task import DIAGNOSES

#: Components of skineval's augmentation that torchvision has something for; `mixup` and `cutmix` are done to batches.
KNOWN = ("flip", "rotate", "shear", "zoom", "shift", "colour", "randaugment", "erase", "mixup", "cutmix")
MIXING = ("mixup", "cutmix")
# How far: as skineval's `basic` goes.
SCALE, SHIFT = 0.15, 0.08  #: zoom between 1/(1+SCALE) and 1+SCALE; shift as a share of the side
JITTER = (0.1, 0.15, 0.15)  #: of brightness, contrast and saturation
SHEAR = 10  #: degrees


def torchvision_loader(setting: Setting) -> DataLoader[Any]:
    """Batches of images (N, 3, S, S) float32 and targets, (N,) or mixed (N, C); each epoch starts workers anew."""
    augment, collate = per_image(setting), per_batch(setting.components)
    return DataLoader(
        ImageFolder(str(setting.files / "train"), augment),
        batch_size=setting.batch_size,
        shuffle=True,
        num_workers=setting.workers,
        collate_fn=collate,
        drop_last=True,
        pin_memory=setting.device.type == "cuda",
    )


def moved(loader: DataLoader[Any], device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of a loader on a device, as tutorials move them."""
    for images, targets in loader:
        yield images.to(device), targets.to(device)


def per_image(setting: Setting) -> Callable[[Any], Tensor]:
    """What is done to one image, as far as torchvision can: the strengths are those of skineval."""
    chosen, size = set(setting.components), setting.case.image_size
    steps: list[Any] = [transforms.Resize((size, size))]
    if "flip" in chosen:
        steps += [transforms.RandomHorizontalFlip(), transforms.RandomVerticalFlip()]
    if chosen & {"rotate", "shear", "zoom", "shift"}:
        affine = transforms.RandomAffine(
            180 if "rotate" in chosen else 0,
            translate=(SHIFT, SHIFT) if "shift" in chosen else None,
            scale=(1 / (1 + SCALE), 1 + SCALE) if "zoom" in chosen else None,
            shear=SHEAR if "shear" in chosen else None,
        )
        steps.append(affine)
    if "colour" in chosen:
        steps.append(transforms.ColorJitter(*JITTER))
    if "randaugment" in chosen:
        steps.append(transforms.RandAugment())
    steps += [transforms.ToTensor(), transforms.Normalize(setting.architecture.mean, setting.architecture.std)]
    if "erase" in chosen:
        steps.append(transforms.RandomErasing())
    return transforms.Compose(steps)


def per_batch(components: Sequence[str]) -> Callable[[Any], Any]:
    """How images become a batch: mixed with one another where that is asked for."""
    mixers = {"mixup": v2.MixUp, "cutmix": v2.CutMix}
    chosen = [mixers[name](num_classes=len(DIAGNOSES)) for name in MIXING if name in components]
    return partial(_mixed, v2.RandomChoice(chosen)) if chosen else default_collate


def words(components: Sequence[str]) -> str:
    """What torchvision does to images, and what it has no counterpart for."""
    done = [name for name in components if name in KNOWN]
    missing = [name for name in components if name not in KNOWN]
    return (", ".join(done) or "none") + (f" (not {', '.join(missing)})" if missing else "")


def _mixed(mixer: Callable[..., Any], samples: Sequence[Any]) -> Any:
    return mixer(*default_collate(samples))
