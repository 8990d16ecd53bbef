"""An invented data set in the shape of HAM10000: everything can run and be tested and shown without patients' images.

Classes, images per lesion, ways of diagnosis, age, sex and body site follow the metadata of HAM10000 (Tschandl,
Rosendahl, Kittler, Scientific Data 5:180161, 2018, doi:10.7910/DVN/DBW86T). The pictures are painted when they are
asked for; nothing is stored. How well a model does on them says nothing about patients.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from skineval.base.errors import UsageError
from skineval.base.terms import Fit
from skineval.data.synthetic import dermatoscopy
from skineval.data.synthetic.anatomy import Lesion, View, draw_lesion, draw_view
from skineval.values.lesion_table import COLUMNS, LesionTable
from skineval.values.task import DIAGNOSES

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

#: Part of the fingerprint: raise it with every change of what is drawn or painted.
GENERATOR_VERSION = 1
MIN_IMAGES = 70
NOTES = (
    "Synthetic data: invented pictures of invented lesions.",
    "The figures say whether the software works; they mean nothing clinically.",
)

_MAX_IMAGES = 100_000
_PERSON, _LESION, _FIRST_VIEW = 0, 1, 2  # one stream of random numbers each, for every lesion


@dataclass(frozen=True)
class _Population:
    """What HAM10000 holds of one diagnosis; everything but `images` counts lesions."""

    images: int
    repeats: tuple[int, ...]  #: with 1, 2, 3 ... images
    dx_types: dict[str, int]
    age: tuple[float, float]  #: mean and standard deviation, years
    sexes: tuple[int, int, int]  #: female, male, unknown
    sites: tuple[int, ...]  #: by `_SITES`


_SEXES = ("female", "male", "unknown")
_SITES = (
    "abdomen", "acral", "back", "chest", "ear", "face", "foot", "genital", "hand", "lower extremity", "neck", "scalp",
    "trunk", "unknown", "upper extremity",
)  # fmt: skip
_POPULATIONS = MappingProxyType(
    {
        "akiec": _Population(
            327, (151, 57, 18, 2), {"histo": 228}, (66.6, 11.6), (80, 148, 0),
            (3, 0, 22, 9, 2, 84, 0, 0, 8, 41, 8, 8, 1, 0, 42),
        ),
        "bcc": _Population(
            514, (175, 118, 33, 1), {"histo": 327}, (66.9, 13.5), (122, 205, 0),
            (9, 0, 123, 32, 0, 61, 2, 0, 1, 36, 11, 11, 6, 3, 32),
        ),
        "bkl": _Population(
            1099, (440, 220, 55, 8, 2, 2), {"confocal": 34, "consensus": 206, "histo": 487}, (64.4, 14.0),
            (304, 414, 9), (36, 0, 133, 50, 4, 194, 1, 1, 12, 109, 20, 24, 57, 19, 67),
        ),
        "df": _Population(
            115, (39, 26, 8), {"consensus": 44, "histo": 29}, (52.7, 13.2), (38, 35, 0),
            (2, 0, 1, 0, 0, 0, 1, 1, 0, 54, 0, 0, 0, 0, 14),
        ),
        "mel": _Population(
            1113, (230, 278, 100, 4, 1, 1), {"histo": 614}, (61.3, 15.1), (243, 371, 0),
            (31, 0, 185, 34, 10, 65, 15, 0, 1, 104, 18, 9, 25, 6, 111),
        ),
        "nv": _Population(
            6705, (4415, 699, 268, 18, 2, 1), {"consensus": 332, "follow_up": 3704, "histo": 1367}, (47.3, 14.2),
            (2584, 2778, 41), (719, 3, 1058, 112, 19, 61, 209, 43, 39, 1224, 60, 24, 1153, 175, 504),
        ),
        "vasc": _Population(
            142, (64, 25, 8, 1), {"consensus": 65, "histo": 33}, (52.5, 20.4), (48, 50, 0),
            (22, 0, 12, 3, 0, 5, 0, 0, 3, 16, 2, 2, 27, 0, 6),
        ),
    }
)  # fmt: skip


def load(path: Path | None = None, *, images: int = 2000, seed: int = 0) -> LesionTable:
    """An invented data set of `images` images; there is nothing to read, so `path` must be None.

    Every diagnosis has HAM10000's share of the images, but at least `min(6, images // 20)` lesions.
    """
    if path is not None:
        raise UsageError(f"The synthetic set is made, not read from a folder: {path}.", "Leave the folder out.")
    if not MIN_IMAGES <= images <= _MAX_IMAGES:
        raise UsageError(
            f"A synthetic set of {images} images cannot be made.", f"Ask for {MIN_IMAGES} to {_MAX_IMAGES} images."
        )
    lesions = _lesions(images, seed)
    rows = _rows(lesions, seed)
    frame = _frame(lesions, rows, seed)
    return LesionTable(
        name="synthetic",
        frame=frame,
        images=PaintedImages(seed, tuple(dx for dx, _ in lesions), rows),
        fingerprint=_fingerprint(frame, images, seed),
        synthetic=True,
        notes=NOTES,
        labels=DIAGNOSES,
    )


_Array = TypeVar("_Array", bound=np.generic)


@dataclass(frozen=True, eq=False)
class PaintedImages:
    """Images that are painted when asked for. What they show depends on seed, diagnosis, lesion and view alone.

    They are painted as squares, which look the same however they are fitted into one.
    """

    seed: int
    diagnoses: tuple[str, ...]  #: of each lesion
    rows: tuple[tuple[int, int], ...]  #: lesion and view of each row

    def pixels(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> NDArray[np.uint8]:
        """(n, size, size, 3) RGB."""
        return self._each(dermatoscopy.picture, rows, np.empty((len(rows), size, size, 3), np.uint8))

    def masks(self, rows: Sequence[int], size: int, fit: Fit = "squash") -> NDArray[np.bool_]:
        """(n, size, size), True on the lesion."""
        return self._each(dermatoscopy.outline, rows, np.empty((len(rows), size, size), np.bool_))

    # Image by image: at the usual sizes its planes stay in the cache, which makes this faster than whole batches.
    def _each(
        self, paint: Callable[[Lesion, View, int], NDArray[_Array]], rows: Sequence[int], into: NDArray[_Array]
    ) -> NDArray[_Array]:
        size = into.shape[1]
        for k, row in enumerate(rows):
            into[k] = paint(*self._draw(*self.rows[row]), size)
        return into

    def _draw(self, number: int, view: int) -> tuple[Lesion, View]:
        lesion = draw_lesion(self.diagnoses[number], np.random.default_rng((self.seed, number, _LESION)))
        return lesion, draw_view(lesion, np.random.default_rng((self.seed, number, _FIRST_VIEW + view)))


def _lesions(images: int, seed: int) -> list[tuple[str, int]]:
    """Diagnosis and number of images of every lesion, in random order."""
    fewest = min(6, images // 20)
    sizes = _class_sizes(images, fewest)
    lesions = [(dx, repeats) for dx in DIAGNOSES for repeats in _repeats(dx, sizes[dx], fewest)]
    order = np.random.default_rng((seed, 0)).permutation(len(lesions))
    return [lesions[k] for k in order]


def _class_sizes(images: int, fewest: int) -> dict[str, int]:
    """Images of each diagnosis: HAM10000's shares, with enough for `fewest` lesions; nevi are what remains."""
    total = sum(population.images for population in _POPULATIONS.values())
    sizes = {}
    for dx, population in _POPULATIONS.items():
        repeats = population.images / sum(population.repeats)
        sizes[dx] = max(round(images * population.images / total), round(fewest * repeats))
    sizes["nv"] += images - sum(sizes.values())
    return sizes


def _repeats(dx: str, images: int, fewest: int) -> list[int]:
    """How often each lesion of a diagnosis was photographed: HAM10000's distribution, `images` in all."""
    population = _POPULATIONS[dx]
    count = max(fewest, round(images * sum(population.repeats) / population.images))
    share = np.cumsum(population.repeats) / sum(population.repeats)
    repeats = 1 + np.searchsorted(share, (np.arange(count) + 0.5) / count)
    # Rounding leaves a few images too many or too few: the most often photographed lesions give, the least often take.
    while surplus := int(repeats.sum()) - images:
        repeats[repeats.argmax() if surplus > 0 else repeats.argmin()] -= np.sign(surplus)
    return [int(n) for n in repeats]


def _rows(lesions: list[tuple[str, int]], seed: int) -> tuple[tuple[int, int], ...]:
    """Lesion and view of every row, in random order: views of one lesion do not stand together."""
    rows = [(number, view) for number, (_, repeats) in enumerate(lesions) for view in range(repeats)]
    return tuple(rows[k] for k in np.random.default_rng((seed, 1)).permutation(len(rows)))


def _frame(lesions: list[tuple[str, int]], rows: tuple[tuple[int, int], ...], seed: int) -> pd.DataFrame:
    import pandas as pd

    persons = [_person(dx, np.random.default_rng((seed, number, _PERSON))) for number, (dx, _) in enumerate(lesions)]
    mark = f"S{seed}_" if seed else ""  # sets of different seeds have no image or lesion in common
    names = [f"LES_{mark}{number + 1:07d}" for number in range(len(lesions))]
    records = [
        (f"SYN_{mark}{row + 1:07d}", names[number], lesions[number][0], *persons[number], "synthetic", names[number])
        for row, (number, _) in enumerate(rows)
    ]
    return pd.DataFrame(records, columns=list(COLUMNS))


def _person(dx: str, rng: np.random.Generator) -> tuple[str, float, str, str]:
    """Way of diagnosis, age in steps of five years, sex and body site of one lesion."""
    population = _POPULATIONS[dx]
    age = float(np.clip(5 * round(rng.normal(*population.age) / 5), 5, 85))
    return (
        _pick(tuple(population.dx_types), tuple(population.dx_types.values()), rng),
        age if rng.random() > 0.006 else float("nan"),
        _pick(_SEXES, population.sexes, rng),
        _pick(_SITES, population.sites, rng),
    )


def _pick(names: tuple[str, ...], counts: tuple[int, ...], rng: np.random.Generator) -> str:
    return names[int(np.searchsorted(np.cumsum(counts), rng.integers(sum(counts)), side="right"))]


def _fingerprint(frame: pd.DataFrame, images: int, seed: int) -> str:
    made_by = {"generator": "synthetic", "version": GENERATOR_VERSION, "images": images, "seed": seed}
    text = json.dumps(made_by, sort_keys=True) + "\n" + frame.to_csv(index=False, lineterminator="\n")
    return sha256(text.encode()).hexdigest()
