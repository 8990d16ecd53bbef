"""What a measurement needs to know of the machine and of its own process."""

from __future__ import annotations

import os
import platform
import re
import resource
import sys
import threading
from pathlib import Path
from types import TracebackType

from skineval.data.pixels.threads import cores

_STATUS = Path("/proc/self/status")
_CPUS = Path("/proc/cpuinfo")


def peak_memory() -> dict[str, float]:
    """Peak resident memory of this process in MB; where the system tells, also what of it is resident now, by kind.

    `anonymous` is the process's own, `file` are pages of files that it has mapped, libraries among them.
    """
    if not _STATUS.exists():
        unit = 1 if sys.platform == "darwin" else 1024
        return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6}
    # Not ru_maxrss: Linux lets it begin with what the parent had when it forked.
    return _memory(_STATUS.read_text())


class Watch:
    """The peak memory of this process and of those it starts, by command; use as a context manager, on Linux."""

    def __init__(self, every: float = 0.1) -> None:
        self.peaks: dict[str, dict[str, float]] = {}  #: "parent" or the module of a child -> as `peak_memory`
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            for process in _family(os.getpid()):
                try:
                    memory = _memory((process / "status").read_text())
                    name = "parent" if process.name == str(os.getpid()) else _module(process)
                except (OSError, KeyError):
                    continue  # it has ended
                known = self.peaks.setdefault(name, memory)
                self.peaks[name] = {key: max(value, known[key]) for key, value in memory.items()}


def _family(pid: int) -> list[Path]:
    """The folders in /proc of a process and of all that descend from it."""
    try:
        text = " ".join(task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/children"))
    except OSError:
        return []
    return [Path(f"/proc/{pid}"), *(path for child in text.split() for path in _family(int(child)))]


def _module(process: Path) -> str:
    words = (process / "cmdline").read_text().split("\0")
    return words[words.index("-m") + 1] if "-m" in words else words[0]


def _memory(status: str) -> dict[str, float]:
    found = dict(re.findall(r"(\w+):\s+(\d+) kB", status))
    names = {"peak": "VmHWM", "anonymous": "RssAnon", "file": "RssFile"}
    return {name: int(found[key]) * 1024 / 1e6 for name, key in names.items()}


def description() -> str:
    """The processor and the number of cores, in words."""
    model = re.search(r"model name\s*:\s*(.+)", _CPUS.read_text()) if _CPUS.exists() else None
    name = model[1] if model else platform.processor() or platform.machine()
    return f"{name}, {cores()} cores, Python {platform.python_version()}"
