"""A published collection of images as a value: the columns of its table, and what is known of it besides.

They all are a table that says what each image shows, and files called after it. What is peculiar to one of them is the
function by which its rows are prepared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from skineval.base.errors import DataError, first_few, plural
from skineval.data import tables
from skineval.data.cells import is_missing
from skineval.data.copies import join_copies
from skineval.data.files.stored_files import StoredFile, convert, scan
from skineval.data.findings import DISPUTED, TORN_LESIONS, TORN_PAIRS, UNREAD_TABLE
from skineval.data.layouts import pictures
from skineval.data.layouts.beside import beside
from skineval.data.layouts.headers import header, is_table
from skineval.data.layouts.isic2018 import CONFIRMATIONS
from skineval.data.layouts.listing import labelled, lesion_table, with_lesions
from skineval.data.layouts.metadata import refuse_cells
from skineval.data.layouts.overlaps import united
from skineval.data.quarantine import nothing_left, require_known
from skineval.data.spellings import as_known, image_id, label_name, part_name, plain
from skineval.data.tables import GivenTable
from skineval.values.lesion_table import LesionTable
from skineval.values.task import BINARY, GENERAL, malignant_of, unknown_of

if TYPE_CHECKING:
    import pandas as pd

#: Completes the rows of a table from the file that it is and those beside it, where what these say of images in
#: quarantine, the last argument, does not count.
Prepare = Callable[["pd.DataFrame", StoredFile, Sequence[StoredFile], frozenset[str]], "pd.DataFrame"]

DERMOSCOPIC = "dermoscopic"  #: the kind of image that nothing needs be said of
#: What to do with images in an HDF5 file, a dataset of bytes for each, as Kaggle packs those of ISIC 2024.
_TAKE_OUT = """take those that the download has as files, in Kaggle's below train-image, or, with h5py installed, write
  python -c 'import h5py; [open(f"{id}.jpg", "wb").write(bytes(file[()])) for id, file in h5py.File("FILE").items()]'
in the folder where they are to lie."""
#: Columns that say something of all images, and of none in the frame of a lesion table.
_BESIDE = ("malignancy", "finer", "kind", "licence")
_EITHER = ("akiec",)  #: which holds actinic keratosis, benign for many, and carcinoma in situ


def as_they_are(
    rows: pd.DataFrame, file: StoredFile, files: Sequence[StoredFile], quarantined: frozenset[str]
) -> pd.DataFrame:
    """The rows of a table of which nothing need be prepared."""
    return rows


@dataclass(frozen=True, eq=False)
class Collection:
    """A published collection, known by the columns of its table, whatever that is called.

    All names of columns are in small letters. `columns` says for each column of a lesion table, for `part`, and for
    `malignancy` (benign, malignant, indeterminate or nothing), `finer` (a kind of what the label is), `kind` and
    `licence` of each image, which column of the
    table holds it; those that a table lacks are not known.
    """

    name: str
    source: str  #: who published it and where
    needs: tuple[str, ...]  #: a table with all of these is its own
    columns: Mapping[str, str] = field(repr=False)
    one_of: tuple[str, ...] = ()  #: and with at least one of these, where some are named
    prepare: Prepare = field(default=as_they_are, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict, repr=False)  #: by its words, as `plain` compares them
    general: Mapping[str, str] = field(default_factory=dict, repr=False)  #: by label, the one of `GENERAL` that it is
    confirmations: Mapping[str, str] = field(default_factory=lambda: CONFIRMATIONS, repr=False)
    licence: str = ""
    unlabelled: str = ""  #: why images may have no label, and are left out; "" where that is an error
    duplicates: tuple[str, ...] = ()  #: the two columns of a table that lists pairs of images of one lesion
    one_each: bool = False  #: whether each image without a lesion id is known to show a lesion of its own
    notes: tuple[str, ...] = ()

    @property
    def looked_for(self) -> str:
        """What it is recognised by."""
        or_ = f", and at least one of {', '.join(self.one_of)}" if self.one_of else ""
        return f"a .csv file with the columns {', '.join(self.needs)}{or_}"

    def is_own(self, file: StoredFile) -> bool:
        """Whether a file is a table with its columns."""
        if not is_table(file):
            return False
        columns = set(header(file))
        return columns.issuperset(self.needs) and not (self.one_of and columns.isdisjoint(self.one_of))

    def recognise(self, files: Sequence[StoredFile], path: Path) -> bool:
        """Whether one of the files is a table with its columns."""
        return any(map(self.is_own, files))

    def load(self, path: Path, quarantined: frozenset[str] = frozenset()) -> LesionTable:
        """Read it from a folder or zip archive, or from its table with the images beside it.

        Of several tables, those are left out of which no image is there; rows of one image in several that agree are
        one. `official` holds the parts where each image has one. Rows are sorted by image_id. Raises DataError naming
        the row (the header is row 1) or the file that is wrong; of the images in `quarantined`, neither rows nor files
        are looked at.
        """
        folder = pictures.folder_of(path)
        files = scan(folder, without=pictures.stems(quarantined))
        own = [file for file in files if self.is_own(file)]
        given = [file for file in own if file.path == path and not file.member] or own
        return self.assemble({file: self.read(file, files, quarantined) for file in given}, files, folder, quarantined)

    def read(self, file: StoredFile, files: Sequence[StoredFile], quarantined: frozenset[str]) -> pd.DataFrame:
        """The rows of a table, all cells as text, under the names of `columns`; "" where nothing is said.

        Raises DataError naming the row that has no image.
        """
        table = tables.read(file.read(), file.name).lowered()
        if table.frame.empty:
            raise DataError(f"{file.name} has a header and no rows.", "Download it again.")
        table = table.having(self.prepare(table.frame, file, files, quarantined))
        table.require(self.columns["image_id"], self.columns["dx"])
        image = table.frame[self.columns["image_id"]]
        table.refuse(image.map(is_missing), f"{self.columns['image_id']} is empty", "Give every row its image.")
        there = {name: column for name, column in self.columns.items() if column in table.frame}
        cells = table.frame[list(there.values())].set_axis(list(there), axis=1).astype("str")
        cells = cells.mask(cells.map(is_missing), "")
        return cells.assign(image_id=image.map(image_id))

    def assemble(
        self,
        found: Mapping[StoredFile, pd.DataFrame],
        files: Sequence[StoredFile],
        folder: Path,
        quarantined: frozenset[str],
    ) -> LesionTable:
        """The lesion table of the rows `found` in files, as `read` reads them, with the images among `files`."""
        require_known(quarantined, [id_ for rows in found.values() for id_ in rows["image_id"]], str(folder))
        present, notes = self._present(found, files, folder)
        present = {file: rows[~rows["image_id"].isin(quarantined)] for file, rows in present.items()}
        for file, rows in present.items() if len(present) > 1 else ():  # of one, no row can be that of another
            refuse_cells(rows[rows["dx"] != ""], file.name)
        one = united(present, self.columns, self._label)
        told = first_few([str(file.below(folder)) for file in one.kept])
        surplus = [file for file in present if file not in one.kept]
        notes += [f"{file.below(folder)} is left out: all of it stands in {told}" for file in surplus]
        if one.shared:
            notes.append(f"images with a row in several tables, which agree and are read as one: {one.shared}")
        source = " and ".join(file.name for file in one.kept)
        rows = one.rows.rename_axis(tables.ROW)
        rows, nameless = self._labelled_rows(GivenTable(rows, source), files)
        if nameless:
            notes.append(f"{plural(len(nameless), 'image is', 'images are')} left out: {self.unlabelled}")
        labels, merged = labelled(GivenTable(rows, source), self._label)
        rows = self._described(rows.assign(dx=labels))
        rows, alone, lesions_known = with_lesions(rows)
        if self.one_each:
            alone, lesions_known = (), True
        pairs, on_pairs = self._pairs(files, dict(zip(rows["image_id"], rows["dx"], strict=True)))
        notes += on_pairs
        malignancy = self._malignancy(rows)
        table = lesion_table(
            rows.drop(columns=[column for column in _BESIDE if column in rows]),
            source,
            files,
            folder,
            name=self.name,
            layout=f"{self.name} ({', '.join(dict.fromkeys(file.inner.name for file in one.kept))})",
            notes=[
                f"source: {self.source}",
                *self.notes,
                *notes,
                *merged,
                *_torn(rows),
                *_disputed(rows),
                *_finer(rows),
                *_kinds(rows),
                *alone,
            ],
            left_out=[*nameless, *quarantined],
            pairs=pairs,
            alike=False,
            labels=tuple(sorted(set(rows["dx"]))),
            licence=_said(rows, "licence") or self.licence,
            lesions_known=lesions_known,
            malignancy=malignancy,
        )
        return join_copies(table)

    def _present(
        self, found: Mapping[StoredFile, pd.DataFrame], files: Sequence[StoredFile], folder: Path
    ) -> tuple[dict[StoredFile, pd.DataFrame], list[str]]:
        """The tables of which images are there; with them notes on the others."""
        images, _ = pictures.find(files)
        there = {id_.lower() for id_ in images}  # files are found whatever their letter case
        absent = [file for file, rows in found.items() if there.isdisjoint(rows["image_id"].str.lower())]
        if len(absent) == len(found):
            ids = [id_ for rows in found.values() for id_ in rows["image_id"]]
            raise DataError(
                f"{folder} holds none of the images that {first_few([file.name for file in found])} names.",
                f"{_hdf5(files)}{convert(files)}{pictures.unpack(files)}{pictures.spelt_otherwise(ids, images)}"
                "Put the images there, in zip archives or extracted.",
            )
        notes = [f"{file.below(folder)} is left out: none of its images is there" for file in absent]
        return {file: rows for file, rows in found.items() if file not in absent}, notes

    def _labelled_rows(self, table: GivenTable, files: Sequence[StoredFile]) -> tuple[pd.DataFrame, list[str]]:
        """The rows that have a label, and the images of the others."""
        rows = table.frame
        if rows.empty:
            raise nothing_left(table.name)
        nameless = rows["dx"] == ""
        if not self.unlabelled:
            column = self.columns["dx"]
            ids = rows["image_id"]
            table.refuse(nameless, lambda row: f"{column} of {ids.iloc[row]} is empty", f"Give every row its {column}.")
        if nameless.all():
            others = first_few([file.inner.name for file in files if is_table(file) and not self.is_own(file)])
            looked = f", nor does any other table say it of what it names (looked into {others})" if others else ""
            raise DataError(
                f"{table.name} says of no image what it shows{looked}.",
                "Give the table of the labelled images, in which ids are written as in this one, with all their zeros.",
            )
        return rows[~nameless], rows["image_id"][nameless].tolist()

    def _label(self, text: str) -> str:
        return self.labels.get(plain(text)) or label_name(text)

    def _described(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows with the words for what else is known as they are everywhere."""
        lowered = [name for name in ("sex", "localization", "kind", "malignancy") if name in rows]
        changes = {name: rows[name].str.lower() for name in lowered}
        if "dx_type" in rows:
            confirmed = rows["dx_type"].str.lower()
            changes["dx_type"] = confirmed.map(lambda text: self.confirmations.get(text, text))
        if "part" in rows:
            changes["part"] = rows["part"].map(part_name)
        return rows.assign(**changes)

    def _pairs(self, files: Sequence[StoredFile], labels: Mapping[str, str]) -> tuple[list[tuple[str, str]], list[str]]:
        """The pairs of images, of which these are the `labels`, that are listed as duplicates, and notes on them."""
        found = beside(files, self.duplicates) if self.duplicates else {}
        lists = [
            file for file in files if self.duplicates and is_table(file) and "duplicate" in file.inner.stem.lower()
        ]
        notes = [
            UNREAD_TABLE.note(f"{file.inner.name} has no columns {' and '.join(self.duplicates)}")
            for file in lists
            if file.name not in found
        ]
        pairs: dict[tuple[str, str], None] = {}
        for name, listed in found.items():
            first, second = (listed[column].map(image_id).map(as_known(labels)) for column in self.duplicates)
            lacking = (first == "") | (second == "")
            GivenTable(listed, name).refuse(lacking, "fewer than two images are named", "Complete the row.")
            pairs |= dict.fromkeys(zip(first, second, strict=True))
        known = [pair for pair in pairs if labels.keys() >= set(pair)]
        kept = "pairs of images that the data set lists as duplicates, which are kept together"
        notes += [f"{kept}: {len(known)}"] if known else []
        torn = [
            " and ".join(f"{id_} ({labels[id_]})" for id_ in pair)
            for pair in known
            if len({*map(labels.get, pair)}) > 1
        ]
        return known, notes + ([TORN_PAIRS.note(f"{len(torn)}, {first_few(torn)}")] if torn else [])

    def _malignancy(self, rows: pd.DataFrame) -> dict[str, str]:
        """The one of `GENERAL` that each other label is, where the data set says so of all its images alike."""
        general = {label: one for label, one in self.general.items() if label in set(rows["dx"])}
        if "malignancy" in rows:
            said = rows.groupby("dx")["malignancy"].unique()
            general |= {str(label): str(one) for label, (one, *others) in said.items() if one in GENERAL and not others}
        return {label: one for label, one in sorted(general.items()) if label not in GENERAL}


def _hdf5(files: Iterable[StoredFile]) -> str:
    """The sentences that tell a person to take the images out of HDF5 files; "" where none is there."""
    found = [file.name for file in files if file.inner.suffix.lower() in (".hdf5", ".h5")]
    named = first_few(found)
    return f"Images in HDF5 files are not read ({named}): {_TAKE_OUT} " if found else ""


def _torn(rows: pd.DataFrame) -> tuple[str, ...]:
    """A note on lesions of which images have several labels: which of them is wrong, nobody here can decide."""
    pairs = rows[["lesion_id", "dx"]].drop_duplicates()
    several = pairs[pairs["lesion_id"].duplicated(keep=False)].sort_values(["lesion_id", "dx"])
    torn = [f"{lesion} ({', '.join(labels)})" for lesion, labels in several.groupby("lesion_id")["dx"]]
    return (TORN_LESIONS.note(f"{len(torn)}, {first_few(torn)}"),) if torn else ()


def _disputed(rows: pd.DataFrame) -> tuple[str, ...]:
    """A note on images that are said to be benign or malignant where what they show is not."""
    labels = set(rows["dx"])
    malignant = malignant_of(labels)
    own = {label: BINARY[label in malignant] for label in labels.difference(unknown_of(labels), _EITHER)}
    said = zip(rows["image_id"], rows["dx"], rows["malignancy"], strict=True) if "malignancy" in rows else ()
    wrong = [f"{id_} is {dx}, and {one}" for id_, dx, one in said if one in BINARY and own.get(dx, one) != one]
    return (DISPUTED.note(f"{len(wrong)}, {first_few(wrong)}"),) if wrong else ()


def _finer(rows: pd.DataFrame) -> tuple[str, ...]:
    """A note on diagnoses that say more than the label that they are read as."""
    found = zip(rows["dx"], rows["finer"], strict=True) if "finer" in rows else ()
    told = Counter((label, name) for label, name in found if name).most_common()
    named = [f"{name} as {label} ({plural(n, 'image')})" for (label, name), n in told]
    return (f"diagnoses finer than labels, which are not told apart: {len(told)}, {first_few(named)}",) if told else ()


def _kinds(rows: pd.DataFrame) -> tuple[str, ...]:
    """A note on images of other kinds than dermoscopic ones."""
    counts = Counter(kind for kind in rows.get("kind", ()) if kind)
    others = ", ".join(f"{kind} ({plural(n, 'image')})" for kind, n in counts.most_common())
    return (f"kinds of images: {others}",) if counts.keys() - {DERMOSCOPIC} else ()


def _said(rows: pd.DataFrame, column: str) -> str:
    """The values of a column, in words."""
    return ", ".join(sorted(set(rows.get(column, ())) - {""}))
