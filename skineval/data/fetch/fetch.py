"""A whole data set into a folder: several files at once, what is there already left alone, a manifest beside them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from skineval.base.errors import Interrupted, SkinevalError
from skineval.base.files import DiskError, disk_error
from skineval.data.fetch.download import Receipt, RemoteFile, Watcher, download
from skineval.data.fetch.transport import Patience, Stop
from skineval.data.files import checksums

MANIFEST = "SHA256SUMS"  #: name of the manifest that is kept beside what was fetched


@dataclass(frozen=True)
class Fetched:
    """How the files of a data set were fetched, in the order in which they were asked for."""

    receipts: Mapping[str, Receipt]  #: by name; without those that failed
    errors: Mapping[str, SkinevalError]  #: by name


def fetch(
    files: Sequence[RemoteFile],
    folder: Path,
    *,
    jobs: int = 4,
    patience: Patience | None = None,
    stop: Stop | None = None,
    watcher: Watcher | None = None,
) -> Fetched:
    """Download `files` into `folder`, `jobs` at a time, and write their SHA-256 to SHA256SUMS there.

    A file that fails does not keep the others from being fetched. Raises DiskError where they will not fit, DataError
    where there is a manifest already that cannot be read, and Interrupted, after Ctrl-C or `stop`, with everything that
    arrived on disk.
    """
    stop = stop or Stop()
    _known(folder)
    _check_space(files, folder)
    receipts: dict[str, Receipt] = {}
    errors: dict[str, SkinevalError] = {}
    with ThreadPoolExecutor(jobs) as pool:
        doing = {
            file.name: pool.submit(download, file, folder, patience=patience, stop=stop, watcher=watcher)
            for file in files
        }
        try:
            wait(doing.values())
        except KeyboardInterrupt:
            stop.ask()
            pool.shutdown(cancel_futures=True)
            raise Interrupted from None
    for name, future in doing.items():
        try:
            receipts[name] = future.result()
        except SkinevalError as error:
            errors[name] = error
    _write_manifest(folder, {receipt.path.name: receipt.verified.sha256 for receipt in receipts.values()})
    return Fetched(receipts, errors)


def _check_space(files: Sequence[RemoteFile], folder: Path) -> None:
    """Raise DiskError where what is missing does not fit; sizes that nobody knows are not counted."""
    missing = sum(_missing(file, folder) for file in files)
    there = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if missing > free:
        raise DiskError(
            f"{folder} has room for {free / 1e9:.2f} GB, and {missing / 1e9:.2f} GB are still to be fetched.",
            "Free some space, or choose another folder with --to.",
        )


def _missing(file: RemoteFile, folder: Path) -> int:
    size = file.promise.size
    if size is None:
        return 0
    there = [path.stat().st_size for path in (folder / file.name, folder / f"{file.name}.part") if path.is_file()]
    return max(0, size - max(there, default=0))


def _write_manifest(folder: Path, digests: Mapping[str, str]) -> None:
    """Add SHA-256 by name to the manifest of `folder`; another process may do the same."""
    if digests.items() <= _known(folder).items():
        return  # a finished folder may be read-only
    path = folder / MANIFEST
    try:
        with FileLock(folder / f".{MANIFEST}.lock"):
            checksums.write(path, {**_known(folder), **digests}, replace=True)
    except OSError as error:
        raise disk_error(path, error) from error


def _known(folder: Path) -> dict[str, str]:
    path = folder / MANIFEST
    return checksums.read(path) if path.exists() else {}
