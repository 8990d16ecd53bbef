from __future__ import annotations

import contextlib
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skineval.base.errors import DataError
from skineval.data.pixels.decoding import decode, decode_bytes
from tests.data.folders import encoded, picture, write_files


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


def test_every_cut_jpeg_is_refused() -> None:
    for length in np.linspace(1, len(JPEG) - 10, 50).astype(int):
        with pytest.raises(DataError, match=r"thing\.jpg"):
            decode_bytes(JPEG[:length], 8, "thing.jpg")


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
