"""What can be fetched, and from where: data sets in Dataverse and Zenodo, found by name through their interfaces.

The interfaces: https://guides.dataverse.org/en/latest/api/native-api.html and dataaccess.html, and
https://developers.zenodo.org. Ids, sizes and checksums below are those of HAM10000 version 4.0 and of Zenodo record
10519652 (MedMNIST, January 2024), as published there; what a repository lists today counts before them.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

from skineval.base.errors import DataError, UsageError, first_few, hint_for
from skineval.data.fetch.download import DownloadError, RemoteFile, read_document
from skineval.data.fetch.transport import Patience, Refused, Stop, check_address
from skineval.data.fetch.verification import Checksum, Kind, Promise

_TABLE_SUFFIXES = (".csv", ".tab", ".tsv", "")
_ALGORITHMS = {"md5": "md5", "sha-1": "sha1", "sha-256": "sha256", "sha-512": "sha512"}


@dataclass(frozen=True)
class Item:
    """A file of a data set, as it was published when this was written."""

    name: str
    md5: str
    size: int | None = None  #: bytes
    id: int | None = None  #: of the datafile, in Dataverse
    rows: int = 0  #: of a table; 0 for what is none

    @property
    def kind(self) -> Kind:
        """What the file is."""
        return "table" if self.rows else "zip"

    @property
    def also(self) -> tuple[str, ...]:
        """Other names that a person's browser gives to the file."""
        stem = PurePath(self.name).stem
        return tuple(stem + suffix for suffix in _TABLE_SUFFIXES if stem + suffix != self.name) if self.rows else ()


@dataclass(frozen=True)
class Entry:
    """A file as its repository lists it."""

    name: str
    url: str
    size: int | None  #: bytes
    checksum: Checksum | None
    id: int | None = None


@dataclass(frozen=True)
class Repository:
    """A kind of repository: where its interface lists the files of a data set, and how to read that list."""

    name: str
    base: str  #: URL without a slash at its end
    listing: str  #: of the files of a data set: what follows the base, the identifier at its end
    entries: Callable[[Any, str, str], list[Entry]]  #: (document, base, identifier) -> files
    direct: Callable[[str, str, Item], str]  #: (base, identifier, item) -> URL of the file where there is no list


@dataclass(frozen=True)
class Collection:
    """Something that can be fetched by name."""

    name: str
    summary: str
    repository: Repository
    identifier: str  #: in its repository
    page: str  #: for people
    doi: str
    citation: str
    licence: str
    items: tuple[Item, ...]
    folder: str  #: name of the folder it is kept in by default


@dataclass(frozen=True)
class Resolved:
    """Where the files of a collection are, and what a person should know of how they were found."""

    files: tuple[RemoteFile, ...]
    notes: tuple[str, ...] = ()


def find_collection(name: str) -> Collection:
    """The collection of a name. Raises UsageError naming those there are."""
    if name not in COLLECTIONS:
        raise UsageError(f"There is no data set {name!r} to fetch.", hint_for(name, COLLECTIONS))
    return COLLECTIONS[name]


def resolve(
    collection: Collection, base: str | None = None, *, patience: Patience | None = None, stop: Stop | None = None
) -> Resolved:
    """Where the files of `collection` are, on its repository or a mirror of it at `base`.

    Where the repository's interface does not answer as it should, the addresses that were known when this was written
    are used, and a note says so. Raises UsageError for a `base` that may not be asked, DownloadError where the server
    cannot be reached at all, DataError where the list lacks a file.
    """
    repository = collection.repository
    address = _checked(base) if base else repository.base
    url = f"{address}{repository.listing}{collection.identifier}"
    try:
        document = json.loads(read_document(url, patience=patience, stop=stop))
        entries = repository.entries(document, address, collection.identifier)
    except DownloadError as error:
        if not error.answered:
            raise
        return _known(collection, address, error.message)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return _known(collection, address, f"{url} holds no list of files ({type(error).__name__}: {error}).")
    return match(collection, entries)


def _checked(base: str) -> str:
    try:
        check_address(base)
    except Refused as problem:
        raise UsageError(
            f"--base-url is {base}: {problem}.", "Give the https:// address of a mirror, without /api."
        ) from problem
    return base.rstrip("/")


def _known(collection: Collection, base: str, reason: str) -> Resolved:
    """The addresses that were known when this was written."""
    direct = collection.repository.direct
    entries = [
        Entry(item.name, direct(base, collection.identifier, item), item.size, None, item.id)
        for item in collection.items
    ]
    note = f"{reason.rstrip('.')}; asked for by the addresses of the known version instead"
    return Resolved(match(collection, entries).files, (note,))


def match(collection: Collection, entries: Sequence[Entry]) -> Resolved:
    """Each file of the collection in the repository's list, by name or else by id. Raises DataError."""
    files, notes = [], []
    for item in collection.items:
        entry = _find(item, entries)
        if entry is None:
            raise DataError(
                f"{collection.page} lists no file {item.name} (it has {first_few([entry.name for entry in entries])}).",
                "Look there what became of it, and place the files by hand.",
            )
        if entry.checksum is not None and item.kind == "zip" and entry.checksum != Checksum("md5", item.md5):
            notes.append(f"{item.name} is listed with {entry.checksum}: not the version that skineval knows")
        files.append(_remote(collection, item, entry))
    return Resolved(tuple(files), tuple(notes))


def _find(item: Item, entries: Sequence[Entry]) -> Entry | None:
    """By name, for tables without suffix: a repository that converts them changes it."""
    names = {name.lower() for name in (item.name, *item.also)}
    named = [entry for entry in entries if entry.name.lower() in names]
    numbered = [entry for entry in entries if item.id is not None and entry.id == item.id]
    return next(iter(named + numbered), None)


def _remote(collection: Collection, item: Item, entry: Entry) -> RemoteFile:
    known = Checksum("md5", item.md5)
    if item.kind == "table":
        # Size and checksum are those of one representation, which need not be the one that is sent.
        checksums = (known,) if entry.checksum in (None, known) else (known, entry.checksum)
        promise = Promise("table", None, checksums, item.rows)
    else:
        promise = Promise("zip", entry.size, (entry.checksum or known,))
    return RemoteFile(item.name, entry.url, promise, collection.page, item.also)


def _dataverse_entries(document: Any, base: str, identifier: str) -> list[Entry]:
    return [_datafile(file["dataFile"], base) for file in document["data"]["latestVersion"]["files"]]


def _datafile(file: Mapping[str, Any], base: str) -> Entry:
    checksum = file.get("checksum") or {"type": "MD5", "value": file.get("md5")}
    tabular = bool(file.get("tabularData") or file.get("originalFileFormat"))
    return Entry(
        name=str(file["filename"]),
        url=_datafile_url(base, int(file["id"]), tabular),
        size=_size(file.get("filesize")),
        checksum=_checksum(checksum["type"], checksum["value"]),
        id=int(file["id"]),
    )


def _datafile_url(base: str, id: int, tabular: bool) -> str:
    # Tables are converted on upload; the original is what the author meant, and what its checksum is usually of.
    return f"{base}/api/access/datafile/{id}{'?format=original' if tabular else ''}"


def _dataverse_direct(base: str, identifier: str, item: Item) -> str:
    assert item.id is not None
    return _datafile_url(base, item.id, tabular=item.kind == "table")


def _zenodo_entries(document: Any, base: str, identifier: str) -> list[Entry]:
    return [_record_file(file, base, identifier) for file in document["files"]]


def _record_file(file: Mapping[str, Any], base: str, identifier: str) -> Entry:
    name, link = str(file["key"]), str(file["links"]["self"])
    algorithm, _, value = str(file.get("checksum") or "").partition(":")
    return Entry(
        name=name,
        # A mirror may have copied the list word for word, links to the original included.
        url=link if link.startswith(f"{base}/") else _record_file_url(base, identifier, name),
        size=_size(file.get("size")),
        checksum=_checksum(algorithm, value),
    )


def _record_file_url(base: str, identifier: str, name: str) -> str:
    return f"{base}/api/records/{identifier}/files/{urllib.parse.quote(name)}/content"


def _zenodo_direct(base: str, identifier: str, item: Item) -> str:
    return _record_file_url(base, identifier, item.name)


def _size(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _checksum(algorithm: object, value: object) -> Checksum | None:
    """None where there is none, or one that nobody here can compute."""
    known = _ALGORITHMS.get(str(algorithm).lower())
    return Checksum(known, str(value).lower()) if known and value else None


DATAVERSE = Repository(
    "Harvard Dataverse",
    "https://dataverse.harvard.edu",
    "/api/datasets/:persistentId/?persistentId=",
    _dataverse_entries,
    _dataverse_direct,
)
ZENODO = Repository("Zenodo", "https://zenodo.org", "/api/records/", _zenodo_entries, _zenodo_direct)

_LICENCE = "CC BY-NC 4.0 (https://creativecommons.org/licenses/by-nc/4.0/): not for commercial use"
_HAM10000 = (
    "Tschandl, Rosendahl, Kittler: The HAM10000 dataset, a large collection of multi-source dermatoscopic images of "
    "common pigmented skin lesions. Scientific Data 5:180161 (2018), doi:10.1038/sdata.2018.161"
)
_MASKS = (
    "Tschandl et al.: Human-computer collaboration for skin cancer recognition. Nature Medicine 26 (2020), "
    "doi:10.1038/s41591-020-0942-0"
)
_CHALLENGE = (
    "Codella et al.: Skin Lesion Analysis Toward Melanoma Detection 2018: A Challenge Hosted by the International Skin "
    "Imaging Collaboration (ISIC). arXiv:1902.03368 (2019)"
)
_MEDMNIST = (
    "Yang et al.: MedMNIST v2, a large-scale lightweight benchmark for 2D and 3D biomedical image classification. "
    "Scientific Data 10:41 (2023), doi:10.1038/s41597-022-01721-8"
)


def _in_dataverse(name: str, summary: str, citation: str, folder: str, *items: Item) -> Collection:
    doi = "10.7910/DVN/DBW86T"
    page = f"https://doi.org/{doi}"
    return Collection(
        name, summary, DATAVERSE, f"doi:{doi}", page, doi, citation, _LICENCE, tuple(items), folder=folder
    )


def _in_zenodo(pixels: int, md5: str) -> Collection:
    record, name = "10519652", "dermamnist" if pixels == 28 else f"dermamnist-{pixels}"
    return Collection(
        name=name,
        summary=f"DermaMNIST at {pixels} pixels: HAM10000 without lesion ids, so its official split leaks",
        repository=ZENODO,
        identifier=record,
        page=f"https://zenodo.org/records/{record}",
        doi=f"10.5281/zenodo.{record}",
        citation=f"{_MEDMNIST}; {_HAM10000}",
        licence=_LICENCE,
        items=(Item(f"{name.replace('-', '_')}.npz", md5),),
        folder=name,
    )


_ALL = (
    _in_dataverse(
        "ham10000",
        "10,015 images of 7,470 lesions with metadata",
        _HAM10000,
        "ham10000",
        Item("HAM10000_images_part_1.zip", "4639bfa73ab251610530a97c898e6e46", 1_366_522_108, id=3172585),
        Item("HAM10000_images_part_2.zip", "da43d6cc50f6613013be07e8986b384b", 1_403_566_547, id=3172584),
        Item("HAM10000_metadata.csv", "8f85fb1aa29d80a2797247e434deb79d", 690_218, id=4338392, rows=10_015),
    ),
    _in_dataverse(
        "ham10000-masks",
        "lesion masks for all images of HAM10000; kept in its folder",
        f"{_HAM10000}; {_MASKS}",
        "ham10000",
        Item("HAM10000_segmentations_lesion_tschandl.zip", "6e8d252e09cfdb0189199f15985a5b84", 10_808_743, id=3838943),
    ),
    _in_dataverse(
        "isic2018-test",
        "1,511 images of the official test part of ISIC 2018 Task 3 with ground truth",
        f"{_HAM10000}; {_CHALLENGE}",
        "isic2018-test",
        Item("ISIC2018_Task3_Test_Images.zip", "0488b6f65849e310857d9207daa55a21", id=3855824),
        Item("ISIC2018_Task3_Test_GroundTruth.csv", "2b5663aacc9644740f27e355cf7f369a", id=6924466, rows=1_511),
    ),
    _in_zenodo(28, "0744692d530f8e62ec473284d019b0c7"),
    _in_zenodo(64, "b70a2f5635c6199aeaa28c31d7202e1f"),
    _in_zenodo(128, "2defd784463fa5243564e855ed717de1"),
    _in_zenodo(224, "8974907d8e169bef5f5b96bc506ae45d"),
)
COLLECTIONS: Mapping[str, Collection] = MappingProxyType({collection.name: collection for collection in _ALL})
