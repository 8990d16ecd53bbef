"""What people write in many ways, read in one: image ids, classes and parts.

Everything that names an image, a class or a part in a file of a user is read here, so that two files that mean the same
meet: predictions, ground truth, metadata, splits, pairs, quarantine and class folders.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from skineval.base.errors import first_few
from skineval.data.files.formats import SUFFIXES, UNREAD
from skineval.values.task import BINARY, CLASS_NAMES, SPELLINGS

#: What the column of image ids is called, the first that is there.
IMAGE_COLUMNS = (
    "image_id", "imageid", "image", "isic_id", "img_id", "img", "image_name", "img_name", "filename", "file_name",
    "fname", "file", "image_file", "image_path", "img_path", "path", "id", "name",
)  # fmt: skip
#: What sexes are called, in small letters.
_SEXES = MappingProxyType({"male": ("m", "man", "männlich"), "female": ("f", "w", "woman", "weiblich")})
PART_COLUMNS = ("part", "split", "set", "subset")  #: the same for parts
#: What parts are called, in small letters.
PARTS_BY_NAME: Mapping[str, str] = MappingProxyType(
    {
        "train": "train", "training": "train",
        "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
        "test": "test", "testing": "test",
    }
)  # fmt: skip
#: What diagnoses are called, in small letters with single blanks.
DIAGNOSES_BY_NAME: Mapping[str, str] = MappingProxyType(
    {name: dx for dx, names in SPELLINGS.items() for name in (dx, CLASS_NAMES[dx], *names)}
)
_CLASSES = MappingProxyType({**DIAGNOSES_BY_NAME, **{name: name for name in BINARY}})

#: What labels stand for is what they are called, one or several.
_LABELS = MappingProxyType({form: label for label, name in CLASS_NAMES.items() for form in (name, f"{name}s")})
_APOSTROPHES = str.maketrans(dict.fromkeys("\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}`", "'"))
_WHOLE = re.compile(r"(\d+)[.,]0{1,2}")
_AROUND = re.compile(r"^[\s\u00ad\u200b-\u200d\u2060\ufeff]+|[\s\u00ad\u200b-\u200d\u2060\ufeff]+$")
_ENDS = re.compile(r"^[^\w]+|[^\w]+$")
_DENIAL = re.compile(r"(no|not) |non")  # what a name of all but one class begins with

_DOUBT = "?"
#: Labels that say nothing of an image.
_SILENT = frozenset(
    ("unknown", "unk", "unbekannt", "n-a", "na", "nan", "none", "inconnu", "desconocido", "sconosciuto")
)
#: Signs that make another label of a number or a name, as words.
_SIGNS: Mapping[str, str] = MappingProxyType(
    {
        "<": "below", ">": "above", "<=": "at most", ">=": "at least", "\u2264": "at most", "\u2265": "at least",
        "+": "positive", "-": "negative", "\u2212": "negative",
    }
)  # fmt: skip
#: Comparisons of numbers, a minus in front of one, and plus or minus right behind a name.
_SIGNED = re.compile(r"(?:[<>]=?|[\u2264\u2265])(?=\s*\d)|^\s*[-\u2212](?=\d)|(?<=\w)\s?[-+\u2212]+(?=\s*$)")
MISSPELT = 0.8  #: how near a label must be to what a known class is called to be asked for

IDENTIFIER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")  #: what an id may be
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")  #: ids that can be no path, nor have a suffix
STEM = 48  #: characters that an id keeps of a name which is none
_SUFFIXES = re.compile(rf"({'|'.join(map(re.escape, (*SUFFIXES, *UNREAD, '.npy')))})+$", re.IGNORECASE)


def plain(name: str) -> str:
    """A name as it is compared: in small letters, hyphens and underscores as blanks, apostrophes as plain ones."""
    return " ".join(re.sub(r"[-_]", " ", unicodedata.normalize("NFKC", name)).translate(_APOSTROPHES).lower().split())


def image_id(text: str) -> str:
    """The id of the image that `text` names, of which neither a path in front nor an image suffix is a part.

    The name of an image file that cannot be an id, such as one with blanks, has the id that `identifier` makes of it. A
    path that leads out of its folder is taken off only from such a name; other text that is no id stays as it is, for
    whoever checks ids to refuse it.
    """
    if _PLAIN.fullmatch(text):  # as nearly all are, of many
        return text
    *folders, name = (part.strip() for part in re.split(r"[/\\]", text))
    stem = _SUFFIXES.sub("", name)
    if stem and stem != name:
        return identifier(stem)
    leads_out = any(folder in ("", "..") or ":" in folder for folder in folders)
    return text.strip() if leads_out else name


def as_known(known: Iterable[str]) -> Callable[[str], str]:
    """What makes of an id the `known` one that it is, or the only one that differs from it in letter case alone."""
    exact, spelt = set(known), defaultdict[str, list[str]](list)
    for id_ in exact:
        spelt[id_.lower()].append(id_)
    alone = {lower: several[0] for lower, several in spelt.items() if len(several) == 1}
    return lambda id_: id_ if id_ in exact else alone.get(id_.lower(), id_)


def identifier(name: str) -> str:
    """`name` itself where it is an id; else what is left of it, with a hash that tells similar names apart."""
    if IDENTIFIER.fullmatch(name):
        return name
    normal = unicodedata.normalize("NFC", name)
    digest = hashlib.blake2b(normal.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '_', unaccented(normal))[:STEM]}-{digest}"


def visible(text: str) -> str:
    """The text without characters of which nothing is seen, such as blanks of no width and marks of direction."""
    return text if text.isascii() else "".join(one for one in text if unicodedata.category(one) != "Cf")


def bare(text: str) -> str:
    """The text without blanks around it, also those of no width; marks that turn text around stay, to be refused."""
    return text.strip() if text.isascii() else _AROUND.sub("", text)


def unaccented(text: str) -> str:
    """The text with plain letters in place of accented ones."""
    return "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))


def whole(text: str) -> str:
    """A whole number without the decimals that spreadsheets may add to it; other text as it is."""
    number = _WHOLE.fullmatch(text)
    return number[1] if number else text


def first_column(columns: Iterable[str], names: Iterable[str]) -> str | None:
    """The column that is called like the first of `names` that is there, as it is written; None where none is.

    `Image ID` and `image-id` are called like `image_id`.
    """
    written = {plain(column): column for column in columns}
    return next((written[plain(name)] for name in names if plain(name) in written), None)


def diagnosis(text: str) -> str | None:
    """The diagnosis that a code or a name means, whatever its letter case: one of `DIAGNOSES`, or None."""
    return DIAGNOSES_BY_NAME.get(plain(text))


def guess(text: str, cutoff: float = 0.7) -> str:
    """The diagnosis that a misspelt or written-out one may mean, as a question in brackets; "" where none is near.

    A name that denies one, such as "not melanoma", means none. `cutoff` is how near, from 0 to 1, as difflib has it.
    """
    near = nearest(text, cutoff)
    return f" (did you mean {near}?)" if near else ""


def nearest(text: str, cutoff: float) -> str:
    """The diagnosis that `guess` asks for, by itself."""
    if _DENIAL.match(plain(text)):
        return ""
    close = difflib.get_close_matches(text, DIAGNOSES_BY_NAME, n=1, cutoff=cutoff)
    return DIAGNOSES_BY_NAME[close[0]] if close else ""


def class_name(text: str) -> str | None:
    """As `diagnosis`; also one of the two classes of the malignant task."""
    return _CLASSES.get(plain(text))


def label_name(text: str) -> str:
    """A label as it is known here: as `class_name`, and any other in small letters, with hyphens for what is between.

    Labels that differ in case, blanks or punctuation alone are one; "" where there is nothing else. Signs that change
    what is meant are words: -1, <1, >1, BRAF+ and BRAF- are no 1 and no BRAF.
    """
    text = _SIGNED.sub(_in_words, unicodedata.normalize("NFKC", text)).strip()
    bare = _ENDS.sub("", whole(plain(text)))
    known = class_name(text) or class_name(bare) or _LABELS.get(bare)
    label = known or whole(re.sub(r"[^\w.+]+", "-", whole(plain(text))).strip("-.+_"))
    # Who doubts a diagnosis has made none.
    return f"{label}-doubtful" if known and _DOUBT in text else label


def _in_words(sign: re.Match[str]) -> str:
    """A sign, or several behind one another, in words."""
    signs = sign[0].strip()
    return f" {_SIGNS[signs] if signs in _SIGNS else ' '.join(_SIGNS[one] for one in signs)} "


def of_their_own(labels: Iterable[str]) -> tuple[str, ...]:
    """Notes on labels that are nearly a known one, and are not taken for it, and on those that say nothing."""
    others = sorted(label for label in set(labels) if not class_name(label) and label not in CLASS_NAMES)
    meant = {label: nearest(plain(label.removesuffix("-doubtful")), MISSPELT) for label in others}
    near = [f"{label!r} (is {one} meant?)" for label, one in meant.items() if one]
    silent = [repr(label) for label in others if label in _SILENT]
    found = (("near to a known one", near), ("that say nothing", silent))
    return tuple(
        f"labels {which} are labels of their own: {first_few(those)}; --task FILE joins labels or leaves them out"
        for which, those in found
        if those
    )


def sex_name(text: str) -> str:
    """The sex that a word means, "male" or "female"; any other in small letters."""
    return next((sex for sex, words in _SEXES.items() if plain(text) in words), text.lower())


def part_name(text: str) -> str:
    """The part that a name means, one of `skineval.base.terms.PARTS`; any other name as it is."""
    return PARTS_BY_NAME.get(plain(text), text)


def read_as_one(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Notes on the texts that have one label, which is given by text, and on those that are called otherwise here."""
    same: dict[str, list[str]] = {}
    for text, label in labels.items():
        same.setdefault(label, []).append(text)
    merged = [f"{label} ({', '.join(map(repr, texts))})" for label, texts in same.items() if len(texts) > 1]
    alone = {label: texts[0] for label, texts in same.items() if len(texts) == 1}
    renamed = [f"{label} ({text!r})" for label, text in alone.items() if plain(text) != plain(label)]
    found = (("read as one", ", ".join(merged)), ("called otherwise here", first_few(renamed)))
    return tuple(f"labels {what}: {which}" for what, which in found if which)
