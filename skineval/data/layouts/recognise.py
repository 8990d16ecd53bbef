"""The layouts in which HAM10000 and its relatives are found in the wild, recognised by what lies there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from skineval.base.errors import LISTED, DataError, first_few, plural
from skineval.data import tables
from skineval.data.files.stored_files import StoredFile, convert, scan, walk
from skineval.data.layouts import class_folders, dermamnist, ham10000, hmnist, isic2018, ph2, pictures
from skineval.data.layouts.collection import Collection
from skineval.data.layouts.derm7pt import DERM7PT
from skineval.data.layouts.field import BCN20000, ISIC2019, PAD_UFES_20
from skineval.data.layouts.headers import header, is_table, workbooks
from skineval.data.layouts.isic2024 import ISIC2024
from skineval.data.layouts.isic_archive import ARCHIVE, GIRDER, ISIC2020
from skineval.data.layouts.metadata import OTHERWISE
from skineval.data.layouts.milk10k import MILK10K
from skineval.data.layouts.unread import unread_knowledge
from skineval.data.quarantine import load_leaving_out
from skineval.values.lesion_table import LesionTable

KINDS = 3  #: kinds of files that a message names


@dataclass(frozen=True)
class DataLayout:
    """One way in which a data set is laid out in a folder or file."""

    name: str
    recognise: Callable[[Sequence[StoredFile], Path], bool]  #: from the files at a path
    load: Callable[..., LesionTable]  #: from the path, and where it can, without the images `quarantined`
    looked_for: str  #: what it is recognised by


def _of(name: str, collection: Collection) -> DataLayout:
    return DataLayout(name, collection.recognise, collection.load, collection.looked_for)


#: The most specific first: where several would do, the first is meant.
LAYOUTS: tuple[DataLayout, ...] = (
    DataLayout("ham10000", ham10000.has_metadata, ham10000.load, ham10000.LOOKED_FOR),
    DataLayout("isic2018", isic2018.recognise, isic2018.load, isic2018.LOOKED_FOR),
    _of("isic2019", ISIC2019),
    DataLayout("dermamnist", dermamnist.recognise, dermamnist.load, dermamnist.LOOKED_FOR),
    _of("isic2020", ISIC2020),
    _of("pad-ufes-20", PAD_UFES_20),
    _of("milk10k", MILK10K),
    _of("bcn20000", BCN20000),
    _of("derm7pt", DERM7PT),
    _of("isic2024", ISIC2024),
    _of("isic-archive", ARCHIVE),
    _of("isic-archive", GIRDER),
    DataLayout("folders", class_folders.recognise, class_folders.load, class_folders.LOOKED_FOR),
    DataLayout("ph2", ph2.recognise, ph2.load, ph2.LOOKED_FOR),
    DataLayout("hmnist", hmnist.recognise, hmnist.load, hmnist.LOOKED_FOR),
    # A folder of that name says best itself what it lacks.
    DataLayout("ham10000", ham10000.is_named, ham10000.load, "a name with HAM10000 in it"),
)


def recognise(path: Path) -> DataLayout | None:
    """The layout of what lies in the folder or file `path`; None where it is none that is known.

    One layout at most is recognised. An archive that cannot be read is known by its name alone.
    """
    files = _look(path)
    return next((layout for layout in LAYOUTS if layout.recognise(files, path)), None)


def by_folder_names(path: Path) -> bool:
    """Whether what lies at `path` is recognised by nothing but what folders are called."""
    layout = recognise(path)
    return layout is not None and layout.recognise in (class_folders.recognise, ham10000.is_named)


def load(path: Path, quarantined: frozenset[str] = frozenset()) -> LesionTable:
    """Read whatever lies in the folder or file `path`, less the images `quarantined`.

    A note names each table that is not read and knows lesions or patients that are not known. Raises DataError where no
    layout is recognised, or for `quarantined` images that are unknown.
    """
    layout = recognise(path)
    if layout is None:
        raise unrecognised(path)
    table = load_leaving_out(layout.load, path, quarantined)
    folder = pictures.folder_of(path)
    files = scan(folder, without=pictures.stems(quarantined))
    return replace(table, notes=(*table.notes, *unread_knowledge(files, folder, table)))


def unrecognised(path: Path, sources: Mapping[str, str] = MappingProxyType({})) -> DataError:
    """The error that says what was looked for at `path`, and what was seen there.

    `sources` are the summaries of data sets by name; of those that are no layout of this module, they say what it is.
    """
    if not path.exists():
        return DataError(f"There is no folder or file {path}.", "Check the path.")
    try:
        files = scan(path)
    except DataError as error:
        return error  # what cannot be read may be what is looked for
    known = {layout.name: layout.looked_for for layout in reversed(LAYOUTS)}  # the first of a name stays
    looked_for = "\n".join(f"  {name}: {what}" for name, what in {**sources, **known}.items())
    return DataError(
        f"{path} holds no data set that skineval recognises: {_seen(files, path)}.",
        "\n".join(
            filter(
                None,
                [
                    class_folders.hidden(files, path),
                    convert(files).strip(),
                    workbooks(files).strip(),
                    OTHERWISE,
                    *_columns(files),
                    f"Looked for\n{looked_for}",
                ],
            )
        ),
    )


def _columns(files: Sequence[StoredFile]) -> list[str]:
    """Sentences on the columns of the first few tables."""
    found = [(file, header(file)) for file in files if is_table(file)]
    return [
        f"{file.inner.name} is not in UTF-8. {tables.SAVE}"
        if any("\ufffd" in name for name in names)
        else f"{file.inner.name} has the columns {', '.join(names[:LISTED])}."
        for file, names in found[:KINDS]
        if names
    ]


def _look(path: Path) -> list[StoredFile]:
    try:
        return scan(path)
    except DataError:
        return walk(path)[0]  # whoever reads the archive says what is wrong with it


def _seen(files: Sequence[StoredFile], path: Path) -> str:
    """What lies there, in words: how many files of each kind, with a few names."""
    if not files:
        return "nothing lies there"
    names: dict[str, list[str]] = defaultdict(list)
    for file in files:
        names[file.inner.suffix.lower() or "no suffix"].append(str(file.below(path)))
    kinds = sorted(names, key=lambda kind: -len(names[kind]))[:KINDS]
    return "; ".join(f"{plural(len(names[kind]), 'file')} of {kind} ({first_few(names[kind])})" for kind in kinds)
