from __future__ import annotations

import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.reliability import corrupt_images, header_bomb, identifiers
from benchmarks.reliability import metadata as rows_benchmark
from skineval.base.errors import DataError
from skineval.data import quarantine
from skineval.data.files.stored_files import StoredFile
from skineval.data.layouts import own_table, recognise
from skineval.data.pixels.decoding import decode_bytes
from skineval.data.quality.check import Checked, Decoded, check
from skineval.data.quality.image_files import examine
from skineval.values.lesion_table import LesionTable
from tests.data.folders import IDS, JPEGS, ROWS, encoded, ham_folder, metadata, picture, write_files, write_zip

ABSENT = "absent-class", "few-lesions"  # four images are of three classes


def checked(folder: Path, **options: object) -> Checked:
    return check(folder, recognise.load, **options)  # type: ignore[arg-type]


def found(folder: Path) -> set[tuple[str, str]]:
    """Code and place of every finding, but for the classes of which there are few images, or none, anyway."""
    return {(one.code, one.where) for one in checked(folder).findings if one.code not in ABSENT}


def mask(marked: int = 255, size: tuple[int, int] = (20, 15)) -> bytes:
    image = Image.new("L", size, 0)
    image.paste(marked, (0, 0, size[0] // 2, size[1]))
    return encoded(image, "PNG")


def masked(folder: Path) -> Path:
    """A folder with four images and their masks."""
    return write_files(ham_folder(folder), {f"masks/{id_}_segmentation.png": mask() for id_ in IDS})


def test_nothing_is_wrong_with_a_sound_folder(tmp_path: Path) -> None:
    result = checked(masked(tmp_path))
    assert [one.code for one in result.findings] == ["absent-class", "few-lesions"]
    assert result.errors == ()
    assert result.images == result.masks == Decoded(4, whole=4)
    assert result.checksums == {}


def test_a_table_whose_columns_are_named_is_judged_as_such(tmp_path: Path) -> None:
    """Not as the metadata of HAM10000, whatever its columns are called."""
    folder = ham_folder(tmp_path)
    table = next(folder.glob("*.csv"))
    table.write_text(table.read_text().replace("nv", "benign").replace("mel,", "malignant,"))
    columns = own_table.parse_columns(["image=image_id", "label=dx", "lesion=lesion_id"])

    def load(path: Path, left_out: frozenset[str]) -> LesionTable:
        return own_table.load(path, columns, quarantined=left_out)

    assert check(folder, load).errors
    assert check(folder, load, by_columns=True).errors == ()


def test_row_9_comes_before_row_10(tmp_path: Path) -> None:
    rows = [ROWS[0].replace(IDS[0], f"I{row}").replace(",nv,", ",what,") for row in range(12)]
    write_files(tmp_path, {"HAM10000_metadata.csv": metadata(rows).encode()})
    places = [one.where for one in checked(tmp_path).findings if one.code == "unknown-dx"]
    assert places == [f"HAM10000_metadata.csv, row {row}" for row in range(2, 14)]


IMAGE, MASK = f"images/{IDS[0]}.jpg", f"masks/{IDS[0]}_segmentation.png"
JPEG = JPEGS[IDS[0]]
SIXTEEN = encoded(Image.fromarray(np.full((8, 8), 40_000, np.uint16)), "PNG")
TURNED = Image.Exif()
TURNED[0x0112] = 3

#: content of a file, the code it is reported under, and whether that is an error
FILES = {
    "cut": (IMAGE, JPEG[: len(JPEG) // 2], "truncated", True),
    "cut before pixels": (IMAGE, JPEG[:30], "truncated", True),
    "damaged header": (IMAGE, JPEG[:160] + b"\xff" * 20 + JPEG[180:], "undecodable", True),
    "empty": (IMAGE, b"", "empty", True),
    "web page": (IMAGE, b"\xef\xbb\xbf <!DOCTYPE html>", "not-an-image", True),
    "gif": (IMAGE, encoded(picture(0), "GIF"), "not-an-image", True),
    "16 bits": (IMAGE, SIXTEEN, "pixel-mode", True),
    "bomb": (IMAGE, header_bomb.bomb("JPEG"), "too-many-pixels", True),
    "pages": (IMAGE, encoded(picture(0), "TIFF", save_all=True, append_images=[picture(1)]), "several-frames", True),
    "tiff": (IMAGE, encoded(picture(0), "TIFF"), "wrong-suffix", False),
    "one colour": (IMAGE, encoded(Image.new("RGB", (20, 15), (90, 20, 20))), "blank", True),
    "png": (IMAGE, encoded(picture(0), "PNG"), "wrong-suffix", False),
    "grey": (IMAGE, encoded(picture(0, mode="L")), "colours", False),
    "cmyk": (IMAGE, encoded(picture(0, mode="CMYK")), "colours", False),
    "turned": (IMAGE, encoded(picture(0), exif=TURNED), "orientation", False),
    "end of a PNG": (MASK, mask()[:-20], "unended", False),
    "more behind": (IMAGE, JPEG + b"and more", "unended", False),
    "cut mask": (MASK, encoded(picture(1, mode="L"), "PNG")[:-200], "truncated", True),
    "black mask": (MASK, mask(marked=1), "empty-mask", False),
    "white mask": (MASK, encoded(Image.new("L", (20, 15), 200), "PNG"), "full-mask", False),
    "other shape": (MASK, mask(size=(20, 20)), "mask-shape", True),
}


@pytest.mark.parametrize("case", FILES)
def test_each_kind_of_file_is_named(tmp_path: Path, case: str) -> None:
    name, content, code, is_error = FILES[case]
    folder = write_files(masked(tmp_path), {name: content})
    assert (code, name) in found(folder)
    same = [one for one in checked(folder).findings if one.code == code]
    assert [one.where for one in same] == [name]
    assert same[0].severity == ("error" if is_error else "remark")
    assert same[0].what
    assert same[0].hint
    assert same[0].image_ids == ((IDS[0],) if is_error else ())
    assert [one.code for one in checked(folder).errors] == [code] * is_error


@pytest.mark.parametrize(("size", "alike"), [((40, 30), True), ((41, 30), True), ((15, 20), False), ((30, 30), False)])
def test_a_mask_may_be_larger_than_its_image_but_not_of_another_shape(
    tmp_path: Path, size: tuple[int, int], alike: bool
) -> None:
    folder = write_files(masked(tmp_path), {MASK: mask(size=size)})
    assert ("mask-shape", MASK) not in found(folder) if alike else ("mask-shape", MASK) in found(folder)


def test_a_mask_is_compared_with_the_image_as_it_is_seen(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    files = {IMAGE: encoded(picture(0), exif=exif), MASK: mask(size=(15, 20))}
    assert found(write_files(masked(tmp_path), files)) == {("orientation", IMAGE)}


def test_rows_and_files_are_matched(tmp_path: Path) -> None:
    folder = masked(tmp_path)
    (folder / IMAGE).unlink()
    (folder / f"masks/{IDS[1]}_segmentation.png").unlink()
    write_files(
        folder,
        {
            "images/ISIC_9.jpg": JPEG,
            "masks/ISIC_8_segmentation.png": mask(),
            f"more/{IDS[2]}.jpg": JPEG,
            f"more/{IDS[3]}.jpg": JPEGS[IDS[3]],
            "images/ISIC_7.gif": b"GIF89a",
        },
    )
    assert found(folder) == {
        ("missing-image", "HAM10000_metadata.csv, row 2"),
        ("missing-mask", "HAM10000_metadata.csv, row 3"),
        ("orphaned-image", "images/ISIC_9.jpg"),
        ("orphaned-mask", "masks/ISIC_8_segmentation.png"),
        ("several-images", f"images/{IDS[2]}.jpg"),
        ("unread-format", "images/ISIC_7.gif"),
    }


def test_versions_of_equal_length_are_told_apart(tmp_path: Path) -> None:
    changed = bytearray(JPEG)
    changed[-20] ^= 1
    folder = write_files(masked(tmp_path), {f"more/{IDS[0]}.jpg": bytes(changed)})
    assert ("several-images", IMAGE) in found(folder)


def test_all_that_is_wrong_with_rows_is_found_at_once(tmp_path: Path) -> None:
    rows = [
        *ROWS,
        ROWS[0],
        "HAM_0000002,ISIC_0000005,nv,histo,old,male,back,x",
        "=cmd(),../../etc/passwd,?,histo,1,male,back,x",
        "HAM_7,ISIC_7",
    ]
    where = "HAM10000_metadata.csv"
    assert found(ham_folder(tmp_path, metadata(rows))) == {
        ("repeated-image-id", f"{where}, row 6"),
        ("unusable-age", f"{where}, row 7"),
        ("missing-image", f"{where}, row 7"),
        ("unusable-image-id", f"{where}, row 8"),
        ("unusable-lesion-id", f"{where}, row 8"),
        ("unknown-dx", f"{where}, row 8"),
        ("contradictory-dx", where),
        ("ragged-row", f"{where}, row 9"),
    }


def test_rows_that_all_lack_a_field_are_found(tmp_path: Path) -> None:
    by_code = {one.code: one for one in checked(ham_folder(tmp_path, metadata(["HAM_7,ISIC_7"]))).findings}
    assert by_code.keys() == {"ragged-row", "absent-class", "orphaned-image"}
    assert by_code["ragged-row"].where == "HAM10000_metadata.csv, row 2"


@pytest.mark.parametrize(
    ("text", "words"), [("", "is empty"), (metadata(header="a,b"), "row 1 names 2 columns"), (metadata(()), "no rows")]
)
def test_unreadable_metadata_does_not_stop_the_images_from_being_checked(tmp_path: Path, text: str, words: str) -> None:
    folder = write_files(ham_folder(tmp_path, text), {IMAGE: b""})
    by_code = {one.code: one for one in checked(folder).errors}
    assert by_code.keys() == {"metadata", "empty"}
    assert words in by_code["metadata"].what


def test_a_damaged_archive_does_not_stop_the_others_from_being_checked(tmp_path: Path) -> None:
    write_files(tmp_path, {"HAM10000_metadata.csv": metadata().encode()})
    write_zip(tmp_path / "a.zip", {f"{IDS[0]}.jpg": JPEG[:100], f"{IDS[1]}.jpg": JPEGS[IDS[1]]})
    (tmp_path / "b.zip").write_bytes(b"<html>")
    assert found(tmp_path) == {
        ("zip-unreadable", "b.zip"),
        ("truncated", f"a.zip/{IDS[0]}.jpg"),
        ("missing-image", "HAM10000_metadata.csv, row 4"),
        ("missing-image", "HAM10000_metadata.csv, row 5"),
    }


def test_a_member_that_cannot_be_read_is_not_missing_too(tmp_path: Path) -> None:
    write_files(tmp_path, {"HAM10000_metadata.csv": metadata().encode()})
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for id_, content in JPEGS.items():
            archive.writestr(f"{id_}.jpg", content, zipfile.ZIP_LZMA if id_ == IDS[0] else zipfile.ZIP_DEFLATED)
    (error,) = checked(tmp_path).errors
    assert (error.code, error.where, error.image_ids) == ("zip-method", f"a.zip/{IDS[0]}.jpg", (IDS[0],))


def test_a_size_that_few_images_have_is_remarked_on(tmp_path: Path) -> None:
    ids = [f"ISIC_{n}" for n in range(30)]
    rows = [f"HAM_{n},{id_},nv,histo,1,male,back,x" for n, id_ in enumerate(ids)]
    images = {id_: encoded(picture(n)) for n, id_ in enumerate(ids)}
    folder = ham_folder(tmp_path, metadata(rows), images | {"ISIC_3": encoded(picture(3, (10, 8)))})
    (finding,) = [one for one in checked(folder).findings if one.code != "absent-class"]
    assert (finding.code, finding.where, finding.severity) == ("unusual-size", "images/ISIC_3.jpg", "remark")
    assert "10 x 8 pixels, and 29 of 30 images have 20 x 15" in finding.what


def test_class_folders_are_checked_and_their_damaged_images_left_out(tmp_path: Path) -> None:
    names = ("mel/mel0.jpg", "mel/mel1.jpg", "nv/nv0.jpg", "nv/nv1.jpg")
    files = dict(zip(names, JPEGS.values(), strict=True))
    write_files(tmp_path, files | {"nv/nv1.jpg": JPEG[:-40]})
    result = checked(tmp_path)
    assert [(one.code, one.where, one.image_ids) for one in result.errors] == [("truncated", "nv/nv1.jpg", ("nv1",))]
    table = quarantine.load_without(recognise.load, tmp_path, quarantine.collect(result.findings))
    assert table.frame["image_id"].tolist() == ["mel0", "mel1", "nv0"]
    assert table.images.pixels(range(3), 8).shape == (3, 8, 8, 3)


def test_what_no_loader_takes_is_refused_and_its_images_are_checked_all_the_same(tmp_path: Path) -> None:
    write_files(tmp_path, {"a/x.jpg": JPEG, "a/y.jpg": b""})
    assert {one.code for one in checked(tmp_path).errors} == {"refused", "empty"}


def test_a_refusal_is_told_where_nothing_else_explains_it(tmp_path: Path) -> None:
    def load(path: Path, left_out: frozenset[str]) -> object:
        raise DataError("The moon is full.", "Wait.")

    (error,) = check(ham_folder(tmp_path), load).errors  # type: ignore[arg-type]
    assert (error.code, error.what, error.hint) == ("refused", "The moon is full", "Wait.")


def test_there_must_be_something(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder or file"):
        checked(tmp_path / "absent")


def test_progress_reaches_its_total(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    result = checked(masked(tmp_path), checksums=True, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 9) for n in range(1, 10)]
    assert len(result.checksums) == 9


def test_a_manifest_is_verified_and_files_of_the_check_itself_are_not_in_it(tmp_path: Path) -> None:
    folder = masked(tmp_path)
    promised = checked(folder, checksums=True).checksums
    changed = bytearray(JPEGS[IDS[1]])
    changed[-30] ^= 1  # no decoder minds
    write_files(folder, {f"images/{IDS[1]}.jpg": bytes(changed), "SHA256SUMS": b"", "notes.txt": b""})
    (folder / MASK).unlink()
    result = checked(folder, promised=promised, aside=[folder / "SHA256SUMS"])
    differing = {(one.code, one.where): one for one in result.findings if one.code.startswith("manifest")}
    assert differing.keys() == {
        ("manifest-changed", f"images/{IDS[1]}.jpg"),
        ("manifest-missing", MASK),
        ("manifest-new", "notes.txt"),
    }
    assert differing["manifest-changed", f"images/{IDS[1]}.jpg"].image_ids == (IDS[1],)


def test_an_archive_is_verified_as_the_file_that_a_manifest_lists(tmp_path: Path) -> None:
    write_files(tmp_path, {"HAM10000_metadata.csv": metadata().encode()})
    archive = write_zip(tmp_path / "images.zip", {f"{id_}.jpg": content for id_, content in JPEGS.items()})
    whole = StoredFile(archive, "", 0, None)
    promised = {"images.zip": examine(whole).sha256}
    assert [one.code for one in checked(tmp_path, promised=promised).errors] == []
    archive.write_bytes(archive.read_bytes()[:-5])
    codes = {one.code for one in checked(tmp_path, promised=promised).errors}
    assert codes == {"zip-unreadable", "missing-image", "manifest-changed"}


def damaged(content: bytes) -> dict[str, Callable[[], bytes]]:
    noise = np.random.default_rng(len(content))
    return {
        "cut": lambda: content[: int(noise.integers(len(content)))],
        "flip": lambda: bytes(
            byte ^ (1 << int(noise.integers(8))) if place == spot else byte
            for spot in [int(noise.integers(len(content)))]
            for place, byte in enumerate(content)
        ),
        "zeros": lambda: content[: len(content) // 2] + bytes(64) + content[len(content) // 2 + 64 :],
    }


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("damage", ["cut", "flip", "zeros"])
def test_a_file_is_sound_exactly_where_training_can_decode_it(tmp_path: Path, kind: str, damage: str) -> None:
    spoil = damaged(encoded(picture(7, (40, 30)), kind))[damage]
    path = tmp_path / "x.jpg"
    for _ in range(60):
        content = spoil()
        path.write_bytes(content)
        try:
            decode_bytes(content, 8, "x")
            decodes = True
        except DataError:
            decodes = False
        assert (examine(StoredFile(path, "", len(content), None)).problem is None) == decodes


SPOILERS: dict[str, Callable[[Path, str], object]] = {
    "cut": lambda folder, id_: (folder / f"images/{id_}.jpg").write_bytes(JPEG[:200]),
    "empty": lambda folder, id_: (folder / f"images/{id_}.jpg").write_bytes(b""),
    "missing": lambda folder, id_: (folder / f"images/{id_}.jpg").unlink(),
    "link": lambda folder, id_: relink(folder / f"images/{id_}.jpg"),
    "web page": lambda folder, id_: (folder / f"images/{id_}.jpg").write_bytes(b"<html>"),
    "blank": lambda folder, id_: (folder / f"images/{id_}.jpg").write_bytes(encoded(Image.new("RGB", (20, 15)))),
    "version": lambda folder, id_: write_files(folder, {f"other/{id_}.jpg": JPEG}),
    "mask version": lambda folder, id_: write_files(folder, {f"other/{id_}_segmentation.png": mask(marked=254)}),
    "class": lambda folder, id_: write_files(folder, {f"mel/{id_}.jpg": JPEGS[IDS[1]]}),
    "cut mask": lambda folder, id_: (folder / f"masks/{id_}_segmentation.png").write_bytes(mask()[:50]),
    "wide mask": lambda folder, id_: (folder / f"masks/{id_}_segmentation.png").write_bytes(mask(size=(90, 9))),
    "dx": lambda folder, id_: respell(folder, id_, "histo", "histo", ",nv,", ",what,"),
    "age": lambda folder, id_: respell(folder, id_, ",45.0,", ",-1,"),
    "remark": lambda folder, id_: (folder / f"masks/{id_}_segmentation.png").write_bytes(mask(marked=3)),
}


def relink(path: Path) -> None:
    path.unlink()
    path.symlink_to("/absent/" + path.name)


def respell(folder: Path, id_: str, *changes: str) -> None:
    path = folder / "HAM10000_metadata.csv"
    lines = path.read_text().splitlines()
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        lines = [line.replace(old, new) if id_ in line else line for line in lines]
    path.write_text("\n".join(lines) + "\n")


MANY = [f"ISIC_{n:07d}" for n in range(8)]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(MANY[1:]), st.sampled_from(sorted(SPOILERS)), max_size=6))
def test_what_the_check_lets_pass_is_benched_and_what_it_lists_is_all_that_stands_in_the_way(
    tmp_path_factory: pytest.TempPathFactory, faults: dict[str, str]
) -> None:
    rows = [f"HAM_{n},{id_},nv,histo,45.0,male,back,x" for n, id_ in enumerate(MANY)]
    folder = ham_folder(tmp_path_factory.mktemp("spoiled"), metadata(rows), dict.fromkeys(MANY, JPEGS[IDS[1]]))
    write_files(folder, {f"masks/{id_}_segmentation.png": mask() for id_ in MANY})
    for id_, fault in faults.items():
        SPOILERS[fault](folder, id_)
    result = checked(folder)
    listed = quarantine.collect(result.findings)
    assert listed.keys() == {id_ for id_, fault in faults.items() if fault != "remark"}
    table = quarantine.load_without(recognise.load, folder, listed)
    assert set(table.frame["image_id"]) == set(MANY) - listed.keys()
    everything = range(len(table))
    assert len(table.images.pixels(everything, 8)) == len(table)
    assert table.images.masks(everything, 8) is not None
    assert not check(folder, lambda path, left_out: table).errors or listed


@pytest.mark.parametrize("module", [corrupt_images, header_bomb, identifiers, rows_benchmark])
def test_promises_hold(module: object) -> None:
    for outcome in module.measure():  # type: ignore[attr-defined]
        assert outcome.passed, outcome


def test_real_data_has_two_masks_that_mark_everything(real_folder: Path) -> None:
    result = checked(real_folder)
    assert result.errors == ()
    assert result.images == result.masks == Decoded(10_015, whole=10_015)
    assert [(one.code, one.severity, Path(one.where).stem) for one in result.findings] == [
        ("full-mask", "remark", "ISIC_0026042_segmentation"),
        ("full-mask", "remark", "ISIC_0029819_segmentation"),
    ]


def test_what_a_table_of_ones_own_names_wrongly_can_be_left_out(tmp_path: Path) -> None:
    """Each kind of fault hides the next from the loader: all are found, in one run, with the images they are of."""
    rows = ["a,wart,40,p1,male", "b,mole,old,p2,", "c,mole,40,p1,female", "d,,40,p3,", "e,mole,40,p4,", "f,wart,1,p5,"]
    images = {f"{id_}.jpg": encoded(picture(seed)) for seed, id_ in enumerate("abcdf")}
    images["f.jpg"] = images["f.jpg"][:60]
    folder = write_files(tmp_path, {**images, "t.csv": "\n".join(["file,what,years,who,sex", *rows]).encode()})
    columns = own_table.parse_columns(["image=file", "label=what", "age=years", "patient=who", "sex=sex"])

    def load(path: Path, quarantined: frozenset[str]) -> LesionTable:
        return quarantine.load_leaving_out(partial(own_table.load, columns=columns), path, quarantined)

    found = check(folder, load)
    assert {(one.code, one.image_ids) for one in found.errors} == {
        ("refused", ("d",)),  # no label
        ("unusable-age", ("b",)),  # no age
        ("contradictory-sex", ("a", "c")),  # a patient of two sexes
        ("refused", ("e",)),  # no image
        ("truncated", ("f",)),
    }
    assert set(quarantine.collect(found.findings)) == set("abcdef")


def test_images_that_are_all_missing_are_one_error(tmp_path: Path) -> None:
    files = {"mine.csv": b"image,label\n1,wart\n2,mole\n", "other.jpg": JPEGS[IDS[0]]}
    columns = own_table.parse_columns(["image=image", "label=label"])
    found = check(write_files(tmp_path, files), lambda path, out: own_table.load(path, columns, quarantined=out))
    (error,) = found.errors
    assert "2 images named in" in error.what
    assert error.image_ids == ("1", "2")
