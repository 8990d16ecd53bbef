"""Row 4: Ctrl-C, once and twice, while a bench trains, predicts, does anything else, and while data is downloaded."""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.reliability import toy
from benchmarks.reliability.outcome import Outcome
from benchmarks.reliability.programs import Program, Surroundings, ready, run
from tests.conftest import install_plugin
from tests.data.fetch import fault_server as faults
from tests.data.fetch.fault_server import archive, dataverse

ROW = 4
MOMENTS, SEED = 20, 0
PROMPT, AT_ONCE = 3.0, 1.0  #: seconds that the first Ctrl-C may take, and the second
PATIENCE = 60.0  #: seconds until what is waited for has to be there

INTERRUPTED = "run the same command again"


@dataclass(frozen=True)
class Stop:
    """What became of an interrupted program."""

    code: int
    seconds: float  #: from the last Ctrl-C to the end
    said: str
    resumed: bool  #: the same command again ended as if there had been no Ctrl-C

    @property
    def clean(self) -> bool:
        """Whether it said what is to be said, and no more."""
        return self.code == 130 and INTERRUPTED in " ".join(self.said.split()) and "Traceback" not in self.said


def measure(most: int = MOMENTS, reports: bool = True) -> list[Outcome]:
    """In training, in prediction, twice, at so many random moments, and in a download."""
    ready()
    with tempfile.TemporaryDirectory() as folder:
        parent = Path(folder)
        site = parent / "site"
        install_plugin(site, "slow", toy.SLOW)
        return [
            in_training(parent / "training", site),
            in_prediction(parent / "prediction", site),
            twice(parent / "twice", site),
            anywhere(parent / "anywhere", most, reports),
            in_download(parent / "download"),
        ]


def in_training(parent: Path, site: Path) -> Outcome:
    """After the first epoch, of which each step takes a tenth of a second."""
    arguments = slow("training=0.1", "--epochs=3", "--batch-size=32")
    stop = interrupted(arguments, parent, site, lambda folder: _any(folder, "out/networks/*/last.safetensors"))
    return _outcome("Ctrl-C in training", stop, PROMPT)


def in_prediction(parent: Path, site: Path) -> Outcome:
    """While each image is predicted in eight positions, which take a fifth of a second each."""
    arguments = slow("predicting=0.2", "--epochs=1", "--tta=d4")
    stop = interrupted(arguments, parent, site, lambda folder: _any(folder, "out/networks/*/network.safetensors"))
    return _outcome("Ctrl-C in prediction", stop, PROMPT)


def twice(parent: Path, site: Path) -> Outcome:
    """While one step takes longer than anybody waits."""
    arguments = slow("training=60", "--epochs=1")
    surroundings = _surroundings(parent, site)
    program = Program(arguments, surroundings)
    wait_for(program, (surroundings.folder / toy.STEPPING).is_file)
    workers = program.workers()
    program.interrupt()
    waits = not program.ends_within(0.5)
    code, seconds = _ended(program)
    gone = not any(Path(f"/proc/{pid}").exists() for pid in workers)
    stop = Stop(code, seconds, surroundings.log.read_text(), gone and waits)
    passed = stop.clean and stop.resumed and seconds <= AT_ONCE
    figure = f"waits after the first: {_yes(waits)}; exit {code} {seconds:.2f} s after the second, no worker left"
    return Outcome(ROW, "Ctrl-C twice in a step of 60 s", figure if gone else f"{figure}: NO", passed)


def anywhere(parent: Path, most: int, reports: bool) -> Outcome:
    """At random moments of a whole bench."""
    whole = Surroundings(parent / "whole", reports=reports)
    started = time.perf_counter()
    code, said = run(toy.BENCH, whole)
    seconds = time.perf_counter() - started
    if code:
        raise RuntimeError(f"the bench does not work undisturbed: {said}")
    generator = random.Random(SEED)
    stops = [
        at(generator.uniform(0, seconds), Surroundings(parent / str(number), reports=reports), toy.hashes(whole.folder))
        for number in range(most)
    ]
    ended = sum(stop.code == 0 for stop in stops)  # before the signal, or too late to notice
    right = sum((stop.clean or stop.code == 0) and stop.resumed for stop in stops)
    latencies = [stop.seconds for stop in stops if stop.code]
    for stop in stops:
        if not (stop.clean or stop.code == 0) or not stop.resumed:
            print(f"Ctrl-C anywhere: exit {stop.code}, resumed: {stop.resumed}\n{stop.said}", file=sys.stderr)
    figure = (
        f"{right}/{most} exit 130 and end as ever when run again ({ended} had ended before); "
        f"{_span(latencies)} s until it ends"
    )
    passed = right == most and max(latencies, default=0.0) <= PROMPT
    return Outcome(ROW, f"Ctrl-C at {most} random moments of a bench", figure, passed)


def at(moment: float, surroundings: Surroundings, expected: Mapping[str, str]) -> Stop:
    """Ctrl-C after so many seconds."""
    surroundings.folder.mkdir(parents=True)
    program = Program(toy.BENCH, surroundings)
    program.ends_within(moment)
    code, seconds = _ended(program)
    said = surroundings.log.read_text()
    again, _ = run(toy.BENCH, surroundings)
    return Stop(code, seconds, said, again == 0 and toy.hashes(surroundings.folder) == expected)


def in_download(parent: Path) -> Outcome:
    """While a server that has sent a third of a file sends no more."""
    parts = {f"HAM10000_images_part_{number}.zip": archive(300_000, seed=number) for number in (1, 2)}
    rows = "".join(f"HAM_{row:07},ISIC_{row:07},nv,histo,50.0,male,back,rosendahl\n" for row in range(10_015))
    metadata = f"lesion_id,image_id,dx,dx_type,age,sex,localization,dataset\n{rows}".encode()
    name, content = next(iter(parts.items()))
    parent.mkdir()
    with faults.running() as server:
        dataverse(server, parts, {"HAM10000_metadata.tab": metadata})
        server.will("/storage/100", faults.fall_silent(100_000))
        arguments = ("data", "fetch", "ham10000", "--to", "HAM", "--base-url", server.address)
        surroundings = Surroundings(parent)
        program = Program(arguments, surroundings)
        part = parent / "HAM" / f"{name}.part"
        wait_for(program, lambda: part.is_file() and part.stat().st_size == 100_000)
        code, seconds = _ended(program)
        said = surroundings.log.read_text()
        again, _ = run(arguments, surroundings)
        whole = (parent / "HAM" / name).read_bytes() == content and server.sent["/storage/100"] == len(content)
    return _outcome("Ctrl-C in a download", Stop(code, seconds, said, again == 0 and whole), PROMPT)


def slow(parameters: str, *changes: str) -> tuple[str, ...]:
    """A bench of one cell whose network takes its time."""
    return toy.bench(f"--models=slow:{parameters}", "--imbalance=none", "--explainers=", *changes)


def interrupted(arguments: Sequence[str], parent: Path, site: Path, moment: Callable[[Path], bool]) -> Stop:
    """Ctrl-C once `moment` of the folder is true; then the same again, and beside it without Ctrl-C."""
    surroundings = _surroundings(parent / "cut", site)
    program = Program(arguments, surroundings)
    wait_for(program, lambda: moment(surroundings.folder))
    code, seconds = _ended(program)
    said = surroundings.log.read_text()
    unfinished = not _any(surroundings.folder, "out/cells/*/predictions.csv")
    again, _ = run(arguments, surroundings)
    whole = _surroundings(parent / "whole", site)
    run(arguments, whole)
    same = toy.hashes(surroundings.folder) == toy.hashes(whole.folder)
    return Stop(code, seconds, said, unfinished and again == 0 and same)


def _surroundings(folder: Path, site: Path) -> Surroundings:
    folder.mkdir(parents=True)
    return Surroundings(folder, site=site, reports=False)


def _ended(program: Program) -> tuple[int, float]:
    """Ctrl-C now; the exit code, and seconds until it came."""
    started = time.perf_counter()
    program.interrupt()
    return program.wait(), time.perf_counter() - started


def wait_for(program: Program, true: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not true():
        if not program.running or time.monotonic() > ends:
            raise RuntimeError(f"nothing to interrupt: {program.surroundings.log.read_text()}")
        time.sleep(0.005)


def _any(folder: Path, pattern: str) -> bool:
    return any(True for _ in folder.glob(pattern))


def _outcome(fault: str, stop: Stop, limit: float) -> Outcome:
    figure = f"exit {stop.code} after {stop.seconds:.2f} s; run again, it ends as ever: {_yes(stop.resumed)}"
    if not stop.clean:
        print(f"{fault}: {stop.said}", file=sys.stderr)
    return Outcome(ROW, fault, figure, stop.clean and stop.resumed and stop.seconds <= limit)


def _span(seconds: Sequence[float]) -> str:
    return f"median {statistics.median(seconds):.2f}, at most {max(seconds):.2f}" if seconds else "no"


def _yes(true: bool) -> str:
    return "yes" if true else "NO"
