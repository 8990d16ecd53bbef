"""Invented skin lesions: what all pictures of one share, and what each picture adds.

What is drawn for a lesion depends on its diagnosis only through its characters, and these overlap widely: every lesion
borrows some of them from a diagnosis that it could be mistaken for. Lengths are in half image widths on the skin and in
lesion radii inside the lesion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, pi, sin
from types import MappingProxyType

import numpy as np

from skineval.data.synthetic.textures import Stroke

ABSENT = -0.35  #: a structure that a diagnosis rarely shows: what is not above zero is not there


@dataclass(frozen=True)
class Characters:
    """How strongly a lesion shows each character, mostly 0..1."""

    size: float = 0.6  #: radius, in half image widths
    elongation: float = 0.2
    irregularity: float = 0.2  #: of the border at large
    raggedness: float = 0.2  #: of the border in detail
    softness: float = 0.4  #: of the border
    pigment: float = 0.5  #: melanin
    blood: float = 0.2
    keratin: float = 0.1
    mottling: float = 0.2  #: several colours
    tilt: float = 0.2  #: pigment heavier on one side
    dark_centre: float = 0.2
    erythema: float = 0.1  #: blotchy redness of the skin around
    network: float = ABSENT
    globules: float = ABSENT
    streaks: float = ABSENT
    veil: float = ABSENT
    nests: float = ABSENT
    vessels: float = ABSENT
    gyri: float = ABSENT
    milia: float = ABSENT
    scale: float = ABSENT
    strawberry: float = ABSENT
    white_centre: float = ABSENT
    lacunae: float = ABSENT


#: The typical lesion of each diagnosis.
TYPICAL = MappingProxyType(
    {
        "akiec": Characters(
            size=0.78, irregularity=0.5, raggedness=0.6, softness=0.8, pigment=0.14, blood=0.5, keratin=0.3,
            mottling=0.4, erythema=0.7, scale=0.55, strawberry=0.6, vessels=0.1,
        ),
        "bcc": Characters(
            size=0.64, irregularity=0.4, raggedness=0.3, softness=0.5, pigment=0.1, blood=0.42, mottling=0.3,
            erythema=0.4, vessels=0.65, nests=0.55, scale=0.15, globules=0.1, veil=0.1,
        ),
        "bkl": Characters(
            size=0.68, irregularity=0.45, raggedness=0.45, softness=0.12, pigment=0.42, keratin=0.5, mottling=0.35,
            erythema=0.15, gyri=0.55, milia=0.5, globules=0.1, network=0.1,
        ),
        "df": Characters(
            size=0.62, elongation=0.1, irregularity=0.15, raggedness=0.3, softness=0.9, pigment=0.25, blood=0.35,
            dark_centre=-0.2, network=0.4, white_centre=0.75,
        ),
        "mel": Characters(
            size=0.72, elongation=0.25, irregularity=0.6, raggedness=0.5, softness=0.25, pigment=0.78, blood=0.3,
            mottling=0.75, tilt=0.6, network=0.25, globules=0.4, streaks=0.4, veil=0.5,
        ),
        "nv": Characters(
            size=0.56, elongation=0.25, irregularity=0.12, raggedness=0.2, softness=0.5, pigment=0.58, blood=0.25,
            mottling=0.2, tilt=0.15, dark_centre=0.35, network=0.55, globules=0.2,
        ),
        "vasc": Characters(
            size=0.48, elongation=0.15, irregularity=0.2, raggedness=0.15, softness=0.15, pigment=0.1, blood=0.9,
            mottling=0.25, lacunae=0.8, veil=0.12,
        ),
    }
)  # fmt: skip

#: Standard deviations of the characters inside a diagnosis.
SPREAD = Characters(
    size=0.14, elongation=0.12, irregularity=0.15, raggedness=0.15, softness=0.18, pigment=0.18, blood=0.15,
    keratin=0.12, mottling=0.15, tilt=0.2, dark_centre=0.25, erythema=0.15, network=0.3, globules=0.25, streaks=0.25,
    veil=0.25, nests=0.28, vessels=0.28, gyri=0.28, milia=0.28, scale=0.28, strawberry=0.25, white_centre=0.28,
    lacunae=0.2,
)  # fmt: skip

#: What each diagnosis is mistaken for, most often first.
MIMICS = MappingProxyType(
    {
        "akiec": ("bcc", "bkl", "nv"),
        "bcc": ("akiec", "nv", "bkl", "vasc"),
        "bkl": ("nv", "mel", "akiec"),
        "df": ("nv", "bcc", "bkl"),
        "mel": ("nv", "bkl", "bcc"),
        "nv": ("mel", "bkl", "df", "vasc"),
        "vasc": ("nv", "bcc", "mel"),
    }
)
_NEVER_NEGATIVE = (
    "elongation",
    "irregularity",
    "raggedness",
    "softness",
    "pigment",
    "blood",
    "keratin",
    "mottling",
    "tilt",
)
_MIMICRY = (0.45, 1.6)  # shape of the beta distribution of the share that a lesion borrows from its mimic


@dataclass(frozen=True)
class Lesion:
    """What all pictures of one lesion share."""

    characters: Characters
    border: tuple[complex, ...]  #: amplitudes of the outline's second and higher harmonics
    side: float  #: radians, towards which the pigment is heavier and streaks grow
    spikes: complex  #: phase of the streaks
    spacing: float  #: meshes of the pigment network a lesion radius
    places: tuple[tuple[float, float], ...]  #: where in the tiles its textures are taken from
    vessels: tuple[Stroke, ...]
    melanin: float  #: of the skin around it
    blood: float  #: of the skin around it
    gains: tuple[float, float, float]  #: colour balance of the practice's camera
    hairiness: float  #: mean number of hairs in a picture
    hair: tuple[float, float, float]  #: absorbance of a hair
    combed: float  #: radians, the way the hairs lie


@dataclass(frozen=True)
class View:
    """One picture of a lesion."""

    turn: float  #: radians
    zoom: float
    shift: tuple[float, float]
    gains: tuple[float, float, float]
    shade: tuple[float, float]  #: slope of the light
    vignette: float
    tube: float  #: radius of the dermatoscope's round field; beyond it nothing is lit
    hairs: tuple[Stroke, ...]
    bubbles: tuple[tuple[float, float, float], ...]  #: centre and radius of air in the gel
    ruler: float | None  #: height of a ruler's edge
    grain: int  #: seed of the camera's noise


def draw_lesion(dx: str, rng: np.random.Generator) -> Lesion:
    """A lesion of diagnosis `dx`: its own characters around the typical ones, partly those of something it mimics."""
    characters = _draw_characters(dx, rng)
    border = rng.normal(size=(2, 6)) * (0.26 * characters.irregularity / np.arange(2, 8))
    border[:, 0] += rng.normal(size=2) * (0.22 * characters.elongation)
    darkness = rng.uniform(0.3, 1.6)
    return Lesion(
        characters=characters,
        border=tuple(complex(a, b) for a, b in border.T.tolist()),
        side=rng.uniform(-pi, pi),
        spikes=complex(np.exp(1j * rng.uniform(-pi, pi))),
        spacing=rng.uniform(5.0, 9.0),
        places=tuple((float(x), float(y)) for x, y in rng.uniform(0, 16, (5, 2))),
        vessels=_draw_vessels(rng) if characters.vessels > 0 else (),
        melanin=rng.gamma(2.0, 0.07),
        blood=rng.gamma(3.0, 0.05),
        gains=_draw_gains(rng, 0.05),
        hairiness=rng.gamma(0.35, 5.0),
        hair=(0.7 * darkness, darkness, 1.2 * darkness),
        combed=rng.uniform(-pi, pi),
    )


def draw_view(lesion: Lesion, rng: np.random.Generator) -> View:
    """A picture of `lesion`: how the camera was held, the light, and what lies between it and the skin."""
    return View(
        turn=rng.normal(0, 0.25),
        zoom=float(np.exp(rng.normal(0, 0.13))),
        shift=(rng.normal(0, 0.07), rng.normal(0, 0.07)),
        gains=_draw_gains(rng, 0.018),
        shade=(rng.normal(0, 0.05), rng.normal(0, 0.05)),
        vignette=rng.gamma(1.0, 0.05),
        tube=rng.uniform(1.0, 1.35) if rng.random() < 0.1 else 2.0,
        hairs=_draw_hairs(lesion, rng),
        bubbles=_draw_bubbles(rng),
        ruler=rng.uniform(0.75, 0.9) if rng.random() < 0.06 else None,
        grain=int(rng.integers(2**32)),
    )


def _draw_characters(dx: str, rng: np.random.Generator) -> Characters:
    mimics = MIMICS[dx]
    mimic = mimics[min(int(rng.exponential(1.2)), len(mimics) - 1)]
    borrowed = rng.beta(*_MIMICRY)
    own, other, spread = (np.array([*vars(c).values()]) for c in (TYPICAL[dx], TYPICAL[mimic], SPREAD))
    values = (1 - borrowed) * own + borrowed * other + spread * rng.normal(size=len(own))
    drawn = Characters(*values.tolist())
    return replace(
        drawn,
        size=min(max(drawn.size, 0.25), 1.0),
        **{name: max(getattr(drawn, name), 0.02) for name in _NEVER_NEGATIVE},
    )


def _draw_gains(rng: np.random.Generator, spread: float) -> tuple[float, float, float]:
    red, green, blue = np.exp(rng.normal(0, spread) + rng.normal(0, spread, 3))
    return float(red), float(green), float(blue)


def _draw_vessels(rng: np.random.Generator) -> tuple[Stroke, ...]:
    """Arborizing vessels: stems that come in from the border, and finer branches off each of them."""
    strokes = []
    for angle in rng.uniform(-pi, pi, 3).tolist():
        length = rng.uniform(0.9, 1.6)
        stem = Stroke(
            cos(angle),
            sin(angle),
            angle + pi + rng.normal(0, 0.5),
            length,
            rng.normal(0, 0.35),
            rng.uniform(0.03, 0.06),
        )
        strokes.append(stem)
        for way in (length * rng.uniform(0.2, 0.8, 3)).tolist():
            bearing = stem.heading + 2 * stem.bend * way + rng.uniform(0.5, 1.0) * (1 if rng.random() < 0.5 else -1)
            strokes.append(Stroke(*stem.at(way), bearing, rng.uniform(0.3, 0.8), rng.normal(0, 0.6), stem.width * 0.65))
    return tuple(strokes)


def _draw_hairs(lesion: Lesion, rng: np.random.Generator) -> tuple[Stroke, ...]:
    count = min(rng.poisson(lesion.hairiness), 14)
    return tuple(
        Stroke(
            rng.uniform(-1.2, 0.8),
            rng.uniform(-1.2, 0.8),
            lesion.combed + rng.normal(0, 0.4),
            rng.uniform(0.5, 1.8),
            rng.normal(0, 0.25),
            rng.uniform(0.009, 0.02),
        )
        for _ in range(count)
    )


def _draw_bubbles(rng: np.random.Generator) -> tuple[tuple[float, float, float], ...]:
    count = rng.integers(1, 6) if rng.random() < 0.1 else 0
    return tuple((rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0.03, 0.12)) for _ in range(count))
