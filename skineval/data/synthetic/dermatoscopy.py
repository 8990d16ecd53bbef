"""Paints one view of one invented skin lesion, in the manner of dermatoscopy.

Colour is absorption: melanin, blood and keratin take their share of white light on its way through the skin
(Beer-Lambert; Claridge et al., "From colour to tissue histology", Medical Image Analysis 7(4), 2003), and what
scatters near the surface or deep below (scale, scars, the blue-white veil) is laid over it. The structures follow the
glossary of Kittler et al., "Standardization of terminology in dermoscopy", J Am Acad Dermatol 74(6), 2016.
"""

from __future__ import annotations

from functools import cached_property
from math import cos, pi, sin, sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from skineval.data.synthetic.textures import Plane, Tile, cells, clouds, coverage, sample, smoothstep

if TYPE_CHECKING:
    from skineval.data.synthetic.anatomy import Lesion, View

#: Natural absorbance of one unit of each pigment, in red, green, blue.
_MELANIN = (0.42, 0.85, 1.05)
_BLOOD = (0.15, 0.92, 0.58)
_KERATIN = (0.06, 0.22, 0.75)
#: Light that comes back from skin without pigment, and from what lies over or under the pigment.
_DERMIS = (0.96, 0.84, 0.85)
_SCAR = (0.93, 0.78, 0.82)
_SCALE = (0.93, 0.86, 0.82)
_CREAM = (0.94, 0.84, 0.62)
_VEIL = (0.46, 0.46, 0.58)
_SLATE = (0.32, 0.32, 0.42)

_FINEST = 64  # pixels a side below which a picture is painted larger and averaged
_FAINT = 0.12  # a structure weaker than this is not painted
_CAMERA_NOISE = 0.012


def picture(lesion: Lesion, view: View, size: int) -> NDArray[np.uint8]:
    """The view, (size, size, 3) RGB."""
    field = _Field(lesion, view, size)
    light = _shrink(_photograph(_tissue(lesion, field), lesion, view, field), size)
    grain = np.random.default_rng(view.grain).standard_normal((3, size, size), dtype=np.float32)
    shades = np.clip(light + _CAMERA_NOISE * grain, 0, 1) * 255 + 0.5
    return np.ascontiguousarray(shades.astype(np.uint8).transpose(1, 2, 0))


def outline(lesion: Lesion, view: View, size: int) -> NDArray[np.bool_]:
    """Where the lesion lies in the view, (size, size)."""
    depth = _Field(lesion, view, size).depth
    covered: NDArray[np.bool_] = _shrink((depth > 0).astype(np.float32)[None], size)[0] >= 0.5
    return covered


class _Field:
    """The points of a picture: where each lies on the skin and in the lesion, and the noise there; planes (h, w)."""

    def __init__(self, lesion: Lesion, view: View, size: int) -> None:
        self.traits = traits = lesion.characters
        self.places, self.spacing = lesion.places, lesion.spacing
        side = size * -(-_FINEST // size)
        self.pixel = 2 / side  #: in half image widths
        axis = (np.arange(side, dtype=np.float32) + 0.5) * self.pixel - 1
        self.column, self.row = np.meshgrid(axis, axis)
        magnification = view.zoom * traits.size
        c, s = cos(view.turn) / magnification, sin(view.turn) / magnification
        x, y = self.column - view.shift[0], self.row - view.shift[1]
        self.u, self.v = c * x + s * y, c * y - s * x  #: in lesion radii
        self.step = self.pixel / magnification  #: from pixel to pixel, in lesion radii
        self.radius = np.sqrt(self.u * self.u + self.v * self.v) + 1e-4
        self.broad = self.noise(0, 1.3)
        self.fine = self.noise(1, 4.5)
        self.depth = self._depth(lesion)  #: how far inside the border, in lesion radii
        softness = 0.07 + 0.6 * traits.softness
        self.inside = smoothstep(-0.4 * softness, 0.6 * softness, self.depth)

    def noise(self, place: int, features: float) -> Plane:
        """Four planes of clouds, so many a lesion radius."""
        return self._sample(clouds(), place, features, self.u, self.v)

    @cached_property
    def dots(self) -> Plane:
        """Three planes of small cells, about as wide as a mesh of the network."""
        return self._cells(3, 0.9 * self.spacing)

    @cached_property
    def clods(self) -> Plane:
        """Three planes of large cells."""
        return self._cells(4, 0.4 * self.spacing)

    def resolved(self, features: float) -> float:
        """0..1: whether pixels are fine enough to show so many periods a lesion radius."""
        return min(max((1 / (features * self.step) - 1.5) / 2, 0), 1)

    def _cells(self, place: int, features: float) -> Plane:
        return self._sample(cells(), place, features, self.u + 0.01 * self.fine[2], self.v + 0.01 * self.fine[3])

    def _sample(self, tile: Tile, place: int, features: float, u: Plane, v: Plane) -> Plane:
        left, top = self.places[place]
        return sample(tile, u * features + left, v * features + top, self.step * features)

    def _depth(self, lesion: Lesion) -> Plane:
        bearing = (self.u + 1j * self.v) / self.radius
        turn, ripple = bearing, np.zeros_like(bearing)
        for harmonic in lesion.border:
            turn = turn * bearing
            ripple += turn * np.complex64(harmonic)
        reach = 1 + np.clip(ripple.real, -0.6, 0.6)
        reach += (0.03 + 0.14 * self.traits.irregularity) * self.broad[0]
        reach += 0.09 * self.traits.raggedness * self.fine[0]
        if self.traits.streaks > _FAINT:
            turn = turn * turn
            comb = (turn * bearing * np.complex64(lesion.spikes)).real + 0.5 * self.fine[1]
            sector = (bearing * np.complex64(np.exp(-1j * lesion.side))).real + 0.4
            reach += 0.2 * self.traits.streaks * np.clip(comb, 0, 1) * np.clip(sector, 0, 1)
        depth: Plane = reach - self.radius
        return depth


def _tissue(lesion: Lesion, field: _Field) -> Plane:
    """The skin and the lesion in even white light, (3, h, w), 0..1."""
    skin = field.noise(2, 3.0 * lesion.characters.size)
    melanin = _skin_melanin(lesion, skin) + _lesion_melanin(lesion, field)
    blood = _skin_blood(lesion, field, skin) + _lesion_blood(lesion, field)
    keratin = field.inside * (lesion.characters.keratin * (1 + 0.4 * field.fine[1]))
    colour = _absorb(melanin, blood, keratin)
    return _overlay(colour, lesion, field)


def _skin_melanin(lesion: Lesion, skin: Plane) -> Plane:
    melanin: Plane = lesion.melanin * np.maximum(1 + 0.22 * skin[0] + 0.1 * skin[2], 0)
    return melanin


def _skin_blood(lesion: Lesion, field: _Field, skin: Plane) -> Plane:
    redness = max(lesion.characters.erythema, 0)
    blotches = redness * smoothstep(-1.2, 2.0, skin[1]) * smoothstep(2.6, 0.8, field.radius)
    blood: Plane = lesion.blood * (1 + 0.2 * skin[1] + 0.1 * skin[3]) + 0.35 * blotches
    return blood


def _lesion_melanin(lesion: Lesion, field: _Field) -> Plane:
    """Pigment of the lesion: its level from place to place, times the structures that it is arranged in."""
    traits = lesion.characters
    heavier = field.u * cos(lesion.side) + field.v * sin(lesion.side)
    level = 1 + 0.75 * traits.mottling * field.broad[1] + 0.22 * field.fine[1] + 0.5 * traits.tilt * heavier
    level += 1.2 * traits.dark_centre * (0.55 - field.radius)
    if traits.network > _FAINT:
        level += traits.network * field.resolved(lesion.spacing) * _network(lesion, field)
    if traits.gyri > _FAINT:
        level += 0.6 * traits.gyri * np.cos(2 * pi * (0.8 * field.broad[2] + 0.22 * field.fine[2]))
    if traits.globules > _FAINT:
        gathered = smoothstep(-0.6, 0.8, field.broad[3])
        level += 1.3 * traits.globules * gathered * smoothstep(0.42, 0.22, field.dots[0])
    if traits.lacunae > _FAINT:
        # A few clods are thrombosed: nearly black.
        level += 5 * traits.lacunae * smoothstep(0.1, 0.4, field.clods[1]) * smoothstep(0.75, 0.95, field.clods[2])
    melanin: Plane = 1.7 * traits.pigment * field.inside * np.clip(level, 0.12, 3.0)
    return melanin


def _network(lesion: Lesion, field: _Field) -> Plane:
    """Pigment network: dark lines around light meshes, as three waves at 60 degrees make them, -0.5..1."""
    u, v = (
        field.u + 0.015 * field.fine[2] + 0.03 * field.broad[2],
        field.v + 0.015 * field.fine[3] + 0.03 * field.broad[3],
    )
    wave = 2 * pi * lesion.spacing
    lattice: Plane = np.cos(wave * u)
    for c, s in ((-0.5, sqrt(0.75)), (-0.5, -sqrt(0.75))):
        lattice += np.cos(wave * c * u + wave * s * v)
    return (0.2 - 0.4 * lattice) * smoothstep(-1.2, 0.6, field.broad[3])


def _lesion_blood(lesion: Lesion, field: _Field) -> Plane:
    traits = lesion.characters
    blood: Plane = traits.blood * field.inside * np.maximum(0.9 + 0.3 * field.broad[2] + 0.2 * field.fine[0], 0)
    if traits.vessels > _FAINT:
        blood += 2.2 * traits.vessels * coverage(lesion.vessels, field.u, field.v, field.step)
    if traits.strawberry > _FAINT:
        blood += 0.7 * traits.strawberry * field.inside * smoothstep(0.1, 0.5, field.dots[0])
    if traits.lacunae > _FAINT:
        round_off = smoothstep(0.8, 0.3, field.clods[0] + 0.1 * field.fine[0])
        filled = smoothstep(0.0, 0.3, field.clods[1]) * round_off * (0.6 + 0.8 * field.clods[2])
        blood += 1.7 * traits.lacunae * field.inside * filled
    return blood


def _absorb(melanin: Plane, blood: Plane, keratin: Plane) -> Plane:
    colours = zip(_DERMIS, _MELANIN, _BLOOD, _KERATIN, strict=True)
    return np.stack([white * np.exp(-(m * melanin + b * blood + k * keratin)) for white, m, b, k in colours])


def _overlay(colour: Plane, lesion: Lesion, field: _Field) -> Plane:
    """What scatters light above or below the pigment, laid over `colour` (3, h, w)."""
    traits = lesion.characters
    if traits.nests > _FAINT:
        nest = smoothstep(0.42, 0.16, field.clods[0]) * smoothstep(0.45, 0.6, field.clods[2])
        colour = _blend(colour, _SLATE, 0.95 * traits.nests * field.inside * nest)
    if traits.veil > _FAINT:
        off_centre = field.broad[2] + 0.5 - 0.8 * field.radius
        colour = _blend(colour, _VEIL, 0.9 * traits.veil * field.inside * smoothstep(-0.4, 0.9, off_centre))
    if traits.white_centre > _FAINT:
        centre = smoothstep(0.75, 0.2, field.radius + 0.12 * field.broad[3] + 0.06 * field.fine[3])
        colour = _blend(colour, _SCAR, 0.85 * traits.white_centre * centre)
    if traits.strawberry > _FAINT:
        follicle = smoothstep(0.2, 0.06, field.dots[0] + 0.04 * field.fine[3])
        colour = _blend(colour, _CREAM, 0.5 * traits.strawberry * field.inside * follicle)
    if traits.milia > _FAINT:
        cyst = smoothstep(0.34, 0.18, field.dots[0]) * smoothstep(0.6, 0.7, field.dots[2])
        colour = _blend(colour, _CREAM, 0.9 * traits.milia * field.inside * cyst)
    if traits.scale > _FAINT:
        flake = smoothstep(0.5, 1.7, field.fine[3] + 0.7 * field.broad[1])
        colour = _blend(colour, _SCALE, traits.scale * field.inside * flake)
    return colour


def _photograph(colour: Plane, lesion: Lesion, view: View, field: _Field) -> Plane:
    """`colour` (3, h, w) with what lies on the skin, in the light of the view and as its camera balances it."""
    hairs = coverage(view.hairs, field.column, field.row, field.pixel)
    light = 1 + view.shade[0] * field.column + view.shade[1] * field.row
    distance = field.column * field.column + field.row * field.row
    light -= view.vignette * distance
    if view.tube < sqrt(2):
        light *= smoothstep(view.tube, view.tube - 0.06, np.sqrt(distance))
    if view.ruler is not None:
        light *= 1 - 0.8 * _ruler(view.ruler, field)
    glint = sum((_bubble(bubble, field) for bubble in view.bubbles), np.zeros_like(light))
    gains = [a * b for a, b in zip(lesion.gains, view.gains, strict=True)]
    planes = [
        plane * light * (gain * np.exp(-absorbance * hairs)) + glint
        for plane, gain, absorbance in zip(colour, gains, lesion.hair, strict=True)
    ]
    return np.stack(planes)


def _ruler(edge: float, field: _Field) -> Plane:
    """Millimetre marks along the lower edge, 0..1, every fifth one longer."""
    millimetre = field.column * 10
    away = np.abs(millimetre - np.round(millimetre)) / 10
    longer = np.float32(0.12) * (np.round(millimetre) % 5 == 0)
    mark = np.clip((0.008 - away) / field.pixel + 0.5, 0, 1)
    marks: Plane = mark * np.clip((field.row - edge + longer) / field.pixel, 0, 1)
    return marks


def _bubble(bubble: tuple[float, float, float], field: _Field) -> Plane:
    """Air in the gel: a bright rim and a brighter spot where the lamp is mirrored."""
    x, y, radius = bubble
    column, row = field.column - x, field.row - y
    rim = np.abs(np.sqrt(column * column + row * row) - radius)
    lamp = np.sqrt((column + 0.4 * radius) ** 2 + (row + 0.4 * radius) ** 2)
    width = max(0.12 * radius, field.pixel)
    return 0.16 * smoothstep(width, 0.0, rim) + 0.5 * smoothstep(0.3 * radius, 0.0, lamp)


def _blend(colour: Plane, over: tuple[float, float, float], share: Plane) -> Plane:
    share = np.clip(share, 0, 1)
    return np.stack([plane + (shade - plane) * share for plane, shade in zip(colour, over, strict=True)])


def _shrink(planes: Plane, size: int) -> Plane:
    """(c, h, w) averaged to (c, size, size)."""
    count, side, _ = planes.shape
    if side == size:
        return planes
    factor = side // size
    blocks: Plane = planes.reshape(count, size, factor, size, factor).mean(axis=(2, 4))
    return blocks
