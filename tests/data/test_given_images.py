"""Images that anybody gives: which of what lies there is looked at, in which order, and what it is called."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.reliability import archives
from skineval.base.errors import DataError, UsageError
from skineval.data.files.stored_files import natural
from skineval.data.findings import Finding
from skineval.data.given_images import GivenImage, given_images, read_list
from tests.data.folders import JPEGS, encoded, picture, write_files, write_zip

JPEG, OTHER = list(JPEGS.values())[:2]
FILES = {
    "10.jpg": JPEG,
    "9.JPG": JPEG,
    "notes.txt": b"",
    "no suffix": JPEG,
    ".hidden.jpg": JPEG,
    ".git/a.jpg": JPEG,
    "b/2.png": JPEG,
    "b-1/1.webp": JPEG,
    "b/lists/1.tiff": JPEG,
}
FOUND = ["9.JPG", "10.jpg", "b/2.png", "b/lists/1.tiff", "b-1/1.webp"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Paths are given as they are from here."""
    monkeypatch.chdir(tmp_path)


def names(*paths: str) -> list[str]:
    """What the images are called; nothing is wrong."""
    found = list(given_images(paths))
    assert [one for one in found if isinstance(one, Finding)] == []
    return [one.name for one in found if isinstance(one, GivenImage)]


def problems(*paths: str) -> list[tuple[str, str]]:
    return [(one.where, one.severity) for one in given_images(paths) if isinstance(one, Finding)]


@pytest.mark.parametrize("written", ["in", "in/", "./in", "in/../in"])
def test_a_folder_is_all_that_is_called_like_an_image_in_natural_order(written):
    write_files(Path("in"), FILES)
    assert names(written) == [f"{written.removesuffix('/')}/{name}" for name in FOUND]


def test_masks_in_a_folder_are_no_photographs():
    masks = ("ISIC_1_segmentation.png", "a_mask.png")
    write_files(Path("in"), dict.fromkeys((*masks, "ISIC_1.jpg", "a.jpg", "b_mask.png"), JPEG))
    found = list(given_images(["in"]))
    assert [one.name for one in found if isinstance(one, GivenImage)] == ["in/ISIC_1.jpg", "in/a.jpg", "in/b_mask.png"]
    (told,) = (one for one in found if isinstance(one, Finding))
    assert (told.where, told.what, told.severity) == (
        "in",
        "holds 2 images called like masks, which are left out",
        "remark",
    )
    assert names(*(f"in/{mask}" for mask in masks)) == [f"in/{mask}" for mask in masks]


def test_what_is_named_is_always_an_image_and_called_as_it_was_named():
    write_files(Path("in"), FILES)
    given_so = ["in//notes.txt", "./in/.hidden.jpg", "in/no suffix", str(Path("in/10.jpg").resolve()), "in/10.jpg"]
    assert names(*given_so) == given_so
    assert names("in/.git") == ["in/.git/a.jpg"]


def test_members_of_archives_are_called_behind_them_and_read_where_they_are():
    Path("in").mkdir()
    write_zip(Path("in/2.zip"), {"m/10.jpg": JPEG, "m/9.jpg": OTHER, "m/.x.jpg": JPEG, "m/t.txt": b"x"})
    write_files(Path("in"), {"1.jpg": JPEG, "3.jpg": JPEG})
    assert names("./in/2.zip") == ["./in/2.zip/m/9.jpg", "./in/2.zip/m/10.jpg"]
    assert names("in") == ["in/1.jpg", "in/2.zip/m/9.jpg", "in/2.zip/m/10.jpg", "in/3.jpg"]
    assert [one.file.read() for one in given_images(["in/2.zip"])] == [OTHER, JPEG]


def test_paths_are_looked_at_as_they_are_asked_for():
    write_files(Path("in"), FILES)
    asked = []
    images = given_images(asked.append(path) or path for path in ("in/9.JPG", "in/10.jpg"))
    next(images)
    assert asked == ["in/9.JPG"]


def test_what_is_wrong_with_a_path_is_told_in_its_place_and_the_others_are_found():
    write_files(Path("in"), {"1.jpg": JPEG, "x.heic": b""})
    Path("in/link.jpg").symlink_to("nowhere")
    os.mkfifo("pipe")
    Path("no.zip").write_bytes(b"<html>")
    found = list(
        given_images(["in/1.jpg", "nowhere", "a" * 300, "a\0b", "in/1.jpg/x", "pipe", "no.zip", "in", "in/1.jpg"])
    )
    told = [one.name if isinstance(one, GivenImage) else (one.code, one.where, one.severity) for one in found]
    assert told == [
        "in/1.jpg",
        ("not-there", "nowhere", "error"),
        ("unreadable-path", "a" * 300, "error"),
        ("unreadable-path", "a\0b", "error"),
        ("not-there", "in/1.jpg/x", "error"),
        ("not-a-file", "pipe", "error"),
        ("zip-unreadable", "no.zip", "error"),
        ("broken-link", "in/link.jpg", "error"),
        ("unread-format", "in", "remark"),
        "in/1.jpg",
        "in/1.jpg",
    ]
    assert all(one.hint for one in found if isinstance(one, Finding))


def test_a_bad_member_is_named_as_others_are():
    write_zip(Path("in.zip"), {"../up.jpg": JPEG, "ok.jpg": JPEG})
    assert problems("./in.zip") == [("./in.zip/../up.jpg", "error")]


@pytest.mark.parametrize("case", archives.CASES, ids=lambda case: case.fault)
def test_archives_made_to_do_harm_do_none(case, tmp_path):
    case.make(tmp_path / "in.zip")
    before = sorted(tmp_path.rglob("*"))
    for one in given_images(["in.zip"]):
        if isinstance(one, GivenImage):
            with contextlib.suppress(DataError):
                assert len(one.file.read()) == one.file.size
    assert sorted(tmp_path.rglob("*")) == before


class Slow(io.RawIOBase):
    """A stream that gives so many bytes at a time, and says how many it has given."""

    def __init__(self, content: bytes, step: int) -> None:
        self.content, self.step, self.given = content, step, 0

    def read1(self, most: int) -> bytes:
        chunk = self.content[self.given : self.given + min(self.step, most)]
        self.given += len(chunk)
        return chunk


PATHS = st.binary(min_size=1, max_size=12).filter(lambda path: not set(path) & set(b"\0\n\r"))


@given(st.lists(PATHS), st.sampled_from([b"\n", b"\0", b"\r\n"]), st.booleans(), st.integers(1, 7))
def test_a_list_is_its_paths_however_they_are_ended_and_however_they_come(paths, mark, ended, step):
    content = mark.join(paths) + mark * ended
    if content[:3] in (b"\xef\xbb\xbf", b"\xff\xd8\xff"):
        return
    assert list(read_list(Slow(content, step))) == list(map(os.fsdecode, paths))


def test_paths_with_line_ends_in_them_are_ended_by_nul():
    assert list(read_list(io.BytesIO(b"a\nb\0c\0"))) == ["a\nb", "c"]


def test_empty_lines_and_the_mark_of_utf_8_are_no_paths():
    assert list(read_list(io.BytesIO("\ufeff\u00e4.jpg\r\n\r\n\nb.jpg".encode()))) == ["\u00e4.jpg", "b.jpg"]


def test_a_path_is_there_before_the_list_ends():
    stream = Slow(b"a.jpg\nb.jpg\n" + b"c.jpg\n" * 1000, 8)
    assert next(read_list(stream)) == "a.jpg"
    assert stream.given == 8


@pytest.mark.parametrize("content", [JPEG, encoded(picture(0), "PNG"), b"PK\x03\x04..."], ids=["jpeg", "png", "zip"])
def test_the_content_of_a_file_is_no_list(content):
    with pytest.raises(UsageError, match="not a list of paths"):
        list(read_list(io.BytesIO(content)))


def test_a_path_may_begin_as_a_bitmap_does():
    assert list(read_list(io.BytesIO(b"BM-1.jpg\n"))) == ["BM-1.jpg"]


def test_a_line_without_end_is_not_held_in_memory():
    stream = Slow(b"x" * 10_000_000, 1 << 20)
    with pytest.raises(UsageError, match=r"more than 65,536 bytes"):
        list(read_list(stream))
    assert stream.given < 300_000


@given(st.lists(st.integers(0, 10**30), unique=True))
def test_numbers_in_names_are_in_the_order_of_numbers(numbers):
    named = [f"IMG {number} (1).jpg" for number in numbers]
    assert sorted(named, key=natural) == [f"IMG {number} (1).jpg" for number in sorted(numbers)]


def test_a_number_may_be_longer_than_python_reads():
    assert natural("9" * 5000) < natural("1" + "0" * 5000)
