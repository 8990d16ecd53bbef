"""The same images laid out as collections of the field are, each with the lesion table that must come out of it.

Columns and words are written down here once more, from the descriptions that the layouts cite: the code under test has
its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from skineval.values.lesion_table import LesionTable
from tests.data.folders import encoded, write_files, write_zip
from tests.data.layouts.relayout import contents, one_hot, text

Rows = Sequence[Sequence[object]]


@dataclass(frozen=True)
class Expected:
    """What a layout must be read as; labels by the dx that the image had."""

    name: str
    labels: Mapping[str, str]
    task: str  #: that suits it
    licence: str = ""
    lesions: bool = True  #: whether its lesions are known
    patients: bool = False
    official: bool = False
    notes: tuple[str, ...] = ()
    malignancy: Mapping[str, str] = field(default_factory=dict)


def patients(table: LesionTable) -> list[str]:
    """A patient for every three lesions."""
    return [f"IP_{lesion // 3:07d}" for lesion in table.frame["lesion_id"].factorize()[0]]


def parts(table: LesionTable) -> list[str]:
    """A part for each lesion."""
    return [("train", "train", "valid", "test")[lesion % 4] for lesion in table.frame["lesion_id"].factorize()[0]]


def _described(table: LesionTable, says: Callable[[str], Sequence[object]]) -> Rows:
    """Image, patient, lesion, and what `says` makes of its dx."""
    frame = table.frame
    return [
        (id_, patient, lesion, *says(dx))
        for id_, patient, lesion, dx in zip(
            frame["image_id"], patients(table), frame["lesion_id"], frame["dx"], strict=True
        )
    ]


def isic2020(table: LesionTable, folder: Path) -> Expected:
    words = {"mel": ("melanoma", "malignant", 1), "nv": ("nevus", "benign", 0), "df": ("lentigo NOS", "benign", 0)}
    rows = _described(table, lambda dx: ("female", "55.0", "torso", *words.get(dx, ("unknown", "benign", 0))))
    header = (
        "image_name", "patient_id", "lesion_id", "sex", "age_approx", "anatom_site_general_challenge", "diagnosis",
        "benign_malignant", "target",
    )  # fmt: skip
    older = [row[:2] + row[3:] for row in map(tuple, rows)]
    files = {f"train/{id_}.jpg": content for id_, content in contents(table).items()}
    files["ISIC_2020_Training_GroundTruth_v2.csv"] = text(header, rows)
    files["ISIC_2020_Training_GroundTruth.csv"] = text((*header[:2], *header[3:]), older)
    ids = table.frame["image_id"].tolist()
    files["ISIC_2020_Training_Duplicates.csv"] = text(("image_name_1", "image_name_2"), [ids[:2], ("absent", ids[0])])
    write_files(folder, files)
    labels = {"mel": "mel", "nv": "nv", "df": "lentigo-nos"}
    return Expected(
        "ISIC 2020", {dx: labels.get(dx, "benign") for dx in table.labels}, "melanoma", "CC BY-NC 4.0", patients=True,
        notes=(
            "pairs of images that the data set lists as duplicates, which are kept together: 1",
            "ISIC_2020_Training_GroundTruth.csv is left out: all of it stands in ISIC_2020_Training_GroundTruth_v2.csv",
        ),
        malignancy={"lentigo-nos": "benign", "mel": "malignant", "nv": "benign"},
    )  # fmt: skip


#: dx -> the first three levels of the archive's hierarchy of diagnoses.
PATHS = {
    "akiec": ("Indeterminate", "Indeterminate epidermal proliferations", "Solar or actinic keratosis"),
    "bcc": ("Malignant", "Malignant adnexal epithelial proliferations - Follicular", "Basal cell carcinoma"),
    "bkl": ("Benign", "Benign epidermal proliferations", "Seborrheic keratosis"),
    "df": ("Benign", "Benign soft tissue proliferations - Fibro-histiocytic", "Angiofibroma"),
    "mel": ("Malignant", "Malignant melanocytic proliferations (Melanoma)", "Melanoma in situ"),
    "nv": ("Benign", "Benign melanocytic proliferations", "Nevus"),
    "vasc": ("Benign", "Benign soft tissue proliferations - Vascular", "Lymphangioma"),
}


def archive(table: LesionTable, folder: Path) -> Expected:
    header = (
        "isic_id", "patient_id", "lesion_id", "attribution", "copyright_license", "age_approx", "anatom_site_general",
        "diagnosis_confirm_type", "image_type", "sex", "diagnosis_1", "diagnosis_2", "diagnosis_3",
    )  # fmt: skip
    rows = _described(
        table, lambda dx: ("A", "CC-BY", 40, "torso", "histopathology", "dermoscopic", "male", *PATHS[dx])
    )
    rows = [*rows[:-1], (*rows[-1][:8], "clinical: close-up", *rows[-1][9:])]
    nothing = ("ISIC_9999999", "", "", "A", "CC-0", *[""] * 8)
    files = {f"{id_}.JPG": content for id_, content in contents(table).items()}
    write_files(folder, {**files, "metadata.csv": text(header, [*rows, nothing])})
    return Expected(
        "ISIC Archive", {dx: {"df": "angiofibroma"}.get(dx, dx) for dx in table.labels}, "malignant", "CC-BY",
        patients=True,
        notes=(
            "1 image is left out: the archive says nothing of what they show",
            f"kinds of images: dermoscopic ({len(table) - 1} images), clinical: close-up (1 image)",
        ),
        malignancy={
            "akiec": "indeterminate", "angiofibroma": "benign", "bcc": "malignant", "bkl": "benign", "mel": "malignant",
            "nv": "benign", "vasc": "benign",
        },
    )  # fmt: skip


def old_archive(table: LesionTable, folder: Path) -> Expected:
    words = {
        "akiec": ("actinic keratosis", "malignant"), "bcc": ("basal cell carcinoma", "malignant"),
        "bkl": ("lichenoid keratosis", "benign"), "df": ("other", "benign"), "mel": ("melanoma", "malignant"),
        "nv": ("nevus", "benign"), "vasc": ("", "indeterminate/benign"),
    }  # fmt: skip
    header = ("isic_id", "patient_id", "lesion_id", "diagnosis", "benign_malignant")
    files = {f"images/{id_}.jpg": content for id_, content in contents(table).items()}
    write_files(folder, {**files, "ISIC-images.csv": text(header, _described(table, words.__getitem__))})
    labels = {dx: {"df": "benign", "vasc": "indeterminate"}.get(dx, dx) for dx in table.labels}
    said = {"akiec": "malignant", "bcc": "malignant", "bkl": "benign", "mel": "malignant", "nv": "benign"}
    return Expected("ISIC Archive", labels, "dx7", patients=True, malignancy=said)


def _crops(table: LesionTable) -> tuple[Sequence[str], Rows]:
    """Kaggle's table of ISIC 2024: lesions of nevi, vessels and keratoses are neither biopsied nor named."""
    benign = ("Benign", "", "", "", "")
    paths = {dx: (*PATHS[dx], "", "") for dx in PATHS} | dict.fromkeys(("nv", "vasc"), benign)
    paths["mel"] = (*PATHS["mel"], "Melanoma in situ, Lentigo maligna type", "")
    header = (
        "isic_id", "patient_id", "lesion_id", "target", "age_approx", "sex", "anatom_site_general", "image_type",
        "tbp_tile_type", "attribution", "copyright_license", "iddx_full", *(f"iddx_{level}" for level in range(1, 6)),
    )  # fmt: skip
    rows = [
        (id_, patient, lesion if path[1] else "", int(path[0] == "Malignant"), "60.0", "male", "lower extremity",
         "TBP tile: close-up", "3D: XP", "A", "CC-BY-NC", "::".join(filter(None, path)), *path)
        for id_, patient, lesion, *path in _described(table, lambda dx: paths[dx])
    ]  # fmt: skip
    return header, rows


def isic2024(table: LesionTable, folder: Path) -> Expected:
    header, rows = _crops(table)
    files = {f"train-image/image/{id_}.jpg": content for id_, content in contents(table).items()}
    blind = [[row[header.index(name)] for name in header[:2]] for row in rows[:1]]
    write_files(folder, {
        **files, "train-metadata.csv": text(header, rows), "test-metadata.csv": text(header[:2], blind),
        "train-image.hdf5": b"\x89HDF", "sample_submission.csv": text(("isic_id", "target"), [(rows[0][0], 0.3)]),
    })  # fmt: skip
    labels, said = {"df": "angiofibroma", "nv": "benign", "vasc": "benign"}, ("bcc", "mel")
    return Expected(
        "ISIC 2024", {dx: labels.get(dx, dx) for dx in table.labels}, "malignant", "CC-BY-NC", patients=True,
        notes=(f"kinds of images: tbp tile: close-up ({len(table)} images)",),
        malignancy={dx: "malignant" if dx in said else "benign" for dx in (*said, "akiec", "angiofibroma", "bkl")},
    )  # fmt: skip


def isic2024_challenge(table: LesionTable, folder: Path) -> Expected:
    expected = isic2024(table, folder)
    header, rows = _crops(table)
    among = lambda names: text(names, [[row[header.index(name)] for name in names] for row in rows])  # noqa: E731
    truth = among(("isic_id", "target")).replace(b"target", b"malignant", 1)
    (folder / "train-metadata.csv").unlink()
    write_files(folder, {
        "ISIC_2024_Training_GroundTruth.csv": truth,
        "ISIC_2024_Training_Supplement.csv": among(("isic_id", "attribution", "lesion_id", *header[-7:])),
        "train-image/metadata.csv": among((*header[:2], *header[4:9])),
    })  # fmt: skip
    return expected


def pad_ufes_20(table: LesionTable, folder: Path) -> Expected:
    codes = {"akiec": "ACK", "nv": "NEV", "bkl": "SEK", "mel": "MEL", "bcc": "BCC"}
    rows = [
        (f"{row[0]}.png", *row[1:])
        for row in _described(table, lambda dx: (60, "FEMALE", "FACE", dx in ("mel", "bcc"), codes.get(dx, "SCC")))
    ]
    header = ("img_id", "patient_id", "lesion_id", "age", "gender", "region", "biopsed", "diagnostic")
    known = list(contents(table).items())
    third = len(known) // 3
    write_files(folder, {"metadata.csv": text(header, rows)})
    write_files(folder, {f"images/imgs_part_1/{id_}.jpg": content for id_, content in known[:third]})
    write_files(folder, {f"imgs_part_2/imgs_part_2/{id_}.PNG": content for id_, content in known[third : 2 * third]})
    write_zip(folder / "imgs_part_3.zip", {f"imgs_part_3/{id_}.png": content for id_, content in known[2 * third :]})
    labels = {dx: dx if dx in codes else "scc" for dx in table.labels}
    return Expected(
        "PAD-UFES-20", labels, "malignant", "CC BY 4.0", patients=True,
        notes=("photographs taken with smartphones, none of them dermoscopic",), malignancy={"scc": "malignant"},
    )  # fmt: skip


def milk10k(table: LesionTable, folder: Path) -> Expected:
    codes = {"df": "MAL_OTH", "vasc": "SCCKA"}
    columns = ("AKIEC", "BCC", "BEN_OTH", "BKL", "DF", "INF", "MAL_OTH", "MEL", "NV", "SCCKA", "VASC")
    lesions = table.frame.drop_duplicates("lesion_id")
    truth = one_hot(lesions["lesion_id"], [codes.get(dx, dx) for dx in lesions["dx"]], columns)
    kinds = ("clinical: close-up", "dermoscopic")
    header = ("isic_id", "lesion_id", "image_type", "copyright_license", "age_approx", "sex", "skin_tone_class", "site")
    known = list(zip(table.frame["image_id"], table.frame["lesion_id"], strict=True))
    rows = [(id_, lesion, kinds[n % 2], "CC-BY-NC", 70, "male", 3, "head") for n, (id_, lesion) in enumerate(known)]
    blind = ("ISIC_9999999", "IL_9999999", "dermoscopic", "CC-BY-NC", 70, "male", 3, "head")
    supplement = [(id_, "x", "histopathology") for id_, _ in known]
    images = contents(table)
    write_files(folder, {
        "MILK10k_Training_GroundTruth.csv": truth.replace(b"image,", b"lesion_id,", 1),
        "MILK10k_Training_Metadata.csv": text(header, rows),
        "MILK10k_Test_Metadata.csv": text(header, [blind]),
        "MILK10k_Training_Supplement.csv": text(("isic_id", "diagnosis_full", "diagnosis_confirm_type"), supplement),
        "MILK10k_Test_Input/IL_9999999/ISIC_9999999.jpg": next(iter(images.values())),
        **{f"MILK10k_Training_Input/{lesion}/{id_}.jpg": images[id_] for id_, lesion in known},
    })  # fmt: skip
    return Expected(
        "MILK10k", {dx: {"df": "mal-oth", "vasc": "scc"}.get(dx, dx) for dx in table.labels}, "labels", "CC-BY-NC",
        notes=("1 image is left out: no ground truth of their lesion is there", "scc holds keratoacanthoma"),
        malignancy={"mal-oth": "malignant", "scc": "malignant"},
    )  # fmt: skip


def bcn20000(table: LesionTable, folder: Path) -> Expected:
    codes = {"akiec": "AK", "df": "SCC"}
    header = (
        "bcn_filename",
        "age_approx",
        "anatom_site_general",
        "diagnosis",
        "lesion_id",
        "capture_date",
        "sex",
        "split",
    )
    frame = table.frame
    rows = [
        (f"{id_}.jpg", 55.0, "anterior torso", codes.get(dx, dx.upper()), lesion, "2012-05-16", "male", "train")
        for id_, dx, lesion in zip(frame["image_id"], frame["dx"], frame["lesion_id"], strict=True)
    ]
    files = {f"BCN_20k_train/bcn_20k_train/{id_}.jpg": content for id_, content in contents(table).items()}
    write_files(folder, {**files, "bcn_20k_train.csv": text(header, rows)})
    labels = {dx: {"df": "scc"}.get(dx, dx) for dx in table.labels}
    return Expected("BCN20000", labels, "isic2019", "CC BY 4.0", official=True, malignancy={"scc": "malignant"})


def derm7pt(table: LesionTable, folder: Path) -> Expected:
    words = {
        "nv": "clark nevus", "mel": "melanoma (less than 0.76 mm)", "bkl": "seborrheic keratosis", "df": "melanosis",
        "bcc": "basal cell carcinoma", "vasc": "vascular lesion", "akiec": "miscellaneous",
    }  # fmt: skip
    header = ("case_num", "diagnosis", "seven_point_score", "location", "sex", "clinic", "derm", "case_id")
    ids = table.frame["image_id"].tolist()
    rows = [
        (n + 1, words[dx], 2, "back", "female", f"A/{id_}c.jpg", f"A/{id_}.jpg", "")
        for n, (id_, dx) in enumerate(zip(ids, table.frame["dx"], strict=True))
    ]
    files = {f"images/a/{id_}.jpg": content for id_, content in contents(table).items()}
    files[f"images/a/{ids[0]}c.jpg"] = encoded(Image.new("RGB", (20, 15)))
    files["meta/meta.csv"] = text(header, rows)
    dealt = parts(table)
    for part in ("train", "valid", "test"):
        places = [[place] for place, one in enumerate(dealt) if one == part]
        files[f"meta/{part}_indexes.csv"] = text(["indexes"], places)
    write_files(folder, files)
    labels = {dx: {"df": "melanosis", "akiec": "miscellaneous"}.get(dx, dx) for dx in table.labels}
    return Expected(
        "Derm7pt", labels, "melanoma", official=True,
        notes=("the dermoscopic image of each case is read, its clinical one is not",),
        malignancy={"melanosis": "benign"},
    )  # fmt: skip


def ph2(table: LesionTable, folder: Path) -> Expected:
    codes = {"mel": 2, "nv": 1}
    lines = ["||   Name || Histological Diagnosis || Clinical Diagnosis || Asymmetry | Streaks ||  Colors ||"]
    files = {}
    mask = encoded(Image.new("L", (20, 15), 255), "BMP")
    for id_, dx, content in zip(table.frame["image_id"], table.frame["dx"], contents(table).values(), strict=True):
        lines.append(f"|| {id_} || {'Melanoma' if dx == 'mel' else ''}  ||  {codes.get(dx, 0)} ||  0 |  A ||  4  ||")
        place = f"PH2 Dataset images/{id_}/{id_}"
        files[f"{place}_Dermoscopic_Image/{id_}.jpg"] = content
        files[f"{place}_lesion/{id_}_lesion.bmp"] = mask
        files[f"{place}_roi/{id_}_R1_Label4.bmp"] = mask
    files["PH2_dataset.txt"] = "\r\n".join([*lines, "", "Legends", "Asymmetry: 0 - Fully Symmetry"]).encode()
    files["PH2_dataset.xlsx"] = b"PK\x03\x04"
    write_files(folder, files)
    labels = {dx: "mel" if dx == "mel" else "nv" for dx in table.labels}
    note = "labels read as one: nv ('common nevus', 'atypical nevus')"
    return Expected("PH2", labels, "dx7", lesions=False, notes=(note,))


#: By the name of the layout; two are exports of the archive, and two are ISIC 2024.
LAID_OUT: Mapping[str, Callable[[LesionTable, Path], Expected]] = {
    "isic2020": isic2020,
    "isic2024": isic2024,
    "isic2024-challenge": isic2024_challenge,
    "isic-archive": archive,
    "isic-archive-old": old_archive,
    "pad-ufes-20": pad_ufes_20,
    "milk10k": milk10k,
    "bcn20000": bcn20000,
    "derm7pt": derm7pt,
    "ph2": ph2,
}
