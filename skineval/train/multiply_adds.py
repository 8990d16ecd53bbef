"""How much a network computes for one image."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from skineval.base.errors import PluginError
from skineval.catalog.specs import Architecture
from skineval.values.runspec import Selection


def multiply_adds(architecture: Architecture, selection: Selection, num_classes: int, image_size: int) -> int:
    """Multiply-adds of the forward pass of one image, those of convolutions, matrix products and attention.

    Counted on torch's meta device, where tensors have shapes and no values and nothing is computed, or on the CPU where
    a network looks at values. Raises PluginError for one that can be run on neither.
    """
    try:
        return _count(architecture, selection, num_classes, image_size, "meta")
    except Exception:  # whatever an architecture raises that wants values
        pass
    try:
        return _count(architecture, selection, num_classes, image_size, "cpu")
    except Exception as error:
        raise PluginError(f"{architecture.name} cannot be run: {type(error).__name__}: {error}.") from error


def _count(architecture: Architecture, selection: Selection, num_classes: int, image_size: int, device: str) -> int:
    with torch.device(device):
        model = architecture.build(num_classes, weights=None, **selection.parameters)
        images = torch.zeros(1, 3, image_size, image_size)
    # With gradients: without them, attention takes a short cut in eval mode that is not counted.
    with FlopCounterMode(display=False) as counter, torch.enable_grad():
        model.eval()(images)
    return int(counter.get_total_flops()) // 2
