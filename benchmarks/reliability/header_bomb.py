"""Row 6: small files whose header asks for 60,000 x 60,000 pixels, in a process that may have 1 GB of addresses."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from benchmarks.reliability.outcome import Outcome
from benchmarks.reliability.samples import encoded, photograph

SIDE = 60_000
LIMIT = 1_000_000_000
ROW = 6
MAX_MS, MAX_GROWTH_MB = 100, 20

_PROGRAM = """
import json, re, resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
from pathlib import Path
from skineval.data.quality.image_files import examine
from skineval.data.pixels.decoding import decode
from skineval.data.files.stored_files import StoredFile
from skineval.base.errors import DataError
# Not getrusage: its peak is that of the process which started this one, if that was larger.
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1000
path = Path(sys.argv[1])
before, started = peak(), time.perf_counter()
found = examine(StoredFile(path, "", path.stat().st_size, None))
try:
    decode(path, 64)
    refused = False
except DataError:
    refused = True
ms = 1000 * (time.perf_counter() - started)
code = found.problem and found.problem.code
print(json.dumps(dict(code=code, refused=refused, ms=ms, rss=peak(), grown=peak() - before)))
"""


def measure() -> list[Outcome]:
    """A JPEG and a PNG file that lie about their size."""
    return [_outcome("JPEG", bomb("JPEG")), _outcome("PNG", bomb("PNG"))]


def bomb(kind: str) -> bytes:
    """A file of that format with the size in its header rewritten."""
    content = bytearray(encoded(photograph().resize((450, 450)), kind))
    if kind == "JPEG":
        frame = content.index(b"\xff\xc0")
        content[frame + 5 : frame + 9] = struct.pack(">HH", SIDE, SIDE)
    else:
        content[16:24] = struct.pack(">II", SIDE, SIDE)
        content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    return bytes(content)


def _outcome(kind: str, content: bytes) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bomb")
        path.write_bytes(content)
        # Each thread of the linear algebra library would reserve addresses of its own.
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM.format(limit=LIMIT), str(path)],
            capture_output=True,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
    fault = f"{kind} of {len(content) / 1000:.0f} kB whose header says {SIDE:,} x {SIDE:,}, under 1 GB of addresses"
    if done.returncode:
        return Outcome(ROW, fault, f"ended with {done.returncode}: {done.stderr.strip()[-200:]}", False)
    seen = json.loads(done.stdout)
    return Outcome(
        ROW,
        fault,
        f"refused before decoding in {seen['ms']:.1f} ms; peak {seen['rss']:.0f} MB, it took {seen['grown']:.0f} MB",
        seen["code"] == "too-many-pixels" and seen["refused"] and seen["ms"] < MAX_MS and seen["grown"] < MAX_GROWTH_MB,
    )
