"""environment.json as a value: what one needs to know to repeat a bench or a search, or to doubt it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from skineval.base.terms import Unit, unit_of
from skineval.values.task import Task


@dataclass(frozen=True)
class DeviceFacts:
    """Where networks were trained."""

    name: str
    description: str
    reason: str  #: why it was chosen


@dataclass(frozen=True)
class DataFacts:
    """What was benched."""

    name: str
    layout: str  #: how the folder or file was laid out, in words
    licence: str  #: "" where nothing is known of it
    fingerprint: str
    images: int
    lesions: int | None  #: None where they are not known
    lesions_known: bool  #: whether the data says which images show one lesion
    notes: tuple[str, ...]  #: what a reader of any result must know
    patients: int | None = None  #: None where they are not known
    by_patient: bool = False  #: whether images are grouped by patient

    @property
    def unit(self) -> Unit:
        """What images are grouped by."""
        return unit_of(lesions_known=self.lesions_known, by_patient=self.by_patient, patients=self.patients)


@dataclass(frozen=True)
class SplitFacts:
    """How it was parted."""

    fingerprint: str
    protocol: str
    source: str  #: a file, "official", "shared", or "dealt out"


@dataclass(frozen=True)
class Environment:
    """All that environment.json says, in its order; what is of a network goes by the name of its model."""

    command: tuple[str, ...]
    versions: Mapping[str, str]  #: of python and of packages
    platform: str
    machine: str
    executable: str
    device: DeviceFacts
    threads: int
    precision: Mapping[str, str]  #: and why
    initial_weights: Mapping[str, str]  #: as `RunSpec.weights`
    remarks: tuple[str, ...]  #: sentences on what began with random values all the same, and on embeddings of files
    learning_rate: Mapping[str, float]
    data: DataFacts
    split: SplitFacts
    external: tuple[str, ...]  #: names of the external tests
    classes: tuple[str, ...]
    stamps: tuple[str, ...]  #: SYNTHETIC, LEAKY, NOT COMPARABLE
    plugins: Mapping[str, str]  #: name -> package
    set_aside: tuple[str, ...]  #: plugins that were not loaded, and why
    task: Task | None = None  #: what was told apart; None of benches that are older than this
