"""What an image looks like wherever its lesion lies in it: descriptors of the fine structure of skin.

A photograph is reduced to `SIDE` x `SIDE` grey pixels and to its local contrast, so that colour cast, lighting and
vignetting go. The magnitude of its Fourier spectrum does not change when the picture is shifted, and its square root
keeps a few strong frequencies from having all the say. Turned, mirrored and zoomed copies are told by comparing every
view of one image with the other image as it is. From the spectra, the mean one is subtracted (all skin photographs
resemble each other in it), and the `DIMENSIONS` directions of largest variance are kept, scaled by the fourth root of
their variance: half-way between leaving them as they are and giving all the same weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, linalg

Floats = NDArray[np.float32]

SIDE = 64  #: pixels
REACH = 14  #: the highest frequency that is compared, in periods a picture
DIMENSIONS = 64
ZOOMS = (1.0, 0.85, 0.7, 0.6, 0.5)  #: one magnification is often twice the other in HAM10000
BATCH = 256

_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
_FINE, _COARSE, _AROUND = 0.7, 4.0, 6.0  # standard deviations in pixels of what is smoothed away, and compared with
_NOISE = 3.0  # grey levels of contrast below which there is nothing but noise


@dataclass(frozen=True)
class Placement:
    """What is done to a picture: mirrored left to right, then turned counter-clockwise, then made smaller."""

    mirrored: bool
    turns: int  #: quarters of a circle
    zoom: float

    @property
    def inverse(self) -> Placement:
        """What undoes it; its zoom is above 1 where the picture was made smaller."""
        return Placement(self.mirrored, self.turns if self.mirrored else -self.turns % 4, 1 / self.zoom)

    @property
    def words(self) -> str:
        """Such as "mirror, rotate 90, zoom 1.43"; "as it is" where nothing is done."""
        steps = ["mirror"] * self.mirrored
        steps += [f"rotate {90 * self.turns}"] if self.turns else []
        steps += [f"zoom {self.zoom:.2f}"] if self.zoom != 1 else []
        return ", ".join(steps) or "as it is"

    def turn(self, pictures: Floats) -> Floats:
        """Mirrored and turned pictures (n, h, h); the zoom is that of their relief."""
        turned: Floats = np.rot90(pictures[:, :, ::-1] if self.mirrored else pictures, self.turns, (1, 2))
        return turned


#: The views that are told apart by the spectrum, which half a turn does not change. The first is the image as it is.
VIEWS = tuple(Placement(mirrored, turns, zoom) for zoom in ZOOMS for mirrored in (False, True) for turns in (0, 1))


def describe(pixels: NDArray[np.uint8], report: Callable[[int], None] = lambda done: None) -> Floats:
    """The descriptors (v, n, d) float32 of images (n, SIDE, SIDE, 3) RGB, for each of `VIEWS` of each image.

    Of length 1: the inner product says how alike two images are. `report` is called with the number of those described.
    """
    n = len(pixels)
    mean, axes = _basis(pixels)
    views = np.empty((len(VIEWS), n, axes.shape[1]), dtype=np.float32)
    for start in range(0, n, BATCH):
        grey = to_grey(pixels[start : start + BATCH])
        spectra = {zoom: _spectra(relief(grey, zoom)) for zoom in ZOOMS}
        for place, view in enumerate(VIEWS):
            turned = view.turn(spectra[view.zoom]).reshape(len(grey), -1)
            views[place, start : start + len(grey)] = _unit((turned - mean) @ axes)
        report(start + len(grey))
    return views


def to_grey(pixels: NDArray[np.uint8]) -> Floats:
    """Luma (n, h, w) of RGB (n, h, w, 3), 0 to 255."""
    grey: Floats = np.asarray(pixels, dtype=np.float32) @ _GREY
    return grey


def relief(grey: Floats, zoom: float = 1.0) -> Floats:
    """Local contrast (n, SIDE, SIDE) of pictures of that shape made smaller about their centre; 0 outside of them."""
    shrink = _shrinking(zoom)
    inside = (shrink.sum(axis=1) > 0).astype(np.float32)

    def blur(pictures: Floats, deviation: float) -> Floats:
        # Weights of what lies outside are 0, and the others add up to 1: nothing is made up beyond the border.
        kernel = _gaussian(deviation) * inside
        kernel /= np.maximum(kernel.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        kernel *= inside[:, None]
        return _both_ways(kernel, pictures)

    pictures = _both_ways(shrink, grey) if zoom != 1 else grey
    details = blur(pictures, _FINE) - blur(pictures, _COARSE)
    spread = np.sqrt(blur(details**2, _AROUND)).astype(np.float32)
    return details / (spread + np.float32(_NOISE))


def same_way_up(fixed: Floats, moved: Floats) -> bool:
    """Whether relief `moved` (SIDE, SIDE), shifted, fits `fixed` better as it is than turned by half a circle."""
    spectrum = fft.rfft2(fixed, (2 * SIDE, 2 * SIDE))
    fits = [
        fft.irfft2(spectrum * np.conj(fft.rfft2(way, (2 * SIDE, 2 * SIDE))), (2 * SIDE, 2 * SIDE)).max()
        for way in (moved, moved[::-1, ::-1])
    ]
    return bool(fits[0] >= fits[1])


def _spectra(reliefs: Floats) -> Floats:
    """Square roots of the magnitudes (n, 2 REACH + 1, 2 REACH + 1), frequency 0 in the middle."""
    window = np.hanning(SIDE + 2)[1:-1].astype(np.float32)
    magnitude = np.abs(fft.rfft2(reliefs * np.outer(window, window)))
    right = np.concatenate([magnitude[:, -REACH:, : REACH + 1], magnitude[:, : REACH + 1, : REACH + 1]], axis=1)
    # The other half of the spectrum of a real picture is this one, turned by half a circle.
    whole = np.concatenate([right[:, ::-1, :0:-1], right], axis=2)
    roots: Floats = np.sqrt(whole).astype(np.float32)
    return roots


def _basis(pixels: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """The mean spectrum (s,) and the scaled axes (s, d) of largest variance among the images as they are."""
    size = (2 * REACH + 1) ** 2
    n, total, products = len(pixels), np.zeros(size), np.zeros((size, size))
    for start in range(0, n, BATCH):
        spectra = _spectra(relief(to_grey(pixels[start : start + BATCH]))).reshape(-1, size)
        total += spectra.sum(axis=0, dtype=np.float64)
        products += spectra.T @ spectra
    # As if there were one more image, of nothing: otherwise the only two images of a set would be opposites.
    mean = total / (n + 1)
    covariance = products / (n + 1) - np.outer(mean, mean)
    variances, axes = linalg.eigh(covariance, subset_by_index=(size - DIMENSIONS, size - 1))
    kept = variances > 1e-6 * variances[-1]
    return mean.astype(np.float32), (axes[:, kept] / variances[kept] ** 0.25).astype(np.float32)


def _unit(vectors: NDArray[np.floating]) -> Floats:
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    unit: Floats = (vectors / lengths).astype(np.float32)
    return unit


def _both_ways(weights: Floats, pictures: Floats) -> Floats:
    """`weights` (SIDE, SIDE) along the columns and then along the rows of each picture."""
    return np.asarray(weights @ pictures @ weights.T, dtype=np.float32)


def _gaussian(deviation: float) -> Floats:
    places = np.arange(SIDE)
    return np.asarray(np.exp(-0.5 * ((places[:, None] - places) / deviation) ** 2), dtype=np.float32)


def _shrinking(zoom: float) -> Floats:
    """Weights (SIDE, SIDE) that make a row of pixels smaller about its middle, antialiased by a triangle."""
    places, middle = np.arange(SIDE), (SIDE - 1) / 2
    sources = (places - middle) / zoom + middle
    weights = np.maximum(1 - np.abs(sources[:, None] - places) * zoom, 0.0)
    weights = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    weights[(sources < -0.5) | (sources > SIDE - 0.5)] = 0
    return np.asarray(weights, dtype=np.float32)
