"""Where in a network a class activation map is read, and how what is returned there becomes maps.

The convention: what is pooled and classified, which the architecture names. Where that has fewer than 7 positions a
side, or nobody has named it, it is the deepest module that has as many and on which alone the result depends: it has
all that the network knows of an image by then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from skineval.base.errors import CellError, NoMapError
from skineval.catalog.specs import Architecture

POSITIONS = 7  #: a side, at least, where any module of the network has so many
_PREFIX = 8  #: tokens, at most, that stand before those of the patches: of the class, registers
_SAME = 1e-4  #: of what two images differ by in the result; what differs by less is rounding

Hook = Callable[[nn.Module, Any, Any], Any]


@dataclass(frozen=True, eq=False)
class Site:
    """A module whose output is read as maps of so many positions."""

    module: nn.Module
    path: str
    rows: int
    columns: int
    passed: str = ""  #: what would be read by convention, were it not too coarse, in words


_FOUND: WeakKeyDictionary[nn.Module, dict[object, tuple[Site, ...]]] = WeakKeyDictionary()


def find_sites(model: nn.Module, architecture: Architecture, images: Tensor) -> tuple[Site, ...]:
    """What is read of `architecture` for images (N, 3, H, W): one site, or one of each part of a hybrid.

    They are looked for once for each network and size of images. Raises NoMapError where nothing returns maps, and
    CellError where `cam_layer` names no module, or one that returns none.
    """
    known, key = _FOUND.setdefault(model, {}), (architecture.name, images.shape[1:])
    if key not in known:
        model.eval()
        with torch.no_grad():
            known[key] = tuple(_sites(model, architecture, images[:1]))
    return known[key]


def as_maps(output: object) -> Tensor:
    """Maps (N, C, h, w) of what a module returns: these, or (N, h, w, C) of a square, or tokens (N, n, C).

    Of tokens, those before the patches are left out: the class token, and registers. Raises CellError for all else.
    """
    maps = _read(output)
    if maps is None:
        raise CellError("The layer that maps are read of does not return maps (N, C, h, w); `cam_layer` is wrong.")
    return maps


@contextmanager
def caught(modules: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """What each module returns, once it has run; what comes after gets a copy, so that nothing changes it in place."""
    outputs: list[Any] = [None] * len(modules)

    def keep(place: int, _: nn.Module, __: object, output: object) -> object:
        outputs[place] = output
        return output.clone() if isinstance(output, Tensor) else output

    with _hooked({module: partial(keep, place) for place, module in enumerate(modules)}):
        yield outputs


@contextmanager
def differentiable(modules: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """As `caught`, for gradients of what comes after; in front of a single module none are recorded."""
    if len(modules) > 1:  # one may stand in front of another
        with caught(modules) as outputs, torch.enable_grad():
            yield outputs
        return
    outputs = []

    def begin(_: nn.Module, __: object, output: Tensor) -> Tensor:
        torch.set_grad_enabled(True)
        outputs[:] = [output.detach().requires_grad_()]
        return outputs[0].clone()

    with torch.no_grad(), _hooked({modules[0]: begin}):
        yield outputs


def _sites(network: nn.Module, architecture: Architecture, image: Tensor) -> Iterator[Site]:
    for place, part in enumerate(architecture.parts):
        yield from _sites(network.get_submodule(f"parts.{place}"), part, image)
    if not architecture.parts:
        yield _site(network, architecture.cam_layer, image)


def _site(network: nn.Module, path: str | None, image: Tensor) -> Site:
    named = None if path == "" else _named(network, path, image)
    if named and min(named.rows, named.columns) >= POSITIONS:
        return named
    finer = _deepest(network, image, POSITIONS)
    if finer and named:
        return replace(finer, passed=f"{named.path} has {named.rows} × {named.columns}")
    found = finer or named or _deepest(network, image, 2)
    if found is None:
        raise NoMapError("no module of the network returns maps for a class activation map to read")
    return found


def _named(network: nn.Module, path: str | None, image: Tensor) -> Site:
    """The module at the dotted `path`, or the last convolution."""
    if path is None:
        convolutions = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
        if not convolutions:
            raise CellError("The network has no convolution to read maps of; its architecture names no cam_layer.")
        path = convolutions[-1]
    try:
        module = network.get_submodule(path)
    except AttributeError as error:
        raise CellError(f"cam_layer {path!r} names no module of the network: {error}.") from error
    with caught([module]) as outputs:
        network(image)
    return Site(module, path, *as_maps(outputs[0]).shape[-2:])


def _deepest(network: nn.Module, image: Tensor, least: int) -> Site | None:
    """The last of those modules that return maps of so many positions a side on which alone the result depends."""
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0)).to(image)
    pair = torch.cat([image, noise])
    fine = (site for site in _candidates(network, pair) if min(site.rows, site.columns) >= least)
    plain = network(pair)
    return next((site for site in fine if _decides(network, site.module, pair, plain)), None)


def _candidates(network: nn.Module, pair: Tensor) -> list[Site]:
    """Modules that run once and return maps, from the last to the first."""
    runs: dict[nn.Module, list[Tensor | None]] = {}

    def note(module: nn.Module, _: object, output: object) -> None:
        maps = _read(output)
        runs.setdefault(module, []).append(maps if maps is not None and len(maps) == len(pair) else None)

    paths = {module: path for path, module in network.named_modules() if path}
    with _hooked(dict.fromkeys(paths, note)):
        network(pair)
    once = [(module, maps) for module, (maps, *again) in runs.items() if maps is not None and not again]
    return [Site(module, paths[module], *maps.shape[-2:]) for module, maps in reversed(once)]


def _decides(network: nn.Module, module: nn.Module, pair: Tensor, plain: Tensor) -> bool:
    """Whether what `module` returns leaves nothing else of an image to depend on, and its maps are depended on.

    The first image's output in place of the second's must make their results the same; its maps alone, without the
    tokens before them, must make some difference.
    """

    def whole(_: nn.Module, __: object, output: Tensor) -> Tensor:
        return output[:1].expand_as(output).clone()

    def maps_alone(_: nn.Module, __: object, output: Tensor) -> Tensor:
        mixed = output.clone()
        as_maps(mixed)[1] = as_maps(output)[0]
        return mixed

    least = _SAME * float((plain[0] - plain[1]).abs().max())
    with _hooked({module: whole}):
        first, second = network(pair)
    if float((first - second).abs().max()) > least:
        return False
    with _hooked({module: maps_alone}):
        changed = network(pair)[1]
    return float((changed - plain[1]).abs().max()) >= least


def _read(output: object) -> Tensor | None:
    if not isinstance(output, Tensor):
        return None
    if output.ndim == 4:
        _, first, second, third = output.shape
        return output.permute(0, 3, 1, 2) if first == second != third else output
    side = math.isqrt(output.shape[1]) if output.ndim == 3 else 0
    if side < 2 or output.shape[1] - side**2 > _PREFIX:
        return None
    patches = output[:, -(side**2) :]
    return patches.view(len(output), side, side, -1).permute(0, 3, 1, 2)


@contextmanager
def _hooked(hooks: dict[nn.Module, Hook]) -> Iterator[None]:
    """Forward hooks on modules, and none of them afterwards."""
    with ExitStack() as stack:
        for module, hook in hooks.items():
            stack.callback(module.register_forward_hook(hook).remove)
        yield
