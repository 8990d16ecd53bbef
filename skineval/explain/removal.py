"""Images without their lesion, or with nothing else: controls of a network, not of its maps.

A network that knows the class of an image whose lesion is gone goes by something else: the shape of what is missing,
the skin around it, the camera (Bissoto et al., CVPR Workshops 2019, arXiv 1904.08818).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from skineval.explain.faithfulness import GRID, blur, imputed

Images: TypeAlias = NDArray[np.uint8]  #: (N, S, S, 3)
Masks: TypeAlias = NDArray[np.bool_]  #: (N, S, S), True on the lesion

_EDGE = 0.02  # standard deviation of the blur that makes a mask larger and its edge soft, of the side of an image
_REACHED = 0.02  # of a blurred mask: two of these deviations beyond its edge


def filled(images: Images, masks: Masks) -> Images:
    """Images (N, S, S, 3) uint8 in which what surrounds a lesion goes on in its place.

    Cells of a grid that the lesion touches are linearly imputed as `skineval.explain.faithfulness.imputed` does. Masks
    are made larger by 4 % of the side, since they do not reach all of a lesion, and have a soft edge. Skin has a
    texture and what is filled in has none: a smooth patch shows about where it was, and how large.
    """
    side = images.shape[1]
    grid = min(GRID, side)
    larger = (blur(torch.from_numpy(masks)[:, None].float(), _EDGE * side) > _REACHED).float()
    opacity = blur(larger, _EDGE * side / 2)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).double()
    cells = F.adaptive_avg_pool2d(pixels, grid).flatten(2).numpy()
    touched = F.adaptive_max_pool2d(larger, grid).flatten(1).numpy() > 0
    skin = np.stack([_filled(*one) for one in zip(cells, touched, strict=True)])
    around = F.interpolate(torch.from_numpy(skin).view(*skin.shape[:2], grid, grid), size=(side, side), mode="bilinear")
    found: Images = (pixels + opacity * (around - pixels)).round().byte().permute(0, 2, 3, 1).numpy()
    return found


def _filled(cells: NDArray[np.float64], touched: Masks) -> NDArray[np.float64]:
    """An image (C, g * g) without the cells that are `touched` (g * g,); its mean where they all are."""
    gone = np.flatnonzero(touched)
    if len(gone) == len(touched):
        return np.full_like(cells, cells.mean(axis=1, keepdims=True))
    found: NDArray[np.float64] = imputed(cells, gone, [len(gone)])[0]
    return found


def blacked_out(images: Images, masks: Masks) -> Images:
    """Images (N, S, S, 3) uint8 in which the lesion is black: its shape is left, as in Bissoto et al."""
    return images * ~masks[..., None]


def alone(images: Images, masks: Masks) -> Images:
    """Images (N, S, S, 3) uint8 in which all but the lesion is black."""
    return images * masks[..., None]


#: By the name of their row.
REMOVALS: Mapping[str, Callable[[Images, Masks], Images]] = MappingProxyType(
    {"lesion filled in": filled, "lesion black": blacked_out, "lesion alone": alone}
)
