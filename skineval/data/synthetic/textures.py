"""Seamless noise and thin strokes: what the synthetic pictures are painted with. numpy only, the same on every call.

Textures are square tiles that repeat. They are sampled bilinearly from a mip-map (Williams, "Pyramidal parametrics",
SIGGRAPH 1983), so that a picture looks the same, and never sparkles, at any number of pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import cos, log2, sin
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Plane: TypeAlias = NDArray[np.float32]

_TEXELS = 256
_BLOBS = 8
_CELLS = 16
_LEVELS = 4


@dataclass(frozen=True)
class Tile:
    """A repeating texture of several channels, at several resolutions.

    `levels[k]` is (side * side, channels) float32 with side = 256 / 2^k; one period shows `features` features a side.
    """

    levels: tuple[Plane, ...]
    features: int


@cache
def clouds() -> Tile:
    """Four independent channels of fractal noise: mean 0, standard deviation 1, about one blob a feature."""
    frequency = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(_TEXELS, 1 / _TEXELS)]))
    amplitude = np.exp(-((frequency / 40) ** 2)) / np.maximum(frequency, _BLOBS * 0.6) ** 1.7
    amplitude[0, 0] = 0
    white = np.random.default_rng(0).standard_normal((4, _TEXELS, _TEXELS))
    noise = np.fft.ifft2(np.fft.fft2(white) * amplitude).real
    return _tile(noise / noise.std(axis=(1, 2), keepdims=True), _BLOBS)


@cache
def cells() -> Tile:
    """Three channels of cellular noise (Worley, SIGGRAPH 1996) on a jittered lattice, one cell a feature.

    They are the distance to the nearest cell centre, how much farther the second nearest is (0 on the walls), both in
    cell spacings, and a value in 0..1 of the cell.
    """
    from scipy.spatial import KDTree

    rng = np.random.default_rng(1)
    lattice = np.stack(np.meshgrid(*2 * [np.arange(_CELLS)], indexing="ij"), -1).reshape(-1, 2)
    centres = (lattice + 0.5 + rng.uniform(-0.36, 0.36, lattice.shape)) % _CELLS
    texels = (np.stack(np.meshgrid(*2 * [np.arange(_TEXELS)], indexing="ij"), -1) + 0.5) * (_CELLS / _TEXELS)
    distance, nearest = KDTree(centres, boxsize=_CELLS).query(texels, k=2)
    value = rng.permutation(len(centres)) / len(centres)
    return _tile(np.stack([distance[..., 0], distance[..., 1] - distance[..., 0], value[nearest[..., 0]]]), _CELLS)


def sample(tile: Tile, x: Plane, y: Plane, step: float) -> Plane:
    """The tile at points (h, w), in features, that lie `step` features apart: (channels, h, w) float32."""
    level = min(round(log2(max(step * _TEXELS / tile.features, 1))), _LEVELS - 1)
    side, texels = _TEXELS >> level, tile.levels[level]
    last = side - 1  # sides are powers of two, so that `& last` wraps around
    column, right = _split(x.ravel() * (side / tile.features) - 0.5)
    row, below = _split(y.ravel() * (side / tile.features) - 0.5)
    here, beside = column & last, (column + 1) & last
    upper, lower = (
        _mix(texels.take(line + here, axis=0), texels.take(line + beside, axis=0), right)
        for line in ((row & last) * side, ((row + 1) & last) * side)
    )
    return np.ascontiguousarray(_mix(upper, lower, below).T).reshape(-1, *x.shape)


class Stroke(NamedTuple):
    """A thin arc: from (x, y) along `heading` (radians), curving off by `bend` times the square of the way gone."""

    x: float
    y: float
    heading: float
    length: float
    bend: float
    width: float

    def at(self, way: float) -> tuple[float, float]:
        """The point reached after `way`."""
        off = self.bend * way * way
        return (
            self.x + way * cos(self.heading) - off * sin(self.heading),
            self.y + way * sin(self.heading) + off * cos(self.heading),
        )


def coverage(strokes: tuple[Stroke, ...], x: Plane, y: Plane, step: float) -> Plane:
    """How much of each pixel (h, w) the strokes cover, 0..1; a stroke thinner than a pixel covers part of it."""
    covered = np.zeros_like(x)
    for stroke in strokes:
        covered = np.maximum(covered, _cover(stroke, x - stroke.x, y - stroke.y, step))
    return covered


def smoothstep(low: float, high: float, values: Plane) -> Plane:
    """0 at `low` and before, 1 at `high` and beyond, smooth between them; a fall where `high` is below `low`."""
    t: Plane = np.clip((values - low) * (1 / (high - low)), 0, 1)
    return t * t * (3 - 2 * t)


def _cover(stroke: Stroke, x: Plane, y: Plane, step: float) -> Plane:
    c, s = cos(stroke.heading), sin(stroke.heading)
    along = x * c + y * s
    off = np.abs(y * c - x * s - stroke.bend * along * along)
    # The slope of the arc widens it as seen across the heading; a taper to both ends makes it look grown.
    slope = 1 + np.abs(2 * stroke.bend * along)
    ends = np.clip(np.minimum(along, stroke.length - along) / (0.15 * stroke.length), 0, 1)
    width = max(stroke.width, step)
    covered: Plane = np.clip((width / 2 - off / slope) / step + 0.5, 0, 1) * ends * (stroke.width / width)
    return covered


def _split(values: Plane) -> tuple[NDArray[np.int64], Plane]:
    whole = np.floor(values)
    return whole.astype(np.int64), (values - whole)[:, None]


def _mix(a: Plane, b: Plane, share: Plane) -> Plane:
    return a + (b - a) * share


def _tile(channels: NDArray[np.float64], features: int) -> Tile:
    levels = []
    for _ in range(_LEVELS):
        count, side, _side = channels.shape
        texels = np.ascontiguousarray(channels.reshape(count, -1).T, dtype=np.float32)
        texels.setflags(write=False)  # shared by every picture and thread
        levels.append(texels)
        channels = channels.reshape(count, side // 2, 2, side // 2, 2).mean(axis=(2, 4))
    return Tile(tuple(levels), features)
