"""`skineval data check` as a user meets it: what is printed where, exit codes, and the files that it writes."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from skineval.data.quality.check import Checked, Decoded
from skineval.report.document.console import render
from skineval.report.findings import all_findings, findings_table
from tests.conftest import Skineval
from tests.data.folders import IDS, JPEGS, encoded, ham_folder, metadata, picture, write_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of which the first image is cut and the second one is a PNG file."""
    name = "images/{}.jpg".format
    spoiled = {name(IDS[0]): JPEGS[IDS[0]][:-60], name(IDS[1]): encoded(picture(1), "PNG")}
    return write_files(ham_folder(tmp_path / "data"), spoiled)


def test_findings_are_printed_and_the_exit_code_is_3(skineval_program: Skineval, folder: Path) -> None:
    done = skineval_program("data", "check", "data")
    assert done.returncode == 3
    assert "Check of data: 1 error and 3 remarks" in done.stdout
    assert f"images/{IDS[0]}.jpg" in done.stdout
    assert "3 of 4 images and 0 masks decoded in full." in done.stdout
    assert "truncated: Download or copy it again." in done.stdout
    assert done.stderr == ""


def test_remarks_alone_end_with_0(skineval_program: Skineval, folder: Path) -> None:
    (folder / "images" / f"{IDS[0]}.jpg").write_bytes(JPEGS[IDS[0]])
    done = skineval_program("data", "check", "data")
    assert done.returncode == 0
    assert "Check of data: 3 remarks" in done.stdout


@pytest.mark.parametrize("format", ["table", "markdown"])
def test_one_line_says_that_nothing_was_found_and_of_how_many_images(format: Literal["table", "markdown"]) -> None:
    sound = Checked((), Decoded(74, 74), Decoded(0, 0), {})
    line = "Check of data: nothing to report; 74 images and 0 masks decoded in full."
    assert render(findings_table(sound, "data"), format).strip(" *\n") == line
    assert render(all_findings(sound, "data"), "csv") == "severity,code,where,what,hint,image_ids\n"


def test_programs_get_every_finding_with_what_to_do(skineval_program: Skineval, folder: Path) -> None:
    rows = json.loads(skineval_program("data", "check", "data", "--format=json").stdout)["rows"]
    assert rows[0] == {
        "severity": "error",
        "code": "truncated",
        "where": f"images/{IDS[0]}.jpg",
        "what": rows[0]["what"],
        "hint": "Download or copy it again.",
        "image_ids": [IDS[0]],
    }
    lines = list(csv.DictReader(io.StringIO(skineval_program("data", "check", "data", "--format=csv").stdout)))
    assert [line["code"] for line in lines] == [row["code"] for row in rows]


def test_people_get_a_few_findings_of_each_kind(skineval_program: Skineval, tmp_path: Path) -> None:
    rows = [f"HAM_{n},ISIC_{n:03d},nv,histo,1,male,back,x" for n in range(100)]
    ham_folder(tmp_path / "data", metadata(rows), {})
    done = skineval_program("data", "check", "data")
    assert done.stdout.count("there is no image") == 20
    assert "And 80 more of missing-image: --format csv shows all." in done.stdout
    assert skineval_program("data", "check", "data", "--format=csv").stdout.count("there is no image") == 100


def test_the_quarantine_list_names_images_with_errors(skineval_program: Skineval, folder: Path, tmp_path: Path) -> None:
    done = skineval_program("data", "check", "data", "--quarantine=out/q.csv")
    assert done.returncode == 3
    assert (tmp_path / "out" / "q.csv").read_text() == f"image_id,reason\n{IDS[0]},truncated\n"
    assert "Quarantine: 1 image in out/q.csv" in done.stderr
    assert "no list helps" not in done.stderr
    write_files(folder, {"HAM10000_metadata.csv": metadata(["a b,c d,nv,histo,1,male,back,x"]).encode()})
    done = skineval_program("data", "check", "data", "--quarantine=out/q.csv", "--force")
    assert "No list of images helps with 3 errors, which to mend is told above, and none is written." in done.stderr


def test_a_manifest_is_written_and_notices_what_decoders_do_not(skineval_program: Skineval, tmp_path: Path) -> None:
    folder = ham_folder(tmp_path / "data")
    image = folder / "images" / f"{IDS[2]}.jpg"
    done = skineval_program("data", "check", "data", "--write-manifest=data/SHA256SUMS")
    assert done.returncode == 0
    assert "Manifest: 5 checksums in data/SHA256SUMS" in done.stderr
    assert skineval_program("data", "check", "data", "--manifest=data/SHA256SUMS").returncode == 0
    if shutil.which("sha256sum"):
        assert subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder).returncode == 0
    content = bytearray(image.read_bytes())
    content[-40] ^= 1
    image.write_bytes(content)
    assert skineval_program("data", "check", "data").returncode == 0
    done = skineval_program("data", "check", "data", "--manifest=data/SHA256SUMS", "--format=csv")
    assert done.returncode == 3
    assert f"error,manifest-changed,images/{IDS[2]}.jpg," in done.stdout
    # A second manifest would hide the change.
    promised = (folder / "SHA256SUMS").read_text()
    done = skineval_program("data", "check", "data", "--write-manifest=data/SHA256SUMS")
    assert done.returncode == 2
    assert (folder / "SHA256SUMS").read_text() == promised


def test_quiet_says_nothing_but_results(skineval_program: Skineval, folder: Path) -> None:
    done = skineval_program("data", "check", "data", "-q", "--quarantine=q.csv", "--write-manifest=sums")
    assert done.stderr == ""
    assert "truncated" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere"], 3, "There is no folder or file nowhere."),
        (["data", "--manifest=absent"], 3, "absent cannot be read"),
        (["data", "--manifest=data/HAM10000_metadata.csv"], 3, "line 1 is not a checksum and a name"),
        (["data", "--quarantine=data/HAM10000_metadata.csv/q.csv"], 1, "Cannot write"),
        (["data", "--task=lesion"], 2, "There is no task 'lesion'."),
        ([], 2, "PATH"),
    ],
)
def test_errors_say_what_is_wrong(
    skineval_program: Skineval, folder: Path, arguments: list[str], code: int, words: str
) -> None:
    done = skineval_program("data", "check", *arguments)
    assert done.returncode == code
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_hostile_names_are_printed_as_they_are(skineval_program: Skineval, tmp_path: Path) -> None:
    names = ["[link=evil]x[bold].jpg", "=cmd().jpg", "\x1b[2J.jpg", "\udcff.jpg", "a\nb.jpg"]
    folder = ham_folder(tmp_path / "data")
    for name in names:
        (folder / name).write_bytes(b"")
    for format in ("table", "csv", "json", "markdown"):
        done = skineval_program("data", "check", "data", f"--format={format}")
        assert done.returncode == 3
        assert "\x1b" not in done.stdout
        assert done.stdout.count("empty") >= len(names)
    assert "[link=evil]x[bold].jpg" in skineval_program("data", "check", "data").stdout
    assert ",=cmd" not in skineval_program("data", "check", "data", "--format=csv").stdout
    done = skineval_program("data", "check", "data", "--write-manifest=sums")
    assert "Manifest: 10 checksums" in done.stderr
    assert skineval_program("data", "check", "data", "--manifest=sums", "-q").stdout.count("manifest-") == 0


def test_help_has_an_example_and_loads_nothing_heavy() -> None:
    program = """
import sys
sys.argv = ["skineval", "data", "check", "--help"]
from skineval.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print([name for name in ("torch", "numpy", "pandas", "PIL", "pydantic") if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "Example: skineval data check DIR" in done.stdout


def test_several_data_sets_are_checked_with_one_list_of_all(skineval_program: Skineval, folder: Path) -> None:
    other = ham_folder(folder.parent / "other", images={id_: JPEGS[id_] for id_ in IDS[1:]})
    done = skineval_program("data", "check", f"data,{other}", "--quarantine=q.csv", "--format=json")
    assert done.returncode == 3
    found = {row["where"]: row["code"] for row in json.loads(done.stdout)["rows"]}
    assert found[f"data: images/{IDS[0]}.jpg"] == "truncated"
    assert found["other: HAM10000_metadata.csv, row 2"] == "missing-image"
    assert "Quarantine: 1 image" in done.stderr
    assert (folder.parent / "q.csv").read_text() == f"image_id,reason\n{IDS[0]},missing-image; truncated\n"
    refused = skineval_program("data", "check", f"data,{other}", "--write-manifest=sums")
    assert refused.returncode == 2
    assert "Check them one at a time" in refused.stderr


def test_pictures_with_two_labels_in_several_data_sets_are_found_and_listed(
    skineval_program: Skineval, tmp_path: Path
) -> None:
    for name in ("one", "other"):
        ham_folder(tmp_path / name)
    file = tmp_path / "other" / "HAM10000_metadata.csv"
    file.write_text(file.read_text().replace(f"{IDS[3]},bkl", f"{IDS[3]},df"))
    done = skineval_program("data", "check", "one,other", "--quarantine=q.csv", "--format=csv")
    assert done.returncode == 3
    assert f"one + other,1 picture has two labels: {IDS[3]} is bkl in one and {IDS[3]} is df in other" in done.stdout
    assert (tmp_path / "q.csv").read_text() == f"image_id,reason\n{IDS[3]},several-labels\n"
    assert skineval_program("data", "info", "one,other", "--quarantine=q.csv").returncode == 0
    assert skineval_program("data", "check", "one,other", "--task=malignant").returncode == 0


def test_no_list_is_written_where_none_helps(skineval_program: Skineval, tmp_path: Path) -> None:
    write_files(tmp_path / "photos", {"a.jpg": JPEGS[IDS[0]]})
    done = skineval_program("data", "check", "photos", "--quarantine=q.csv")
    assert done.returncode == 3
    assert "No list of images helps with 1 error, which to mend is told above, and none is written." in done.stderr
    assert not (tmp_path / "q.csv").exists()
