"""Images sorted into one folder a class, perhaps below train, validation and test, read into a lesion table."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from skineval.base.errors import DataError, first_few, plural
from skineval.data.copies import count_once
from skineval.data.files.formats import NAMES
from skineval.data.files.stored_files import StoredFile, scan
from skineval.data.findings import refuse_any
from skineval.data.layouts import pictures
from skineval.data.layouts.headers import is_table
from skineval.data.layouts.metadata import LESIONS_UNKNOWN, bare_frame
from skineval.data.layouts.naming import by_folder
from skineval.data.layouts.pictures import is_mask, is_picture
from skineval.data.quarantine import require_known
from skineval.data.spellings import PARTS_BY_NAME, class_name, guess, label_name, plain, read_as_one
from skineval.values.lesion_table import LesionTable
from skineval.values.task import CLASS_NAMES, DIAGNOSES

LOOKED_FOR = f"two or more folders of {NAMES} images, each called like the class of all images in it"
LAYOUT = "one folder a class"  #: what the layout of what was read here begins with
UNREAD = "--columns says what its columns hold"  #: what to do with a table that is not read
MOVE = "Move it into the folder of its class, or correct its dx."  #: what to do with an image that is misplaced
_PIECE = re.compile(r"[ _-]?\d+$")
#: Words in the names of folders that say what kind of files lie there.
_PLACES = frozenset(
    ("image", "images", "img", "imgs", "photo", "photos", "input", "inputs", "data", "dataset", "mask", "masks",
     "segmentation", "segmentations", "groundtruth", "annotation", "annotations", "thumbnails", "unlabeled",
     "unlabelled", "crops", "resized", *PARTS_BY_NAME)
)  # fmt: skip
_INDEX = re.compile(r"^\d+[ ._-]+")  # as in "0_akiec"


@dataclass(frozen=True)
class _Placed:
    """An image file and what the folders above it say."""

    file: StoredFile
    folder: str  #: the name of the one that says the label
    dx: str  #: the label
    part: str  #: "" where no folder says


def recognise(files: Sequence[StoredFile], path: Path) -> bool:
    """Whether an image lies below a folder that is called like a known class, or all lie in folders of two classes."""
    images = [file for file in files if is_picture(file) and not is_mask(file)]
    if any(_classes(file, path) for file in images):
        return True
    # A table says more of images than the folders they happen to lie in.
    sorted_ = [file for file in images if _folders(file, path)] if not any(map(is_table, files)) else []
    return len(set(_labels_of(sorted_, path).values())) > 1


def hidden(files: Sequence[StoredFile], path: Path) -> str:
    """The sentence on what keeps folders from being taken for classes, which are tables or folders in them; else ""."""
    others = [file for file in files if is_table(file)]
    images = [file for file in files if is_picture(file) and not is_mask(file)]
    outer = {file.below(path).parts[0] for file in images if _folders(file, path)}
    deep = [str(file.below(path)) for file in images if len(_folders(file, path)) > 1]
    if not others and deep and len(outer) > 1:
        return (
            "Folders of any names are classes where images lie in these themselves, and not in folders within them "
            f"({first_few(deep[:1])}): move them up, or say by a table and --columns what they show."
        )
    if not others or not recognise([file for file in files if file not in others], path):
        return ""
    return (
        f"Folders would be classes here but for {first_few([str(file.below(path)) for file in others])}: move it away, "
        "or say by --columns what it holds."
    )


def load(path: Path, quarantined: frozenset[str] = frozenset()) -> LesionTable:
    """Read images from class folders in a folder or in zip archives. `official` holds the parts where folders say them.

    An image is known by the name of its file, or where several have that, by its folders, too; what is no id is made
    one. Rows are sorted by image_id, each picture is there once, and images in `quarantined` are not looked at.
    Folders may have any names; what is called like a known class is one. Raises DataError for a
    picture in folders of two classes or parts,
    and where some images alone lie below parts.
    """
    files = scan(path, without=pictures.stems(quarantined))
    unused = pictures.look_like_masks(files)
    images = [file for file in files if is_picture(file) and file not in unused and not is_mask(file)]
    loose = [file for file in images if not _folders(file, path)]
    placed = _place([file for file in images if file not in set(loose)], path)
    found, named = _identified(placed, files, path)
    require_known(quarantined, found, str(path))
    by_id = {id_: found[id_] for id_ in sorted(found.keys() - quarantined)}
    if not by_id:
        raise DataError(f"All images of {path} are in quarantine.", "Restore the images.")
    official = tuple(one.part for one in by_id.values())
    if any(official) and not all(official):
        outside = [one.file.name for one in by_id.values() if not one.part]
        below = f"below none of {path}'s folders for train, validation or test"
        what = (f"image lies {below}", f"images lie {below}")
        refuse_any(outside, what, "Move them into a part, or give one part alone.")
    frame = bare_frame(list(by_id), [one.dx for one in by_id.values()])
    notes = [LESIONS_UNKNOWN, *read_as_one({one.folder: one.dx for one in by_id.values()})]
    if unused:
        of_others = ("image called like a mask of another is", "images called like masks of others are")
        notes.append(f"{plural(len(unused), *of_others)} ignored")
    if loose:
        outside_of_all = ("image outside of class folders is", "images outside of class folders are")
        notes.append(f"{plural(len(loose), *outside_of_all)} ignored")
    within = [file for file in files if _folders(file, path) and not (is_picture(file) or is_table(file))]
    others = [str(file.below(path)) for file in within]
    if others:
        not_read = ("file that is not read as an image is", "files that are not read as images are")
        notes.append(f"{plural(len(others), *not_read)} ignored: {first_few(others)}")
    unread = first_few([file.inner.name for file in files if is_table(file)])
    notes += [f"{unread} is not read: {UNREAD}"] if unread else []
    labels = sorted(set(frame["dx"]))
    table = pictures.attach(frame, [one.file for one in by_id.values()], files, named).table(
        path.resolve().name,
        f"{LAYOUT}{', below the parts' if all(official) else ''}",
        notes,
        DIAGNOSES if set(labels) <= set(DIAGNOSES) else tuple(labels),
        lesions_known=False,
        official=official if all(official) else None,
    )
    return count_once(table)


def misplaced(
    diagnoses: Mapping[str, str], files: Iterable[StoredFile], path: Path
) -> Iterator[tuple[StoredFile, str, str]]:
    """Image files below a folder of another class than their diagnosis, which is given by image id.

    Each with its image id and that class: a diagnosis of HAM10000, or what another image is.
    """
    classes = {*DIAGNOSES, *diagnoses.values()}
    called: dict[str, str] = {}
    for file in files:
        id_ = pictures.image_of(file.inner)
        if id_ in diagnoses and is_picture(file):
            for folder in _folders(file, path):
                if folder not in called:
                    called[folder] = class_name(folder) or label_name(folder)
                if called[folder] in classes and called[folder] != diagnoses[id_]:
                    yield file, id_, called[folder]


def _folders(file: StoredFile, path: Path) -> tuple[str, ...]:
    """The names of the folders above a file, from the outermost below `path`, as they are compared."""
    return tuple(map(plain, file.below(path).parts[:-1]))


def _classes(file: StoredFile, path: Path) -> list[str]:
    return [dx for folder in _folders(file, path) if (dx := class_name(folder))]


def _labels_of(files: Sequence[StoredFile], path: Path) -> dict[StoredFile, str]:
    """The label that the folders of each image say, in whatever words; nothing unless they say one of every image.

    What all images lie in says nothing, and parts are no classes. Nor are folders that are told apart by a number
    behind one name, which are pieces of something, or called by one of `_PLACES`.
    """
    chains = {file: [folder for folder in _folders(file, path) if folder not in PARTS_BY_NAME] for file in files}
    while chains and all(chain[:1] == next(iter(chains.values()))[:1] and len(chain) > 1 for chain in chains.values()):
        chains = {file: chain[1:] for file, chain in chains.items()}
    names = {chain[0] for chain in chains.values() if len(chain) == 1}
    pieces = {_PIECE.sub("", name) for name in names}
    if (
        any(len(chain) != 1 for chain in chains.values())
        or (len(pieces) < len(names) and pieces != {""})
        or any(_PLACES & set(name.split()) for name in names)
    ):
        return {}
    labels = {name: class_name(_INDEX.sub("", name)) or label_name(name) for name in names}
    return {file: labels[chain[0]] for file, chain in chains.items()} if all(labels.values()) else {}


def _place(files: Sequence[StoredFile], path: Path) -> list[_Placed]:
    """Label and part of each image."""
    unknown: dict[str, int] = {}
    placed = []
    labels = _labels_of(files, path)
    for file in files:
        classes = _classes(file, path)
        if len(set(classes)) > 1:
            raise DataError(
                f"{file.name} lies below folders of the classes {' and '.join(classes)}.", "Move it into one of them."
            )
        above = file.below(path).parts[:-1]
        folder = next((name for name in reversed(above) if class_name(name)), above[-1])
        if not classes:
            if file not in labels:
                unknown[folder] = unknown.get(folder, 0) + 1
                continue
            classes = [labels[file]]
        parts = [PARTS_BY_NAME[folder] for folder in _folders(file, path) if folder in PARTS_BY_NAME]
        placed.append(_Placed(file, folder, classes[0], parts[-1] if parts else ""))
    refuse_any(
        [f"{name!r}{guess(plain(name))}, with {plural(count, 'image')}" for name, count in unknown.items()],
        ("folder is called like no class", "folders are called like no class"),
        f"Call folders {', '.join(f'{dx} ({name})' for dx, name in CLASS_NAMES.items())}, or move others away.",
        str(path),
    )
    return placed


def _identified(
    placed: Sequence[_Placed], files: Sequence[StoredFile], path: Path
) -> tuple[dict[str, _Placed], pictures.Named]:
    """Images by id, and those ids that are made of folders, since several files have one name."""
    names = Counter(pictures.id_of(one.file) for one in placed)
    named = by_folder((one.file for one in placed if names[pictures.id_of(one.file)] > 1), files, path)
    several: dict[str, list[_Placed]] = defaultdict(list)
    for one in placed:
        several[pictures.id_of(one.file, named)].append(one)
    differing = [
        " and ".join(one.file.name for one in same)
        for same in several.values()
        if len(same) > 1 and not pictures.of_one_content([one.file for one in same])
    ]
    of_another = "the name and the folder of another one"
    refuse_any(differing, (f"image has {of_another}", f"images have {of_another}"), "Rename one of each pair.")
    return {id_: same[0] for id_, same in several.items()}, named
