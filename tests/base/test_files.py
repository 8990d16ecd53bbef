"""What a writer that was killed leaves behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from tempfile import mkstemp
from unittest.mock import patch

import pytest

from skineval.base.errors import UsageError
from skineval.base.files import atomic_link, atomic_write, remove_abandoned, write_new

WRITER = """
import sys, time
from pathlib import Path
from skineval.base.files import atomic_write

def write(temporary, data):
    temporary.write_text(data[:int(sys.argv[2])].decode())
    print("writing", flush=True)
    time.sleep(60)

Path.write_bytes = write
atomic_write(Path(sys.argv[1]), "all of it")
"""


@pytest.fixture(params=[0, 4])
def writer(request, tmp_path):
    """A process that has written so many bytes of a file."""
    target = tmp_path / "deep" / "file.txt"
    running = subprocess.Popen([sys.executable, "-c", WRITER, str(target), str(request.param)], stdout=subprocess.PIPE)
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


def test_a_file_that_is_removed_before_its_writer_holds_it_is_made_again(tmp_path):
    made = []

    def make(**where):
        made.append(mkstemp(**where))
        if len(made) < 3:
            remove_abandoned(tmp_path)
        return made[-1]

    with patch("skineval.base.files.tempfile.mkstemp", make):
        atomic_write(tmp_path / "file.txt", "all of it")
    assert len({name for _, name in made}) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]
    assert (tmp_path / "file.txt").read_text() == "all of it"


def test_nothing_else_is_removed(tmp_path):
    for name in ("file.part", ".file.part.txt", "part", ".hidden"):
        (tmp_path / name).write_text("mine")
    remove_abandoned(tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "file.txt"
    atomic_write(target, "old")

    with patch.object(Path, "write_bytes", side_effect=ZeroDivisionError), pytest.raises(ZeroDivisionError):
        atomic_write(target, "new")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_another_content_is_replaced_only_where_that_is_meant(tmp_path):
    target = tmp_path / "file.txt"
    write_new(target, "mine", replace=False)
    write_new(target, b"mine", replace=False)
    with pytest.raises(UsageError, match=r"file\.txt is there already"):
        write_new(target, "yours", replace=False)
    assert target.read_text() == "mine"
    write_new(target, "yours", replace=True)
    assert target.read_text() == "yours"


def test_a_link_takes_the_place_of_a_file_and_of_itself(tmp_path):
    source, target = tmp_path / "a" / "source", tmp_path / "b" / "target"
    atomic_write(source, "shared")
    atomic_write(target, "old")
    for _ in range(2):  # the second time, both are names of one file already
        assert atomic_link(source, target)
        assert target.samefile(source)
        assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_what_cannot_be_linked_stays_as_it_is(tmp_path):
    target = tmp_path / "target"
    atomic_write(target, "old")
    assert not atomic_link(tmp_path / "nothing", target)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
