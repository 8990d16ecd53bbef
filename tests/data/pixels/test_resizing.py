from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from skineval.base.terms import Fit
from skineval.data.pixels.decoding import decode_bytes
from skineval.data.pixels.resizing import accelerated, fit_array
from tests.data.folders import encoded, photograph

FITS: tuple[Fit, ...] = ("squash", "crop", "pad")


def differences(content: bytes, size: int, fit: Fit = "squash") -> int:
    """The largest difference between both ways."""
    plain = decode_bytes(content, size, "x", fit=fit)
    with accelerated():
        fast = decode_bytes(content, size, "x", fit=fit)
    assert fast.shape == plain.shape == (size, size, 3)
    assert fast.dtype == np.uint8
    return int(np.abs(plain.astype(int) - fast).max())


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    size=st.integers(1, 130),
    fit=st.sampled_from(FITS),
)
def test_any_size_is_within_one_grey_level_of_pillow(seed: int, width: int, height: int, size: int, fit: Fit) -> None:
    array = np.asarray(photograph(seed, width, height))
    for image in (array, array[..., 0]):
        plain = fit_array(image, size, fit)
        with accelerated():
            fast = fit_array(image, size, fit)
        assert fast.shape == plain.shape
        assert np.abs(plain.astype(int) - fast).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_every_exif_orientation(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert differences(encoded(photograph(3, 200, 150), kind, exif=exif), 64, "crop") <= 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_colour_modes_of_png(mode: str) -> None:
    options = {"transparency": 3} if mode == "P" else {}
    content = encoded(photograph(5, 200, 150).convert(mode), "PNG", **options)
    assert differences(content, 64) <= 1
    plain = decode_bytes(content, 64, "mask", "L")
    with accelerated():
        assert np.abs(plain.astype(int) - decode_bytes(content, 64, "mask", "L")).max() <= 1


def test_images_that_hardly_shrink_are_resized_by_pillow() -> None:
    array = np.asarray(photograph(8, 400, 360))
    for size, by_pillow in ((256, True), (120, False)):
        with accelerated():
            fast = fit_array(array, size)
        plain = np.asarray(Image.fromarray(array).resize((size, size), Image.Resampling.BILINEAR))
        assert (fast == plain).all() == by_pillow  # of so many values some are rounded differently by torch


def test_threads_of_torch_are_given_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        array = np.asarray(photograph(10, 100, 90))
        with accelerated():
            with accelerated():
                fit_array(array, 16)
            assert torch.get_num_threads() == 1
            with pytest.raises(ZeroDivisionError), accelerated():
                raise ZeroDivisionError
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_only_the_thread_that_asks_is_accelerated() -> None:
    array = np.asarray(photograph(8, 400, 360))
    plain = fit_array(array, 120)
    with ThreadPoolExecutor(1) as pool, accelerated():
        assert (pool.submit(fit_array, array, 120).result() == plain).all()
        assert not (fit_array(array, 120) == plain).all()
    assert (fit_array(array, 120) == plain).all()


def test_torch_is_imported_only_when_an_image_is_resized() -> None:
    program = """
import sys
from skineval.data.pixels.decoding import decode_bytes
from skineval.data.pixels.resizing import accelerated
with accelerated():
    pass
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
