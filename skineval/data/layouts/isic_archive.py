"""The words of the ISIC Archive for what an image shows, and what comes out of it: its exports, and ISIC 2020.

Exports (a metadata.csv beside the images, as the website and isic-cli write it) have the columns isic_id, attribution,
copyright_license and those of the fields that are known of any image: github.com/ImageMarkup/isic-metadata lists them
with all values. Until 2024 a diagnosis is one word in `diagnosis`, beside `benign_malignant`; since then it is a path
in `diagnosis_1` (Benign, Malignant, Indeterminate) to `diagnosis_5`, of which the third says what HAM10000 would: the
names of the fourth and fifth levels are kinds of it, as in Nevus, Blue nevus, Blue nevus, Cellular
(isic_metadata/diagnosis_hierarchical.py there). They make no classes, and a note counts them. An image is labelled by
the most specific of the third, second and first that says anything; else by `diagnosis`; else by `benign_malignant`.
What `diagnosis_1` or `benign_malignant` says of a label besides is kept, so that the malignant task takes labels that
it does not know, and the melanoma task those that are benign.

Exports of before 2021, when the archive ran on Girder, have the same fields by their places in its records: `name` for
the image, dataset.name, dataset.license, meta.acquisition.image_type, and meta.clinical.diagnosis and others, lesion_id
and patient_id among them (isic_archive/models/dataset_helpers/image_metadata.py of github.com/ImageMarkup/isic-archive;
programs that flatten records print the columns). No such file that names lesions or patients could be seen.

ISIC 2020 (SIIM-ISIC): Rotemberg et al., Scientific Data 8:34 (2021), doi:10.1038/s41597-021-00815-z; data
doi:10.34970/2020-ds01. Columns as programs of participants read them: image_name, patient_id, lesion_id (in the second
version of the file only), sex, age_approx, anatom_site_general_challenge, diagnosis, benign_malignant, target; and
image_name_1, image_name_2 in ISIC_2020_Training_Duplicates.csv. The diagnosis of most images is unknown, and they are
labelled benign. It holds no malignant image but melanomas. That `lesion_id` is so called could not be seen in the file
itself, nor its licence, which is that of the challenge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from skineval.data.cells import is_missing
from skineval.data.files.stored_files import StoredFile
from skineval.data.layouts.collection import Collection
from skineval.data.layouts.headers import header
from skineval.data.spellings import IMAGE_COLUMNS, diagnosis, first_column, image_id, plain
from skineval.data.tables import GivenTable
from skineval.values.task import BINARY, GENERAL

if TYPE_CHECKING:
    import pandas as pd

#: Names of diagnoses and of groups of them that are one class of HAM10000, whose description says what each holds, or
#: the squamous cell carcinoma of ISIC 2019. Squamous cell carcinoma in situ is Bowen's disease, which is in akiec, and
#: hemorrhage is in vasc. BCN20000 and MILK10k count metastases of melanoma as melanoma.
LABELS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            ("melanoma, nos", "melanoma nos", "melanoma in situ", "melanoma invasive", "melanoma metastasis",
             "malignant melanocytic proliferations (melanoma)"),
            "mel",
        ),
        **dict.fromkeys(("nevus spilus",), "nv"),
        **dict.fromkeys(("solar or actinic keratosis", "squamous cell carcinoma in situ"), "akiec"),
        **dict.fromkeys(("lichenoid keratosis",), "bkl"),
        **dict.fromkeys(
            ("squamous cell carcinoma", "squamous cell carcinoma, nos", "squamous cell carcinoma, invasive"), "scc"
        ),
        **dict.fromkeys(
            ("angioma", "hemangioma", "angiokeratoma", "pyogenic granuloma", "hemorrhagic lesions",
             "benign soft tissue proliferations vascular"),
            "vasc",
        ),
    }
)  # fmt: skip
_SAYS_NOTHING = ("unknown", "other")  #: diagnoses that are none
_PATH = ("diagnosis_3", "diagnosis_2", "diagnosis_1")
_OTHERWISE = {"diagnosis_1": "iddx_1"}  #: what the columns of ISIC 2024 are called in its files
_SEEN = ("diagnosis", *_PATH, "benign_malignant")
_FINER = ("diagnosis_4", "diagnosis_5")
_MARKS = {"0": BINARY[0], "0.0": BINARY[0], "1": BINARY[1], "1.0": BINARY[1]}  #: of being malignant, by `plain`

_CLINICAL = "meta.clinical."  #: what most fields of exports of before 2021 begin with
_PEOPLE = {"patient_id": "patient_id", "lesion_id": "lesion_id", "sex": "sex", "age": "age_approx"}
_FIELDS = {**_PEOPLE, "localization": "anatom_site_general", "dx_type": "diagnosis_confirm_type"}


def is_known(name: str) -> bool:
    """Whether a diagnosis is a class that is known here."""
    return plain(name) in LABELS or diagnosis(name) is not None


def diagnosed(
    rows: pd.DataFrame, file: StoredFile, files: Sequence[StoredFile], quarantined: frozenset[str]
) -> pd.DataFrame:
    """The rows with the name of what an image shows in `diagnosis`, `malignancy` and the most specific one in `finer`.

    "" stands for what is not known. Raises DataError for a row that is benign by one column and malignant by another.
    """
    import pandas as pd

    _refuse_disputed(rows, file, quarantined)

    nothing = pd.Series("", index=rows.index)
    cells = {
        name: rows.get(name, nothing).map(lambda text: "" if is_missing(text) else text) for name in (*_SEEN, *_FINER)
    }
    path = [cells[name] for name in _PATH]
    # A group is one class where a name below it is none, as hemangioma below vascular proliferations.
    known = [level.where(level.map(is_known), "") for level in path]
    old = cells["diagnosis"].mask(cells["diagnosis"].str.lower().isin(_SAYS_NOTHING), "")
    general = cells["diagnosis_1"].str.lower()
    told = cells["benign_malignant"].str.lower()
    told = told.mask(told.str.startswith("indeterminate"), "indeterminate")
    malignancy = general.where(general.isin(GENERAL), told)
    says = nothing
    for candidate in (*known, path[0], old, path[1], malignancy):
        says = says.where(says != "", candidate)
    fourth, fifth = (cells[name] for name in _FINER)
    return rows.assign(diagnosis=says, malignancy=malignancy, finer=fifth.where(fifth != "", fourth))


def _refuse_disputed(rows: pd.DataFrame, file: StoredFile, quarantined: frozenset[str]) -> None:
    """Raise DataError for an image that is not in quarantine and of which two columns say opposite things."""
    columns = [name for name in ("diagnosis_1", "benign_malignant", "malignant", "target") if name in rows]
    words = {text: _MARKS.get(plain(text), plain(text)) for name in columns for text in rows[name].unique()}
    said = rows[columns].apply(lambda cells: cells.map(words))
    wrong = rows[(said == BINARY[0]).any(axis=1) & (said == BINARY[1]).any(axis=1)]
    image = first_column(rows.columns, IMAGE_COLUMNS)
    if image is None or wrong.empty:
        return
    ids = wrong[image].map(image_id)

    written = {name: name if name in header(file) else _OTHERWISE.get(name, name) for name in columns}

    def told(row: int) -> str:
        return f"{ids.iloc[row]} is " + " and ".join(
            f"{wrong[name].iloc[row]!r} by {written[name]}" for name in columns
        )

    table = GivenTable(wrong.assign(image_id=ids), file.name)
    table.refuse(~ids.isin(quarantined), told, "Correct the cell that is wrong.")


def _of_girder(
    rows: pd.DataFrame, file: StoredFile, files: Sequence[StoredFile], quarantined: frozenset[str]
) -> pd.DataFrame:
    """The same of the rows of an export of before 2021."""
    said = {name: rows[f"{_CLINICAL}{name}"] for name in _SEEN if f"{_CLINICAL}{name}" in rows}
    return diagnosed(rows.assign(**said), file, files, quarantined)


ARCHIVE = Collection(
    name="ISIC Archive",
    source="the ISIC Archive, isic-archive.com",
    needs=("isic_id",),
    columns=MappingProxyType(
        {
            "image_id": "isic_id", "dx": "diagnosis", "malignancy": "malignancy", "finer": "finer", **_FIELDS,
            "dataset": "attribution", "kind": "image_type", "licence": "copyright_license",
        }
    ),
    prepare=diagnosed,
    labels=LABELS,
    one_of=_SEEN,
    unlabelled="the archive says nothing of what they show",
)  # fmt: skip
GIRDER = Collection(
    name="ISIC Archive",
    source="the ISIC Archive, isic-archive.com, as of before 2021",
    needs=("name",),
    columns=MappingProxyType(
        {
            "image_id": "name", "dx": "diagnosis", "malignancy": "malignancy", "dataset": "dataset.name",
            "licence": "dataset.license", "kind": "meta.acquisition.image_type",
            **{name: f"{_CLINICAL}{column}" for name, column in _FIELDS.items()},
        }
    ),
    prepare=_of_girder,
    labels=LABELS,
    one_of=(f"{_CLINICAL}diagnosis", f"{_CLINICAL}benign_malignant"),
    unlabelled="the archive says nothing of what they show",
)  # fmt: skip
ISIC2020 = Collection(
    name="ISIC 2020",
    source="Rotemberg et al. 2021, doi:10.34970/2020-ds01",
    needs=("image_name", "benign_malignant", "target"),
    columns=MappingProxyType(
        {
            "image_id": "image_name", "dx": "diagnosis", "malignancy": "malignancy", **_PEOPLE,
            "localization": "anatom_site_general_challenge",
        }
    ),
    prepare=diagnosed,
    labels=LABELS,
    licence="CC BY-NC 4.0",
    duplicates=("image_name_1", "image_name_2"),
    notes=("labelled benign: images of which no diagnosis is published",),
)  # fmt: skip
