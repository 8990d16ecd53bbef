"""What is measured: a network at an image size, with augmentation; and what all sides of a measurement share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from skineval.base.errors import UsageError
from skineval.catalog.catalog import Catalog
from skineval.catalog.specs import Architecture
from skineval.train.network import Blueprint, build_network
from skineval.train.weights import NONE, Weights
from skineval.values.augmentations import canonical, components
from skineval.values.lesion_table import LesionTable
from skineval.values.runspec import Selection
from skineval.values.task import DIAGNOSES

FORM = "Write MODEL@SIZE:AUGMENT, for example resnet18@64:basic."


@dataclass(frozen=True)
class Case:
    """One comparison of all sides."""

    model: str
    image_size: int
    augment: str

    def __str__(self) -> str:
        return f"{self.model}@{self.image_size}:{self.augment}"


@dataclass(frozen=True, eq=False)
class Setting:
    """What every side of a case is given: the same network, the same files, the same precision."""

    case: Case
    architecture: Architecture
    selection: Selection
    files: Path  #: a folder `train` of class folders of JPEG files
    table: LesionTable  #: the same files
    batch_size: int
    images: int  #: in a turn, whole batches
    device: torch.device
    precision: str  #: "fp32" or "bf16"
    reason: str  #: of the precision
    workers: int  #: processes of each loader

    @property
    def components(self) -> tuple[str, ...]:
        """What is done to images, by the names of `skineval.values.augmentations`."""
        return components(self.case.augment)

    @property
    def build(self) -> Callable[[], nn.Module]:
        """Makes the network, always with the same initial values, where it is trained and in channels_last."""

        def make() -> nn.Module:
            parameters, size = self.selection.parameters, self.case.image_size
            blueprint = Blueprint(self.architecture, parameters, len(DIAGNOSES), size)
            network, _ = build_network(blueprint, Weights(NONE), seed=0)
            return network.to(self.device).to(memory_format=torch.channels_last)

        return make


def parse_case(text: str) -> Case:
    """`MODEL@SIZE:AUGMENT` as a value; raises UsageError for what is not of this form."""
    model, at, rest = text.rpartition("@")
    size, colon, augment = rest.partition(":")
    if not (model and at and colon and size.isdecimal()):
        raise UsageError(f"--case is {text!r}.", FORM)
    try:
        return Case(model, int(size), canonical(augment))
    except ValueError as error:
        raise UsageError(f"--case is {text!r}: the augmentation should be {error}.", FORM) from None


def find_network(case: Case, catalog: Catalog) -> tuple[Architecture, Selection]:
    """The one network that a case names; raises UsageError for none or several."""
    selections = catalog.architectures.select([case.model])
    if len(selections) != 1:
        raise UsageError(f"--case is {str(case)!r}, which names {len(selections)} models.", "Give a case for each.")
    return catalog.architecture(selections[0]), selections[0]
