"""Row 5: damaged and foreign image files. What decoding notices, what only a checksum does, and what training does."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.reliability.outcome import Outcome
from benchmarks.reliability.samples import encoded, image_id, jpeg, photograph, row, write_folder
from skineval.base.errors import DataError, plural
from skineval.data import quarantine
from skineval.data.layouts import recognise
from skineval.data.pixels.store import open_store
from skineval.data.quality.check import check

CUTS, FLIPS, WHOLE = 50, 200, 50
ROW = 5


def measure() -> list[Outcome]:
    """Cut 50 copies of a photograph, change a byte in 200, and put ten foreign files under its name."""
    with tempfile.TemporaryDirectory() as folder:
        return [*_damaged(Path(folder, "damaged")), *_foreign(Path(folder, "foreign"))]


def _damaged(folder: Path) -> list[Outcome]:
    whole = {f"{image_id(n)}.jpg": jpeg() for n in range(CUTS + FLIPS + WHOLE)}
    write_folder(folder, [row(n) for n in range(len(whole))], whole)
    promised = check(folder, recognise.load, checksums=True).checksums
    contents = [*_cuts(), *_flips()]
    for number, content in enumerate(contents):
        (folder / f"{image_id(number)}.jpg").write_bytes(content)
    checked = check(folder, recognise.load, promised=promised)
    decoded = {one.image_ids[0] for one in checked.errors if one.code != "manifest-changed"}
    cut = sum(image_id(number) in decoded for number in range(CUTS))
    changed = sum(finding.code == "manifest-changed" for finding in checked.errors)
    total = CUTS + FLIPS
    return [
        Outcome(ROW, f"JPEG cut at {CUTS} places", f"{cut}/{CUTS} noticed by decoding", cut == CUTS),
        Outcome(
            ROW,
            f"JPEG cut at {CUTS} places, a byte changed in {FLIPS}",
            f"{len(decoded)}/{total} noticed by decoding, {changed}/{total} by checksum",
            changed == total and decoded <= {image_id(number) for number in range(total)},
        ),
        _training(folder, quarantine.collect(checked.findings)),
    ]


def _cuts() -> list[bytes]:
    return [jpeg()[:length] for length in np.linspace(0, len(jpeg()) - 3, CUTS).astype(int)]


def _flips() -> list[bytes]:
    rng = np.random.default_rng(0)
    flipped = []
    for position in rng.choice(len(jpeg()), FLIPS, replace=False):
        content = bytearray(jpeg())
        content[position] ^= 1 << int(rng.integers(8))
        flipped.append(bytes(content))
    return flipped


def _training(folder: Path, listed: Mapping[str, str]) -> Outcome:
    """Without a list the pixels are refused; with the list that the check makes, all others are used."""
    cache = folder.parent / "cache"
    try:
        open_store(recognise.load(folder), 32, cache=cache)
        refused = False
    except DataError:
        refused = True
    table = quarantine.load_without(recognise.load, folder, listed)
    used = len(open_store(table, 32, cache=cache).array)
    left = CUTS + FLIPS + WHOLE - len(listed)
    told = plural(len(listed), "image in quarantine was left out", "images in quarantine were left out")
    return Outcome(
        ROW,
        "training on damaged JPEGs",
        f"{'refused' if refused else 'accepted'} without a list; with the list {used}/{left} of the others used",
        refused and used == left == WHOLE and any(note.startswith(told) for note in table.notes),
    )


def _foreign(folder: Path) -> list[Outcome]:
    turned = Image.Exif()
    turned[0x0112] = 6
    zeroed = bytearray(jpeg())
    zeroed[len(zeroed) // 2 : len(zeroed) // 2 + 512] = bytes(512)
    cases = {
        "empty file": (b"", "empty"),
        "web page": (b"<!DOCTYPE html><title>403 Forbidden</title>", "not-an-image"),
        "GIF": (encoded(photograph(), "GIF"), "not-an-image"),
        "zeros": (bytes(4096), "not-an-image"),
        "PNG of 16 bits": (encoded(Image.fromarray(np.full((8, 8), 40_000, np.uint16)), "PNG"), "pixel-mode"),
        "one colour": (encoded(Image.new("RGB", (160, 160), (9, 9, 9))), "blank"),
        "PNG called .jpg": (encoded(photograph(), "PNG"), "wrong-suffix"),
        "CMYK": (encoded(photograph().convert("CMYK")), "colours"),
        "grey": (encoded(photograph().convert("L")), "colours"),
        "EXIF orientation": (encoded(photograph(), exif=turned), "orientation"),
        "block of zeros": (bytes(zeroed), "manifest-changed"),
    }
    whole = {f"{image_id(n)}.jpg": jpeg() for n in range(len(cases))}
    write_folder(folder, [row(n) for n in range(len(cases))], whole)
    promised = check(folder, recognise.load, checksums=True).checksums
    for number, (content, _) in enumerate(cases.values()):
        (folder / f"{image_id(number)}.jpg").write_bytes(content)
    findings = check(folder, recognise.load, promised=promised).findings
    found = {(finding.where, finding.code) for finding in findings}
    named = [(f"{image_id(number)}.jpg", code) in found for number, (_, code) in enumerate(cases.values())]
    return [Outcome(ROW, ", ".join(cases), f"{sum(named)}/{len(cases)} named as what they are", all(named))]
