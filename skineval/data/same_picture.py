"""Whether two images of one name are one picture: files of several data sets may be called alike by chance."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from skineval.values.lesion_table import Images

COMPARED = 32  #: pixels a side at which two files of one image id are compared
#: Correlations, of all pixels and of what is finer than an eighth of a side, from which on two files show the same
#: picture, at another size or stored anew. Copies of 1,200 images of HAM10000 at 64 to 400 pixels and JPEG quality 60
#: to 90 have .98 and .88 at least; of 719,000 pairs of different lesions none has .983, and 1 in 10,000 has .97.
ALIKE, ALIKE_IN_DETAIL = 0.97, 0.8
_EIGHTH = 8
_OF_ARCHIVE = re.compile(r"ISIC_\d{7}")  #: an id of the ISIC Archive is that of one picture, whoever cropped it


def is_one_picture(image_id: str, one: tuple[Images, int], other: tuple[Images, int]) -> bool:
    """Whether two images called `image_id`, each given by the images of its table and its row, are one picture.

    An id of the ISIC Archive is that of one picture, whoever cropped it; of other names, pixels decide.
    """
    return _OF_ARCHIVE.fullmatch(image_id) is not None or _alike(_square(*one), _square(*other))


def _square(images: Images, row: int) -> NDArray[np.float64]:
    """The pixels of an image, (COMPARED, COMPARED, 3)."""
    square: NDArray[np.float64] = images.pixels([row], COMPARED)[0].astype(np.float64)
    return square


def _alike(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether two squares (COMPARED, COMPARED, 3) show the same picture."""
    pairs = ((one, other, ALIKE), (_details(one), _details(other), ALIKE_IN_DETAIL))
    return np.array_equal(one, other) or all(_correlation(a, b) >= least for a, b, least in pairs)


def _details(square: NDArray[np.float64]) -> NDArray[np.float64]:
    """A square less the means of its eighths."""
    side = COMPARED // _EIGHTH
    means = square.reshape(_EIGHTH, side, _EIGHTH, side, 3).mean(axis=(1, 3))
    details: NDArray[np.float64] = square - means.repeat(side, axis=0).repeat(side, axis=1)
    return details


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Of all numbers; 0 where one side is constant."""
    one, other = one - one.mean(), other - other.mean()
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float((one * other).sum() / lengths) if lengths else 0.0
