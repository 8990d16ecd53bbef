"""The uniform numbers of an image: how many each component takes, where they stand, and which of them do nothing."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: For each component, in the order of columns, the numbers with which it changes nothing: as many as it takes. Places
#: are fixed, so that an image is turned alike whatever else is done to it.
NEUTRAL: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "rotate": (0.0,),
        "flip": (1.0,),
        "zoom": (0.5,),
        "shift": (0.5, 0.5),  # right, down
        "shear": (0.5,),
        "colour": (0.5, 0.5, 0.5, 0.5),  # brightness, contrast, saturation, balance
        "randaugment": (0.0, 0.5, 0.0, 0.5),  # operation and strength, twice
        "hair": (1.0, 0.5, 0.5, 0.5, 0.5),  # whether, down, right, opacity, darkness
        "erase": (1.0, 0.5, 0.5, 0.5, 0.5),  # whether, area, proportion, down, right
        "mixup": (1.0,),
        "cutmix": (1.0, 0.5, 0.5, 0.5),  # whether, share, down, right
    }
)
_STARTS = list(itertools.accumulate((len(numbers) for numbers in NEUTRAL.values()), initial=0))
COLUMNS: Mapping[str, slice] = MappingProxyType(
    {name: slice(start, end) for name, (start, end) in zip(NEUTRAL, itertools.pairwise(_STARTS), strict=True)}
)
WIDTH = _STARTS[-1]  #: columns of all components


def epoch_draws(seed: int, epoch: int, n: int, width: int) -> NDArray[np.float32]:
    """Uniform numbers (n, width) for the n images of an epoch: a function of seed, epoch and position alone."""
    generator = np.random.Generator(np.random.Philox(key=[seed, epoch]))
    return generator.random((n, width), dtype=np.float32)


def neutral_draws(device: torch.device) -> Tensor:
    """Numbers (WIDTH,) with which no component changes anything."""
    return torch.tensor([number for numbers in NEUTRAL.values() for number in numbers], device=device)


def chosen_columns(names: Collection[str], device: torch.device) -> Tensor:
    """Which columns (WIDTH,), bool, belong to the components `names`."""
    return torch.tensor([name in names for name, numbers in NEUTRAL.items() for _ in numbers], device=device)
