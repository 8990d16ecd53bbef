"""What is scored so far, on disk: whole, damaged, old, and not wanted."""

from __future__ import annotations

import os
import time
from contextlib import suppress

import numpy as np
import pytest

from skineval.explain import ledger
from skineval.explain.ledger import Ledger

SCORES = {"auc": np.array([0.25, np.nan]), "road": np.array([1.0, -1.0])}


def filled(folder):
    with Ledger(folder).entry("gradcam (untrained)") as entry:
        entry.add(SCORES, {"": 1.5, "outlines": 2.0})
    return next(folder.iterdir())


def tally(folder, **keys):
    with Ledger(folder, **keys).entry("gradcam (untrained)") as entry:
        return entry.tally


def test_what_was_scored_is_there_again_and_grows(tmp_path):
    filled(tmp_path / "one")
    with Ledger(tmp_path / "one").entry("gradcam (untrained)") as entry:
        assert entry.tally.images == 2
        entry.add(SCORES, {"": 1.0, "outlines": 0.5})
    found = tally(tmp_path / "one")
    assert found.images == 4
    assert found.seconds == {"": 2.5, "outlines": 2.5}
    for column, values in SCORES.items():
        np.testing.assert_array_equal(found.scores[column], [*values, *values])
    with Ledger(tmp_path / "one").entry("gradcam") as other:
        assert other.tally.images == 0


def test_it_is_written_now_and_then_and_whatever_ends_it(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "EVERY", -1.0)
    with Ledger(tmp_path / "often").entry("gradcam (untrained)") as entry:
        entry.add(SCORES, {})
        assert tally(tmp_path / "often").images == 2
    monkeypatch.setattr(ledger, "EVERY", 1000.0)
    with suppress(KeyboardInterrupt), Ledger(tmp_path / "late").entry("gradcam (untrained)") as entry:
        entry.add(SCORES, {})
        assert not (tmp_path / "late").exists()
        raise KeyboardInterrupt
    assert tally(tmp_path / "late").images == 2


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    "damaged",
    [
        lambda content: b"",
        lambda content: b"no archive",
        lambda content: content[:-40],
        lambda content: flipped(content, content.index(SCORES["road"].tobytes())),
        lambda content: flipped(content, content.index(b"PK\x01\x02") + 10),  # how the first array is compressed
    ],
    ids=["empty", "other", "cut", "flipped", "compressed"],
)
def test_what_is_damaged_is_scored_again(tmp_path, damaged):
    file = filled(tmp_path / "one")
    file.write_bytes(damaged(file.read_bytes()))
    assert tally(tmp_path / "one").images == 0


def test_what_is_old_is_removed_and_what_is_not_wanted(tmp_path):
    for name in ("old", "mine", "other"):
        filled(tmp_path / name)
    ago = time.time() - ledger.OLD - 60
    os.utime(tmp_path / "old", (ago, ago))
    assert tally(tmp_path / "mine").images == 2
    assert {one.name for one in tmp_path.iterdir()} == {"mine", "other"}
    assert tally(tmp_path / "mine", fresh=True).images == 0
    assert tally(tmp_path / "other").images == 2


def test_once_all_is_done_nothing_is_left(tmp_path):
    filled(tmp_path / "one")
    Ledger(tmp_path / "one").close()
    assert not (tmp_path / "one").exists()
    with Ledger().entry("gradcam") as entry:
        entry.add(SCORES, {})
    Ledger().close()
    assert list(tmp_path.iterdir()) == []
