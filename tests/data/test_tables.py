"""Small tables as people have them: the same cells whatever the separator, the encoding and the ends of lines."""

from __future__ import annotations

import csv
import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skineval.base.errors import DataError
from skineval.data import tables

NAMES = ["image_id", "mel", "Melanocytic nevi"]
CELLS = [["ISIC_1", "0.25", "0.75"], ["ISIC_2", "1e-3", ""], ["ISIC_3", "1", "0"]]


def written(rows: list[list[str]], separator: str = ",", end: str = "\n", quoting: int = csv.QUOTE_MINIMAL) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator, lineterminator=end, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return buffer.getvalue()


@pytest.mark.parametrize("separator", tables.SEPARATORS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_encodings_and_ends_of_lines_are_no_part_of_a_table(separator: str, encoding: str, end: str) -> None:
    found = tables.read(written([NAMES, *CELLS], separator, end).encode(encoding), "t.csv").frame
    assert list(found.columns) == NAMES
    assert found.to_numpy().tolist() == CELLS
    assert found.index.tolist() == [2, 3, 4]


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs", "Zs", "Zl", "Zp"]), max_size=8)


@given(st.lists(st.tuples(words, words), min_size=1), st.sampled_from(tables.SEPARATORS), st.booleans())
def test_any_cells_come_back(rows: list[tuple[str, str]], separator: str, quoted: bool) -> None:
    text = written([["a", "b"], *map(list, rows)], separator, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
    found = tables.read(text.encode(), "t.csv").frame
    assert [tuple(row) for row in found.to_numpy()] == [row for row in rows if any(row)]


def test_blanks_of_no_width_around_a_cell_are_no_part_of_it() -> None:
    found = tables.read("\u200ba\u00a0,b\nx\u200b,\ufeff y\u00adz \u00ad\n".encode(), "t.csv").frame
    assert found.to_dict("list") == {"a": ["x"], "b": ["y\u00adz"]}


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        ('"image_id" , "mel"\n"a, b" , 0.5 \n', ["image_id", "mel"], {2: ["a, b", "0.5"]}),
        ("a,b\n\n1,2\n,\n3,4\n\n", ["a", "b"], {3: ["1", "2"], 5: ["3", "4"]}),
        (",a,b\n0,x,y\n1,z,w\n", ["a", "b"], {2: ["x", "y"], 3: ["z", "w"]}),
        ("Unnamed: 0,a\n17,x\n", ["a"], {2: ["x"]}),
        ("Unnamed: 0.1,Unnamed: 0,a\n0,17,x\n", ["a"], {2: ["x"]}),
        ("a;b;;\n1;2;;\n3;4\n", ["a", "b"], {2: ["1", "2"], 3: ["3", "4"]}),
        ("sep=;\na;b\n1;2\n", ["a", "b"], {3: ["1", "2"]}),
        ('"a;b",c\n1,2\n', ["a;b", "c"], {2: ["1", "2"]}),
        ("\ufeff\ufeffa,b\n1,2\n", ["a", "b"], {2: ["1", "2"]}),
        ("# a,b\n1,2\n", ["a", "b"], {2: ["1", "2"]}),
        ("#,a,b\n1,x,y\n", ["a", "b"], {2: ["x", "y"]}),
    ],
    ids=[
        "blanks",
        "empty rows",
        "index",
        "saved index",
        "index saved twice",
        "empty columns",
        "declared",
        "separator in a name",
        "two marks",
        "as NumPy writes it",
        "a sign for numbers",
    ],
)
def test_what_programs_leave_around_cells_is_no_part_of_them(
    text: str, columns: list[str], rows: dict[int, list[str]]
) -> None:
    found = tables.read(text.encode(), "t.csv").frame
    assert list(found.columns) == columns
    assert dict(zip(found.index, found.to_numpy().tolist(), strict=True)) == rows


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_header_is_known_by_its_first_bytes(encoding: str) -> None:
    start = 'Image;"MEL";Melanocytic nevi\r\nISIC_1;0,'.encode(encoding)
    assert tables.columns_of(start) == ("image", "mel", "melanocytic nevi")
    assert tables.columns_of(start[:17])[0] in ("image", "imag", "im", "i")
    assert tables.columns_of(b"# image,mel\n1,0\n") == ("image", "mel")
    assert tables.columns_of(b"sep=;\r\nimage;mel\r\n1;0\r\n") == ("image", "mel")
    assert tables.columns_of(b"") == tables.columns_of(b"\n\n") == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"PK\x03\x04 workbook", "it is an Excel workbook"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "it is compressed by gzip"),
        (b"\n<!DOCTYPE html>", "it is a web page"),
        (b'{"a": [1]}', "it is JSON"),
        (b"\x80\x04\x95", "it is a Python pickle"),
        ("a,b\n1,2\nL\u00e4sion,3\n".encode("cp1252"), "row 3 holds the byte 0xE4, which is not UTF-8"),
        (b"\xff\xfe\x00", "which is not UTF-16"),
        (b'a,b\n3,4\n"1,2\n5,6\n', "is not a CSV file: unexpected end of data, from row 3, where a quote may lack"),
        (
            b'a,b\n1,"x\n3,4\n5,y"\n6,7\n',
            "a cell of row 2 holds 2 lines that look like rows of",
        ),
        (b"\xef\xbb\xbf<html>", "it is a web page"),
        (b"PK\x03\x04\x14" + bytes(200), "it is an Excel workbook"),
        (b"Results of x\nimage_id,mel\na,1\nb,0\n", "row 1 names 1 column, and each row below has 2 fields"),
        (b"a,b\n1,2,3\n4,5\n6\n", "2 rows do not have the 2 fields of the header: row 2 has 3, row 4 has 1"),
        (b"image_id,mel\na,0,9\n", "row 2 has 3"),
        (b"mel,MEL\n0,1\n", "has two columns of one name: mel, MEL"),
        (b",mel\nISIC_1,0.5\n", "column 1 has no name, and 'ISIC_1' in row 2"),
    ],
)
def test_what_is_no_table_is_named_as_what_it_is(content: bytes, words: str) -> None:
    with pytest.raises(DataError) as caught:
        tables.read(content, "t.csv")
    assert caught.value.message.startswith("t.csv")
    assert words in caught.value.message
    assert caught.value.hint


def test_a_list_may_leave_its_last_cells_out() -> None:
    found = tables.read(b"image_id,reason\na\nb,hair\n", "t.csv", pad=True).frame
    assert found.to_numpy().tolist() == [["a", ""], ["b", "hair"]]


def test_a_cell_may_hold_lines_that_are_no_rows() -> None:
    read = tables.read(b'a,b,c\n1,"x, of\ntwo, lines\n",3\n', "t.csv")
    assert read.frame["b"].tolist() == ["x, of\ntwo, lines"]
