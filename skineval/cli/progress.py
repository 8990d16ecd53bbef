"""How a run goes, on standard error: what a bench and a search show alike."""

from __future__ import annotations

from skineval.cli.board import Board, Row
from skineval.grid.events import ImagesDecoded, Noted, PhaseBegan, Warned


class Display:
    """Shows the events of a run on a board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._phase: Row | None = None  # what is done before and after all training

    def __call__(self, event: object) -> None:
        """Show an event; what is not known is not shown."""
        match event:
            case ImagesDecoded(done, total):
                if self._phase is None:
                    self._phase = self._board.add(Row("preparing images", counted=True))
                self._phase.count(done, total)
            case PhaseBegan(phase, run_id=""):
                self._end_phase()
                self._phase = self._board.add(Row(phase))
            case Noted(text):
                self._board.say(text)
            case Warned(text):
                self._board.warn(text)

    def _end_phase(self) -> None:
        if self._phase is not None:
            self._board.remove(self._phase)
            self._phase = None
