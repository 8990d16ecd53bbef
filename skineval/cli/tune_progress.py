"""How a search goes, on standard error: rows on a terminal, a line an epoch and a line a trial elsewhere."""

from __future__ import annotations

from skineval.catalog.specs import EpochEnded
from skineval.cli.board import Board, Display, Row
from skineval.grid.events import StepDone
from skineval.tuning.trials import Trial, TrialBegan, TrialEnded, TrialsPlanned


class SearchDisplay(Display):
    """Shows a search on a board; the cells of a trial are counted as one training."""

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self._all = Row("trials", counted=True)
        self._trial = Row("")
        self._before: dict[str, int] = {}  # epochs of a trial before those of a cell, by its run id

    def __call__(self, event: object) -> None:
        """Show an event."""
        match event:
            case TrialsPlanned(wanted, ended):
                self._end_phase()
                if ended:
                    self._board.say(f"{ended} of {wanted} trials are over already")
                self._all = self._board.add(Row("trials", total=wanted, done=ended, counted=True))
            case TrialBegan(trial, cells):
                epochs = cells[0].training.epochs
                self._before = {cell.run_id: place * epochs for place, cell in enumerate(cells)}
                row = Row(f"trial {trial.number}", _setting(trial), total=epochs * len(cells), epoch=1)
                self._trial = self._board.add(row)
            case StepDone():
                self._train(event.run_id, event.done, event.loss, event.images_per_second)
            case EpochEnded():
                score = event.val_balanced_accuracy
                self._train(event.run_id, event.epoch, event.train_loss, event.images_per_second, score)
                if not self._board.shown:
                    self._board.say(f"{self._trial.name}: {self._trial.said()}")
            case TrialEnded(trial, best):
                self._end(trial, best)
            case _:
                super().__call__(event)

    def _train(self, run_id: str, done: float, loss: float, rate: float, score: float | None = None) -> None:
        self._trial.train(self._before[run_id] + done, loss, rate, score)
        share = self._trial.done / (self._trial.total or 1)
        self._all.pace.at(self._all.done + min(share, 0.999))
        self._all.left = self._all.pace.left(self._all.total or 0)

    def _end(self, trial: Trial, best: Trial) -> None:
        self._board.remove(self._trial)  # which is another one's where this was over before
        self._all.done += 1
        self._all.mark = f"best {best.score:.3f} (trial {best.number})"
        outcome = trial.reason or f"{trial.score:.3f}"
        colour = {"done": "green", "failed": "red"}.get(trial.state, "")
        self._board.say(f"{trial.state} trial {trial.number}: {outcome} ({_setting(trial)})", colour)


def _setting(trial: Trial) -> str:
    return ", ".join(f"{key} {value}" for key, value in trial.parameters.items())
