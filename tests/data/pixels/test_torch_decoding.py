from __future__ import annotations

import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from skineval.base.errors import DataError
from skineval.base.terms import Fit
from skineval.data.pixels import torch_decoding
from skineval.data.pixels.decoding import decode_bytes, fit_array, jpeg_size
from skineval.data.pixels.torch_decoding import accelerated, decode_jpeg, is_accelerated
from tests.data.folders import encoded

FITS: tuple[Fit, ...] = ("squash", "crop", "pad")


def photograph(seed: int, width: int, height: int) -> Image.Image:
    """Smooth areas, edges and noise, as in a photograph."""
    rng = np.random.default_rng(seed)
    smooth = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)).resize((width, height))
    pixels = np.asarray(smooth).astype(float) + rng.normal(0, 6, (height, width, 3))
    pixels[height // 3 : height // 2] = rng.integers(0, 256, 3)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def differences(content: bytes, size: int, fit: Fit = "squash") -> int:
    """The largest difference between both ways."""
    plain = decode_bytes(content, size, "x", fit=fit)
    with accelerated():
        fast = decode_bytes(content, size, "x", fit=fit)
    assert fast.shape == plain.shape == (size, size, 3)
    assert fast.dtype == np.uint8
    return int(np.abs(plain.astype(int) - fast).max())


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The contents that torchvision has decoded."""
    contents: list[bytes] = []

    def note(content: bytes) -> np.ndarray | None:
        pixels = decode_jpeg(content)
        if pixels is not None:
            contents.append(content)
        return pixels

    monkeypatch.setattr("skineval.data.pixels.decoding.decode_jpeg", note)
    return contents


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


KINDS = {
    "4:4:4": {"subsampling": 0},
    "4:2:2": {"subsampling": 1},
    "4:2:0": {"subsampling": 2},
    "progressive": {"progressive": True},
    "restart markers": {"restart_marker_blocks": 5},
    "high quality": {"quality": 98},
    "comment": {"comment": b"taken with a dermatoscope"},
    "colour profile": {"icc_profile": bytes(70_000)},  # of several segments
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(200, 150), (157, 203)], ids=str)
def test_kinds_of_jpeg_are_decoded_by_torchvision(kind: str, shape: tuple[int, int], decoded: list[bytes]) -> None:
    content = encoded(photograph(1, *shape), **KINDS[kind])
    assert all(differences(content, 64, fit) <= 1 for fit in FITS)
    assert decoded == [content] * 3
    pixels = decode_jpeg(content)
    assert pixels is not None
    assert (pixels == np.asarray(Image.open(io.BytesIO(content)))).all()  # the same library on both sides


def test_grey_jpeg(decoded: list[bytes]) -> None:
    assert differences(encoded(photograph(2, 200, 150).convert("L")), 64) <= 1
    assert len(decoded) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_every_exif_orientation(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert differences(encoded(photograph(3, 200, 150), kind, exif=exif), 64, "crop") <= 1


@pytest.mark.parametrize("mode", ["CMYK", "L", "RGB"])
def test_colour_modes_of_jpeg(mode: str) -> None:
    assert differences(encoded(photograph(4, 200, 150).convert(mode)), 64) <= 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_colour_modes_of_png(mode: str) -> None:
    options = {"transparency": 3} if mode == "P" else {}
    content = encoded(photograph(5, 200, 150).convert(mode), "PNG", **options)
    assert differences(content, 64) <= 1
    plain = decode_bytes(content, 64, "mask", "L")
    with accelerated():
        assert np.abs(plain.astype(int) - decode_bytes(content, 64, "mask", "L")).max() <= 1


JPEGS = [encoded(photograph(6, 120, 90), **options) for options in ({}, {"progressive": True}, {"subsampling": 0})]


def refused(content: bytes) -> bool:
    try:
        decode_bytes(content, 8, "thing.jpg")
    except DataError:
        return True
    return False


@pytest.mark.parametrize("whole", JPEGS, ids=["baseline", "progressive", "4:4:4"])
def test_what_pillow_refuses_is_refused_wherever_the_file_was_cut(whole: bytes) -> None:
    for length in np.linspace(1, len(whole) - 1, 50).astype(int):
        assert refused(whole[:length])
        with accelerated():
            assert refused(whole[:length])


@pytest.mark.parametrize("whole", JPEGS, ids=["baseline", "progressive", "4:4:4"])
def test_what_pillow_refuses_is_refused_whatever_is_damaged(whole: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    outcomes = set()
    for case in range(150):
        content = bytearray(whole)
        content[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
        if case % 3 == 0:
            start = int(rng.integers(len(whole)))
            content[start : start + int(rng.integers(1, 60))] = b""
        plain = refused(bytes(content))
        with accelerated():
            assert refused(bytes(content)) == plain
        if not plain:
            assert differences(bytes(content), 8) <= 1
        outcomes.add(plain)
    assert outcomes == {True, False}
    capfd.readouterr()  # libjpeg complains of some


def test_jpeg_size_reads_plain_headers_only() -> None:
    content = JPEGS[0]
    assert jpeg_size(content) == (120, 90)
    start = content.index(b"\xff\xc0")
    segment = content[start : start + 2 + int.from_bytes(content[start + 2 : start + 4])]
    strange = {
        "two frames": content[:start] + segment + content[start:],
        "garbage between segments": content[:start] + b"\0" + content[start:],
        "fill bytes": content[:start] + b"\xff" + content[start:],
        "a marker without length": content[:start] + b"\xff\xd0" + content[start:],
        "no frame": content[:start] + content[start + len(segment) :],
        "cut": content[:start],
        "only the magic": content[:3],
    }
    assert {name for name, bytes_ in strange.items() if jpeg_size(bytes_) is not None} == set()


def test_frame_that_decoders_may_see_differently_goes_to_pillow(decoded: list[bytes]) -> None:
    content = encoded(photograph(7, 200, 150))
    start = content.index(b"\xff\xc0")
    with accelerated():
        assert decode_bytes(content[:start] + b"\xff" + content[start:], 64, "x").shape == (64, 64, 3)
    assert decoded == []


def test_images_that_hardly_shrink_are_resized_by_pillow() -> None:
    array = np.asarray(photograph(8, 100, 90))
    with accelerated():
        assert torch_decoding.resize(array, 64, 64) is None
        assert (fit_array(array, 64) == np.asarray(Image.fromarray(array).resize((64, 64), 2))).all()
        assert torch_decoding.resize(array, 60, 60) is not None


def test_without_a_decoder_in_torchvision_pillow_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(photograph(9, 200, 150))
    monkeypatch.setattr(torch_decoding, "_jpeg_decoder", lambda: None)
    assert decode_jpeg(content) is None
    assert differences(content, 64) <= 1


@pytest.mark.parametrize("place", ["nowhere", "elsewhere"])
def test_torchvision_that_brings_no_decoder_is_no_error(place: str, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    (tmp_path / "image.so").write_text("no library")
    found = None if place == "nowhere" else type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})
    monkeypatch.setattr(torch_decoding, "find_spec", lambda name: found)
    monkeypatch.setattr(torch, "ops", type("Ops", (), {"load_library": torch.ops.load_library, "image": object()}))
    assert torch_decoding._jpeg_decoder.__wrapped__() is None


def test_the_installed_torchvision_has_a_decoder() -> None:
    assert torch_decoding._jpeg_decoder() is not None


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
    with ThreadPoolExecutor(1) as pool:
        with accelerated():
            assert is_accelerated()
            assert not pool.submit(is_accelerated).result()
        assert not is_accelerated()


def test_torch_is_imported_only_when_an_image_is_decoded() -> None:
    program = """
import sys
from skineval.data.pixels.torch_decoding import accelerated
from skineval.data.pixels.decoding import decode_bytes
with accelerated():
    pass
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
