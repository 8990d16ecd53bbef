"""How work is shown: rows that fit, bars that move and keep their width, a line an epoch where nobody sees rows."""

from __future__ import annotations

import math
from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from skineval.catalog.specs import EpochEnded
from skineval.cli import forecast as forecasts
from skineval.cli.bench_progress import BenchDisplay
from skineval.cli.board import Board, Row
from skineval.cli.forecast import Forecast, Pace
from skineval.cli.tune_progress import SearchDisplay
from skineval.grid.events import (
    CellBegan,
    CellFinished,
    CellsPlanned,
    ImagesDecoded,
    PhaseBegan,
    Report,
    StepDone,
)
from skineval.grid.plan import HEAD_SHARE
from skineval.tuning.trials import Trial, TrialBegan, TrialEnded, TrialsPlanned
from skineval.values.runspec import RunSpec, Selection, Training

TRAINING = Training(epochs=6, batch_size=8, learning_rate=0.1)
CELL = RunSpec(Selection("resnet34"), Selection("class-weights"), 0, 0, "dx7", (), "", "", 64, TRAINING, "none", "fp32")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """What the time is, for everything that is forecast."""
    found = Clock()
    monkeypatch.setattr(forecasts, "now", found)
    return found


def drawn(board: Board, width: int) -> list[str]:
    """The rows as they are seen on a terminal of this width."""
    console = Console(width=width, color_system=None, force_terminal=True, legacy_windows=False)
    board._console = console
    with console.capture() as captured:
        console.print(board._drawn())
    return captured.get().rstrip("\n").splitlines()


def row(**changes) -> Row:
    figures = {"epoch": 3, "loss": 1.2345, "score": 0.5678, "rate": 1234.5}
    return Row(**{"name": "resnet34/none", "total": 30, "done": 2.5, "left": 62.0} | figures | changes)


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (60, ["3/30", "1.234", "0.568", "1,234", "1:02"]),
        (100, ["3/30", "1.234", "0.568", "1,234", "1 min 02 s"]),
        (160, ["3/30", "1.234", "0.568", "1,234", "1 min 02 s"]),
    ],
)
def test_a_row_tells_epoch_loss_score_rate_and_time_left_at_every_width(width, expected):
    board = Board(quiet=False)
    board.add(Row("cells", counted=True, total=4, done=1.0, left=3600.0))
    board.add(row(mark="fold 0 seed 1", short="f0 s1"))
    heading, cells, line = drawn(board, width)
    assert line.startswith("resnet34/none f")
    assert line.split()[-len(" ".join(expected).split()) :] == " ".join(expected).split()
    assert heading.split()[0] == "epoch"
    assert cells.startswith("cells 1/4 ")
    assert cells.rstrip().endswith("1 h 00 min" if width > 60 else "1:00:00")


@given(
    width=st.integers(40, 200),
    name=st.text(st.characters(blacklist_categories=["C", "Z"]), min_size=1, max_size=80),
    mark=st.sampled_from(["", "f1", "f1 s2"]),
    done=st.floats(0, 30),
    phase=st.sampled_from(["", "predicting", "explaining with gradcam:layer=a-long-one"]),
    left=st.floats(0, 1e6) | st.just(math.nan),
)
def test_a_row_is_one_line_that_fits_whatever_it_holds(width, name, mark, done, phase, left):
    board = Board(quiet=False)
    board.add(
        row(name=name, mark=f"fold and seed {mark}" if mark else "", short=mark, done=done, phase=phase, left=left)
    )
    lines = drawn(board, width)
    assert len(lines) == 2
    assert all(cell_len(line) <= width for line in lines)
    assert mark in lines[1]


def bar(line: str) -> tuple[int, int]:
    """Halves that are filled, and the place where it begins."""
    filled = line.replace("╸", "━")
    return 2 * line.count("━") + line.count("╸"), filled.find("━")


@pytest.mark.parametrize("width", [60, 100, 160])
def test_the_bar_moves_within_an_epoch_and_stays_where_it_is(width):
    board = Board(quiet=False)
    one = board.add(row(total=4))
    seen = []
    for done in (2.1, 2.5, 2.9):
        one.train(done, 1.0, 99.0)
        console = drawn(board, width)
        seen.append(bar(console[1]))
        one.loss, one.score, one.rate = 12.5, 0.9, 12345.0
    assert seen[0][0] < seen[1][0] < seen[2][0]
    assert len({place for _, place in seen}) == 1
    full = bar(drawn(board, width)[1])
    one.train(4.0, 1.0, 99.0, 0.5)
    assert bar(drawn(board, width)[1])[0] == {60: 12, 100: 32, 160: 48}[width] > full[0]


def test_what_is_not_known_leaves_what_was():
    one = Row("resnet34/none", total=30, epoch=1)
    one.train(0.5, 2.0, 50.0)
    one.train(1.0, 1.5, 60.0, 0.3)
    assert one.figures == ("1/30", "1.500", "0.300", "60")
    one.train(1.0, math.nan, math.nan)  # the first step of the next
    assert one.figures == ("2/30", "1.500", "0.300", "60")
    one.train(30.0, 1.0, 60.0, 0.4)
    assert one.epoch == 30
    assert one.left == 0


@given(
    seconds=st.floats(0.1, 1e4),
    first=st.floats(1, 50),
    began=st.integers(0, 3),
    steps=st.integers(1, 9),
    whole=st.integers(1, 4),
)
def test_the_time_left_goes_by_whole_epochs_without_the_first(seconds, first, began, steps, whole):
    """Epochs of equal length after a first one that is slower, as it is where a process warms up."""
    clock, pace = Clock(), Pace()
    with patch.object(forecasts, "now", clock):
        assert math.isnan(pace.left(10))
        pace.at(began)
        assert math.isnan(pace.left(10))
        for epoch in range(1 + whole):
            length = seconds * (first if not epoch else 1)
            for step in range(1, steps + 1):
                clock.now += length / steps
                pace.at(began + epoch + step / steps)
                if not epoch:
                    assert pace.left(10) == pytest.approx((10 - began - step / steps) * length)
        assert pace.left(10) == pytest.approx((10 - began - 1 - whole) * seconds)


def test_a_training_that_goes_back_is_timed_anew(clock):
    pace = Pace()
    for done in (0.0, 0.5, 0.0, 0.25):
        clock.now += 10
        pace.at(done)
    assert pace.left(1) == pytest.approx(30)


def grid(*names: str, sharing: bool = False) -> list[RunSpec]:
    cells = [replace(CELL, model=Selection(name), imbalance=Selection("none")) for name in names]
    shared = [replace(cell, imbalance=Selection("smote"), on_embeddings=True) for cell in cells] if sharing else []
    return [*cells, *shared]


def test_all_cells_take_as_long_as_those_of_their_model_and_jobs_share_them(clock):
    cells = [replace(cell, seed=seed) for seed in (0, 1) for cell in grid("small", "large")]
    forecast = Forecast(cells)
    small, large, *_ = cells
    forecast.started(small)
    assert math.isnan(forecast.left({}))
    clock.now += 10
    assert forecast.left({small.run_id: 10.0}) == 10 + 3 * 20  # of the others nothing else is known
    clock.now += 10
    assert forecast.ended(small) == 20
    forecast.started(large)
    clock.now += 50
    assert forecast.left({large.run_id: 50.0}) == 50 + 20 + 100
    assert forecast.left({large.run_id: math.nan}) == 0 + 20 + 20
    forecast.started(cells[2])
    assert forecast.left({large.run_id: 50.0, cells[2].run_id: 20.0}) == (50 + 20 + 100) / 2


def test_a_strategy_that_finds_its_network_is_not_expected_to_train_it(clock):
    cells = grid("small", "large", sharing=True)
    forecast = Forecast(cells)
    for cell, seconds in zip(cells, (20.0, 40.0, 1.0, 0.0), strict=True):
        forecast.started(cell)
        clock.now += seconds
        if cell == cells[0]:
            assert forecast.left({cell.run_id: 0.0}) == pytest.approx(20 + 2 * HEAD_SHARE * 20)
        if cell == cells[2]:
            forecast.ended(cell)
            assert forecast.left({}) == pytest.approx(HEAD_SHARE * 40)
        forecast.ended(cell)


def tell(report: Report, clock: Clock) -> None:
    """A cell of six epochs of ten seconds, after a slow first one."""
    name = CELL.run_id
    report(CellsPlanned((CELL, replace(CELL, seed=1)), 0))
    report(CellBegan(name))
    report(PhaseBegan("training", name))
    for epoch in range(1, 7):
        report(StepDone(name, epoch - 1.0))
        clock.now += 10 if epoch > 1 else 60
        report(EpochEnded(name, epoch, 6, 2 / epoch, 1.0, epoch / 10, 100.0))
    report(CellFinished(name, "done", ""))


def test_a_log_has_a_line_an_epoch_that_says_what_it_is_of(capsys, monkeypatch, clock):
    with Board(quiet=False) as board:
        tell(BenchDisplay(board), clock)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 7
    assert lines[1] == (
        "resnet34/class-weights fold 0 seed 0: epoch 2/6, loss 1.000, validation balanced accuracy 0.200, "
        "100 images/s, 40 s left (all cells: 2 min 30 s)"
    )
    assert lines[6] == "done resnet34/class-weights fold 0 seed 0 in 1 min 50 s"


def test_a_row_says_what_its_cell_does_until_it_trains(clock):
    board, name = Board(quiet=False), CELL.run_id
    report = BenchDisplay(board)
    report(ImagesDecoded(5, 9))
    assert drawn(board, 100)[-1].startswith("preparing images 5/9")
    ends = {
        "starting": (CellsPlanned((CELL,), 0), CellBegan(name)),
        "1/6––––": (PhaseBegan("training", name),),
        "predicting": (PhaseBegan("predicting", name),),
    }
    for end, events in ends.items():
        for event in events:
            report(event)
        cells, line = drawn(board, 100)[-2:]
        assert cells.startswith("cells 0/1 ")
        assert "".join(line.split()).endswith(end)
    report(CellFinished(name, "done", ""))
    assert drawn(board, 100)[-1].startswith("cells 1/1 ")


def test_the_cells_of_a_trial_are_counted_as_one_training(capsys, clock):
    cells, trial = (CELL, replace(CELL, fold=1)), Trial(3, {"epochs": 6})
    with Board(quiet=False) as board:
        report = SearchDisplay(board)
        report(TrialsPlanned(5, 3))
        report(TrialBegan(trial, cells))
        for cell in cells:
            for epoch in range(1, 7):
                clock.now += 10
                report(EpochEnded(cell.run_id, epoch, 6, 1.0, 1.0, 0.5, 100.0))
        report(TrialEnded(replace(trial, state="done", value=0.5), Trial(1, {}, "done", 0.7)))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "3 of 5 trials are over already"
    assert lines[7] == ("trial 3: epoch 7/12, loss 1.000, validation balanced accuracy 0.500, 100 images/s, 50 s left")
    assert lines[13:] == ["done trial 3: 0.500 (epochs 6)"]


def test_nothing_is_said_to_whoever_wants_quiet(capsys, clock):
    with Board(quiet=True) as board:
        tell(BenchDisplay(board), clock)
    assert capsys.readouterr().err == ""
