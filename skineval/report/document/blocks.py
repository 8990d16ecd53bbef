"""What reports are made of, as frozen values: Markdown and HTML render the same document, so nothing is said twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from skineval.report.document.tables import Table

Topic: TypeAlias = Literal[
    "overview",
    "trade",
    "embedding-space",
    "recall",
    "roc",
    "told-apart",
    "confusion",
    "reliability",
    "decisions",
    "risk-coverage",
    "training",
    "samples",
    "mistakes",
    "explanation",
    "duplicates",
    "inflation",
]


NARROW_PAGE = "(max-width: 40rem)"  #: where figures are shown as they were drawn for narrow pages


@dataclass(frozen=True)
class Paragraph:
    """Plain words; whatever they hold is shown literally. `weighty` ones should not be missed."""

    words: str
    weighty: bool = False


@dataclass(frozen=True)
class Bullets:
    """A list of plain words."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Names with their values."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Figure:
    """A picture in the bench folder and what to say of it."""

    file: str  #: relative to the bench folder
    title: str
    caption: str
    alt: str
    topic: Topic
    system: str = ""  #: empty where there is one figure for all systems
    narrow: str = ""  #: the file to show on narrow pages; empty where one serves all


@dataclass(frozen=True)
class LeftOut:
    """A figure that could not be drawn, and why."""

    topic: Topic
    title: str
    reason: str

    @property
    def words(self) -> str:
        """What the report says in its place."""
        return f"{self.title}: left out. {self.reason}"


@dataclass(frozen=True)
class Links:
    """Files of the bench folder that are pointed at, not shown."""

    words: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Fold:
    """Blocks that a reader opens when wanted."""

    title: str
    blocks: tuple[Block, ...]
    opened: bool = False


@dataclass(frozen=True)
class Code:
    """What a reader copies as it stands: ours, with nothing untrusted in it."""

    text: str
    language: str


Block: TypeAlias = "Paragraph | Bullets | Facts | Figure | Links | Table | Fold | Code"


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: tuple[Block, ...]

    @property
    def anchor(self) -> str:
        """What links to it name."""
        return self.title.lower().replace(" ", "-")


@dataclass(frozen=True)
class Report:
    """The whole document."""

    title: str
    stamps: tuple[str, ...]
    sections: tuple[Section, ...]
