"""A network that is asked for maps is afterwards what it was: what comes later is asked of the same one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from skineval.base.errors import CellError

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@contextmanager
def untouched(network: nn.Module) -> Iterator[None]:
    """Raises CellError where weights, buffers or hooks are others after it, and puts back those that were there."""
    tensors = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    hooks = {(module, kind): dict(getattr(module, kind)) for module in network.modules() for kind in _HOOKS}
    try:
        yield
    finally:
        after = network.state_dict()
        changed = [name for name, tensor in tensors.items() if not _alike(tensor, after.get(name))]
        left = [module for (module, kind), before in hooks.items() if getattr(module, kind).keys() != before.keys()]
        with torch.no_grad():
            for name in {*changed} & {*after}:
                if after[name].shape == tensors[name].shape:
                    after[name].copy_(tensors[name])
        for (module, kind), before in hooks.items():
            now = getattr(module, kind)
            now.clear()
            now.update(before)
    if changed:
        raise CellError(f"The explainer changed the network: {changed[0]} has other values than before.")
    if left:
        raise CellError(f"The explainer left a hook in the network, in its {type(left[0]).__name__}.")


def _alike(before: torch.Tensor, after: torch.Tensor | None) -> bool:
    """Whether they are equal, where NaN equals NaN."""
    if after is None or before.shape != after.shape:
        return False
    return torch.equal(before, after) or bool(((before == after) | (before.isnan() & after.isnan())).all())
