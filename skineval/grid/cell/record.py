"""cell.json: what a cell is, how it ended, and which of its files are as they were written."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from skineval.base.codec import read_json, to_plain, write_json
from skineval.base.errors import DataError
from skineval.base.terms import DONE, FAILED
from skineval.grid.folder import CellFolder
from skineval.values.measures import system_name
from skineval.values.runspec import RunSpec


@dataclass(frozen=True)
class GridCell:
    """One row of cells.csv."""

    run_id: str
    model: str
    imbalance: str
    fold: int
    seed: int
    status: str
    reason: str
    seconds: float
    images_per_second: float  #: NaN of a cell that did not finish
    device: str

    @property
    def system(self) -> str:
        """The system it belongs to."""
        return system_name(self.model, self.imbalance)

    @property
    def done(self) -> bool:
        """Whether it finished."""
        return self.status == DONE


CELL_COLUMNS = tuple(column.name for column in fields(GridCell))


@dataclass(frozen=True)
class CellRecord:
    """What cell.json holds beside the specification."""

    spec: RunSpec
    status: str
    reason: str = ""
    seconds: float = 0.0
    images_per_second: float | None = None
    device: str = ""
    train_counts: tuple[int, ...] = ()
    explainers: tuple[str, ...] = ()  #: whose panels are complete
    mapless: Mapping[str, str] = field(default_factory=dict)  #: explainer -> why it has nothing to say of its network
    externals: tuple[str, ...] = ()  #: keys of the external tests that are complete
    torch: str = ""  #: the version that trained and predicted it
    threads: int | None = None  #: that it was trained and predicted with; results on a CPU depend on it
    files: Mapping[str, str] = field(default_factory=dict)  #: path in the folder -> `seal` of what was written there
    adding: str = ""  #: what is being added to a cell that is done already, or was when that was interrupted
    failure: str = ""  #: what could not be added to it, and why

    @property
    def remarks(self) -> str:
        """The reason as people read it: also of what could not be added to a finished cell."""
        return " ".join(filter(None, (self.reason, self.lacking)))

    @property
    def lacking(self) -> str:
        """What a finished cell lacks that was to be added to it, and why."""
        interrupted = f"{self.adding}: interrupted" if self.adding else ""
        return "; ".join(filter(None, (self.failure, interrupted)))

    def without_addition(self, reason: str) -> CellRecord:
        """The record where what was being added did not come about."""
        failure = f"{self.adding}: {reason}" if self.adding else reason
        return replace(self, adding="", failure="; ".join(filter(None, (self.failure, failure))))

    def row(self) -> dict[str, object]:
        """The cell's row of cells.csv."""
        spec = self.spec
        names = (spec.run_id, str(spec.model), str(spec.imbalance), spec.fold, spec.seed, self.status, self.remarks)
        speed = math.nan if self.images_per_second is None else self.images_per_second
        return asdict(GridCell(*names, self.seconds, speed, self.device))


def failed(folder: CellFolder, spec: RunSpec, reason: str, seconds: float, device: str) -> CellRecord:
    """The record of a cell in which something failed: one that was done stays so, and lacks what was to be added."""
    present = standing(folder)
    if present is not None:
        return present.without_addition(reason)
    return CellRecord(spec, FAILED, reason, round(seconds, 3), device=device)


def write_cell(folder: CellFolder, record: CellRecord) -> None:
    """Write cell.json."""
    fields = to_plain(record)
    spec = fields.pop("spec")  # which is long: a person reads the rest first
    write_json(folder.cell, {"run_id": record.spec.run_id, **fields, "spec": spec})


def read_cell(folder: CellFolder) -> CellRecord | None:
    """What cell.json says; None where there is none that can be read, or one of another cell."""
    try:
        # Versions may tell more of a cell, as they tell its run id; what its specification knows is in that.
        record = read_json(CellRecord, folder.cell, extra="ignore")
    except DataError:
        return None
    return record if record.spec.run_id == folder.path.name else None


def forget_failure(folder: CellFolder) -> None:
    """Drop from a finished cell what could not be added to it: it is no longer asked for."""
    record = read_cell(folder)
    if record is not None and (record.adding or record.failure):
        write_cell(folder, replace(record, adding="", failure=""))


def seal(path: Path) -> str:
    """What tells whether a file is still as it was written: a hash, of weights the size; "" where it is missing."""
    try:
        return str(path.stat().st_size) if path.suffix == ".safetensors" else _digest(path)
    except OSError:
        return ""


def sealed(record: CellRecord, folder: CellFolder, *paths: Path) -> CellRecord:
    """The record with what was just written to `paths` of its folder."""
    return replace(record, files={**record.files, **{_within(folder, path): seal(path) for path in paths}})


def standing(folder: CellFolder) -> CellRecord | None:
    """What the files of a finished cell bear out of its record: explanations and external tests whose files are there.

    None where the cell is not done, or what it was trained and predicted for is missing or not as it was written.
    """
    record = read_cell(folder)
    if record is None or record.status != DONE:
        return None
    space = [folder.embedding_space] * (_within(folder, folder.embedding_space) in record.files)
    if not all(stands(record, folder, file) for file in (*folder.essential, *space)):
        return None
    return replace(
        record,
        explainers=tuple(name for name in record.explainers if any(folder.explanation(name).glob("*.svg"))),
        externals=tuple(
            key for key in record.externals if stands(record, folder, folder.external(key.partition(":")[0]))
        ),
    )


def is_complete(folder: CellFolder, explainers: Iterable[str], externals: Iterable[str] = ()) -> bool:
    """Whether the cell has nothing left to do, and its files are as written; `externals` are keys of external tests."""
    record = standing(folder)
    if record is None:
        return False
    return {*explainers} <= {*record.explainers, *record.mapless} and {*externals} <= {*record.externals}


def stands(record: CellRecord, folder: CellFolder, path: Path) -> bool:
    """Whether a file of a cell is as it was written."""
    return seal(path) == record.files.get(_within(folder, path))


def _within(folder: CellFolder, path: Path) -> str:
    return path.relative_to(folder.path).as_posix()


def _digest(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
