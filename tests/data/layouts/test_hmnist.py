from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from skineval.data.layouts import recognise
from skineval.values.lesion_table import LesionTable
from tests.data.folders import JPEGS, refused, seven_classes, write_files, write_zip
from tests.data.layouts import relayout

NAME = "hmnist_8_8_L.csv"
HEADER = [*(f"pixel{place:04d}" for place in range(64)), "label"]
#: Index -> diagnosis, as Kaggle's description of these files gives it.
ORDER = ("akiec", "bcc", "bkl", "df", "nv", "vasc", "mel")


def written(folder: Path, rows: object, header: list[str] = HEADER, name: str = NAME) -> Path:
    return write_files(folder, {name: relayout.text(header, rows)}) / name  # type: ignore[arg-type]


def row(label: object = 0, first: object = 7, n: int = 64) -> list[object]:
    return [first, *[0] * (n - 1), label]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> LesionTable:
    return recognise.load(seven_classes(tmp_path_factory.mktemp("seven")))


@pytest.mark.parametrize("side", [8, 28])
@pytest.mark.parametrize("colours", [True, False])
@pytest.mark.parametrize("kind", ["file", "folder", "zip"])
def test_labels_and_pixels_are_those_of_ham10000(
    tmp_path: Path, table: LesionTable, side: int, colours: bool, kind: str
) -> None:
    folder = relayout.hmnist(table, tmp_path / "csv", side, colours)
    (file,) = folder.iterdir()
    path = {"file": file, "folder": folder, "zip": tmp_path / "one.zip"}[kind]
    if kind == "zip":
        write_zip(path, {file.name: file.read_bytes()})
    found = recognise.recognise(path)
    assert found is not None
    assert found.name == "hmnist"
    read = found.load(path)
    assert read.frame["dx"].tolist() == table.frame["dx"].tolist()
    expected = table.images.pixels(range(28), side)
    got = read.images.pixels(range(28), side)
    assert (got == (expected if colours else expected[..., 1:2])).all()
    assert not read.lesions_known
    assert read.frame["lesion_id"].equals(read.frame["image_id"])
    assert read.frame["image_id"].is_unique
    assert read.official is None
    assert read.images.masks([0], side) is None
    assert read.layout == f"CSV of pixels as on Kaggle, {side} x {side} {'RGB' if colours else 'grey'}"


@given(
    pixels=arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.just(64))),
    labels=st.data(),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_pixel_comes_back(tmp_path: Path, pixels: np.ndarray, labels: st.DataObject) -> None:
    drawn = labels.draw(st.lists(st.integers(0, 6), min_size=len(pixels), max_size=len(pixels)))
    read = recognise.load(written(tmp_path, [[*one, label] for one, label in zip(pixels.tolist(), drawn, strict=True)]))
    assert read.frame["dx"].tolist() == [ORDER[label] for label in drawn]
    assert (read.images.pixels(range(len(pixels)), 8)[..., 0].reshape(-1, 64) == pixels).all()


def test_the_richest_of_several_files_is_read(tmp_path: Path, table: LesionTable) -> None:
    for side, colours in ((8, True), (28, False), (28, True), (8, False)):
        relayout.hmnist(table, tmp_path, side, colours)
    read = recognise.load(tmp_path)
    assert "28 x 28 RGB" in read.layout
    assert "hmnist_28_28_RGB.csv is read, not hmnist_28_28_L.csv, hmnist_8_8_L.csv, hmnist_8_8_RGB.csv" in read.notes


def test_fingerprint_sees_pixels_and_labels_and_not_the_spelling(tmp_path: Path) -> None:
    plain = [row(0), row(4, 9)]
    prints = [
        recognise.load(written(tmp_path / str(number), rows)).fingerprint
        for number, rows in enumerate(
            [plain, [row("0.0", "7.0"), row(" 4", 9)], [row(0), row(5, 9)], [row(0), row(4, 8)]]
        )
    ]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def test_line_ends_marks_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    file = written(tmp_path, [row(3), row(6)])
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n")
    assert recognise.load(file).frame["dx"].tolist() == ["df", "mel"]


def test_beside_images_it_is_left_alone(tmp_path: Path) -> None:
    written(tmp_path, [row()])
    write_files(tmp_path, {"x.jpg": next(iter(JPEGS.values()))})
    assert recognise.recognise(tmp_path) is None


BAD: dict[str, tuple[object, list[str], str]] = {
    "pixel above 255": ([row(), row(0, 256)], HEADER, "row 3 has '256' in column 1"),
    "pixel below 0": ([row(0, -1)], HEADER, "row 2 has '-1' in column 1"),
    "half a pixel": ([row(0, 1.5)], HEADER, "row 2 has '1.5' in column 1"),
    "no number": ([row(), row(), row(0, "=cmd()")], HEADER, "row 4 has '=cmd()' in column 1"),
    "nan": ([row(0, "nan")], HEADER, "row 2 has 'nan' in column 1"),
    "infinity": ([row(0, "inf")], HEADER, "row 2 has 'inf' in column 1"),
    "a word for 1": ([row(0, "True")], HEADER, "row 2 has 'True' in column 1"),
    "null byte": ([row(0, "1\0")], HEADER, "row 2 has '1\\x00' in column 1"),
    "mark within": ([row(0, "\ufeff1")], HEADER, "row 2 has '\\ufeff1' in column 1"),
    "empty cell": ([row(0, "")], HEADER, "row 2 has '' in column 1"),
    "label 7": ([row(), row(7)], HEADER, "1 row has a label that is none of 0 to 6: row 3 7"),
    "short row": ([row(), row(n=63)], HEADER, "row 3 has 64 fields, and the header 65"),
    "long row": ([row(n=65)], HEADER, "row 2 has 66 fields, and the header 65"),
    "no rows": ([], HEADER, "has a header and no rows"),
    "no square": ([row(n=63)], [*HEADER[:63], "label"], "has 63 columns before 'label'"),
    "no label": ([row()], [*HEADER[:64], "pixel0064"], "has 64 columns before 'pixel0064'"),
    "columns in disorder": ([row()], [HEADER[0], HEADER[2], HEADER[1], *HEADER[3:]], "no square of grey or RGB"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused(tmp_path: Path, case: str) -> None:
    rows, header, words = BAD[case]
    message = refused(written(tmp_path, rows, header))
    assert NAME in message
    assert words in message


def test_rows_are_counted_across_blocks(tmp_path: Path) -> None:
    rows = [row(label % 7) for label in range(1200)]
    rows[1111] = row(0, 300)
    assert "row 1113 has '300'" in refused(written(tmp_path, rows))


def test_binary_below_the_header_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, [row()])
    file.write_bytes(file.read_bytes() + b"\x00\xff" * 500)
    assert "row 3 has 1 fields" in refused(file)


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: text.replace(",", ";").encode(),
        lambda text: text.replace(",", "\t").encode("utf-16"),
        lambda text: "\n".join(
            ",".join(f'"{cell}"' for cell in line.split(",")) for line in text.splitlines()
        ).encode(),
        lambda text: text.encode("utf-8-sig"),
    ],
)
def test_separators_encodings_and_quotes_are_those_that_tables_have(tmp_path: Path, rewrite) -> None:
    path = written(tmp_path, [row(1, 9), row(6, 3)])
    path.write_bytes(rewrite(path.read_text(encoding="utf-8")))
    read = recognise.load(tmp_path)
    assert read.frame["dx"].tolist() == ["bcc", "mel"]
    assert read.images.pixels([0, 1], 8)[:, 0, 0, 0].tolist() == [9, 3]
