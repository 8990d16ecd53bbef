"""Everything that is wrong with a data set, found in one run: its archives, its images, its rows, its checksums.

A loader stops at the first thing that it cannot use. Here nothing stops the others from being found, and what is only
worth knowing is a remark.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from skineval.base.errors import DataError
from skineval.base.terms import Progress
from skineval.data.files import formats
from skineval.data.files.checksums import checksum, verify
from skineval.data.files.stored_files import StoredFile, is_archive, is_unread_archive, natural, survey, walk
from skineval.data.findings import ORPHANS, Finding, Flaw
from skineval.data.layouts import class_folders, ham10000, pictures
from skineval.data.layouts.headers import is_table
from skineval.data.layouts.images import StoredImages
from skineval.data.layouts.metadata import examine_metadata, find_metadata
from skineval.data.layouts.pictures import MASK, Named, id_of, image_of, is_mask, is_picture
from skineval.data.pixels.threads import at_most, cores, in_order
from skineval.data.quality import surroundings
from skineval.data.quality.image_files import UNREADABLE, Content, examine, flaws
from skineval.data.quarantine import NOTHING_LEFT
from skineval.data.spellings import IDENTIFIER
from skineval.values.lesion_table import LesionTable, leaf
from skineval.values.task import DIAGNOSES

NEARLY_ALL = 0.95  #: share of the images that must have one size for another one to be remarkable
ENOUGH = 20  #: images from which on there is a usual size
THRESHOLD = 128  #: grey level from which on a mask marks the lesion
MAX_THREADS = 8  #: that decode at a time: each may hold one image of the largest size allowed


@dataclass(frozen=True)
class Decoded:
    """How many files of a kind there are."""

    files: int
    whole: int  #: of them decoded in full, every pixel


@dataclass(frozen=True, eq=False)
class Checked:
    """What a data set was found to be."""

    findings: tuple[Finding, ...]  #: errors first, those of one code together
    images: Decoded
    masks: Decoded
    checksums: Mapping[str, str]  #: SHA-256 by name of the file, where they were asked for

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What keeps something from being used."""
        return tuple(finding for finding in self.findings if finding.severity == "error")


@dataclass(frozen=True, eq=False)
class _Rows:
    """What the metadata names, whatever is wrong with it."""

    name: str  #: of the metadata
    numbers: Mapping[str, int]  #: row in the file, by those image ids that can be used
    diagnoses: Mapping[str, str]  #: dx, by those of them that have one


def check(
    path: Path,
    load: Callable[[Path, frozenset[str]], LesionTable],
    *,
    promised: Mapping[str, str] | None = None,
    checksums: bool = False,
    aside: Collection[Path] = (),
    by_columns: bool = False,
    progress: Progress | None = None,
) -> Checked:
    """Decode every image and mask in the folder or file `path`, and compare them with each other and the metadata.

    `load` reads the data set as a bench would, without the images it is told: whatever it refuses is an error, too, and
    what it refuses of some images alone is left out, and it is asked again. `promised` is a manifest to be
    verified, and with `checksums` one can be written of the result; files in `aside` are neither verified nor listed.
    `by_columns` says that its owner has named the columns, so that no table is taken for the metadata of HAM10000.
    `progress(done, total)` is called with numbers of files. Raises DataError where there is nothing at `path`.
    """
    if not path.exists():
        raise DataError(f"There is no folder or file {path}.", "Check the path.")
    files, unreached = survey(path)
    resolved = {file.resolve() for file in aside}
    files = [file for file in files if file.path.resolve() not in resolved]
    rows: _Rows | None = None
    findings: list[Finding] = []
    if not by_columns and ham10000.has_metadata(files, path):
        rows, findings = _read_rows(path, files)
    unused = {file for file in pictures.look_like_masks(files) if rows is None or file.inner.stem not in rows.numbers}
    used = [file for file in files if file not in unused]
    contents, sums = _read(path, files, unused, promised or {}, checksums or promised is not None, progress)
    if rows is not None:
        about = [(finding, image_of(PurePath(finding.where))) for finding in unreached]
        unreached = [replace(one, image_ids=(id_,)) if id_ in rows.numbers else one for one, id_ in about]
        findings += _match(path, rows, used, contents, unreached)
    findings += unreached
    table, refused = _loaded(path, load, once=rows is not None)
    explained = _explained(findings, contents)
    findings += [one for one in refused if (one.image_ids and rows is None) or not explained]
    if table is not None and table.layout.startswith(class_folders.LAYOUT):
        hint = f"{class_folders.UNREAD}."
        unread = [file.listed(path) for file in files if is_table(file)]
        findings += [Finding("unread-table", where, "is a table that is not read", hint, "remark") for where in unread]
    findings += surroundings.without_suffix(path, files)
    findings += surroundings.empty_folders(path)
    if rows is not None:
        findings += surroundings.second_tables(path, files, rows.name)
    if table is not None:
        findings += surroundings.doubtful_ids(path, table)
        told = surroundings.doubtful_notes(path, table)
        findings += [one for one in told if rows is None or one.code != ORPHANS.code]  # there, each is a finding
        findings += surroundings.unknown_lesions(path, table)
        findings += surroundings.small_classes(path, table)
        findings += surroundings.labels_of_their_own(path, table)
    owners = _owners(files, rows, table)
    names = {file.listed(path): (id_,) for file, id_ in owners.items()}
    for file, flaw in _judge_files(files, unused, contents, owners):
        where = file.listed(path)
        findings.append(flaw.at(where, names.get(where, ())))
    if promised is not None:
        differences = verify(promised, sums)
        findings += [replace(finding, image_ids=names.get(finding.where, ())) for finding in differences]
    images, masks = (_decoded(contents, masks=masks) for masks in (False, True))
    return Checked(_ordered(findings), images, masks, sums)


def joined(checks: Mapping[str, Checked], load: Callable[[frozenset[str]], LesionTable]) -> Checked:
    """What data sets were found to be, by name; of several, a finding says in which, or that it is of all as one.

    `load` reads them as one, without the images it is told, and refuses what keeps them from being one.
    """
    if len(checks) == 1:
        return next(iter(checks.values()))
    findings = [
        replace(finding, where=f"{name}: {finding.where}") for name, one in checks.items() for finding in one.findings
    ]
    ids = [one.image_ids for one in findings if one.severity == "error"]
    if all(ids):  # or nothing can be read of one, which has been said
        left_out = frozenset(id_ for several in ids for id_ in several)
        findings += _loaded(Path(" + ".join(checks)), lambda _, out: load(out), once=False, left_out=left_out)[1]
    images, masks = (
        Decoded(sum(one.files for one in kind), sum(one.whole for one in kind))
        for kind in ([one.images for one in checks.values()], [one.masks for one in checks.values()])
    )
    sums = {f"{name}: {file}": digest for name, one in checks.items() for file, digest in one.checksums.items()}
    return Checked(_ordered(findings), images, masks, sums)


def _ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda one: (one.severity != "error", one.code, natural(one.where))))


def _loaded(
    path: Path,
    load: Callable[[Path, frozenset[str]], LesionTable],
    *,
    once: bool,
    left_out: frozenset[str] = frozenset(),
) -> tuple[LesionTable | None, list[Finding]]:
    """The data set without the images that are refused, if that can be had, and what is refused."""
    refused: list[Finding] = []
    while True:
        try:
            return load(path, left_out), refused
        except DataError as error:
            if error.code == NOTHING_LEFT and refused:  # of all images, it has been said what is wrong
                return None, refused
            ids = error.image_ids - left_out
            refused.append(replace(_refusal(error.code, path, error), image_ids=tuple(sorted(ids))))
            if once or not ids:
                return None, refused
            left_out |= ids


def _read(
    path: Path,
    files: Sequence[StoredFile],
    unused: Collection[StoredFile],
    promised: Mapping[str, str],
    checksums: bool,
    progress: Progress | None,
) -> tuple[list[Content], dict[str, str]]:
    """What is in the image files that are not `unused`, and the checksum of every file where they are wanted."""
    images = [file for file in files if is_picture(file) and file not in unused]
    others = [file for file in files if not is_picture(file) or file in unused] if checksums else []
    # A manifest may list an archive as the file that it is.
    others += [file for file in walk(path)[0] if is_archive(file) and file.listed(path) in promised]
    total = len(images) + len(others)
    threads = at_most(min(MAX_THREADS, cores()))
    contents: list[Content] = []
    sums: dict[str, str] = {}
    for content in in_order(examine, images, threads):
        contents.append(content)
        if progress is not None:
            progress(len(contents), total)
    for file, digest in zip(others, in_order(checksum, others, threads), strict=True):
        sums[file.listed(path)] = digest
        if progress is not None:
            progress(len(contents) + len(sums), total)
    if checksums:
        sums |= {content.file.listed(path): content.sha256 for content in contents}
    return contents, sums


def _decoded(contents: Iterable[Content], *, masks: bool) -> Decoded:
    mine = [content for content in contents if is_mask(content.file) == masks]
    return Decoded(len(mine), sum(content.problem is None for content in mine))


def _refusal(code: str, path: Path, error: DataError) -> Finding:
    return Finding(code, path.name or str(path), error.message.removesuffix("."), error.hint)


def _explained(findings: Iterable[Finding], contents: Iterable[Content]) -> bool:
    """Whether something was found, and said more precisely, that a loader stops at."""
    unreadable = (content.problem is not None and content.problem.code == UNREADABLE for content in contents)
    return any(finding.severity == "error" for finding in findings) or any(unreadable)


def _read_rows(path: Path, files: Sequence[StoredFile]) -> tuple[_Rows | None, list[Finding]]:
    """The rows of the metadata of a HAM10000 folder, and all that is wrong with them."""
    try:
        file = find_metadata(path, ham10000.own(files))
        raw, faults = examine_metadata(file)
    except DataError as error:
        return None, [_refusal("metadata", path, error)]
    name = file.listed(path)
    findings = [finding for fault in faults for finding in fault.findings(name)]
    diagnoses = frozenset(raw["dx"].str.strip().str.lower())
    absent = [dx for dx in DIAGNOSES if dx not in diagnoses]
    if absent:
        hint = "Nothing can be learned of them: nothing needs be done if that is meant."
        findings.append(Finding("absent-class", name, f"no images of {', '.join(absent)}", hint, "remark"))
    numbered = zip(raw["image_id"], raw.index.tolist(), strict=True)
    numbers = {id_: number for id_, number in numbered if IDENTIFIER.fullmatch(id_)}
    diagnosed = zip(raw["image_id"], raw["dx"], strict=True)
    return _Rows(name, numbers, {id_: dx for id_, dx in diagnosed if id_ in numbers and dx in DIAGNOSES}), findings


def _match(
    path: Path, rows: _Rows, files: Sequence[StoredFile], contents: Sequence[Content], unreached: Sequence[Finding]
) -> Iterator[Finding]:
    """Rows without image or mask, images and masks without row, and images that are there in several versions.

    Images that are there and cannot be reached are not missing.
    """
    written, masks = pictures.find(files)
    images = pictures.of_ids(written, rows.numbers)
    digests = {content.file: content.sha256 for content in contents}
    unreadable = {id_ for finding in unreached for id_ in finding.image_ids}
    for id_, number in rows.numbers.items():
        where = f"{rows.name}, row {number}"
        if id_ not in images and id_ not in unreadable:
            hint = f"Put it there, as a {' or '.join(formats.SUFFIXES)} file or in a zip archive."
            yield Finding("missing-image", where, f"there is no image {id_}", hint, image_ids=(id_,))
        elif masks and id_ not in masks:
            hint = "Its explanations cannot be scored; nothing else needs it."
            yield Finding("missing-mask", where, f"there is no lesion mask of {id_}", hint, "remark")
    for id_ in images.keys() - rows.numbers.keys():
        what = f"{rows.name} has no row of it"
        yield Finding("orphaned-image", images[id_][0].listed(path), what, surroundings.IGNORED, "remark")
    for file, id_, dx in class_folders.misplaced(rows.diagnoses, files, path):
        what = f"lies in a folder of {dx}, and is {rows.diagnoses[id_]} in row {rows.numbers[id_]} of {rows.name}"
        yield Finding("class-folder", file.listed(path), what, class_folders.MOVE, image_ids=(id_,))
    for code, found in (("several-images", images), ("several-masks", masks)):
        for id_ in found.keys() & rows.numbers.keys():
            if len({digests[file] for file in found[id_]}) > 1:
                first, *others = (file.listed(path) for file in found[id_])
                what = f"is there in several versions: also as {', '.join(others)}"
                yield Finding(code, first, what, "Keep one version.", image_ids=(id_,))


def _owners(files: Sequence[StoredFile], rows: _Rows | None, table: LesionTable | None) -> dict[StoredFile, str]:
    """The image that each file belongs to, as a list of what to leave out would name it."""
    if rows is not None:
        named = ((file, image_of(file.inner)) for file in files if is_picture(file))
        return {file: id_ for file, id_ in named if id_ in rows.numbers}
    if table is None:
        return {}
    ids: dict[tuple[Path, str], str] = {}
    for row, id_ in enumerate(table.frame["image_id"]):
        images, place = leaf(table.images, row)
        if isinstance(images, StoredImages):
            chosen = (images.files[place], images.segmentations[place])
            ids |= {(file.path, file.member): id_ for file in chosen if file is not None}
    return {file: ids[file.path, file.member] for file in files if (file.path, file.member) in ids}


def _judge_files(
    files: Iterable[StoredFile],
    unused: Collection[StoredFile],
    contents: Sequence[Content],
    named: Named,
) -> Iterator[tuple[StoredFile, Flaw]]:
    """What is wrong with files by themselves, and beside each other; `named` says of which image each is, if known."""
    for content in contents:
        yield from ((content.file, flaw) for flaw in flaws(content))
    yield from _judge_masks(contents, named)
    yield from _unusual_sizes(contents)
    for file in files:
        if file in unused:
            hint = f"Nothing needs be done, unless it is meant: masks are called ID{MASK}.png."
            what = "is called like a mask of another image, and is used neither as image nor as mask"
            yield file, Flaw("suspected-mask", what, hint, "remark")
        elif file.inner.suffix.lower() in formats.UNREAD:
            what = f"is a {file.inner.suffix} file, which is not read"
            yield file, Flaw("unread-format", what, f"Save it as a {formats.NAMES} image.", "remark")
        elif is_unread_archive(file):
            what = "is an archive that is not read: only zip files are"
            yield file, Flaw("unread-archive", what, "Extract it if images are missing.", "remark")


def _judge_masks(contents: Sequence[Content], named: Named) -> Iterator[tuple[StoredFile, Flaw]]:
    """Masks that mark nothing or all, are not of the shape of their image, or have none."""
    images = {id_of(content.file, named): content for content in contents if not is_mask(content.file)}
    for mask in contents:
        if not is_mask(mask.file) or mask.problem is not None:
            continue
        hint = "The explanations of this image cannot be scored by it."
        if mask.brightest < THRESHOLD:
            what = f"marks nothing: its largest value is {mask.brightest}"
            yield mask.file, Flaw("empty-mask", what, f"{hint} A lesion is marked by 255.", "remark")
        elif mask.darkest >= THRESHOLD:
            yield mask.file, Flaw("full-mask", "marks the whole image as lesion", hint, "remark")
        image = images.get(id_of(mask.file, named))
        if image is None and mask.file not in named:  # of those, it has been said that the image is missing
            yield mask.file, Flaw("orphaned-mask", "there is no image of it", surroundings.IGNORED, "remark")
        elif image is not None and image.problem is None and not _alike(mask.size, image.size):
            what = f"has {_shown(mask.size)} pixels, not the shape of its image of {_shown(image.size)}"
            yield mask.file, Flaw("mask-shape", what, "Restore the mask that belongs to this image.")


def _unusual_sizes(contents: Iterable[Content]) -> Iterator[tuple[StoredFile, Flaw]]:
    """Images of another size than nearly all others."""
    sound = [content for content in contents if content.problem is None and not is_mask(content.file)]
    sizes = Counter(content.size for content in sound)
    if len(sound) < ENOUGH or len(sizes) == 1:
        return
    usual, count = sizes.most_common(1)[0]
    if count < NEARLY_ALL * len(sound):
        return
    for content in sound:
        if content.size != usual:
            what = f"has {_shown(content.size)} pixels, and {count} of {len(sound)} images have {_shown(usual)}"
            hint = "It is scaled like any other: compare it with the original."
            yield content.file, Flaw("unusual-size", what, hint, "remark")


def _alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes have the same ratio of width to height, but for a pixel that rounding takes or gives."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(*one, *other)


def _shown(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
