"""The vision transformer (Dosovitskiy et al., arXiv 2010.11929) for images of any size that its patches divide."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models


class VisionTransformer(models.VisionTransformer):  # type: ignore[misc]
    """torchvision's, with its names of weights; at 224 pixels it computes the same.

    At other sizes the position embeddings are interpolated, as in the paper (section 3.2): bicubically, antialiased.
    """

    def __init__(self) -> None:
        super().__init__(image_size=224, patch_size=16, num_layers=12, num_heads=12, hidden_dim=768, mlp_dim=3072)
        last = self.encoder.layers[-1]
        last.ln_1 = NormWithMaps(last.ln_1.normalized_shape, eps=last.ln_1.eps)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, 3, H, W); H and W are multiples of 16."""
        patches: Tensor = self.conv_proj(images)
        rows, columns = patches.shape[-2:]
        first = self.class_token.expand(images.shape[0], -1, -1)
        tokens = torch.cat([first, patches.flatten(2).transpose(1, 2)], dim=1) + self._positions(rows, columns)
        encoded = self.encoder.ln(self.encoder.layers(self.encoder.dropout(tokens)))
        logits: Tensor = self.heads(encoded)
        return logits

    def _positions(self, rows: int, columns: int) -> Tensor:
        """The embeddings of the class token and of every place of the grid, (1, 1 + rows * columns, C)."""
        learnt: Tensor = self.encoder.pos_embedding
        side = math.isqrt(learnt.shape[1] - 1)
        if (rows, columns) == (side, side):
            return learnt
        grid = learnt[0, 1:].T.reshape(-1, side, side)
        # Two products of matrices: the gradient of torch's own interpolation is not deterministic on GPUs.
        down, across = (_interpolation(size, side, grid.device, grid.dtype) for size in (rows, columns))
        return torch.cat([learnt[:, :1], (down @ grid @ across.T).flatten(1).T[None]], dim=1)


class ClassToken(nn.Module):
    """What the linear head reads: from tokens (N, 1 + n, C) the first, (N, C)."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Embeddings (N, C)."""
        return tokens[:, 0]


class PatchMaps(nn.Module):
    """What a head of maps reads: from tokens (N, 1 + n, C) those of the patches, (N, C, h, w) of a square image."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Maps (N, C, h, w)."""
        side = math.isqrt(tokens.shape[1] - 1)
        return tokens[:, 1:].transpose(1, 2).reshape(tokens.shape[0], -1, side, side)


class NormWithMaps(nn.LayerNorm):
    """A layer normalisation whose result passes, the class token aside, as maps through the module `maps`.

    It stands before the last attention, the last place where patches still reach the class token, which alone is
    classified: behind it the logits do not depend on them. That is where Grad-CAM of a vision transformer is read by
    convention (Gildenblat, pytorch-grad-cam, "How does it work with Vision Transformers").
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.maps = PatchMaps()

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, 1 + n, C), normalised."""
        normal = super().forward(tokens)
        maps: Tensor = self.maps(normal)
        return torch.cat([normal[:, :1], maps.flatten(2).transpose(1, 2)], dim=1)


@cache
def _interpolation(size: int, side: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """What each of `size` places takes of the `side` that were learnt, (size, side); copied to a GPU once."""
    unit = torch.eye(side, device="cpu")[None, None]
    return F.interpolate(unit, size=(size, side), mode="bicubic", antialias=True)[0, 0].to(device, dtype)
