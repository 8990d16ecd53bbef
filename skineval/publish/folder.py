"""A folder of a published model, written whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from skineval.base.files import TEMPORARY, atomic_rename, atomic_write, disk_error, refuse_full
from skineval.base.places import File, Folder


class ModelFolder(Folder):
    """What is published."""

    card = File("README.md")  #: what it is, in Hugging Face's format
    licence = File("LICENSE")
    graph = File("model.onnx")  #: photographs in, probabilities out
    weights = File("model.safetensors")  #: as they were trained
    about = File("model.json")  #: as it was trained
    preprocessing = File("preprocessor_config.json")  #: how images are prepared, for programs that do it themselves
    program = File("predict.py")  #: what uses the graph


def write_folder(folder: Path, files: Mapping[str, bytes], *, replace: bool) -> None:
    """Write `files`, by name, into `folder`: all of them into a folder beside it first, which then takes its place.

    Where `folder` holds something and that may be replaced, files of these names are, one after the other, and others
    stay. Raises UsageError as `refuse_full`, and DiskError.
    """
    refuse_full(folder, replace=replace)
    made = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=TEMPORARY, dir=folder.parent))
        for name, content in files.items():
            atomic_write(made / name, content)
        if folder.is_dir() and any(folder.iterdir()):
            for name in files:
                atomic_rename(made / name, folder / name)
        else:
            new = made / "whole"  # which has the permissions of any folder, as a temporary one has not
            new.mkdir()
            for name in files:
                (made / name).rename(new / name)
            if folder.is_dir():
                folder.rmdir()
            atomic_rename(new, folder)
    except OSError as error:
        raise disk_error(folder, error) from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
