"""Attention rollout: how much of each patch reaches the class token of a vision transformer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from skineval.base.errors import NoMapError
from skineval.explain.cams import enlarged


def rollout(model: nn.Module, images: Tensor) -> Tensor:
    """Maps (N, H, W) >= 0 of images (N, 3, H, W), whatever the class.

    Attention rollout (Abnar, Zuidema, ACL 2020, section 3): the attention of each layer, averaged over heads, and half
    of it the identity for the residual connection, multiplied from the first layer to the last; of the result the row
    of the class token, or the mean over patches where there is none. Raises NoMapError where no layer attends to all
    patches, as in a network of convolutions or of windows.
    """
    attended = _attentions(model, images)
    if not attended or len({one.shape for one in attended}) > 1 or attended[0].shape[0] != len(images):
        raise NoMapError("attention rollout needs layers that attend to all patches of an image, and there are none")
    tokens = attended[0].shape[-1]
    reached = torch.eye(tokens, device=images.device).expand(len(images), -1, -1)
    for attention in attended:
        reached = (attention + torch.eye(tokens, device=images.device)) / 2 @ reached
    side = math.isqrt(tokens)
    before = tokens - side**2
    row = reached[:, 0] if before else reached.mean(dim=1)
    return enlarged(row[:, before:].reshape(-1, side, side), images.shape[-2:])


def patches(model: nn.Module, images: Tensor) -> int:
    """How many patches images (N, 3, H, W) have a side."""
    return math.isqrt(_attentions(model, images[:1])[0].shape[-1])


def _attentions(model: nn.Module, images: Tensor) -> list[Tensor]:
    """Of each layer (N, tokens, tokens) float32, the mean over heads, rows of sum 1, in the order in which they run."""
    found: list[Tensor] = []
    with _telling(model, found), torch.no_grad():
        model.eval()(images)
    return found


@contextmanager
def _telling(model: nn.Module, found: list[Tensor]) -> Iterator[None]:
    """torch's attention is asked for its weights; of timm's, what its dropout is given is looked at."""

    def ask(_: nn.Module, arguments: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return arguments, {**options, "need_weights": True, "average_attn_weights": True}

    def keep(_: nn.Module, __: object, output: tuple[Tensor, Tensor]) -> None:
        found.append(output[1].float())

    def look(_: nn.Module, given: tuple[Tensor]) -> None:
        found.append(given[0].float().mean(dim=1))

    with ExitStack() as stack:
        for module in model.modules():
            if isinstance(module, nn.MultiheadAttention):
                stack.callback(module.register_forward_pre_hook(ask, with_kwargs=True).remove)
                stack.callback(module.register_forward_hook(keep).remove)
            elif isinstance(drop := getattr(module, "attn_drop", None), nn.Module) and hasattr(module, "fused_attn"):
                stack.callback(setattr, module, "fused_attn", module.fused_attn)
                setattr(module, "fused_attn", False)  # noqa: B010 - which nn.Module would take for a tensor
                stack.callback(drop.register_forward_pre_hook(look).remove)
        yield
