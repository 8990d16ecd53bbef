"""What a writer that was killed leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from skineval.files import atomic_produce, atomic_write, remove_abandoned

WRITER = """
import sys, time
from pathlib import Path
from skineval.files import atomic_produce

def write(temporary):
    temporary.write_text("half of it")
    print("writing", flush=True)
    time.sleep(60)

atomic_produce(Path(sys.argv[1]), write)
"""


@pytest.fixture
def writer(tmp_path):
    """A process that is in the middle of writing a file."""
    target = tmp_path / "deep" / "file.txt"
    running = subprocess.Popen([sys.executable, "-c", WRITER, str(target)], stdout=subprocess.PIPE)
    running.stdout.readline()
    yield running
    running.kill()
    running.communicate()


def parts(folder):
    return [path.name for path in folder.rglob(".*.part")]


def test_what_a_killed_writer_left_is_removed(writer, tmp_path):
    assert len(parts(tmp_path)) == 1
    remove_abandoned(tmp_path)
    assert len(parts(tmp_path)) == 1  # it is still being written
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    remove_abandoned(tmp_path)
    assert not parts(tmp_path)


def test_a_file_that_a_writer_has_just_made_and_does_not_hold_yet_stays(tmp_path):
    young, old = tmp_path / ".young.part", tmp_path / ".old.part"
    for path in (young, old):
        path.touch()
    os.utime(old, (time.time() - 3600,) * 2)
    remove_abandoned(tmp_path)
    assert parts(tmp_path) == [young.name]


def test_nothing_else_is_removed(tmp_path):
    for name in ("file.part", ".file.part.txt", "part", ".hidden"):
        (tmp_path / name).write_text("mine")
    remove_abandoned(tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "file.txt"
    atomic_write(target, "old")

    def write(temporary):
        temporary.write_text("new")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        atomic_produce(target, write)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]
