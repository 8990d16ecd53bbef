"""The comparison of training loops: every side takes part, ratios are of turns of one round, nobody goes unnamed."""

from __future__ import annotations

import csv
import re
import statistics
import time

import pytest
import torch

from benchmarks.speed import __main__ as program
from benchmarks.speed import chart, peers, rounds, tables
from benchmarks.speed.case import Case, parse_case
from benchmarks.speed.peers import Skipped
from benchmarks.speed.rounds import Measured, Result, measure, ratios, rotated
from benchmarks.speed.side import Side, Turn, timed
from skineval.base.errors import UsageError

TINY = (
    "--data=synthetic:images=100",
    "--images=40",  # of which 32 make whole batches
    "--batch-size=16",
    "--workers=0",
    "--rounds=2",
    "--device=cpu",
    "--precision=fp32",
)
OWN = ["bare step", "tutorial loop", "tutorial loop, tuned", "skineval"]


def measured(name: str, seconds: list[float], wanted: float | None = None, memory: int | None = None) -> Measured:
    side = Side(name, "float32, contiguous", "none", lambda: Turn(1, 1.0), wanted)
    return Measured(side, tuple(Turn(100, one) for one in seconds), memory)


def result(*sides: Measured, skipped: tuple[Skipped, ...] = ()) -> Result:
    return Result(Case("cnn", 32, "basic"), 100, 10, 2, "asked for", "8 x 8 pixels", sides, skipped)


def test_a_run_has_every_side_in_every_round(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(peers, "PEERS", {"nobody_has_this": "benchmarks.speed.nowhere"})
    cases = ("--case=cnn:width=4@16:basic", "--case=cnn:width=4@16:none")
    threads = torch.get_num_threads()
    monkeypatch.setattr(program, "cores", lambda: 1)  # other tests may be running
    assert program.main([*TINY, *cases, "--peers=nobody_has_this", f"--out={tmp_path}"]) == 0
    torch.set_num_threads(threads)
    printed = capsys.readouterr().out

    with (tmp_path / "speed.csv").open() as file:
        rows = list(csv.DictReader(file))
    expected = {(case.partition("=")[2], side, str(number)) for case in cases for side in OWN for number in (1, 2)}
    assert {(row["case"], row["side"], row["round"]) for row in rows} == expected
    assert len(rows) == len(expected)  # the round that warms up is not among them
    assert all(row["images"] == "32" and float(row["seconds"]) > 0 for row in rows)

    assert printed.strip() == (tmp_path / "speed.md").read_text().strip()
    for section in printed.split("\n## ")[1:]:
        names = [line.split(" | ")[0].removeprefix("| ") for line in section.splitlines() if line.startswith("| ")]
        assert names[2:] == [*OWN, "nobody_has_this"]
        assert re.search(r"^Not in these figures: skineval decoded 32 images in [\d.]+ s, once", section, re.MULTILINE)
        assert "| tutorial loop | float32" in section
        assert "at least 1.25: " in section  # float32 has targets of its own
        assert "| nobody_has_this | skipped | the package nobody_has_this is not installed |" in section
    assert (tmp_path / "speed.svg").read_bytes().startswith(b"<?xml")


def test_ratios_are_of_turns_of_the_same_round():
    ours, other = measured("skineval", [1.0, 2.0, 4.0]), measured("other", [2.0, 2.0, 12.0])
    assert ratios(ours, other) == [2.0, 1.0, 3.0]
    # The ratio of the medians would be 1: it compares different rounds.
    assert statistics.median(ours.rates) / statistics.median(other.rates) == 1.0
    assert "| 2.00 (1.00 to 3.00) |" in tables.markdown([result(other, ours)], "machine", 3)


@pytest.mark.parametrize(("wanted", "said"), [(1.9, "at least 1.90: met"), (2.1, "at least 2.10: NOT MET"), (None, "")])
def test_the_table_says_whether_a_ratio_is_what_it_should_be(wanted, said):
    assert tables.verdict(measured("skineval", [1.0]), measured("other", [2.0], wanted)) == said


def test_on_a_gpu_memory_and_the_time_of_a_cell_are_told():
    text = tables.markdown([result(measured("skineval", [1.0], memory=2_500_000_000))], "machine", 1)
    assert "peak GPU memory, GB" in text
    assert "| 2.50 | 50.1 |" in text  # 30 x 10,015 images at 100 a second
    assert "GPU" not in tables.markdown([result(measured("skineval", [1.0]))], "machine", 1)


def test_gpu_memory_is_that_of_the_side_alone(monkeypatch):
    """Two sides hold 100 and 30 bytes; in a turn they take 50 and 20 more, of which the second keeps 5, once."""
    now, peak = 0, 0

    def allocated(device):
        nonlocal peak
        peak = now
        return now

    def take(count):
        nonlocal now, peak
        now += count
        peak = max(peak, now)

    def make(name, held, extra, kept):
        def turn():
            take(extra)
            take(kept.pop() - extra if kept else -extra)
            return Turn(1, 1.0)

        def build():
            take(held)
            return Side(name, "", "", turn)

        return build

    monkeypatch.setattr(rounds, "_allocated", allocated)
    monkeypatch.setattr(rounds, "_peak", lambda device: peak)
    makers = [make("large", 100, 50, []), make("small", 30, 20, [5])]
    done, _ = measure(makers, 2, torch.device("cuda"), lambda number, side: None)
    assert {one.side.name: one.memory for one in done} == {"large": 150, "small": 55}


def test_rounds_warm_up_once_and_change_their_order():
    order = []

    def make(name):
        def turn():
            order.append(name)
            return Turn(1, 1.0)

        return lambda: Side(name, "", "", turn)

    done, skipped = measure([make(name) for name in "abc"], 3, torch.device("cpu"), lambda number, side: None)
    assert not skipped
    orders = ["".join(order[start : start + 3]) for start in range(0, len(order), 3)]
    assert len(orders) == 4
    assert all(sorted(one) == ["a", "b", "c"] for one in orders)
    assert [one[0] for one in orders] == ["a", "b", "c", "a"]
    assert [len(one.turns) for one in done] == [3, 3, 3]


def failing(fails_in: int, peer: bool):
    turns = iter(range(10))

    def turn():
        if next(turns) == fails_in:
            raise ValueError("Caught in a worker:\n  File x\nValueError: a | b")
        return Turn(1, 1.0)

    return lambda: Side("peer", "", "", turn, peer=peer)


def test_a_peer_that_fails_is_named_and_the_others_go_on():
    makers = [failing(2, peer=True), lambda: Side("skineval", "", "", lambda: Turn(1, 1.0))]
    done, skipped = measure(makers, 3, torch.device("cpu"), lambda number, side: None)
    assert [(one.side.name, len(one.turns)) for one in done] == [("skineval", 3)]
    assert skipped == (Skipped("peer", "failed in round 2: ValueError: a | b"),)
    assert r"ValueError: a \| b |" in tables.markdown([result(*done, skipped=skipped)], "machine", 3)


def test_a_side_of_our_own_that_fails_ends_the_measurement():
    with pytest.raises(ValueError, match="Caught in a worker"):
        measure([failing(0, peer=False)], 1, torch.device("cpu"), lambda number, side: None)


def test_nobody_comes_after_the_same_one_in_all_rounds():
    sides = [measured(name, [1.0]).side for name in "abcde"]
    orders = ["".join(side.name for side in rotated(sides, by)) for by in range(10)]
    assert all(sorted(order) == list("abcde") for order in orders)
    after_a = [order[order.index("a") + 1] for order in orders if order[-1] != "a"]
    assert set(after_a) == {"b", "e"}


def test_what_a_side_changes_for_the_process_does_not_last():
    before = torch.backends.cudnn.benchmark, torch.get_num_threads()

    def turn():
        torch.backends.cudnn.benchmark = not before[0]
        torch.set_num_threads(before[1] + 1)
        return Turn(1, 1.0)

    measure([lambda: Side("rude", "", "", turn)], 1, torch.device("cpu"), lambda number, side: None)
    assert (torch.backends.cudnn.benchmark, torch.get_num_threads()) == before


def test_the_clock_starts_with_the_first_batch(monkeypatch):
    clock = [0.0]

    def takes(seconds):
        clock[0] += seconds

    def slow_to_start():
        takes(500)
        for _ in range(3):
            yield torch.zeros(4, 1), torch.zeros(4)

    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    assert timed(lambda images, targets: takes(2), slow_to_start(), torch.device("cpu")) == Turn(12, 6.0)


def test_a_picture_of_the_ratios_is_the_same_twice():
    results = [result(measured("bare step", [1.0, 2.0]), measured("skineval", [1.0, 1.0]))]
    assert chart.draw(results) == chart.draw(results)


def test_cases_are_values():
    assert parse_case("resnet50:head=conv@64:basic") == Case("resnet50:head=conv", 64, "basic")
    assert parse_case("cnn+densenet121@128:flip,rotate") == Case("cnn+densenet121", 128, "flip,rotate")
    assert str(parse_case("cnn@32:flip,rotate,zoom,shift,colour")) == "cnn@32:basic"


@pytest.mark.parametrize("text", ["resnet18", "resnet18@64", "@64:basic", "resnet18@big:basic", "resnet18@64:glitter"])
def test_a_case_that_is_none_is_refused_with_its_form(text):
    with pytest.raises(UsageError) as caught:
        parse_case(text)
    assert text in caught.value.message
    assert "resnet18@64:basic" in caught.value.hint


def test_peers_that_nobody_knows_are_refused_and_those_left_out_are_named():
    with pytest.raises(UsageError, match="keras"):
        peers.parse_peers("timm,keras")
    assert peers.parse_peers("none") == ()
    assert {one.name: one.reason for one in peers.absent(())} == dict.fromkeys(peers.PEERS, "not asked for")


def test_bad_input_ends_with_a_message_and_its_exit_code(tmp_path, capsys):
    assert program.main([*TINY, "--case=cnn*@16:basic", "--peers=none", "--batch-size=64", f"--out={tmp_path}"]) == 2
    assert "make no batch of 64" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
