"""All sides in turns: what is compared was measured within seconds of one another."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from benchmarks.speed.case import Case
from benchmarks.speed.peers import Skipped
from benchmarks.speed.side import Side, Turn, switches_kept

HAM10000, EPOCHS = 10_015, 30  #: images and epochs of a cell that practitioners train


@dataclass(frozen=True)
class Measured:
    """A side and its turns, one a round."""

    side: Side
    turns: tuple[Turn, ...]
    memory: int | None = None  #: bytes of GPU memory at the most, all rounds; None on other devices

    @property
    def rates(self) -> list[float]:
        """Images per second, by round."""
        return [turn.rate for turn in self.turns]

    @property
    def cell_seconds(self) -> float:
        """How long `EPOCHS` epochs of `HAM10000` images would take at the median rate."""
        return HAM10000 * EPOCHS / statistics.median(self.rates)


@dataclass(frozen=True)
class Result:
    """One case, measured."""

    case: Case
    images: int  #: in a turn
    batch_size: int
    workers: int  #: of each loader
    reason: str  #: of the precision
    files: str  #: how large they are, in words
    sides: tuple[Measured, ...]  #: the last is skineval
    skipped: tuple[Skipped, ...]


def measure(
    makers: Sequence[Callable[[], Side]], rounds: int, device: torch.device, on_turn: Callable[[int, str], None]
) -> tuple[tuple[Measured, ...], tuple[Skipped, ...]]:
    """Make all sides, and run each once a round, after a round that warms up and does not count.

    The order changes from round to round. `on_turn(round, name)` is called before each turn. A peer that raises an
    exception takes no further part: it is among the skipped, with the reason.
    """
    sides, held = [], {}
    for make in makers:
        before = _allocated(device)
        sides.append(make())
        held[sides[-1].name] = _allocated(device) - before
    turns: dict[str, list[Turn]] = {side.name: [] for side in sides}
    peaks: dict[str, list[int]] = {side.name: [] for side in sides}
    fallen: dict[str, Skipped] = {}
    for number in range(rounds + 1):
        for side in rotated([side for side in sides if side.name not in fallen], number):
            on_turn(number, side.name)
            before = _allocated(device)
            try:
                with switches_kept():
                    turn = side.turn()
            except Exception as error:
                if not side.peer:
                    raise
                fallen[side.name] = Skipped(side.name, f"failed in round {number}: {_last_line(error)}")
                continue
            # What the side had before, and what came on top of all in its turn: the rest is held by others.
            peak = held[side.name] + _peak(device) - before
            held[side.name] += _allocated(device) - before
            if number:
                turns[side.name].append(turn)
                peaks[side.name].append(peak)
    has_memory = device.type == "cuda"
    measured = tuple(
        Measured(side, tuple(turns[side.name]), max(peaks[side.name]) if has_memory else None)
        for side in sides
        if side.name not in fallen
    )
    return measured, tuple(fallen.values())


def rotated(sides: Sequence[Side], by: int) -> list[Side]:
    """The sides in the order of round `by`: each is first in its turn, and every second round goes backwards.

    So nobody comes after the same other one, which may leave caches cold or the machine warm, in all rounds.
    """
    direction = -1 if by % 2 else 1
    return [sides[(by + direction * place) % len(sides)] for place in range(len(sides))]


def ratios(one: Measured, other: Measured) -> list[float]:
    """The rate of one over that of the other, by round."""
    return [a / b for a, b in zip(one.rates, other.rates, strict=True)]


def _allocated(device: torch.device) -> int:
    """Bytes on a GPU now, from where the next peak is counted; 0 on other devices."""
    if device.type != "cuda":
        return 0
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)


def _peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


def _last_line(error: Exception) -> str:
    # What a worker of a DataLoader raises holds its whole traceback, which ends in the type and the message.
    name, lines = type(error).__name__, str(error).strip().splitlines()
    line = lines[-1] if lines else ""
    return line if line.startswith(name) else f"{name}: {line}"
