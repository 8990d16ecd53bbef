from __future__ import annotations

import base64
import csv
import dataclasses
import io
import json
import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from skineval.base.svg import LETTERS, shortened
from skineval.data.groups import read_pairs
from skineval.data.quality.audit import Audit, DoubledImage, JoinedPair, LesionLevel, Pair, Settings
from skineval.data.quality.crossings import Crossing, Parting
from skineval.data.quality.duplicates import Copies
from skineval.data.quality.leakage import ALL, MINORITY, Leak
from skineval.data.synthetic import synthetic
from skineval.grid.audit import Audited, Subject
from skineval.report.audit import audit as report
from skineval.report.audit import audit_files, contact_sheet
from skineval.report.audit.audit_pairs import NARROW_SHEET, SHEET
from skineval.report.document.console import render
from tests.data.folders import made_table

SVG = "{http://www.w3.org/2000/svg}"
EVIL = "ISIC_[/]<img src=x onerror=alert(1)>"


def crossings(by_lesion: int) -> tuple[Crossing, ...]:
    return tuple(
        Crossing(fold, part, label, 20, by_lesion, by_lesion, 0)
        for fold in (0, 1)
        for part in ("validation", "test")
        for label in (ALL, "mel", "nv")
    )


def parting(by_lesion: int, **changes: object) -> Parting:
    made = Parting("the split of x", "lesion", 2, "f" * 64, by_lesion, by_lesion, crossings(by_lesion))
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def pair(number: int, image_a: str = "SYN_0000001", image_b: str = "SYN_0000002") -> Pair:
    distance = 0.01 * number
    return Pair(image_a, image_b, "LES_1", "LES_2", "mel", "nv", distance, 0.5 - distance, "mirror, zoom 0.85", None)


@pytest.fixture
def found() -> Audit:
    leak = Leak(ALL, 150, 30, 0.4, 0.39, 0.02, 0.41)
    rare = Leak("vasc", 2, 0, *[math.nan] * 4)
    return Audit(
        data="made",
        fingerprint="d" * 64,
        synthetic=False,
        lesions_known=True,
        notes=("a note.",),
        images=150,
        lesions=109,
        lesion_ids=110,
        settings=Settings(),
        siblings_by_lesion_id=(dataclasses.replace(leak, expected=0.3), rare),
        siblings_by_lesion=(leak, rare),
        oversampled=(leak, dataclasses.replace(leak, label=MINORITY), dataclasses.replace(leak, label="nv")),
        lesion_level=LesionLevel(parting(0)),
        actual=None,
        doubled=(DoubledImage(Copies((0, 1), ("A", "B"), ("L", "L"), ("L", "L"), ("nv", "nv"), "bytes"), None),),
        candidates=tuple(pair(number) for number in range(40)),
        joined=(JoinedPair(pair(1), 2, 0.0), JoinedPair(pair(2), 500, 0.25)),
    )


def shown(found: Audit, **keys: object) -> str:
    return "".join(render(table, "table", width=150) for table in report.tables(found, report.stamps_of(found), **keys))


def test_the_console_shows_every_experiment_with_its_stamp(found: Audit) -> None:
    tables = report.tables(found)
    titles = [table.title for table in tables]
    assert [("LEAKY" in title) for title in titles] == [False, True, True, False, False, False, False]
    text = shown(found)
    for words in ("40.0 % expected, 41.0 % in one split", "30.00 %", "minority classes", "0 of 40", "20 further pairs"):
        assert words in text
    assert "1 of 2 stand among the first 100, the median rank is 251" in text
    assert "inside one lesion" in text


def test_a_leaking_split_is_stamped_and_the_others_are_not(found: Audit) -> None:
    leaking = dataclasses.replace(found, actual=parting(7, recorded="0" * 64))
    stamps = report.stamps_of(leaking, ("SYNTHETIC",))
    assert stamps == ("SYNTHETIC", "LEAKY")
    titles = {table.title.partition(" [")[0]: table.title for table in report.tables(leaking, stamps)}
    by_class = next(title for name, title in titles.items() if name.startswith("By class"))
    assert "LEAKY" in by_class
    assert "summed over 2 folds" in by_class
    assert "LEAKY" not in titles["Whole lesions dealt out, seed 0"]
    assert "SYNTHETIC" in titles["Whole lesions dealt out, seed 0"]
    text = shown(leaking)
    assert "14 of 40" in text
    page = report.report(leaking, stamps)
    words = " ".join(block.words for block in page.sections[0].blocks if hasattr(block, "words"))
    assert "LEAKY: in the split of x, 14 of 40 test images (35.0 %)" in words
    assert "It claims to keep lesions together, and 7 lesions are parted." in words
    assert "it was changed" in words


def test_of_many_classes_the_most_frequent_and_the_rarest_are_shown_beside_all_of_them(found: Audit) -> None:
    leak = found.oversampled[0]
    rows = [dataclasses.replace(leak, label=f"class-{k:02d}", n_images=100 - k) for k in range(30)]
    minority = dataclasses.replace(leak, label=MINORITY, n_images=900)
    many = dataclasses.replace(found, oversampled=(leak, minority, *rows), siblings_by_lesion=(leak, *rows))
    many = dataclasses.replace(many, siblings_by_lesion_id=many.siblings_by_lesion)
    tables = {table.title.partition(":")[0]: table for table in report.tables(many)}
    first, last = [f"class-{k:02d}" for k in range(6)], [f"class-{k:02d}" for k in (29, 28, 27, 26, 25)]
    copied = tables["Test rows of which a copy is in train"]
    assert [row.cells[0] for row in copied.rows] == [ALL, MINORITY, *first, *last]
    assert copied.whole is not None
    assert len(copied.whole.rows) == 32
    siblings = tables["Test images with an image of their lesion in train"]
    assert [row.cells[0] for row in siblings.rows] == [ALL, *first, *last]
    # However many images the minority classes have together, each is brought to the size of the largest class.
    assert "until it has 100 rows" in " ".join(copied.footnotes)


def test_json_is_one_document_with_null_for_what_is_undefined(found: Audit) -> None:
    document = json.loads(audit_files.as_json(dataclasses.replace(found, actual=parting(1)), ("LEAKY",)))
    assert document["stamps"] == ["LEAKY"]
    assert document["siblings_by_lesion"][0]["expected"] == 0.4
    assert document["siblings_by_lesion"][1]["expected"] is None
    assert document["actual"]["leaky"] is True
    assert len(document["actual"]["contradictions"]) == 1
    assert document["lesion_level"]["parting"]["leaky"] is False
    assert document["doubled"][0]["where"] == "inside one lesion"
    assert document["candidates"][3]["image_a"] == "SYN_0000001"
    json.loads(audit_files.as_json(dataclasses.replace(found, lesion_level=LesionLevel(None, "too few"))))


def test_pairs_are_what_groups_takes(found: Audit, tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text(audit_files.pairs_csv(found.candidates))
    assert read_pairs(file) == (("SYN_0000001", "SYN_0000002"),) * 40
    header, *rows = csv.reader(io.StringIO(file.read_text()))
    assert header[:8] == ["image_a", "image_b", "lesion_a", "lesion_b", "dx_a", "dx_b", "distance", "contrast"]
    assert len(rows) == 40
    assert audit_files.pairs_csv(()).startswith("image_a,image_b,")


def test_what_is_known_of_some_lesions_only_is_at_least_so_much(found: Audit) -> None:
    unknown = dataclasses.replace(
        found,
        lesions_known=False,
        lesions=None,
        lesion_ids=None,
        actual=parting(7, lesions_known=False),
        lesion_level=LesionLevel(None, "Which images show one lesion is not known of all of them."),
        doubled=(),
        candidates=(),
        joined=(),
    )
    text = shown(unknown)
    assert "at least 40.0 % expected" in text
    assert "at least 14 of 40" in text
    assert "not known of all of them: what is counted of lesions may be more" in " ".join(text.split())
    assert "not made" in text
    page = report.report(unknown)
    blocks = [block for section in page.sections for block in section.blocks]
    words = " ".join(getattr(block, "words", "") for block in blocks)
    assert "at least 40.0 %" in words
    assert "No two images have the same content." in words
    assert "Similar images" not in [section.title for section in page.sections]


def test_where_no_lesion_is_known_nothing_is_counted_of_lesions(found: Audit) -> None:
    silent = tuple(dataclasses.replace(one, by_lesion=None, by_lesion_id=None) for one in crossings(0))
    unknown = dataclasses.replace(
        found,
        lesions_known=False,
        lesions=None,
        lesion_ids=None,
        siblings_by_lesion=(),
        siblings_by_lesion_id=(),
        lesion_level=LesionLevel(None, "Which images show one lesion is not known."),
        joined=(),
        actual=parting(0, lesions_known=False, parted_lesions=None, parted_lesion_ids=None, crossings=silent),
    )
    facts = dict(row.cells for row in report.tables(unknown)[0].rows)
    assert facts["lesions"] == "not known"
    siblings = [value for what, value in facts.items() if "sibling in train" in str(what)]
    assert siblings == ["not known", "not known", "not made"]
    page = report.report(unknown)
    assert "Image-level split" not in [section.title for section in page.sections]
    words = " ".join(getattr(block, "words", "") for section in page.sections for block in section.blocks)
    assert "Whether a lesion has images in more than one part of the split of x is not known." in words
    assert "different lesions" not in words + shown(unknown)
    document = json.loads(audit_files.as_json(unknown))
    assert document["lesions"] is document["actual"]["leaky"] is document["actual"]["parted_lesions"] is None
    assert document["siblings_by_lesion"] == []


def test_every_file_is_written_and_complete(found: Audit, tmp_path: Path) -> None:
    table = synthetic.load(images=70)
    files = audit_files.write(found, table, tmp_path / "audit", ("SYNTHETIC",))
    names = {file.relative_to(tmp_path / "audit").as_posix() for file in files}
    assert names == {"audit.json", "audit.md", "audit.html", "pairs.csv", SHEET, NARROW_SHEET}
    assert all(file.stat().st_size for file in files)
    page = (tmp_path / "audit" / "audit.html").read_text()
    assert page.count("data:image/svg+xml,") == 2
    assert "SYNTHETIC" in page
    markdown = (tmp_path / "audit" / "audit.md").read_text()
    assert "(figures/near-duplicates.svg)" in markdown
    assert markdown.count("mirror, zoom 0.85") == 42  # candidates and joined pairs
    assert "a note." in markdown
    assert "a note.." not in markdown
    again = audit_files.write(dataclasses.replace(found, candidates=()), table, tmp_path / "none")
    assert len(again) == 4


def test_names_are_shown_literally(found: Audit) -> None:
    evil = dataclasses.replace(found, candidates=(pair(1, EVIL, EVIL),), joined=(), data=EVIL)
    assert EVIL in " ".join(shown(evil).split())
    from skineval.report.document import html, markdown, notebook

    assert "<img src=x" not in markdown.document(report.report(evil))
    assert "<img src=x" not in html.document(report.report(evil), lambda file: b"")
    audited = Audited(Subject(made_table([("nv", 1)]), stamps=("LEAKY",)), evil)
    in_notebook = notebook.shown(report.ShownAudit, audited)._repr_html_()
    assert "<img src=x" not in in_notebook
    assert "ISIC_[/]&lt;img src=x" in in_notebook
    assert "LEAKY: siblings" in in_notebook


@pytest.mark.parametrize("columns", [3, 1])
def test_the_sheet_shows_both_images_and_no_label_leaves_its_place(columns: int) -> None:
    red, blue = (np.full((9, 9, 3), colour, np.uint8) for colour in ((200, 0, 0), (0, 0, 200)))
    one = contact_sheet.Pictured((red, blue), ("A nv", "ISIC_" + "x" * 100), "contrast 0.300 " + "x" * 100)
    sheet = ElementTree.fromstring(contact_sheet.contact_sheet(EVIL, [one] * 4, columns))
    assert float(sheet.get("width", 0)) == columns * contact_sheet.WIDTH
    assert float(sheet.get("height", 0)) == -(-4 // columns) * contact_sheet.HEIGHT
    assert sheet.findtext(f"{SVG}title") == EVIL
    pictures = list(sheet.iter(f"{SVG}image"))
    colours = [
        Image.open(io.BytesIO(base64.b64decode(picture.get("href", "").split(",")[1]))).getpixel((4, 4))
        for picture in pictures
    ]
    assert [colour.index(max(colour)) for colour in colours] == [0, 2] * 4
    assert float(pictures[2].get("x", 0)) == contact_sheet.MARGIN + (columns > 1) * contact_sheet.WIDTH
    labels = [label.text or "" for label in sheet.iter(f"{SVG}text")]
    assert labels[0] == "A nv"
    assert labels[2].startswith("1.  contrast 0.300")
    # Letters of a wide font are half as wide as they are high, on average.
    assert all(0.5 * LETTERS * len(label) <= contact_sheet.SIDE for label in labels[1::3])
    assert all(0.5 * LETTERS * len(label) <= 2 * contact_sheet.SIDE + contact_sheet.GAP for label in labels[2::3])


@pytest.mark.parametrize("text", ["", "a", "abc", "a rather long name", "x" * 300])
def test_names_are_shortened_in_their_middle(text: str) -> None:
    shown = shortened(text, 12)
    assert len(shown) <= 12
    assert shown == text or (len(text) > 12 and shown[0] == text[0] and shown[-1] == text[-1] and "…" in shown)
