"""The folder of a bench: where each file lies, and reading and writing them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from skineval.errors import LISTED, DataError, ModelFileError
from skineval.files import atomic_write
from skineval.runspec import RunSpec

DONE, FAILED, NOT_RUN = "done", "failed", "not run"

CELL_COLUMNS = (
    "run_id",
    "model",
    "imbalance",
    "fold",
    "seed",
    "status",
    "reason",
    "seconds",
    "images_per_second",
    "device",
)


@dataclass(frozen=True)
class CellFolder:
    """`cells/<run_id>/` of a bench."""

    path: Path

    @property
    def cell(self) -> Path:
        """Written after everything that it tells of; the cell is trained and predicted when it says "done"."""
        return self.path / "cell.json"

    @property
    def predictions(self) -> Path:
        """The border between training and everything after it."""
        return self.path / "predictions.csv"

    @property
    def history(self) -> Path:
        """One row an epoch."""
        return self.path / "history.csv"

    @property
    def weights(self) -> Path:
        """The trained network."""
        return self.path / "model.safetensors"

    @property
    def model(self) -> Path:
        """What the weights are of, and how images are prepared for them."""
        return self.path / "model.json"

    @property
    def essential(self) -> tuple[Path, ...]:
        """What training and predicting leave: all of it is there, or all is written again."""
        return self.weights, self.model, self.history, self.predictions

    def external(self, name: str) -> Path:
        """The predictions of one external test."""
        return self.path / "external" / f"{name}.csv"

    def explanation(self, explainer: str) -> Path:
        """The panels of one explainer."""
        return self.path / "explanations" / explainer.replace(":", "-")


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

    def ending(self) -> dict[str, str | float]:
        """What is told when the cell has ended, by its columns of cells.csv, and what could not be added to it."""
        return {"status": self.status, "reason": self.remarks, "seconds": self.seconds, "lacking": self.lacking}

    def row(self) -> dict[str, object]:
        """The cell's row of cells.csv."""
        spec = self.spec
        values = (spec.run_id, str(spec.model), str(spec.imbalance), spec.fold, spec.seed, self.status, self.remarks)
        return dict(zip(CELL_COLUMNS, (*values, self.seconds, self.images_per_second, self.device), strict=True))


@dataclass(frozen=True)
class ExternalFolder:
    """`external/<name>/` of a bench: one external test of all cells."""

    path: Path

    @property
    def about(self) -> Path:
        """What the data set is, and what was left out of it."""
        return self.path / "about.json"

    @property
    def images(self) -> Path:
        """Every image, with the reason why it is left out."""
        return self.path / "images.csv"

    @property
    def results(self) -> Path:
        """As results.csv of the bench."""
        return self.path / "results.csv"

    @property
    def comparisons(self) -> Path:
        """As comparisons.csv of the bench."""
        return self.path / "comparisons.csv"


@dataclass(frozen=True)
class BenchFolder:
    """The folder of one bench."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe; benching it repeats the bench."""
        return self.path / "recipe.toml"

    @property
    def environment(self) -> Path:
        """Versions, device, fingerprints, command."""
        return self.path / "environment.json"

    @property
    def split(self) -> Path:
        """Which image is in which part of which fold."""
        return self.path / "split.csv"

    @property
    def cells(self) -> Path:
        """One row a cell."""
        return self.path / "cells.csv"

    @property
    def results(self) -> Path:
        """One row a figure."""
        return self.path / "results.csv"

    @property
    def comparisons(self) -> Path:
        """One row a paired difference."""
        return self.path / "comparisons.csv"

    @property
    def receipt(self) -> Path:
        """What results and reports were made from; they are made again when it no longer agrees."""
        return self.path / ".measured"

    def cell(self, run_id: str) -> CellFolder:
        """The folder of one cell."""
        return CellFolder(self.path / "cells" / run_id)

    def external(self, name: str) -> ExternalFolder:
        """The folder of one external test."""
        return ExternalFolder(self.path / "external" / name)

    def network(self, network_id: str) -> Path:
        """Where a network is trained that several cells share."""
        return self.path / "networks" / network_id


def refuse_bench(path: Path) -> None:
    """Raises ModelFileError where `path` is a bench, or a place in one, instead of a trained cell of it."""
    for bench in map(BenchFolder, (path, *path.parents[:2])):
        cells = sorted(file.parent.name for file in bench.path.glob("cells/*/model.json"))
        if bench.recipe.is_file() and not {path.name, path.parent.name} & set(cells):
            names = ", ".join(cells[:LISTED]) + (f" and {len(cells) - LISTED} more" if len(cells) > LISTED else "")
            raise ModelFileError(
                f"{path} is no trained model. The cells of the bench {bench.path} are: {names or 'none yet'}.",
                f"Name one: {bench.cell(cells[0]).path}." if cells else "Run the bench again to go on with it.",
            )


def csv_text(frame: pd.DataFrame) -> str:
    """A CSV file: \\n, floats in the shortest form that reads back to the same value."""
    return str(frame.to_csv(index=False, lineterminator="\n"))


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a CSV file in UTF-8."""
    atomic_write(path, csv_text(frame))


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file that a person can read."""
    atomic_write(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; raises DataError naming a file that is missing or damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}.", "Run the bench again to restore it.") from error
    if not isinstance(value, dict):
        raise DataError(f"{path} does not hold a JSON object.", "Run the bench again to restore it.")
    return value


def read_frame(path: Path, text: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV file: the columns `text` as they are written, the others as numbers, NaN where empty.

    Raises DataError naming a file that is missing, damaged, or holds words where numbers are expected.
    """
    try:
        # Everything as text first: a lesion may be called "NA".
        frame = pd.read_csv(path, dtype="str", keep_default_na=False)
        numbers = [column for column in frame.columns if column not in text]
        return frame.assign(**{column: _numeric(frame[column]) for column in numbers})
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}.", "Run the bench again to restore it.") from error


def _numeric(column: pd.Series[str]) -> pd.Series[float]:
    return pd.to_numeric(column.where(column != "", None))


def failed(folder: CellFolder, spec: RunSpec, reason: str, seconds: float, device: str) -> CellRecord:
    """The record of a cell in which something failed: one that was done stays so, and lacks what was to be added."""
    present = standing(folder)
    if present is not None:
        return present.without_addition(reason)
    return CellRecord(spec, FAILED, reason, round(seconds, 3), device=device)


def write_cell(folder: CellFolder, record: CellRecord) -> None:
    """Write cell.json."""
    fields = {
        "run_id": record.spec.run_id,
        "status": record.status,
        "reason": record.reason,
        "seconds": record.seconds,
        "images_per_second": record.images_per_second,
        "device": record.device,
        "train_counts": list(record.train_counts),
        "explainers": list(record.explainers),
        "externals": list(record.externals),
        "torch": record.torch,
        "threads": record.threads,
        "files": dict(record.files),
        "adding": record.adding,
        "failure": record.failure,
        "spec": record.spec.to_dict(),
    }
    write_json(folder.cell, fields)


def read_cell(folder: CellFolder) -> CellRecord | None:
    """What cell.json says; None where there is none that can be read."""
    try:
        fields = read_json(folder.cell)
        return CellRecord(
            RunSpec.from_dict(fields["spec"]),
            fields["status"],
            fields["reason"],
            fields["seconds"],
            fields["images_per_second"],
            fields["device"],
            tuple(fields["train_counts"]),
            tuple(fields["explainers"]),
            tuple(fields["externals"]),
            fields.get("torch", ""),  # cells of before there was such a thing know neither this nor the following
            fields.get("threads"),
            fields.get("files", {}),
            fields.get("adding", ""),
            fields.get("failure", ""),
        )
    except (DataError, KeyError, TypeError):
        return None


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
    if record is None or record.status != DONE or not all(_stands(record, folder, file) for file in folder.essential):
        return None
    return replace(
        record,
        explainers=tuple(name for name in record.explainers if any(folder.explanation(name).glob("*.svg"))),
        externals=tuple(
            key for key in record.externals if _stands(record, folder, folder.external(key.partition(":")[0]))
        ),
    )


def is_complete(folder: CellFolder, explainers: Iterable[str], externals: Iterable[str] = ()) -> bool:
    """Whether the cell has nothing left to do, and its files are as written; `externals` are keys of external tests."""
    record = standing(folder)
    return record is not None and set(explainers) <= set(record.explainers) and set(externals) <= set(record.externals)


def _stands(record: CellRecord, folder: CellFolder, path: Path) -> bool:
    found, written = seal(path), record.files.get(_within(folder, path))
    return found != "" if written is None else found == written  # older records hold no seals


def _within(folder: CellFolder, path: Path) -> str:
    return path.relative_to(folder.path).as_posix()


def _digest(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
