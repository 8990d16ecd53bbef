from __future__ import annotations

import contextlib
import io
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from skineval.base.errors import DataError
from skineval.data.pixels.decoding import decode, decode_bytes, decode_jpeg, open_image
from tests.data.folders import encoded, photograph, picture, write_files


def test_resize_is_antialiased_squash() -> None:
    image = Image.fromarray(np.kron(np.indices((40, 30)).sum(0) % 2 * 255, np.ones((2, 2))).astype(np.uint8))
    pixels = decode_bytes(encoded(image, "PNG"), 8, "board")
    assert pixels.shape == (8, 8, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - 127).max() < 25
    expected = picture(3).resize((8, 8), Image.Resampling.BILINEAR)
    assert (decode_bytes(encoded(picture(3), "PNG"), 8, "x") == np.asarray(expected)).all()


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB", "1"])
def test_colour_modes_of_jpeg(mode: str) -> None:
    image = Image.new("RGB", (16, 16), (255, 255, 255)).convert(mode)
    assert (decode_bytes(encoded(image.convert("L") if mode == "1" else image), 4, "x") > 250).all()


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1"])
def test_colour_modes_of_png(mode: str) -> None:
    image = Image.new("RGB", (16, 16), (255, 255, 255)).convert(mode)
    assert (decode_bytes(encoded(image, "PNG"), 4, "x") == 255).all()


def test_exif_orientation_is_applied() -> None:
    image = Image.new("L", (16, 16), 0)
    image.paste(255, (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    pixels = decode_bytes(encoded(image, "PNG", exif=exif), 4, "x")
    assert (pixels[:2] < 64).all()
    assert (pixels[2:] > 191).all()


#: Formats besides JPEG that keep every pixel, and how they are written.
LOSSLESS = {
    "PNG": {},
    "BMP": {},
    "TIFF": {},
    "TIFF of LZW": {"compression": "tiff_lzw"},
    "WEBP": {"lossless": True},
}


@pytest.mark.parametrize("how", LOSSLESS)
def test_the_same_pixels_are_the_same_image_in_every_format(how: str) -> None:
    content = encoded(picture(5), how.split()[0], **LOSSLESS[how])
    np.testing.assert_array_equal(decode_bytes(content, 8, "x"), decode_bytes(encoded(picture(5), "PNG"), 8, "x"))


def test_a_turned_tiff_is_turned_once() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    turned, expected = (decode_bytes(encoded(picture(5), kind, exif=exif), 8, "x") for kind in ("TIFF", "PNG"))
    np.testing.assert_array_equal(turned, expected)


def test_png_called_jpg_is_decoded(tmp_path: Path) -> None:
    path = write_files(tmp_path, {"a.jpg": encoded(picture(0), "PNG")}) / "a.jpg"
    assert decode(path, 4).shape == (4, 4, 3)
    with pytest.raises(DataError, match=r"b\.jpg cannot be read"):
        decode(tmp_path / "b.jpg", 4)


def by_pillow(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def by_simplejpeg(content: bytes) -> np.ndarray | None:
    return decode_jpeg(open_image(content, "x"), content)


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
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("shape", [(200, 150), (157, 203)], ids=str)
def test_jpegs_that_pillow_need_not_decode_have_the_pixels_that_it_decodes(
    kind: str, mode: str, shape: tuple[int, int]
) -> None:
    content = encoded(photograph(1, *shape).convert(mode), **KINDS[kind])
    pixels = by_simplejpeg(content)
    assert pixels is not None
    assert (pixels == by_pillow(content)).all()


@pytest.mark.parametrize("subsampling", ["444", "422", "420", "440", "411"])
def test_every_subsampling_has_the_pixels_of_pillow(subsampling: str) -> None:
    content = simplejpeg.encode_jpeg(np.asarray(photograph(2, 157, 203)), 90, "RGB", subsampling)
    pixels = by_simplejpeg(content)
    assert pixels is not None
    assert (pixels == by_pillow(content)).all()


PHOTOGRAPHS = [
    encoded(photograph(6, 120, 90), **options) for options in ({}, {"progressive": True}, {"subsampling": 0})
]


@pytest.mark.parametrize("whole", PHOTOGRAPHS, ids=["baseline", "progressive", "4:4:4"])
def test_damage_is_what_pillow_says(whole: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    outcomes = set()
    contents = [whole[:length] for length in np.linspace(1, len(whole) - 1, 50).astype(int)]
    for case in range(150):
        content = bytearray(whole)
        content[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
        if case % 3 == 0:
            start = int(rng.integers(len(whole)))
            content[start : start + int(rng.integers(1, 60))] = b""
        contents.append(bytes(content))
    for content in contents:
        try:
            expected = Image.fromarray(by_pillow(content)).resize((8, 8), Image.Resampling.BILINEAR)
        except Exception:  # whatever Pillow raises
            with pytest.raises(DataError, match=r"thing\.jpg"):
                decode_bytes(content, 8, "thing.jpg")
            outcomes.add("refused")
        else:
            assert (decode_bytes(content, 8, "thing.jpg") == np.asarray(expected)).all()
            outcomes.add("decoded")
    assert outcomes == {"refused", "decoded"}
    capfd.readouterr()  # libjpeg complains of some


def test_header_that_promises_more_than_pillow_saw_goes_to_pillow() -> None:
    small, large = (encoded(photograph(7, *shape)) for shape in ((100, 80), (200, 150)))
    for image, content in ((small, large), (large, small), (encoded(photograph(7, 80, 100)), small)):
        assert decode_jpeg(open_image(image, "x"), content) is None


JPEG = encoded(picture(0, (64, 48)))
WHOLE = {
    "empty": (b"", "is empty"),
    "web page": (b"<html>", "is not a JPEG, PNG, BMP, TIFF or WEBP image"),
    "gif": (encoded(picture(0), "GIF"), "is not a JPEG, PNG, BMP, TIFF or WEBP image"),
    "sound": (b"RIFF\x24\x00\x00\x00WAVEfmt ", "is not a JPEG"),
    "pages": (encoded(picture(0), "TIFF", save_all=True, append_images=[picture(1)]), "holds 2 images"),
    "animation": (encoded(picture(0), "WEBP", save_all=True, append_images=[picture(1)]), "holds 2 images"),
    "cut bmp": (encoded(picture(0), "BMP")[:-40], "cannot be decoded"),
    "cut tiff": (encoded(picture(0), "TIFF", compression="tiff_lzw")[:300], "cannot be decoded"),
    "cut webp": (encoded(picture(0), "WEBP")[:-40], "cannot be decoded"),
    "16 bits of a tiff": (encoded(Image.fromarray(np.full((8, 8), 40_000, np.uint16)), "TIFF"), "mode I;16"),
    "magic only": (JPEG[:3], "cannot be decoded"),
    "cut png": (encoded(picture(0), "PNG")[:-40], "cannot be decoded"),
    "16 bits": (encoded(Image.fromarray(np.full((8, 8), 40_000, np.uint16)), "PNG"), "mode I;16"),
}


@pytest.mark.parametrize("case", WHOLE)
def test_undecodable_content_is_named(case: str) -> None:
    content, words = WHOLE[case]
    with pytest.raises(DataError, match=f"thing.jpg.*{words}"):
        decode_bytes(content, 8, "thing.jpg")


def test_flipped_bytes_raise_nothing_but_data_errors() -> None:
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(JPEG), 200):
        content = bytearray(JPEG)
        content[position] ^= 1 << int(rng.integers(8))
        with contextlib.suppress(DataError):
            assert decode_bytes(bytes(content), 8, "x").shape == (8, 8, 3)


def bombs() -> dict[str, bytes]:
    jpeg = bytearray(JPEG)
    start = jpeg.index(b"\xff\xc0")
    jpeg[start + 5 : start + 9] = struct.pack(">HH", 60_000, 60_000)
    png = bytearray(encoded(picture(0), "PNG"))
    png[16:24] = struct.pack(">II", 60_000, 60_000)
    png[29:33] = struct.pack(">I", zipfile.crc32(bytes(png[12:29])))
    bmp = bytearray(encoded(picture(0), "BMP"))
    bmp[18:26] = struct.pack("<ii", 60_000, 60_000)
    return {"jpeg": bytes(jpeg), "png": bytes(png), "bmp": bytes(bmp)}


@pytest.mark.parametrize("kind", bombs())
def test_header_bomb_is_refused_before_decoding(kind: str) -> None:
    started = time.perf_counter()
    with pytest.raises(DataError, match=r"bomb has 60000 x 60000 pixels, more than 50 million"):
        decode_bytes(bombs()[kind], 8, "bomb")
    assert time.perf_counter() - started < 0.1
