"""Row 17: which runs of one recipe give the same network, predictions and figures, bit for bit, and which do not."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.reliability import toy
from benchmarks.reliability.outcome import Outcome
from benchmarks.reliability.programs import Surroundings, ready, run
from tests.conftest import install_plugin

ROW = 17
EPOCHS = 4
SHOWN = 8  #: digits of a hash
#: The network, its predictions, and what is measured on them.
FILES = ("out/cells/*/model.safetensors", "out/cells/*/predictions.csv")
STOPPING = "stopping"

#: A plugin that ends the process once the checkpoint of the epoch in a file of that name is written.
STOP = f"""
import os
from pathlib import Path

import skineval

@skineval.hookimpl
def skineval_on_epoch_end(event):
    stop = Path("{STOPPING}")
    if stop.is_file() and event.epoch == int(stop.read_text()):
        stop.unlink()
        os._exit(9)
"""


@dataclass(frozen=True)
class Variant:
    """Another way to run the bench."""

    name: str
    changes: tuple[str, ...] = ()
    cores: tuple[int, ...] = (0,)
    stop_at: int = 0  #: epoch after which its process dies, and the command is given again
    promised: bool = True  #: that it is the same


def variants(available: Sequence[int]) -> list[Variant]:
    """The first one is what the others are compared with."""
    one, both = tuple(available[:1]), tuple(available[:2])
    others = ("--models=cnn:width=4,cnn:width=5", "--models=cnn:width=5,cnn:width=4")
    found = [
        Variant("once", cores=one),
        Variant("again", cores=one),
        *(Variant(f"resumed after epoch {epoch}", cores=one, stop_at=epoch) for epoch in range(1, EPOCHS + 1)),
        Variant("with another model behind it", (others[0],), one),
        Variant("with another model before it", (others[1],), one),
        Variant("with other strategies before it", ("--imbalance=smote,class-weights,none",), one),
        Variant("with another seed before it", ("--seeds=1,0",), one),
    ]
    if len(both) > 1:
        found.append(Variant("two jobs, one thread each", (others[1], "--jobs=2"), both))
        found.append(Variant("two threads", cores=both, promised=False))
    return found


def measure(most: int = 100) -> list[Outcome]:
    """The first so many variants, each with its hashes."""
    ready()
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder, "site")
        install_plugin(site, "stop", STOP)
        made = [(one, *made_by(one, Path(folder, str(n)), site)) for n, one in enumerate(variants(available())[:most])]
    (_, reference, _), *rest = made
    return [
        Outcome(ROW, "once", f"{shown(reference)}; 1 thread", len(reference) == len(FILES)),
        *(outcome(variant, found, threads, reference) for variant, found, threads in rest),
    ]


def outcome(variant: Variant, found: Mapping[str, str], threads: int, reference: Mapping[str, str]) -> Outcome:
    """Whether this variant gave what the first one gave."""
    same = found == reference
    if variant.promised:
        return Outcome(ROW, variant.name, f"{shown(found)}: {'same' if same else 'DIFFERENT'}", same)
    figure = f"{shown(found)}: {'same, which is not promised' if same else 'different, as documented'}"
    return Outcome(ROW, variant.name, f"{figure}; environment.json says {threads} threads", threads == 2)


def made_by(variant: Variant, folder: Path, site: Path) -> tuple[dict[str, str], int]:
    """Hashes of the cell that all variants have, by kind of file; and the number of threads that is recorded."""
    arguments = toy.bench("--imbalance=none", "--explainers=", f"--epochs={EPOCHS}", *variant.changes)
    surroundings = Surroundings(folder, variant.cores, site=site, reports=False)
    if variant.stop_at:
        folder.mkdir()
        (folder / STOPPING).write_text(str(variant.stop_at))
        code, said = run(arguments, surroundings)
        if code != 1 or (folder / STOPPING).exists():
            raise RuntimeError(f"the process was to die after epoch {variant.stop_at}: exit {code}\n{said}")
    code, said = run(arguments, surroundings)
    if code:
        print(f"{variant.name}: exit {code}\n{said}", file=sys.stderr)
    hashes = {
        pattern.rpartition("/")[2]: digest
        for pattern in FILES
        for digest in toy.hashes(folder, (pattern.replace("*", "cnn-width-4-none-f0-s0-*"),)).values()
    }
    return hashes, int(json.loads((folder / "out/environment.json").read_text())["threads"])


def shown(hashes: Mapping[str, str]) -> str:
    """As in a table."""
    return ", ".join(f"{name} {digest[:SHOWN]}" for name, digest in hashes.items())


def available() -> list[int]:
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0))
