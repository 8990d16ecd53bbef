from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from skineval.base.errors import DataError, UsageError
from skineval.data.fetch.download import DownloadError
from skineval.data.fetch.repositories import COLLECTIONS, Entry, find_collection, match, resolve
from skineval.data.fetch.transport import Patience
from skineval.data.fetch.verification import Checksum
from tests.data.fetch import fault_server as faults
from tests.data.fetch.fault_server import FaultServer, md5

HASTY = Patience(connect=2, silence=0.5, answer=1, attempts=3, first_wait=0.001, longest_wait=0.01)
LIST = "/api/datasets/:persistentId/"
ZIPS = {"HAM10000_images_part_1.zip": b"PK one", "HAM10000_images_part_2.zip": b"PK two", "README.zip": b"PK"}
TABLES = {"HAM10000_metadata.tab": b"image_id,dx\nISIC_0024306,nv\n"}


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with faults.running() as running:
        yield running


def test_every_name_that_is_promised_is_there() -> None:
    assert list(COLLECTIONS) == [
        "ham10000",
        "ham10000-masks",
        "isic2018-test",
        "dermamnist",
        "dermamnist-64",
        "dermamnist-128",
        "dermamnist-224",
    ]


@pytest.mark.parametrize("collection", COLLECTIONS.values(), ids=COLLECTIONS)
def test_whose_it_is_and_under_which_terms_is_known(collection) -> None:
    assert "CC BY-NC 4.0" in collection.licence
    assert "not for commercial use" in collection.licence
    assert "HAM10000" in collection.citation
    assert collection.page.startswith("https://")
    assert all(len(item.md5) == 32 and set(item.md5) <= set("0123456789abcdef") for item in collection.items)


def test_sizes_are_those_of_the_published_files() -> None:
    sizes = [item.size for item in COLLECTIONS["ham10000"].items if item.kind == "zip"]
    assert sum(size for size in sizes if size) == 2_770_088_655


def test_checksum_of_the_metadata_is_that_of_the_real_file(real_folder) -> None:
    (item,) = [item for item in COLLECTIONS["ham10000"].items if item.kind == "table"]
    content = (real_folder / item.name).read_bytes()
    assert (md5(content), len(content)) == (item.md5, item.size)
    assert content.count(b"\n") >= item.rows


def test_unknown_names_are_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="'ham1000'") as caught:
        find_collection("ham1000")
    assert "isic2018-test" in caught.value.hint


def test_dataverse_files_are_found_by_name(server: FaultServer) -> None:
    faults.dataverse(server, ZIPS, TABLES)
    resolved = resolve(COLLECTIONS["ham10000"], server.address, patience=HASTY)
    one, two, table = resolved.files
    assert (one.name, two.name, table.name) == (
        "HAM10000_images_part_1.zip",
        "HAM10000_images_part_2.zip",
        "HAM10000_metadata.csv",
    )
    assert one.url == f"{server.address}/api/access/datafile/100"
    assert one.promise.size == 6
    assert one.promise.checksums == (Checksum("md5", md5(b"PK one")),)
    # The original, of which neither the size that is listed nor for sure the checksum is.
    assert table.url == f"{server.address}/api/access/datafile/103?format=original"
    assert table.promise.size is None
    assert Checksum("md5", COLLECTIONS["ham10000"].items[2].md5) in table.promise.checksums
    assert len(table.promise.checksums) == 2
    assert server.seen[0].query == "persistentId=doi:10.7910/DVN/DBW86T"


def test_another_version_is_noted(server: FaultServer) -> None:
    faults.dataverse(server, ZIPS, TABLES)
    notes = resolve(COLLECTIONS["ham10000"], server.address, patience=HASTY).notes
    assert [note.split()[0] for note in notes] == ["HAM10000_images_part_1.zip", "HAM10000_images_part_2.zip"]
    assert all("not the version that skineval knows" in note for note in notes)


def entries(**changes: object) -> list[Entry]:
    known = [
        Entry(item.name, f"https://d/{item.id}", item.size, Checksum("md5", item.md5), item.id)
        for item in COLLECTIONS["ham10000"].items
    ]
    return [replace(known[0], **changes), *known[1:]]  # type: ignore[arg-type]


def test_the_known_version_needs_no_note() -> None:
    assert match(COLLECTIONS["ham10000"], entries()).notes == ()


def test_a_file_that_was_renamed_is_found_by_its_id() -> None:
    resolved = match(COLLECTIONS["ham10000"], entries(name="images-1.zip"))
    assert resolved.files[0].url == "https://d/3172585"
    assert resolved.files[0].name == "HAM10000_images_part_1.zip"


def test_a_file_with_a_new_id_is_found_by_its_name() -> None:
    assert match(COLLECTIONS["ham10000"], entries(url="https://d/7", id=7)).files[0].url == "https://d/7"


@pytest.mark.parametrize("name", ["HAM10000_metadata", "HAM10000_metadata.tab", "ham10000_metadata.csv"])
def test_a_table_is_found_whatever_became_of_its_suffix(name: str) -> None:
    (*images, table) = entries()
    assert match(COLLECTIONS["ham10000"], [*images, replace(table, name=name, id=1)]).files[2].url == table.url


def test_a_file_that_is_gone_is_an_error() -> None:
    with pytest.raises(DataError, match=r"lists no file HAM10000_images_part_1.zip \(it has HAM10000_images_part_2"):
        match(COLLECTIONS["ham10000"], entries()[1:])


def test_without_a_checksum_in_the_list_the_known_one_counts() -> None:
    promise = match(COLLECTIONS["ham10000"], entries(checksum=None)).files[0].promise
    assert promise.checksums == (Checksum("md5", "4639bfa73ab251610530a97c898e6e46"),)


@pytest.mark.parametrize(
    ("listed", "checksum"),
    [
        ({"md5": "ABC"}, Checksum("md5", "abc")),
        ({"checksum": {"type": "SHA-256", "value": "abc"}}, Checksum("sha256", "abc")),
        ({"checksum": {"type": "SHA-1", "value": "abc"}, "md5": "d"}, Checksum("sha1", "abc")),
    ],
)
def test_checksums_of_every_kind_are_read(server: FaultServer, listed: dict[str, object], checksum: Checksum) -> None:
    names = [item.name for item in COLLECTIONS["ham10000-masks"].items]
    files = [{"dataFile": {"id": 5, "filename": name, "filesize": 9, **listed}} for name in names]
    server.host(LIST, json.dumps({"data": {"latestVersion": {"files": files}}}).encode())
    (file,) = resolve(COLLECTIONS["ham10000-masks"], server.address, patience=HASTY).files
    assert file.promise.checksums == (checksum,)


@pytest.mark.parametrize(
    "fault",
    [
        faults.status(403),
        faults.status(500),
        faults.web_page(),
        faults.status(202, x_amzn_waf_action="challenge"),
        faults.status(200, b"<html>", Content_Type="application/json"),
        faults.status(200, b"[]"),
        faults.status(200, b"{}"),
        faults.status(200, b'{"data": {"latestVersion": {"files": [{"dataFile": {"id": "x"}}]}}}'),
        faults.status(200, b'{"data": {"latestVersion": {"files": 7}}}'),
        faults.status(200, b"\xff\xfe"),
    ],
)
def test_without_a_list_the_known_ids_are_asked_for_and_a_note_says_so(
    server: FaultServer, fault: faults.Fault
) -> None:
    server.will(LIST, *[fault] * 3)
    resolved = resolve(COLLECTIONS["ham10000"], server.address + "/", patience=HASTY)
    assert [file.url.removeprefix(server.address) for file in resolved.files] == [
        "/api/access/datafile/3172585",
        "/api/access/datafile/3172584",
        "/api/access/datafile/4338392?format=original",
    ]
    assert resolved.files[0].promise.size == 1_366_522_108
    assert resolved.files[0].promise.checksums == (Checksum("md5", "4639bfa73ab251610530a97c898e6e46"),)
    assert "known version instead" in resolved.notes[0]


def test_without_a_server_nothing_else_is_tried() -> None:
    with faults.running() as gone:
        address = gone.address
    with pytest.raises(DownloadError, match="cannot be reached"):
        resolve(COLLECTIONS["ham10000"], address, patience=HASTY)


def test_zenodo_files_are_found_by_name(server: FaultServer) -> None:
    faults.zenodo(server, "10519652", {"dermamnist.npz": b"PK 28", "dermamnist_64.npz": b"PK 64"})
    (file,) = resolve(COLLECTIONS["dermamnist-64"], server.address, patience=HASTY).files
    assert file.name == "dermamnist_64.npz"
    assert file.url == f"{server.address}/api/records/10519652/files/dermamnist_64.npz/content"
    assert file.promise.checksums == (Checksum("md5", md5(b"PK 64")),)


def test_a_mirror_that_copied_the_list_is_asked_itself(server: FaultServer) -> None:
    link = "https://zenodo.org/api/records/10519652/files/dermamnist.npz/content"
    listed = [{"key": "dermamnist.npz", "size": 3, "checksum": "md5:abc", "links": {"self": link}}]
    server.host("/api/records/10519652", json.dumps({"files": listed}).encode())
    (file,) = resolve(COLLECTIONS["dermamnist"], server.address, patience=HASTY).files
    assert file.url == f"{server.address}/api/records/10519652/files/dermamnist.npz/content"


def test_zenodo_without_a_list_is_asked_by_name(server: FaultServer) -> None:
    (file,) = resolve(COLLECTIONS["dermamnist-224"], server.address, patience=HASTY).files
    assert file.url == f"{server.address}/api/records/10519652/files/dermamnist_224.npz/content"


@pytest.mark.parametrize("base", ["http://example.org", "ftp://example.org", "example.org", "https://a:b@example.org"])
def test_mirrors_that_may_not_be_asked_are_refused(base: str) -> None:
    with pytest.raises(UsageError, match="--base-url is"):
        resolve(COLLECTIONS["ham10000"], base)
