"""What checklists ask of a study of diagnostic accuracy, and where a report answers: in words, never as a score.

STARD-AI (Sounderajah et al., Nature Medicine, 2025), TRIPOD+AI (Collins et al., BMJ 385:e078378, 2024) and CLAIM
(Tejani et al., Radiology: Artificial Intelligence 6:e240300, 2024), in words of our own, and fewer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from math import isnan
from typing import Literal, TypeAlias

from skineval.base.terms import PRIMARY, SYNTHETIC, UNCHANGED
from skineval.data.layouts import ham10000
from skineval.measure.resolution import resolution
from skineval.report.bench.leaderboard import Leaderboard
from skineval.report.document import formatting
from skineval.report.document.blocks import Block, Paragraph, Section
from skineval.report.document.tables import Column, tabulate
from skineval.report.split_table import lesions_parted
from skineval.values.result import BenchResult

Answer: TypeAlias = Literal["reported", "partly", "not reported", "not applicable"]

_OPERATING = "Operating point"  #: the section of thresholds that were chosen on the validation part, and their use
_CONFIRMED, _DEMOGRAPHIC = "confirmed by", ("age", "sex")
_DEALT_OUT = "dealt out"
_MADE_UP = "images and labels are made up"
_OPENING = (
    "What three checklists ask of a study of diagnostic accuracy, and where this report answers. A program can see "
    "that something is there, not whether it is enough; answers are not counted, since no number of them makes up for "
    "one that is missing. What is not reported here is left to whoever writes the study up."
)
_SOURCES = (
    "STARD-AI: Sounderajah et al., Nature Medicine, 2025; TRIPOD+AI: Collins et al., BMJ 385:e078378, 2024; CLAIM: "
    "Tejani et al., Radiology: Artificial Intelligence 6:e240300, 2024. Numbers are those of their items, which ask "
    "for more than the few words here."
)
_COLUMNS = (
    Column("asked", "Asked for"),
    Column("answer", "Answer"),
    Column("where", "Where, and what is missing"),
    Column("sources", "Items"),
)


@dataclass(frozen=True)
class Item:
    """One thing that is asked for, and the answer."""

    asked: str
    sources: str  #: the checklists that ask, with the numbers of their items
    answer: Answer
    where: str  #: the section that answers, or what is missing


def checklist(bench: BenchResult, board: Leaderboard, sections: Iterable[Section]) -> Iterator[Block]:
    """The checklist of a report with these sections, a row an item; nothing where no system has finished."""
    if board.systems:
        found = items(bench, board, answering(sections))
        yield Paragraph(_OPENING)
        yield tabulate("Checklist", found, _COLUMNS, (_SOURCES,), stamps=board.stamps)


def answering(sections: Iterable[Section]) -> list[str]:
    """The titles of those that hold more than words: where a figure was left out, words say why."""
    return [one.title for one in sections if not all(isinstance(block, Paragraph) for block in one.blocks)]


def items(bench: BenchResult, board: Leaderboard, sections: Collection[str]) -> Iterator[Item]:
    """Every item with its answer; none is answered by a section whose title is not among `sections`."""
    seen = _Seen(bench, board, sections)
    for of_topic in (_data, _parts, _models, _figures, _beyond, _openness, _not_seen):
        for asked, sources, (answer, where) in of_topic(seen):
            yield Item(asked, sources, answer, where)


_Answered: TypeAlias = tuple[Answer, str]
_Rows: TypeAlias = Iterator[tuple[str, str, _Answered]]


@dataclass(frozen=True, eq=False)
class _Seen:
    """What answers are made from."""

    bench: BenchResult
    board: Leaderboard
    sections: Collection[str]

    @property
    def is_synthetic(self) -> bool:
        """Whether there are no patients behind the images."""
        return any(formatting.stamp_word(stamp) == SYNTHETIC for stamp in self.bench.warnings)

    def within(self, title: str, words: str, lacks: str = "", absent: str = "") -> _Answered:
        """The answer of a section: not reported, for what is `absent`, where that is not there; partly where it lacks.

        Without `absent`, what it would say is what is missing.
        """
        if title not in self.sections:
            return "not reported", f"Missing: {absent or words}."
        return ("partly", f"{title}: {words}. Missing: {lacks}.") if lacks else ("reported", f"{title}: {words}.")

    def of_patients(self, answered: _Answered) -> _Answered:
        """The answer, where there are patients to ask about."""
        return ("not applicable", f"{_MADE_UP.capitalize()}.") if self.is_synthetic else answered


def _data(seen: _Seen) -> _Rows:
    bench = seen.bench
    lacks = "" if seen.is_synthetic else "who collected the images, when and what for; cite the data set"
    where = seen.within("Environment", "name, layout and fingerprint of the data", lacks)
    yield "Where the images come from", "STARD-AI 11; TRIPOD+AI 5a; CLAIM 7", where
    lacks = "" if seen.is_synthetic else "by what rules patients came into the data set"
    where = seen.within("Methods", "what the task or the recipe leaves out", lacks)
    yield "Which images were taken, and which not", "STARD-AI 7; TRIPOD+AI 6b; CLAIM 8", where
    where = seen.of_patients(_reference_standard(seen))
    yield "How the reference standard was made", "STARD-AI 16a; TRIPOD+AI 8a; CLAIM 14", where
    lacks = "age, sex and site in each part"
    where = seen.of_patients(seen.within(_flow(bench), "the classes of each part", lacks))
    yield "Who the patients of each part are", "STARD-AI 25; TRIPOD+AI 20b; CLAIM 36", where
    words, lacks = "what is unknown is a subgroup of its own", "why it is unknown"
    where = seen.of_patients(seen.within("Subgroups", words, lacks, "how many values are unknown, and why"))
    yield "What was done where values are missing", "STARD-AI 20; TRIPOD+AI 11; CLAIM 12", where
    lacks = "Missing: whether classes are as frequent as where the test is meant to be used."
    yield "Whether the images stand for those of practice", "STARD-AI 28", seen.of_patients(("not reported", lacks))


def _reference_standard(seen: _Seen) -> _Answered:
    lacks = "who confirmed a diagnosis, and how"
    if any(one.attribute == _CONFIRMED for one in seen.bench.subgroups):
        return seen.within("Subgroups", "figures by how diagnoses were confirmed", lacks)
    if seen.bench.environment.data.layout.startswith(ham10000.NAME):
        return seen.within("Limitations", "how many diagnoses are by histopathology", lacks)
    return "not reported", f"Missing: {lacks}; the data does not say."


def _parts(seen: _Seen) -> _Rows:
    bench, board = seen.bench, seen.board
    where = seen.within(_flow(bench), "images of each class in each part, lesions where they are known")
    yield "How many images and lesions each part has", "STARD-AI 15b; TRIPOD+AI 21; CLAIM 35", where
    lacks = "" if bench.environment.split.source == _DEALT_OUT else "how a split was made that comes from elsewhere"
    where = seen.within("Methods", "protocol, seed and fingerprint of the split", lacks)
    yield "How images were dealt out to parts", "TRIPOD+AI 12a; CLAIM 19", where
    yield "What no two parts have in common", "CLAIM 20", _apart(seen)
    words, lacks = "the smallest difference that this test set can tell apart", "a size that was planned for"
    known = resolution(board.behind.values()) is not None
    where = seen.within("Comparison" if known else "", words, lacks, "what this test set can tell apart, and a plan")
    yield "Whether the sample is large enough", "STARD-AI 22; TRIPOD+AI 10; CLAIM 21", where


def _apart(seen: _Seen) -> _Answered:
    """What keeps parts disjoint."""
    bench, title = seen.bench, _flow(seen.bench)
    if bench.unit == "image":
        return seen.within(title, "images by themselves", "which of them show one lesion")
    shared = lesions_parted(bench.split)
    if shared:
        parted = formatting.plural(shared, formatting.units(bench.unit)[:-1])
        return seen.within(title, f"LEAKY, {parted} in several parts", "parts that share none")
    patients = {
        "patient": "",
        "group": "; of some images the patient is not known",
        "lesion": "; whether they share patients is not known",
    }
    return seen.within(title, f"whole {bench.unit}s, counted from split.csv{patients[bench.unit]}")


def _models(seen: _Seen) -> _Rows:
    bench = seen.bench
    where = seen.within("Methods", "architectures by name, with every setting; weights of each are kept")
    yield "What the model is", "STARD-AI 15a; TRIPOD+AI 22; CLAIM 22", where
    lacks = "" if seen.is_synthetic else "with what cameras pictures were taken, and how"
    where = seen.within("Methods", "size, fit and augmentation", lacks)
    yield "How images were prepared", "STARD-AI 14; TRIPOD+AI 7; CLAIM 9", where
    where = seen.within("Environment" if bench.environment.versions else "", "versions, platform and device")
    yield "What software was used", "STARD-AI 13; CLAIM 23", where
    where = seen.within("Methods" if bench.environment.initial_weights else "", "pretrained weights, or random values")
    yield "What training begins with", "CLAIM 24", where
    words, lacks = "every setting, and what the validation part chooses", "how settings of the recipe were found"
    yield "How it was trained, and what chose", "TRIPOD+AI 12c; CLAIM 25, 26", seen.within("Methods", words, lacks)
    yield "What was done about classes of unequal size", "TRIPOD+AI 13", _imbalance(seen)
    none: _Answered = "not applicable", "No networks were averaged."
    where = seen.within("Methods", "what each is the mean of") if seen.board.ensembles else none
    yield "How networks were combined", "CLAIM 27", where


def _imbalance(seen: _Seen) -> _Answered:
    if all(cell.imbalance == UNCHANGED for cell in seen.bench.finished):
        return "not applicable", "Nothing was done: every class counts as often as it occurs."
    if seen.bench.ladders:
        return seen.within("Imbalance", "each strategy against none, with what it does to probabilities")
    return seen.within("Methods", "which strategies", f"the same model with {UNCHANGED}")


def _figures(seen: _Seen) -> _Rows:
    board = seen.board
    where = seen.within("Methods", "balanced accuracy, declared beforehand; all others stand beside it")
    yield "Which measures are used, and which decides", "STARD-AI 18; TRIPOD+AI 12e; CLAIM 28", where
    bare = any(isnan(one.low) for one in board.figures(PRIMARY).values())
    lacks = "intervals, where a class has a single lesion" if bare else ""
    where = seen.within("Comparison", "every figure with its interval, n of images and lesions", lacks)
    yield "How precise every figure is", "STARD-AI 31; TRIPOD+AI 23a; CLAIM 37", where
    single: _Answered = "not applicable", "There is a single system."
    where = seen.within("Differences", "paired on the same images, corrected by Holm's method")
    yield "Whether differences may be chance", "CLAIM 29", where if len(board.systems) > 1 else single
    where = seen.within("Confusion", "images by reference standard and answer")
    yield "Answers against the reference standard", "STARD-AI 30", where
    where = seen.within("Calibration", "NLL, Brier score, ECE and reliability diagrams")
    yield "Whether probabilities mean what they say", "TRIPOD+AI 12e", where
    words = "a threshold that was chosen on the validation part"
    where = seen.within(_OPERATING, words, absent=f"{words}; images are called their likeliest class")
    yield "From which threshold an image counts as positive", "STARD-AI 15c; TRIPOD+AI 15", where
    yield "What decisions would gain", "TRIPOD+AI 12e", seen.within(_OPERATING, "net benefit over thresholds")
    yield "How far figures move when training is repeated", "STARD-AI 21; CLAIM 30", _repeated(seen)


def _repeated(seen: _Seen) -> _Answered:
    recipe, seed, split = seen.bench.recipe, "a second seed", "a second split"
    found = {seed: len(recipe.seeds) > 1, split: recipe.folds * recipe.repeats > 1}
    lacks = formatting.listed(what for what, several in found.items() if not several)
    words = "every figure is the mean over the cells of a system"
    return seen.within("Comparison" if any(found.values()) else "", words, lacks, lacks)


def _beyond(seen: _Seen) -> _Rows:
    bench = seen.bench
    title = "External tests"
    words = "every system on data that nothing was chosen on"
    where = seen.within(title, words, absent="an external test (--external)")
    yield "A test on images from elsewhere", "STARD-AI 15b; CLAIM 33", where
    words, lacks = "sizes, what was left out, notes on the data", "how patients, cameras and settings differ"
    without: _Answered = "not applicable", "There is no external test."
    where = seen.within(title, words, lacks) if bench.externals else without
    yield "How these differ from those of training", "STARD-AI 29; TRIPOD+AI 16", where
    where = _subgroups(seen)
    yield "Whether it is worse for some", "STARD-AI 23; TRIPOD+AI 23a", where
    one_source: _Answered = "not applicable", "All images are from one data set."
    where = seen.within("Data sets", "figures by data set") if "Data sets" in seen.sections else one_source
    yield "Whether it is worse on some sources", "TRIPOD+AI 23b", where
    words, lacks = "the most confident mistakes", "what they have in common"
    where = seen.within("Gallery", words, lacks, "a look at what goes wrong")
    yield "What goes wrong, and why", "STARD-AI 23; CLAIM 39", where
    lacks = "" if any(cell.map_scores for cell in bench.finished) else "how well maps hold, as skineval explain says"
    yield "What answers rest on", "CLAIM 31", seen.within("Explanations", "maps of where networks look", lacks)


def _subgroups(seen: _Seen) -> _Answered:
    speaking = dict.fromkeys(one.attribute for one in seen.bench.subgroups if not isnan(one.gap))
    lacking = [name for name in _DEMOGRAPHIC if name not in speaking]
    lacks = f"subgroups by {formatting.listed(lacking)} with lesions enough" if lacking else ""
    words = f"the best system by {formatting.listed(speaking)}" if speaking else "how many images each has"
    return seen.within("Subgroups", words, lacks, "figures by age, sex and site, of which nothing is known")


def _openness(seen: _Seen) -> _Rows:
    lacks = "those of the question that the study asks"
    where = seen.within("Limitations", "what can be said of data, parts and figures", lacks)
    yield "What the study cannot say", "STARD-AI 33; TRIPOD+AI 26; CLAIM 40", where
    lacks = "" if seen.is_synthetic or seen.bench.environment.data.licence else "the licence"
    where = seen.within("Environment", "name, fingerprint and licence of the data" if not lacks else "its name", lacks)
    yield "Whether the data can be had", "STARD-AI 40a; TRIPOD+AI 18e; CLAIM 43", where
    words = "command, versions and seeds; recipe.toml, split.csv and every prediction lie beside this report"
    where = seen.within("Environment", words)
    yield "Whether figures can be made again", "STARD-AI 40b; TRIPOD+AI 18f; CLAIM 43", where


def _not_seen(seen: _Seen) -> _Rows:
    """What no bench knows."""
    yield "What it is meant for, and for whom", "STARD-AI 3, 34; TRIPOD+AI 3b; CLAIM 3, 41", _left("the intended use")
    approval = seen.of_patients(_left("whether it was needed, and who gave it"))
    yield "Approval by an ethics committee", "STARD-AI 6; TRIPOD+AI 17", approval
    sources = "STARD-AI 36, 37; TRIPOD+AI 18c, 18d; CLAIM 34, 42"
    yield "Registration and protocol", sources, _left("where both can be read")
    yield "Who paid, and whose interests", "STARD-AI 38, 39; TRIPOD+AI 18a, 18b; CLAIM 44", _left("both")


def _left(what: str) -> _Answered:
    return "not reported", f"Missing: {what}."


def _flow(bench: BenchResult) -> str:
    return f"Images and {formatting.units(bench.unit)}"
