"""Ids of lesions and patients: words that name nobody, one id written in several ways, and what is doubtful of them."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

from skineval.base.errors import SHOWN, first_few, plural
from skineval.data.cells import is_missing
from skineval.data.findings import NUMBERED
from skineval.data.spellings import IDENTIFIER, identifier, plain, visible, whole
from skineval.values.lesion_table import PATIENT

if TYPE_CHECKING:
    import pandas as pd

#: From which share of the images on, and how many times the usual number, a patient is too large to be one person.
LARGE_SHARE, LARGE_TIMES = 0.05, 10
_WORDS = re.compile(r"\d+|[^\W\d_]+")
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:[.,]\d{3})+")  # a number as spreadsheets may show it, in thousands
_NO_BORDER = re.compile(r" (?!\d)|(?<!\d) ")  # a blank that does not stand between two numbers
_NUMBER = re.compile(r"\d")
_NO_NUMBER = re.compile(r"-\d+(\.0)?")  # of a patient
_COUNT = re.compile(r"([^\W\d_]{0,8}[ ._-]?)\d{1,3}|[A-Za-z]")  # an id that may be a number within a patient
_SAYS = re.compile(r"[^\W_0]")  # a letter or a digit, of which zero says nothing by itself
#: What is written for a lesion or patient that nobody knows, besides what says nothing in any cell; as `plain` has it.
#: A number such as 99999 is none of them: where it is a real patient, the images would be parted.
_NOBODY = frozenset({
    "unknown", "unk", "undefined", "missing", "nil", "nobody", "anonymous", "not available", "not known", "no id",
    "unbekannt", "unbek.", "k.a.", "k. a.", "k.a", "keine", "keine angabe", "keine id", "nicht bekannt", "ohne",
    "anonym", "inconnu", "inconnue", "non renseigné", "anonyme", "desconocido", "desconocida", "desconhecido",
    "desconhecida", "sconosciuto", "sconosciuta", "ignoto", "onbekend", "ukendt", "ukjent", "okänd", "nieznany",
    "neznámý", "bilinmiyor",
})  # fmt: skip


def is_unnamed(id_: str) -> bool:
    """Whether a lesion or patient is written in a word for one that nobody knows."""
    return is_missing(id_) or (not _NUMBER.search(id_) and plain(id_) in _NOBODY)


def is_nobody(id_: str) -> bool:
    """Whether a lesion or patient is written as one that nobody knows."""
    return is_unnamed(id_) or _NO_NUMBER.fullmatch(id_) is not None or not _SAYS.search(id_)


def tidy(id_: str) -> str:
    """The id without the decimals that spreadsheets add to numbers; of nobody, what is written."""
    return id_ if is_nobody(id_) else whole(id_)


def named(name: str) -> str:
    """The id of a lesion or patient whose name may be none, in which blanks and the like are underscores.

    Names that are spelt alike have ids that are, and where that needs a hash, one id.
    """
    if IDENTIFIER.fullmatch(name):
        return whole(name)
    text = whole(" ".join(visible(unicodedata.normalize("NFKC", name)).split()))
    lined, spelt = re.sub(r"[^A-Za-z0-9_.-]+", "_", text), spelling(text).replace(" ", "_")
    return lined if IDENTIFIER.fullmatch(lined) and spelling(lined) == spelling(text) else identifier(spelt)


def spelling(id_: str) -> str:
    """What an id has in common with all that may be the same one; "" where it has neither letter nor digit.

    Letter case, what is neither letter nor digit, zeros in front of a number, a fraction of zeros and signs between
    thousands tell none apart, but "1-23" and "12-3" are two.
    """
    text = whole(visible(unicodedata.normalize("NFKC", id_)).strip())
    grouped = _GROUPED.fullmatch(text)
    words = _WORDS.findall((re.sub("[.,]", "", text) if grouped else text).casefold())
    return _NO_BORDER.sub("", " ".join(word.lstrip("0") or "0" for word in words))


def spelt_alike(ids: Iterable[str]) -> list[tuple[str, ...]]:
    """Those ids that may be one written in several ways, such as "12", "00012" and "12.0", or "Fall 7" and "fall-7"."""
    alike: dict[str, dict[str, None]] = {}
    for id_ in ids:
        alike.setdefault(spelling(id_), {})[id_] = None
    return [tuple(several) for key, several in alike.items() if key and len(several) > 1]


def pairs_spelt_alike(image_ids: Sequence[str], ids: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of images by which lesions or patients are joined that are spelt alike; `ids` are those of the images.

    An image that stands for itself, in place of a lesion that nobody knows, is not joined.
    """
    first = {id_: image for image, id_ in zip(reversed(image_ids), reversed(ids), strict=True) if image != id_}
    return [(first[one], first[other]) for one, *others in spelt_alike(reversed(first)) for other in others]


def doubts(frame: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """What is doubtful of lesions and patients in the frame of a lesion table: the code of a finding, and a note."""
    lesions = frame[frame["lesion_id"] != frame["image_id"]]
    yield from _together("lesion", spelt_alike(lesions["lesion_id"].unique()))
    if PATIENT not in frame:
        return
    patients = frame.loc[frame[PATIENT] != "unknown", PATIENT]
    yield from _together("patient", spelt_alike(patients.unique()))
    of_lesion = lesions[lesions[PATIENT] != "unknown"].groupby("lesion_id", sort=False)[PATIENT].unique()
    several = [f"{lesion} ({_and(who)})" for lesion, who in of_lesion.items() if len(who) > 1]
    if several:
        count = plural(len(several), "lesion has images", "lesions have images")
        yield "patients-of-lesion", f"{count} of several patients, who are kept together: {first_few(several)}"
    ((name, most),) = Counter(patients).most_common(1) or [("", 0)]
    usual = median(Counter(patients).values()) if most else 0
    if most > max(LARGE_SHARE * len(frame), LARGE_TIMES * usual):
        owns = f"patient {name} has {most} of {plural(len(frame), 'image')}"
        yield "large-patient", f"{owns}: if that is a word for one who is not known, leave these cells empty"


def within_patients(rows: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows with ids of lesions that name the patient, too, where they were numbers within each; with it a note.

    So it is where most images are of lesions that several patients have, and these are called by short numbers or
    letters: as lesions of the whole data set they would join all patients.
    """
    if "lesion_id" not in rows or PATIENT not in rows:
        return rows, ()
    lesions, patients = rows["lesion_id"].map(tidy), rows[PATIENT]
    known = ~lesions.map(is_nobody).astype(bool) & ~patients.map(is_nobody).astype(bool) & (lesions != rows["image_id"])
    owners = patients[known].groupby(lesions[known]).nunique()
    shared = owners[owners > 1]
    counted = all(_COUNT.fullmatch(str(id_)) for id_ in shared.index)
    if not counted or shared.sum() <= 2 or lesions[known].isin(shared.index).sum() <= known.sum() / 2:
        return rows, ()
    own = [identifier(f"{named(who)}_{id_}") for who, id_ in zip(patients, lesions, strict=True)]
    told = f"{first_few([str(id_) for id_ in shared.index])} each stand for lesions of several patients"
    note = NUMBERED.note(f"{told}, so that a lesion is known by patient and number, as in {own[int(known.argmax())]}")
    return rows.assign(lesion_id=lesions.mask(known, own)), (note,)


def read_as_one(what: str, made: Mapping[str, str]) -> list[str]:
    """A note on names of a lesion or patient, `what`, of which one id was made; that is given by name."""
    count = Counter(made.values())
    shared = [name for name, id_ in made.items() if count[id_] > 1]
    alike = [several for several in spelt_alike(shared) if len({made[name] for name in several}) == 1]
    return [note for _, note in _together(what, alike)]


def _and(ids: Sequence[str]) -> str:
    """A few ids, in words."""
    return " and ".join(ids) if len(ids) <= SHOWN else f"{first_few(ids)} {len(ids)} in all"


def _together(what: str, alike: Sequence[tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """The doubt about ids that are kept together; none where there are none."""
    if alike:
        examples = first_few([_and(several) for several in alike])
        written = f"{plural(len(alike), what)} may be written in several ways"
        yield f"{what}-spelling", f"{written}, and images of all of these are kept together: {examples}"
